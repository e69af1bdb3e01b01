"""Histories that cannot be used: what is said, and that nothing is touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jupyter_containeriter.errors import HistoryError
from jupyter_containeriter.history import History, sqlite

NOW = datetime(2030, 1, 2, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the file of a closed history with some pages of rows."""
    path = tmp_path / "history.sqlite"
    history = History(path)
    for _ in range(50):
        history.begin("churn", started_at=NOW, note="x" * 500)
    history.close()
    return path


def not_a_database(path: Path) -> None:
    """Put another file in its place."""
    path.write_text("name,version\nchurn,1\n")


def damaged_page(path: Path) -> None:
    """Overwrite pages in the middle."""
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 5] = b"\xff" * 8192
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    """Keep only the beginning."""
    path.write_bytes(path.read_bytes()[:6000])


def change(path: Path, statement: str) -> None:
    """Run one statement on the file, past the store."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def newer(path: Path) -> None:
    """Make it one of a format that is not known yet."""
    change(path, "UPDATE meta SET value = '99' WHERE key = 'schema_version'")


def odd_version(path: Path) -> None:
    """Make its format unreadable."""
    change(path, "UPDATE meta SET value = 'x' WHERE key = 'schema_version'")


def something_else(path: Path) -> None:
    """Put a database of another program in its place."""
    path.unlink()
    change(path, "CREATE TABLE customers (name)")


def other_meta(path: Path) -> None:
    """Put a database in its place that has a table of the same name."""
    path.unlink()
    change(path, "CREATE TABLE meta (colour)")


HARMS = {
    not_a_database: "not a history",
    damaged_page: "damaged",
    cut_off: "damaged",
    newer: "newer version",
    odd_version: "damaged",
    something_else: "something else",
    other_meta: "cannot be used",
}


@pytest.mark.parametrize(("harm", "message"), HARMS.items())
def test_unusable_file_is_named(path: Path, harm: Callable[[Path], None], message: str) -> None:
    """The error says what is wrong with which file."""
    harm(path)
    with pytest.raises(HistoryError, match=message) as caught:
        History(path).begin("churn", started_at=NOW)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("harm", HARMS)
def test_unusable_file_is_left_as_it_is(path: Path, harm: Callable[[Path], None]) -> None:
    """Not a byte of a file that cannot be used is changed, and nothing is left beside it."""
    harm(path)
    before = path.read_bytes()
    history = History(path)
    for _ in range(2):
        with pytest.raises(HistoryError):
            history.begin("churn", started_at=NOW)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_newer_history_says_upgrade(path: Path) -> None:
    """The remedy for a newer history is an upgrade."""
    newer(path)
    with pytest.raises(HistoryError) as caught:
        History(path).names()
    assert "Upgrade jupyter_containeriter" in caught.value.remedy


def test_moving_the_damaged_file_aside_helps(path: Path) -> None:
    """The remedy for a damaged history works within the same kernel."""
    cut_off(path)
    history = History(path)
    with pytest.raises(HistoryError):
        history.names()
    path.rename(path.with_suffix(".aside"))
    assert history.begin("churn", started_at=NOW).version == 1
    history.close()


def test_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A history below a regular file is refused with its path and a remedy."""
    (tmp_path / "file").write_text("kept")
    path = tmp_path / "file" / "history.sqlite"
    with pytest.raises(HistoryError, match="cannot be opened") as caught:
        History(path).names()
    assert str(path) in caught.value.message
    assert "choose another place" in caught.value.remedy
    assert (tmp_path / "file").read_text() == "kept"


def test_path_that_is_a_directory(tmp_path: Path) -> None:
    """A directory is refused as a history."""
    with pytest.raises(HistoryError, match="cannot be opened"):
        History(tmp_path).names()


def test_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is called so; the rows before it are kept and the failed one leaves nothing."""

    def no_more_pages(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    monkeypatch.setattr(sqlite, "_set_pragmas", no_more_pages)
    history = History(path)
    with pytest.raises(HistoryError, match="disk is full") as caught:
        history.begin("churn", started_at=NOW, note="x" * 50_000)
    assert "Free disk space" in caught.value.remedy
    assert len(history.frame()) == 50
    history.close()


def test_write_lock_held_by_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that another process does not let go of is reported, not waited for without end."""
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    history = History(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HistoryError, match="Another process"):
            history.begin("churn", started_at=NOW)
    history.close()
