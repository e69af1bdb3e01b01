"""Histories in files, and brought together."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jupyter_containeriter.errors import HistoryError, UsageError
from jupyter_containeriter.history import History
from jupyter_containeriter.types import Event, Iteration, LoadLevel

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FORMATS = ["parquet", "csv"]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[History]:
    """Give another history with rows that are hard to write down."""
    store = History(tmp_path / "other.sqlite", owner="them")
    first = store.begin("churn", started_at=NOW, cell='a = "x,\r\ny"\n', note=" '; é \u2028", user="", error="NA")
    values = {"auc": 0.1 + 0.2, "loss": float("-inf"), "deep": {"a": [1, None, "ü"]}}
    store.update(
        replace(first, status="verified", finished_at=NOW + timedelta(microseconds=1), hot=True, sent_bytes=2**40,
                cycle_seconds=1 / 3, max_abs_difference=float("inf"), params=values, tags={"": ""}, execution_count=0)
    )  # fmt: skip
    store.begin("churn", started_at=NOW + timedelta(hours=1))
    store.begin("fraud", started_at=NOW + timedelta(hours=2))
    store.record_event(Event("event", "churn", 1, None, "rollback", NOW, 0.5))
    store.record_load([LoadLevel("level", "test", "churn", 1, "docker", NOW, 4, 2.0, 9, 0, 0, 4.5)])
    yield store
    store.close()


def rows(history: History, name: str = "churn") -> list[Iteration]:
    """Return the rows of a model by version."""
    found = (history.get(name, version) for version in range(1, 10))
    return [row for row in found if row is not None]


@pytest.mark.parametrize("ending", FORMATS)
def test_exported_rows_come_back_exactly(history: History, other: History, tmp_path: Path, ending: str) -> None:
    """What was exported and merged is what it was: text, numbers, times, mappings, and what is missing."""
    path = tmp_path / f"history.{ending}"
    assert other.export(path) == 3
    merged = history.merge(path)
    assert (merged.iterations, merged.known, merged.renumbered) == (3, 0, ())
    assert rows(history) == rows(other)
    assert rows(history, "fraud") == rows(other, "fraud")
    assert rows(history)[0].owner == "them"


@pytest.mark.parametrize("ending", FORMATS)
def test_one_model_is_exported(other: History, history: History, tmp_path: Path, ending: str) -> None:
    """With a name, only its iterations are in the file; a model without any gives an empty one."""
    assert other.export(tmp_path / f"fraud.{ending}", "fraud") == 1
    assert other.export(tmp_path / f"none.{ending}", "none") == 0
    assert history.merge(tmp_path / f"none.{ending}").iterations == 0
    history.merge(tmp_path / f"fraud.{ending}")
    assert history.names() == ["fraud"]


def test_merged_history_brings_everything_once(history: History, other: History, tmp_path: Path) -> None:
    """Another history brings iterations, events and load tests; a second time it brings nothing."""
    first = history.merge(tmp_path / "other.sqlite")
    assert (first.iterations, first.events, first.load_levels, first.known) == (3, 1, 1, 0)
    second = history.merge(tmp_path / "other.sqlite")
    assert (second.iterations, second.events, second.load_levels, second.known) == (0, 0, 0, 3)
    assert rows(history) == rows(other)
    assert (len(history.events()), len(history.loads())) == (1, 1)


def test_histories_of_both_kinds_are_merged(history: History, other: History) -> None:
    """A history in a file takes in one at an address, and the other way round."""
    own = history.begin("churn", started_at=NOW)
    assert other.merge(history.location).iterations == 1
    assert other.by_ids([own.id])[own.id].version == 3


def test_taken_versions_get_the_next_ones(history: History, other: History, tmp_path: Path) -> None:
    """A version that another iteration has here is replaced by the next free one, and that is told."""
    own = [history.begin("churn", started_at=NOW) for _ in range(2)]
    merged = history.merge(tmp_path / "other.sqlite")
    assert merged.renumbered == (("churn", 1, 3), ("churn", 2, 4))
    assert rows(history)[:2] == own
    assert [row.id for row in rows(history)[2:]] == [row.id for row in rows(other)]
    assert history.merge(tmp_path / "other.sqlite").renumbered == ()


def test_events_and_load_tests_follow_their_versions(history: History, other: History, tmp_path: Path) -> None:
    """What happened to a version that gets another number here happened to that one, whenever it is merged."""
    history.begin("churn", started_at=NOW)
    other.record_event(Event("back", "churn", 1, 2, "rollback", NOW, 0.5))
    other.record_event(Event("elsewhere", "unknown", 1, None, "deploy", NOW, 0.5))
    merged = history.merge(tmp_path / "other.sqlite")
    assert merged.renumbered == (("churn", 1, 2), ("churn", 2, 3))
    other.record_event(Event("late", "churn", 2, 1, "deploy", NOW, 0.5))
    history.merge(tmp_path / "other.sqlite")
    events = history.events()
    found = {tuple(row) for row in events[["name", "version", "previous"]].fillna(0).to_numpy().tolist()}
    assert found == {("churn", 2, 0), ("churn", 2, 3), ("unknown", 1, 0), ("churn", 3, 2)}
    assert history.loads()["version"].tolist() == [2]


def test_newer_rows_are_not_set_back(history: History, other: History, tmp_path: Path) -> None:
    """A row that has ended here stays as it is; one that still ran when it was brought in gets its end."""
    other.export(tmp_path / "early.csv")
    running = rows(other)[1]
    other.update(replace(running, status="failed", error="late"))
    other.export(tmp_path / "late.csv")
    for path in ("early.csv", "late.csv", "early.csv"):
        history.merge(tmp_path / path)
    assert [row.status for row in rows(history)] == ["verified", "failed"]


def test_merged_file_is_not_changed(history: History, tmp_path: Path) -> None:
    """A history of an older format is merged without being migrated."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.execute("INSERT INTO meta VALUES ('schema_version', '99'), ('id', 'x')")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(Exception, match="newer version"):
        history.merge(path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("old.sqlite?*"))


@pytest.mark.parametrize("name", ["none.parquet", "none.csv", "none.sqlite"])
def test_missing_file_is_named(history: History, tmp_path: Path, name: str) -> None:
    """A file that is not there is named, and not created."""
    with pytest.raises(UsageError, match=name):
        history.merge(tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("ending", FORMATS)
def test_other_files_are_refused(history: History, tmp_path: Path, ending: str) -> None:
    """A file that is something else brings nothing."""
    path = tmp_path / f"other.{ending}"
    path.write_text("colour,size\nred,3\n")
    with pytest.raises(UsageError, match="cannot be read as an exported history"):
        history.merge(path)
    assert history.names() == []


def test_damaged_history_is_called_by_its_own_name(history: History, other: History, tmp_path: Path) -> None:
    """It is a copy that is read."""
    other.close()
    path = tmp_path / "other.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(HistoryError, match=r"other\.sqlite cannot be read as a history"):
        history.merge(path)


@pytest.mark.parametrize("text", ["", "id,name,vers"])
def test_what_was_cut_off_before_the_first_row_is_refused(history: History, tmp_path: Path, text: str) -> None:
    """Nothing came of it, which must not look like a merge of nothing."""
    path = tmp_path / "cut.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match="it has no column"):
        history.merge(path)


def test_other_endings_are_refused(other: History, tmp_path: Path) -> None:
    """The end of the name says the format; another one is refused and nothing is left."""
    with pytest.raises(UsageError, match="neither"):
        other.export(tmp_path / "history.xlsx")
    with pytest.raises(UsageError, match="cannot be written"):
        other.export(tmp_path / "missing" / "history.csv")
    assert not list(tmp_path.glob("*.part"))


def test_missing_pyarrow_is_named(other: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the extra is named that brings it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError) as caught:
        other.export(tmp_path / "history.parquet")
    assert "jupyter_containeriter[parquet]" in caught.value.remedy
