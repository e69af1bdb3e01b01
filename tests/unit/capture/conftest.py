"""Cells that run as a notebook runs them, and local code that belongs to one test."""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
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
