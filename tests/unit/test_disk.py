"""Files and directories that take room."""

from __future__ import annotations

from pathlib import Path

from jupyter_containeriter.disk import REMOVING, discard, size_of, touched


def test_a_directory_is_as_big_as_its_files(tmp_path: Path) -> None:
    """Files below are counted, links are not followed, what is gone takes nothing."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"12345")
    (tmp_path / "a" / "b" / "two").write_bytes(b"123")
    assert size_of(tmp_path / "a") == 8
    assert size_of(tmp_path / "a" / "one") == 5
    assert size_of(tmp_path / "gone") == touched(tmp_path / "gone") == 0


def test_whatever_it_is_goes(tmp_path: Path) -> None:
    """Files, links and directories are removed; what a link leads to stays, and twice is no error."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "file").write_text("x")
    (tmp_path / "full" / "below").mkdir(parents=True)
    (tmp_path / f"{REMOVING}half").mkdir()
    for name in ("link", "file", "full", "full", f"{REMOVING}half"):
        discard(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
