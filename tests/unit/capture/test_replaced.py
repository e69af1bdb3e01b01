"""Packages that changed under a running kernel."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from jupyter_containeriter.capture import replaced as module
from jupyter_containeriter.capture.replaced import replaced_packages
from jupyter_containeriter.types import Distribution


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distribution:
    """Install version 2.0 of a package now, of which the kernel runs 1.0."""
    running = ModuleType("wordlist")
    running.__version__ = "1.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wordlist", running)
    names = ("wordlist/__init__.py", "wordlist-2.0.dist-info/METADATA")
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    return Distribution("wordlist", "2.0", "", 0, tuple((name, tmp_path / name) for name in names))


def test_a_version_that_the_kernel_does_not_run_is_told(installed: Distribution) -> None:
    """What was installed since the kernel began, in another version than it imported, is named with both."""
    (told,) = replaced_packages([installed])
    assert told.startswith("wordlist 2.0 was installed after the kernel imported 1.0")
    assert "restart the kernel" in told


def test_what_the_kernel_runs_is_not_told(installed: Distribution) -> None:
    """An equal version, however it is written, is no difference."""
    sys.modules["wordlist"].__version__ = "2"  # type: ignore[attr-defined]
    assert list(replaced_packages([installed])) == []


def test_what_was_there_before_the_kernel_is_not_told(installed: Distribution, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package may tell any version of itself, if it is the one that was there from the beginning."""
    monkeypatch.setattr(module, "_started", lambda: float("inf"))
    assert list(replaced_packages([installed])) == []
