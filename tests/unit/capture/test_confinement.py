"""The clean process sees nothing of the person's, where this machine can confine it; elsewhere it runs all the same."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.bubblewrap import namespaces_work
from jupyter_containeriter.capture import confinement
from jupyter_containeriter.errors import CaptureError, ParityError
from jupyter_containeriter.standard_library import LEFT_OUT
from jupyter_containeriter.types import Distribution, Snapshot

Cell = Callable[[str], dict[str, Any]]
Local = Callable[[dict[str, str]], Path]
Take = Callable[..., Snapshot]


@pytest.fixture
def namespaces() -> None:
    """Insist on namespaces."""
    if not namespaces_work():
        if os.environ.get("CI") == "true":
            pytest.fail("this user may not create namespaces", pytrace=False)
        pytest.skip("this user may not create namespaces")


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid namespaces."""
    monkeypatch.setattr(confinement, "bwrap", lambda: "/bin/false")


@pytest.mark.usefixtures("namespaces")
def test_a_file_of_the_person_is_not_there(cell: Cell, take: Take, tmp_path: Path) -> None:
    """A model that reads a file by its absolute path is refused: the file is named, and what to do."""
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("a b")
    with pytest.raises(CaptureError) as caught:
        take(cell(f"def model(rows): return [open('{vocabulary}').read()]"), sample=[1])
    assert f"model reads {vocabulary}, which is not captured" in caught.value.message
    assert "keep its content in the model" in caught.value.remedy


@pytest.mark.usefixtures("namespaces")
def test_a_file_that_a_model_can_do_without_is_not_there(cell: Cell, take: Take, tmp_path: Path) -> None:
    """A model that silently falls back is caught by its predictions."""
    (tmp_path / "factor").write_text("2")
    source = f"import os\ndef model(rows): return [2 if os.path.exists('{tmp_path}/factor') else 1]"
    with pytest.raises(ParityError, match="notebook 2, clean process 1"):
        take(cell(source), sample=[1])


@pytest.mark.usefixtures("namespaces")
def test_neighbours_of_local_code_are_not_there(cell: Cell, local: Local, take: Take) -> None:
    """A module that looks for files beside it finds those of its package, and no others."""
    directory = local(
        {
            "words/__init__.py": "from pathlib import Path\nhere = Path(__file__).resolve().parent\n"
            "def inner(): return (here / 'inner.txt').read_text()\n"
            "def outer(): return (here.parent / 'outer.txt').read_text()\n",
            "words/inner.txt": "in",
            "outer.txt": "out",
        }
    )
    inner = cell("from words import inner\ndef model(rows): return [inner()]")
    assert take(inner, sample=[1]).expected == ["in"]
    outer = cell("from words import outer\ndef model(rows): return [outer()]")
    with pytest.raises(CaptureError, match=r"outer\.txt"):
        take(outer, sample=[1])
    assert (directory / "outer.txt").exists()


@pytest.mark.usefixtures("namespaces")
def test_a_server_can_be_asked(cell: Cell, take: Take) -> None:
    """A model may ask a server by its name, as it may in a container."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        call = f"socket.create_connection(('localhost', {server.getsockname()[1]}), 5).close()"
        taken = take(cell(f"import socket\ndef model(rows):\n    {call}\n    return [1]"), sample=[1])
    assert taken.expected == [1]


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize(
    "body",
    [
        "import tempfile\n    with tempfile.TemporaryFile() as file: file.write(b'1')",
        "import os, pwd\n    assert os.getuid() == 0 or pwd.getpwuid(os.getuid())",
        "import multiprocessing\n    multiprocessing.Lock()",
        "import zoneinfo\n    zoneinfo.ZoneInfo('UTC')",
        "import bz2, ctypes, lzma, sqlite3, ssl, unittest",
    ],
    ids=["temporary files", "accounts", "shared memory", "time zones", "standard library"],
)
def test_what_a_container_has_is_there(cell: Cell, take: Take, body: str) -> None:
    """Temporary files, accounts, shared memory, time zones and the standard library are there."""
    assert take(cell(f"def model(rows):\n    {body}\n    return [1]"), sample=[1]).expected == [1]


def test_what_images_leave_out_is_hidden(cell: Cell, take: Take) -> None:
    """A model that needs a part of the standard library that no image holds is refused at once."""
    with pytest.raises(CaptureError, match=r"model needs pydoc_data\S*, a part of the standard library"):
        take(cell("def model(rows):\n    import pydoc_data.topics\n    return [1]"), sample=[1])


def test_local_code_may_be_called_like_what_is_left_out(cell: Cell, local: Local, take: Take) -> None:
    """A package of the person's called ``tests`` is theirs, not the standard library's."""
    assert "tests" in LEFT_OUT
    local({"tests/__init__.py": "def f(x): return x + 1\n"})
    assert take(cell("from tests import f\ndef model(rows): return [f(r) for r in rows]"), sample=[1]).expected == [2]


@pytest.mark.usefixtures("forbidden")
def test_without_namespaces_the_proof_runs_unconfined(cell: Cell, take: Take, tmp_path: Path) -> None:
    """Where namespaces are forbidden the proof is as good as it can be, and says nothing of it."""
    (tmp_path / "vocabulary.txt").write_text("a b")
    source = f"def model(rows): return [open('{tmp_path}/vocabulary.txt').read()]"
    snapshot = take(cell(source), sample=[1])
    assert snapshot.expected == ["a b"]
    assert snapshot.notes == ()


@pytest.mark.usefixtures("namespaces")
def test_packages_that_are_links_are_shown(tmp_path: Path) -> None:
    """Installers that link packages into the site directory from a store: the store is shown as well."""
    store, site = tmp_path / "store" / "abc", tmp_path / "venv" / "site-packages"
    (store / "pkg").mkdir(parents=True)
    (store / "pkg" / "__init__.py").write_text("")
    (site / "pkg").mkdir(parents=True)
    (site / "pkg" / "__init__.py").symlink_to(store / "pkg" / "__init__.py")
    files = (
        ("pkg/__init__.py", site / "pkg" / "__init__.py"),
        ("pkg-1.dist-info/RECORD", site / "pkg-1.dist-info/RECORD"),
    )
    distribution = Distribution("pkg", "1", "", 0, files)
    assert confinement.site_directory(distribution) == site
    assert list(confinement.stores(distribution, site)) == [store]
