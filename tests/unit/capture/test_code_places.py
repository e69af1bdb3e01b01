"""Local code in all its places: editable installations, namespaces, archives, extension modules, big directories."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from site_bench import develop, install, metadata, write

from jupyter_containeriter.capture import code as code_module
from jupyter_containeriter.capture.archives import Archives
from jupyter_containeriter.capture.search import ClosureSearch
from jupyter_containeriter.errors import CaptureError

OnPath = Callable[[Path], Path]
Search = Callable[..., ClosureSearch]
Local = Callable[[dict[str, str]], Path]

_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def _reasons(search: ClosureSearch) -> dict[str, str]:
    found = {distribution.name: distribution.reason for distribution in search.environment()}
    return {name: reason for name, reason in found.items() if "inference server" not in reason}


def _files(search: ClosureSearch, name: str) -> set[str]:
    (found,) = (distribution for distribution in search.environment() if distribution.name == name)
    return {file for file, _ in found.files}


# --- editable installations ----------------------------------------------------------------------------------------

_FINDER = """
import sys
from importlib.util import spec_from_file_location
from pathlib import Path

class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        place = Path({project!r}, *name.split("."))
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if name.split(".")[0] == "alpha" and file.exists():
                return spec_from_file_location(name, file)

def install():
    sys.meta_path.append(Finder)
"""

_PROJECT = {
    "alpha/__init__.py": "import helper_of_alpha",
    "alpha/deep/__init__.py": "",
    "alpha/deep/model.py": "import importlib.metadata\nV = importlib.metadata.version('alpha')",
    "alpha/deep/table.csv": "1",
    "helper_of_alpha.py": "",
    "setup.py": "",
}


@pytest.fixture(params=["path", "hook", "egg-link"])
def project(request: pytest.FixtureRequest, tmp_path: Path, on_path: OnPath) -> Path:
    """Install a project in place: by a directory on the path, an import hook, or ``setup.py develop``."""
    project, site = write(tmp_path / "project", _PROJECT), tmp_path / "site"
    install(site, "beta", {"beta.py": ""})
    if request.param == "path":
        develop(site, project, "alpha", {"__editable__.alpha-1.0.pth": f"{project}\n"}, requires=["beta"])
    elif request.param == "hook":
        hook = {"__editable___alpha_finder.py": _FINDER.format(project=str(project))}
        hook["__editable__.alpha.pth"] = "import __editable___alpha_finder; __editable___alpha_finder.install()"
        develop(site, project, "alpha", hook, requires=["beta"], top="alpha\nhelper_of_alpha")
        # The import system finds what is beside the project otherwise.
        on_path(project)
    else:
        requires = {"PKG-INFO": metadata("alpha", "1.0", ["beta"]), "SOURCES.txt": "setup.py", "top_level.txt": "alpha"}
        write(project / "alpha.egg-info", requires)
        write(site, {"alpha.egg-link": f"{project}\n.", "easy-install.pth": f"{project}\n"})
    on_path(site)
    return project


def test_an_editable_installation_is_local_code_with_metadata(project: Path, search: Search) -> None:
    """Its code and data come as local files, its requirements and its metadata as those of a distribution."""
    found = search("alpha.deep.model")
    assert {name: path for name, path in found.code.items() if name != "helper_of_alpha.py"} == {
        name: project / name for name in _PROJECT if name.startswith("alpha/")
    }
    assert "helper_of_alpha.py" in found.code
    assert _reasons(found) == {
        "alpha": "the test needs alpha.deep.model (an editable installation)",
        "beta": "alpha requires it",
    }
    kept = {name.rpartition("/")[2] for name in _files(found, "alpha")}
    assert kept & {"METADATA", "PKG-INFO"}
    assert not {name for name in kept if name.endswith((".pth", ".py")) or name in {"RECORD", "SOURCES.txt"}}


def test_parts_of_an_editable_installation_may_be_installed(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """Extension modules that a build put into ``site-packages`` stand beside the code they belong to."""
    project = write(tmp_path / "project" / "src", {"alpha/__init__.py": ""}).parent
    files = {f"alpha/_fast{_SUFFIX}": "", "alpha.pth": f"{project / 'src'}\n", "bad.pth": "\n# no directory\n"}
    develop(tmp_path / "site", project, "alpha", files)
    on_path(tmp_path / "site")
    assert set(search("alpha").code) == {"alpha/__init__.py", f"alpha/_fast{_SUFFIX}"}
    assert not any(name.startswith("alpha/") for name in _files(search("alpha"), "alpha"))


def test_a_module_beside_a_project_is_not_of_it(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """A notebook's module somewhere in a project's directory does not bring the project."""
    project = write(tmp_path / "project", {"src/alpha/__init__.py": "", "notebooks/features.py": ""})
    develop(tmp_path / "site", project, "alpha", {"alpha.pth": f"{project / 'src'}\n"})
    on_path(tmp_path / "site")
    on_path(project / "notebooks")
    found = search("features")
    assert (set(found.code), _reasons(found)) == ({"features.py"}, {})


@pytest.mark.parametrize(
    "where", ["{", '{"dir_info": {"editable": true}}', '{"url": "file:///x", "dir_info": {}}', "[]"]
)
def test_other_origins_are_no_projects(tmp_path: Path, on_path: OnPath, search: Search, where: str) -> None:
    """A distribution whose origin is told otherwise, or badly, is an ordinary one."""
    install(tmp_path, "alpha", {"alpha.py": ""}, more={"direct_url.json": where})
    on_path(tmp_path)
    assert (search("alpha").code, "alpha.py" in _files(search("alpha"), "alpha")) == ({}, True)


class _Loader:
    """A loader whose package is no directory, as meson-python's is."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def get_resource_reader(self, _name: str) -> _Loader:
        return self

    def files(self) -> Path:
        return self._place

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: object) -> None:
        return None


def test_a_package_may_be_no_directory(tmp_path: Path, search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that only its loader can list is captured through it."""
    place = write(tmp_path / "build", {"__init__.py": "", "deep/data.txt": "", "__pycache__/x.pyc": ""})

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            if name != "virtual":
                return None
            loader = _Loader(place)
            spec = importlib.machinery.ModuleSpec(name, loader, origin=str(place / "__init__.py"))  # type: ignore[arg-type]
            spec.has_location = True
            spec.submodule_search_locations = [str(tmp_path / "nowhere" / "virtual")]
            return spec

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    assert set(search("virtual").code) == {"virtual/__init__.py", "virtual/deep/data.txt"}


# --- namespaces ----------------------------------------------------------------------------------------------------


def test_a_namespace_over_distributions_brings_the_one_in_use(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """Of a namespace package (PEP 420) in several places, also one that no cell has imported, comes what is named."""
    install(tmp_path / "a", "space-one", {"space/one/__init__.py": ""})
    install(tmp_path / "a", "space-two", {"space/two.py": ""})
    write(
        tmp_path / "b", {"space/mine/model.py": "from space.two import x\nfrom space import three", "space/t.txt": ""}
    )
    install(tmp_path / "c", "space-three", {"space/three/__init__.py": ""})
    for place in "abc":
        on_path(tmp_path / place)
    assert _reasons(search("space.one")) == {"space-one": "the test needs space.one"}
    found = search("space.mine.model")
    assert set(found.code) == {"space/mine/model.py", "space/t.txt"}
    assert _reasons(found).keys() == {"space-two", "space-three"}
    assert "space" not in sys.modules


def test_a_local_portion_within_a_site_is_told_apart(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """Files of a namespace that nobody installed are local, and bring none of the installed ones as local code."""
    install(tmp_path, "space-one", {"space/one/__init__.py": "", "space/one/a.py": ""})
    write(tmp_path, {"space/mine.py": "from . import one"})
    on_path(tmp_path)
    found = search("space.mine")
    assert (set(found.code), _reasons(found)) == (
        {"space/mine.py"},
        {"space-one": "local module space/mine.py imports it"},
    )


@pytest.mark.parametrize(
    "extending",
    [
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
        "try: __import__('pkg_resources').declare_namespace(__name__)\nexcept ImportError: pass",
    ],
)
@pytest.mark.parametrize("imported", [False, True])
def test_extended_packages_are_followed(
    tmp_path: Path, on_path: OnPath, search: Search, extending: str, imported: bool
) -> None:
    """A package that extends its own path reaches over several distributions, imported already or not."""
    for place in ("one", "two"):
        install(tmp_path / place, f"old-{place}", {"old/__init__.py": extending, f"old/{place}.py": ""})
        on_path(tmp_path / place)
    if imported:
        importlib.import_module("old")
    if "extend_path" in extending or not imported:
        assert _reasons(search("old.two")).keys() == {"old-one", "old-two"}
    assert _reasons(search("old.one")).keys() == {"old-one"}


# --- archives ------------------------------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], Path]:
    """Put a directory's files into an archive on ``sys.path``."""

    def make(directory: Path, name: str) -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as file:
            for one in sorted(directory.rglob("*")):
                file.write(one, one.relative_to(directory))
        monkeypatch.syspath_prepend(path)
        return path

    return make


@pytest.mark.parametrize("imported", [False, True])
def test_modules_in_archives_are_captured(
    tmp_path: Path, on_path: OnPath, archive: Callable[[Path, str], Path], search: Search, imported: bool
) -> None:
    """What is imported from a zip archive is local code as if it lay in a directory, with what it imports."""
    on_path(tmp_path / "none")
    files = {"zipped/__init__.py": "", "zipped/data.txt": "1", "zipped/deep/a.py": "import single", "single.py": ""}
    archive(write(tmp_path / "files", files), "code.zip")
    if imported:
        importlib.import_module("zipped.deep.a")
    found = search("zipped.deep.a")
    assert set(found.code) == set(files)
    assert found.code["zipped/data.txt"].read_text() == "1"


@pytest.mark.parametrize(
    ("information", "name"), [("alpha-1.0.dist-info/METADATA", "a.whl"), ("EGG-INFO/PKG-INFO", "alpha-1.0.egg")]
)
def test_distributions_in_archives_are_distributions(
    tmp_path: Path,
    on_path: OnPath,
    archive: Callable[[Path, str], Path],
    search: Search,
    information: str,
    name: str,
) -> None:
    """A wheel or egg on ``sys.path`` is the distribution it holds, and other programs can tell its version."""
    on_path(tmp_path / "none")
    archive(write(tmp_path / "files", {"alpha.py": "", information: metadata("alpha", "1.0")}), name)
    found = search("alpha")
    assert found.code == {}
    assert "alpha.py" in _files(found, "alpha")
    assert {file.split("/")[0].rpartition(".")[2] for file in _files(found, "alpha")} == {
        "py",
        "dist-info" if "dist" in information else "egg-info",
    }


def test_two_kernels_may_unpack_one_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another kernel was faster, what it unpacked is taken."""
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as file:
        file.writestr("inner.py", "x")
    archives = Archives(tmp_path / "unpacked")
    rename = os.rename

    def late(source: Path, target: Path) -> None:
        monkeypatch.undo()
        archives.directory(str(tmp_path / "code.zip"))
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    monkeypatch.setattr(os, "replace", late)
    unpacked = archives.directory(str(tmp_path / "code.zip"))
    assert [path.name for path in unpacked.iterdir()] == ["inner.py"]
    assert list(unpacked.parent.iterdir()) == [unpacked]


def test_a_damaged_archive_is_named(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """An archive that ends in its middle is named, with what to do."""
    on_path(tmp_path / "none")
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as file:
        file.writestr("inner.py", "x" * 1000)
    content = bytearray((tmp_path / "code.zip").read_bytes())
    content[40:900] = bytes(860)
    (tmp_path / "code.zip").write_bytes(content)
    sys.path.append(str(tmp_path / "code.zip"))
    with pytest.raises(CaptureError, match=r"code\.zip is on sys\.path, but cannot be unpacked"):
        search("inner")


def test_a_text_on_the_path_is_no_archive(tmp_path: Path, on_path: OnPath, search: Search) -> None:
    """A file that is no archive, or is not there, says nothing."""
    write(tmp_path, {"note.zip": "text"})
    on_path(tmp_path / "none")
    sys.path += [str(tmp_path / "note.zip"), str(tmp_path / "absent.zip")]
    assert search("absent_module").code == {}


# --- extension modules ---------------------------------------------------------------------------------------------


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Build an extension module in place that links to a library beside it, which links to another."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    directory = tmp_path / "notebooks"
    source = (
        "#include <Python.h>\nint middle(void);\n"
        "static PyObject *value(PyObject *s, PyObject *a) { return PyLong_FromLong(middle()); }\n"
        'static PyMethodDef methods[] = {{"value", value, METH_NOARGS, 0}, {0}};\n'
        'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", 0, -1, methods};\n'
        "PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }\n"
    )
    middle = "int inner(void);\nint middle(void) { return inner(); }\n"
    write(directory, {"fast.c": source, "middle.c": middle, "inner.c": "int inner(void) { return 42; }\n"})
    gcc = ["gcc", "-shared", "-fPIC", "-Wl,-rpath,$ORIGIN", "-L."]
    include = f"-I{sysconfig.get_path('include')}"
    for out, source_file, *link in (
        ["libinner.so.1", "inner.c", "-Wl,-soname,libinner.so.1"],
        ["libmiddle.so", "middle.c", "-l:libinner.so.1"],
        ["libother.so", "inner.c"],
        [f"fast{_SUFFIX}", "fast.c", include, "-lmiddle"],
    ):
        subprocess.run([*gcc, "-o", out, source_file, *link], cwd=directory, check=True)
    return directory


@pytest.mark.parametrize("imported", [False, True])
def test_an_extension_module_comes_with_its_libraries(
    built: Path, on_path: OnPath, search: Search, imported: bool
) -> None:
    """An extension module built in place keeps its tagged name and brings the libraries beside it that it links to."""
    on_path(built)
    if imported:
        assert importlib.import_module("fast").value() == 42
    assert set(search("fast").code) == {f"fast{_SUFFIX}", "libmiddle.so", "libinner.so.1"}


# --- what a local module imports -----------------------------------------------------------------------------------


def test_local_classes_bring_what_they_inherit_from(local: Local, search: Search) -> None:
    """Relative imports are followed through packages and over portions of a namespace, also by constant names."""
    local(
        {
            "shop/__init__.py": "",
            "shop/models.py": "from .base import Base\nfrom shared.mixins import Mixin\nclass Model(Base, Mixin): ...",
            "shop/base.py": "class Base: ...",
            "shared/mixins.py": "import importlib\nplugin = importlib.import_module('plugins.first')\n"
            "def f():\n    importlib.import_module('.second', package='plugins')\n    __import__('third')",
            "shared/second.py": "",
            "plugins/__init__.py": "",
            "plugins/first.py": "from . import *\nfrom .... import beyond",
            "third.py": "from shop import models",
            "unused.py": "",
        }
    )
    code = set(search("shop.models").code)
    assert {"shop/base.py", "shared/mixins.py", "plugins/first.py", "third.py"} <= code
    assert "unused.py" not in code


def test_the_reason_names_the_local_module(local: Local, search: Search) -> None:
    """A distribution that only a local module imports says which."""
    local({"helpers/__init__.py": "", "helpers/x.py": "def f():\n    import dateutil\n"})
    assert _reasons(search("helpers"))["python-dateutil"] == "local module helpers/x.py imports it"


# --- big directories -----------------------------------------------------------------------------------------------


def test_what_is_no_code_is_passed_over(local: Local, search: Search, tmp_path: Path) -> None:
    """Environments, ``node_modules`` and hidden files stay; links to directories are followed, but not in circles."""
    directory = local(
        {
            "shop/__init__.py": "",
            "shop/venv/pyvenv.cfg": "",
            "shop/venv/lib/a.py": "",
            "shop/conda/conda-meta/history": "",
            "shop/node_modules/a.js": "",
            "shop/.git/objects/a": "",
            "shop/old/a.pyc": "",
        }
    )
    write(tmp_path / "elsewhere", {"weights.txt": "1"})
    (directory / "shop/data").symlink_to(tmp_path / "elsewhere")
    (directory / "shop/circle").symlink_to(directory / "shop")
    (directory / "shop/gone").symlink_to(tmp_path / "nothing")
    assert set(search("shop").code) == {"shop/__init__.py", "shop/data/weights.txt", "shop/old/a.pyc"}


def test_a_directory_is_walked_once(local: Local, search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many modules of a package or namespace are in use, its directory is looked through once."""
    walked: list[Path] = []
    real = code_module.walk
    monkeypatch.setattr(code_module, "walk", lambda path: walked.append(path) or real(path))
    names = [f"m{n}" for n in range(5)]
    local({f"{place}/{name}.py": "" for place in ("space", "pack/sub") for name in names})
    directory = local({"pack/__init__.py": "", "pack/sub/__init__.py": ""})
    found = search(*(f"{place}.{name}" for place in ("space", "pack.sub") for name in names))
    assert len(found.code) == 12
    assert sorted(walked) == [directory / "pack", directory / "space"]


def test_too_much_data_is_refused_with_its_biggest_files(
    local: Local, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local package with data that is no part of it is refused before anything is read, and the files are named."""
    directory = local({"shop/__init__.py": "", "shop/data/small.csv": "1"})
    for name, size in (("train", 3), ("test", 2)):
        with (directory / f"shop/data/{name}.bin").open("wb") as file:
            file.truncate(size * 1_000_000_000)
    with pytest.raises(CaptureError) as caught:
        search("shop")
    assert "The local package shop has 4 files of 5.0 GB" in caught.value.message
    assert "shop/data/train.bin (3.0 GB), shop/data/test.bin (2.0 GB)" in caught.value.message
    assert str(directory / "shop") in caught.value.remedy
    monkeypatch.setattr(code_module, "MAX_CODE_FILES", 3)
    monkeypatch.setattr(code_module, "MAX_CODE_BYTES", 10**12)
    with pytest.raises(CaptureError, match="more than 3 files"):
        search("shop")
