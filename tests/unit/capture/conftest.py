"""Cells that run as a notebook runs them, and local code that belongs to one test."""

from __future__ import annotations

import importlib
import linecache
import site
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.capture.parts import Parts
from jupyter_containeriter.capture.payload import pickle_object
from jupyter_containeriter.capture.search import ClosureSearch
from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
from jupyter_containeriter.serving.parts import Parts as LoadedParts
from jupyter_containeriter.serving.parts import unpickle
from jupyter_containeriter.types import Snapshot


@pytest.fixture
def cell() -> Callable[[str], dict[str, Any]]:
    """Run a cell: what it defines belongs to ``__main__``, as in a kernel."""

    def run(source: str) -> dict[str, Any]:
        namespace: dict[str, Any] = {"__name__": "__main__"}
        linecache.cache["<cell>"] = (len(source), None, source.splitlines(keepends=True), "<cell>")
        exec(compile(source, "<cell>", "exec"), namespace)
        return namespace

    return run


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], Path]]:
    """Write local modules beside a notebook; they are forgotten after the test."""
    directory = tmp_path / "notebooks"
    directory.mkdir()
    monkeypatch.syspath_prepend(directory)
    before = set(sys.modules)

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()
        return directory

    yield write
    for name, module in list(sys.modules.items()):
        if name not in before and str(directory) in str(getattr(module, "__spec__", "")):
            del sys.modules[name]


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., Snapshot]:
    """Capture a model of a namespace."""

    def take(namespace: dict[str, Any], model: str = "model", **options: Any) -> Snapshot:
        request = CaptureRequest("churn", namespace[model], model, namespace, **options)
        return capture(request, tmp_path / "workspace")

    return take


@dataclass(frozen=True)
class Copy:
    """What came back from files: the object, the format of its whole, those of its parts, and the files."""

    value: Any
    format: str
    parts: list[str]
    files: dict[str, bytes]


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Any], Copy]:
    """Pickle an object with its parts, write both as an image holds them, and load them as the server does."""

    def copy(value: Any) -> Copy:
        root = Path(tempfile.mkdtemp(dir=tmp_path))
        parts = Parts()
        payload = pickle_object(value, "model", parts)
        written = parts.finish()
        files = {"model/model.pkl": payload.data, **{n: data for part in written for n, data in part.files.items()}}
        for name, data in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        loaded = unpickle(BytesIO(payload.data), LoadedParts(root, [part.describe() for part in written]))
        return Copy(loaded, payload.format, [part.format for part in written], files)

    return copy


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Path]]:
    """Put directories on the path as the interpreter does at its start, with their ``.pth`` files, for one test."""
    for name in ("path", "meta_path", "path_hooks"):
        monkeypatch.setattr(sys, name, list(getattr(sys, name)))
    before = dict(sys.modules)

    def add(directory: Path) -> Path:
        site.addsitedir(str(directory))
        importlib.invalidate_caches()
        return directory

    yield add
    for name in set(sys.modules) - set(before):
        if str(tmp_path) in str(getattr(sys.modules[name], "__spec__", "")):
            del sys.modules[name]


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., ClosureSearch]:
    """Search what modules need."""

    def search(*modules: str, **options: Any) -> ClosureSearch:
        found = ClosureSearch(options.pop("include", ()), options.pop("exclude", ()), tmp_path / "unpacked", **options)
        found.add(modules, "the test needs {}".format)
        return found

    return search
