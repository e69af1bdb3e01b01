"""Local code: files that no installed distribution holds, with all they import."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.capture.archives import Archives
from jupyter_containeriter.capture.code import Needs
from jupyter_containeriter.capture.imports import imported_by, imported_modules
from jupyter_containeriter.capture.inventory import current_inventory
from jupyter_containeriter.errors import CaptureError

Local = Callable[[dict[str, str]], Path]


def _needs(*modules: str) -> Needs:
    needs = Needs(current_inventory(), Archives(Path("/nonexistent")))
    needs.add(modules, "the test needs {}".format)
    return needs


def test_a_module_beside_the_notebook_is_local(local: Local) -> None:
    """A single file is captured under its own name."""
    directory = local({"features.py": "x = 1"})
    assert _needs("features").code == {"features.py": directory / "features.py"}


def test_imports_of_local_modules_are_followed(local: Local) -> None:
    """What a local module imports, anywhere in it, comes along: local files as well as distributions."""
    local(
        {
            "features.py": "import helpers\ndef f():\n    from deeper import x\n    import numpy.linalg\n",
            "helpers.py": "import json\nimport features\n",
            "deeper.py": "try:\n    import joblib\nexcept ImportError:\n    pass\n",
            "unused.py": "",
        }
    )
    needs = _needs("features")
    assert set(needs.code) == {"features.py", "helpers.py", "deeper.py"}
    assert needs.distributions.keys() == {"numpy", "joblib"}


def test_a_package_comes_whole(local: Local) -> None:
    """A package is captured with its modules and data, without byte code, notebooks and hidden files."""
    local(
        {
            "shop/__init__.py": "from . import models\n",
            "shop/models.py": "from .parts.wheel import w\n",
            "shop/parts/__init__.py": "",
            "shop/parts/wheel.py": "from ..data import x\nimport other\n",
            "shop/data/table.csv": "1,2",
            "shop/__pycache__/models.pyc": "",
            "shop/notes.ipynb": "{}",
            "shop/.git/config": "",
            "shop/.env": "SECRET=1",
            "other.py": "",
        }
    )
    assert set(_needs("shop.models").code) == {
        "shop/__init__.py",
        "shop/models.py",
        "shop/parts/__init__.py",
        "shop/parts/wheel.py",
        "shop/data/table.csv",
        "other.py",
    }


def test_a_namespace_package_is_local(local: Local) -> None:
    """A package without ``__init__.py`` is captured once one of its modules is used."""
    local({"space/inner/model.py": "import helper\n", "helper.py": ""})
    importlib.import_module("space.inner.model")
    assert set(_needs("space.inner.model").code) == {"space/inner/model.py", "helper.py"}


def test_looking_does_not_import(local: Local) -> None:
    """Looking for a module does not run it."""
    local({"loud.py": "raise RuntimeError('imported')", "pack/__init__.py": "raise RuntimeError", "pack/sub.py": ""})
    assert set(_needs("loud", "pack.sub").code) == {"loud.py", "pack/__init__.py", "pack/sub.py"}
    assert not {"loud", "pack"} & set(sys.modules)


def test_code_on_an_added_path_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory put on ``sys.path`` (as editable installations do) holds local code."""
    source = tmp_path / "project" / "src"
    (source / "mylib").mkdir(parents=True)
    (source / "mylib" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(source)
    assert _needs("mylib").code == {"mylib/__init__.py": source / "mylib" / "__init__.py"}


def test_an_editable_installation_is_local_code() -> None:
    """A package that is installed as a link to its sources (this one) is captured as files."""
    import jupyter_containeriter

    needs = _needs("jupyter_containeriter.errors")
    if "site-packages" in jupyter_containeriter.__file__:
        assert needs.distributions.keys() == {"jupyter-containeriter"}
    else:
        assert "jupyter_containeriter/errors.py" in needs.code


@pytest.mark.parametrize("module", ["json", "os.path", "__main__", "no_such_module", "no.such.module", "", "xml.dom"])
def test_standard_and_unknown_modules_need_nothing(module: str) -> None:
    """The standard library is in the base; what is not there cannot be captured."""
    needs = _needs(module)
    assert (needs.code, needs.distributions) == ({}, {})


def test_installed_modules_belong_to_their_distribution() -> None:
    """A module's distribution is found by its file, whatever its name is."""
    assert _needs("sklearn.linear_model").distributions.keys() == {"scikit-learn"}
    assert _needs("dateutil").distributions.keys() == {"python-dateutil"}


@pytest.mark.parametrize("content", [b"def (", b"\xff\xfe", b"x = '\0'"])
def test_files_that_do_not_parse_import_nothing(tmp_path: Path, content: bytes) -> None:
    """A template or a Python 2 file among local code is carried along, not understood."""
    path = tmp_path / "a.py"
    path.write_bytes(content)
    assert imported_modules(path) == set()


def test_the_digest_is_of_names_and_content(local: Local) -> None:
    """Local code has a digest that changes with any of its files; no code has none."""
    directory = local({"features.py": "x = 1", "shapes.py": "x = 1"})
    digests = [_needs("features").digest(), _needs("shapes").digest()]
    (directory / "features.py").write_text("x = 2")
    digests.append(_needs("features").digest())
    assert len(set(digests)) == 3
    assert _needs().digest() == ""


def test_a_module_whose_file_is_gone_is_named(local: Local) -> None:
    """A module that was renamed after its import cannot be captured: it is said where it was."""
    directory = local({"features.py": "", "front.py": "import features"})
    importlib.import_module("features")
    (directory / "features.py").rename(directory / "renamed.py")
    with pytest.raises(CaptureError, match=r"features was imported from .*features\.py, which is no longer there"):
        _needs("front")


def test_a_file_that_cannot_be_read_is_named(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a local package that belongs to somebody else is named."""
    local({"shop/__init__.py": "", "shop/secret.bin": ""})
    needs = _needs("shop")
    real = Path.open

    def refuse(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == "secret.bin":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CaptureError, match=r"secret\.bin, a part of the local code, cannot be read: permission denied"):
        needs.digest()


def test_what_is_imported_from_a_module_is_not_looked_for_elsewhere(local: Local) -> None:
    """A name imported from a module that is no package is no module, though one of that name exists."""
    local(
        {"front.py": "from helper import dateutil\nfrom helper.dateutil import parser", "helper.py": "import dateutil"}
    )
    needs = _needs("front")
    assert set(needs.code) == {"front.py", "helper.py"}
    assert needs.distributions == {"python-dateutil": "local module helper.py imports it"}


def test_functions_tell_what_they_may_import() -> None:
    """A function of the notebook is read for its imports, whether they run or not, also by constant names."""

    def function(x: Any) -> Any:
        import a.b
        from c import d
        from c import e as f

        if x:
            importlib.import_module("g.h")
            importlib.import_module(f"i.{x}", package="no")
            __import__("j", globals())
        return a, d, f, "no module"

    assert imported_by(function.__code__) >= {"a.b", "c", "c.d", "c.e", "g.h", "j"}
    assert not {"no", "no module"} & imported_by(function.__code__)
