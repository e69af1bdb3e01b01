"""Local modules that were edited after the kernel imported them."""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from site_bench import write

from jupyter_containeriter.capture.edited import edited_modules, edited_note
from jupyter_containeriter.errors import CaptureError
from jupyter_containeriter.types import Snapshot

Imported = Callable[[str], tuple[ModuleType, Path]]

_SOURCE = '''
"""A module."""
import functools
FACTOR = 2
CHOICES = {"a", "b", "c"}

def logged(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)
    return inner

@logged
def scale(x):
    return [FACTOR * value for value in x if value in {1, 2, 3}]

class Model:
    @property
    def a(self): return 1
    @staticmethod
    def b(): return 2
    @classmethod
    def c(cls): return 3
    @functools.cached_property
    def d(self): return 4
    def e(self):
        def inner(): return 5
        return inner
'''


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[ModuleType, Path]]:
    """Import a module from a source that is some time old, with byte code as usual."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(tmp_path)
    name = f"module_of_{tmp_path.name}"

    def run(source: str) -> tuple[ModuleType, Path]:
        path = write(tmp_path, {f"{name}.py": source}) / f"{name}.py"
        os.utime(path, (1_000_000_000, 1_000_000_000))
        importlib.invalidate_caches()
        return importlib.import_module(name), path

    return run


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_was_not_edited_is_not_told(imported: Imported) -> None:
    """A module as it was imported is fine, however often it is looked at; files of no module do not count."""
    module, path = imported(_SOURCE)
    assert module.Model().d == 4
    assert [edited_modules([path, path.with_suffix(".txt"), path.parent / "other.py"]) for _ in range(2)] == [[], []]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return [FACTOR * value", "return [FACTOR + value"),
        ("FACTOR = 2", "FACTOR = 3"),
        ("def a(self): return 1", "def a(self): return 11"),
        ("def b(): return 2", "def b(): return 22"),
        ("def c(cls): return 3", "def c(cls): return 33"),
        ("def d(self): return 4", "def d(self): return 44"),
        ("def inner(): return 5", "def inner(): return 55"),
        ('{"a", "b", "c"}', '{"a", "b"}'),
        ("def scale(x)", "def renamed(x)"),
    ],
)
@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize("bytecode", [True, False])
def test_an_edit_is_told(imported: Imported, old: str, new: str, looked: bool, bytecode: bool) -> None:
    """An edit is seen by what the import left behind, or by what an earlier look found."""
    module, path = imported(_SOURCE)
    if looked:
        assert edited_modules([path]) == []
    if not bytecode:
        Path(str(module.__cached__)).unlink()
    _edit(path, old, new)
    is_a_constant = not any(part in old for part in ("def ", "return"))
    told = looked or bytecode or not is_a_constant
    assert edited_modules([path]) == ([module.__name__] if told else [])
    assert edited_modules([path]) == ([module.__name__] if told else [])


def test_undoing_an_edit_or_reloading_makes_it_well(imported: Imported) -> None:
    """After a reload, or with the old text back, nothing is told any more."""
    module, path = imported(_SOURCE)
    assert edited_modules([path]) == []
    _edit(path, "FACTOR = 2", "FACTOR = 30")
    assert edited_modules([path]) == [module.__name__]
    _edit(path, "FACTOR = 30", "FACTOR = 2")
    assert edited_modules([path]) == []
    _edit(path, "FACTOR = 2", "FACTOR = 300")
    importlib.reload(module)
    assert edited_modules([path]) == []


def test_what_changes_nothing_is_not_told(imported: Imported) -> None:
    """A comment, another place in the file, a new time: the code is the same."""
    _, path = imported(_SOURCE)
    path.write_text("# a comment\n\n" + _SOURCE)
    assert edited_modules([path]) == []


def test_what_the_notebook_replaces_is_its_own_affair(imported: Imported) -> None:
    """A function that a cell put into a module was never in the file."""
    module, path = imported(_SOURCE)
    module.scale = lambda x: x  # type: ignore[attr-defined]
    module.other = edited_note  # type: ignore[attr-defined]
    assert edited_modules([path]) == []


def test_a_file_that_no_longer_compiles_or_exists_is_not_compared(imported: Imported) -> None:
    """What cannot be compared is left to the proof."""
    _, path = imported(_SOURCE)
    path.write_text("def (")
    assert edited_modules([path]) == []
    path.unlink()
    assert edited_modules([path]) == []


def test_other_loaders_are_not_compared(imported: Imported) -> None:
    """A loader that changes the code it loads (an import hook) gives functions that the file does not have."""

    class Loader(importlib.machinery.SourceFileLoader):
        pass

    module, path = imported(_SOURCE)
    assert module.__spec__ is not None
    module.__spec__.loader = Loader(module.__name__, str(path))
    _edit(path, "return 1", "return 2")
    assert edited_modules([path]) == []


def test_a_capture_tells_of_edits(
    local: Callable[[dict[str, str]], Path], cell: Callable[[str], dict[str, Any]], take: Callable[..., Snapshot]
) -> None:
    """An edit that the sample does not show is told, as the image gets another code than the notebook runs."""
    directory = local({"features.py": "def f(x): return x\ndef g(x): return x"})
    namespace = cell("import features\ndef model(rows): return [features.f(row) for row in rows]")
    assert take(namespace, sample=[1]).notes == ()
    _edit(directory / "features.py", "def g(x): return x", "def g(x): return -x")
    (note,) = take(namespace, sample=[1]).notes
    assert "features was edited after the notebook imported it" in note
    assert "importlib.reload" in note


def test_a_failure_of_edited_code_names_the_edit(
    local: Callable[[dict[str, str]], Path], cell: Callable[[str], dict[str, Any]], take: Callable[..., Snapshot]
) -> None:
    """Where the clean process fails for an edit (a renamed function) the remedy is to reload."""
    directory = local({"features.py": "class Model:\n    def predict(self, x): return x"})
    namespace = cell("import features\nmodel = features.Model()")
    _edit(directory / "features.py", "class Model", "class Renamed")
    with pytest.raises(CaptureError, match="Model") as caught:
        take(namespace, sample=[1])
    assert "features was edited" in caught.value.remedy
