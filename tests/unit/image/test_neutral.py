"""What stands in an image for paths of this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containeriter.image.neutral import PREFIX, neutral


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Forget what other tests found out, and what these do."""
    neutral.cache_clear()
    yield
    neutral.cache_clear()


def replaced() -> list[str]:
    """Return the paths that are replaced."""
    assert {new for _, new in neutral()} <= {PREFIX.encode()}
    return [old.decode() for old, _ in neutral()]


def test_prefixes_are_replaced_as_written_and_with_links_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that is reached through a link may hold either path."""
    (tmp_path / "cpython-3.12.1").mkdir()
    (tmp_path / "cpython-3.12").symlink_to("cpython-3.12.1")
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "cpython-3.12"))
    assert {str(tmp_path / "cpython-3.12"), str(tmp_path / "cpython-3.12.1")} <= set(replaced())


def test_longer_paths_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix in the home directory is replaced as a whole."""
    home = tmp_path.resolve()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(sys, "prefix", str(home / "project" / "venv"))
    paths = replaced()
    assert paths.index(str(home / "project" / "venv")) < paths.index(str(home))
    assert [len(path) for path in paths] == sorted(map(len, paths), reverse=True)


@pytest.mark.parametrize("home", ["/", "/root", "/usr"])
def test_paths_that_are_everywhere_stay(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells nothing of this machine is not touched."""
    monkeypatch.setenv("HOME", home)
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, "/usr")
    assert {"/", "/root", "/usr", "/usr/local"}.isdisjoint(replaced())
