"""The history as a DataFrame."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from jupyter_containeriter.history import History
from jupyter_containeriter.types import EVENT_COLUMNS, ITERATION_COLUMNS, LOAD_COLUMNS, Event, LoadLevel

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
CATEGORIES = {"name", "status", "engine", "method", "base", "parity", "user", "host"}
INTEGERS = {"version", "image_size_bytes", "sent_bytes", "execution_count"}


@pytest.fixture
def history(location: Path | str) -> Iterator[History]:
    """Give a history of churn:1, fraud:1, churn:2, begun in this order."""
    store = History(location)
    for minutes, name in enumerate(("churn", "fraud", "churn")):
        begun = store.begin(name, started_at=NOW + timedelta(minutes=minutes), params={"depth": minutes})
        store.update(replace(begun, capture_seconds=0.5, hot=minutes == 2, sent_bytes=minutes or None))
    yield store
    store.close()


def versions(frame: pd.DataFrame) -> list[str]:
    """Return the rows as ``name:version``."""
    return [f"{name}:{version}" for name, version in zip(frame["name"], frame["version"], strict=True)]


@pytest.mark.parametrize("name", [None, "churn", "unknown"])
def test_columns_are_those_users_see(history: History, name: str | None) -> None:
    """The columns are the documented ones in their order, also of an empty frame."""
    assert tuple(history.frame(name).columns) == ITERATION_COLUMNS


@pytest.mark.parametrize("name", ["churn", "unknown"])
@pytest.mark.parametrize("column", ITERATION_COLUMNS)
def test_types_do_not_depend_on_rows(history: History, name: str, column: str) -> None:
    """Every column has its own type, also in an empty frame."""
    dtype = history.frame(name)[column].dtype
    if column in CATEGORIES:
        assert isinstance(dtype, pd.CategoricalDtype)
    elif column in INTEGERS:
        assert dtype == "Int64"
    elif column in {"started_at", "finished_at"}:
        assert dtype == "datetime64[us, UTC]"
    elif column.endswith("_seconds") or column == "max_abs_difference":
        assert dtype == "float64"
    elif column == "hot":
        assert dtype == "bool"
    else:
        assert dtype == ("object" if column in {"params", "metrics", "tags"} else "string")


def test_oldest_come_first(history: History) -> None:
    """Iterations that have not ended are ordered by their start."""
    assert versions(history.frame()) == ["churn:1", "fraud:1", "churn:2"]


def test_the_one_that_ended_last_is_the_newest(history: History) -> None:
    """An iteration whose start lies far back, because a person thought about its name, is as new as its end."""
    thought = history.begin("thought", started_at=NOW - timedelta(days=1))
    history.update(replace(thought, finished_at=NOW + timedelta(days=1)))
    assert versions(history.frame()) == ["churn:1", "fraud:1", "churn:2", "thought:1"]
    assert versions(history.frame(last=1)) == ["thought:1"]


def test_same_start_is_ordered_by_version(tmp_path: Path) -> None:
    """Iterations that began in the same moment are ordered by version."""
    store = History(tmp_path / "other.sqlite")
    for _ in range(3):
        store.begin("churn", started_at=NOW)
    assert versions(store.frame()) == ["churn:1", "churn:2", "churn:3"]
    store.close()


def test_one_name(history: History) -> None:
    """With a name, only its iterations are there."""
    assert versions(history.frame("churn")) == ["churn:1", "churn:2"]


def test_last_keeps_the_newest(history: History) -> None:
    """With ``last``, only the newest are there, still oldest first."""
    assert versions(history.frame(last=2)) == ["fraud:1", "churn:2"]


def test_values(history: History) -> None:
    """Values are what was recorded, with missing ones where nothing was."""
    frame = history.frame()
    assert frame["started_at"][0] == pd.Timestamp(NOW)
    assert frame["finished_at"].isna().all()
    assert frame["capture_seconds"].tolist() == [0.5] * 3
    assert frame["sent_bytes"].isna().tolist() == [True, False, False]
    assert frame["hot"].tolist() == [False, False, True]
    assert frame["params"].tolist() == [{"depth": 0}, {"depth": 1}, {"depth": 2}]


def test_only_the_columns_asked_for(history: History) -> None:
    """With ``columns``, the frame has just these, in this order, and the same rows and types."""
    chosen = ["version", "started_at", "name", "params"]
    frame = history.frame("churn", columns=chosen)
    pd.testing.assert_frame_equal(frame, history.frame("churn")[chosen])


def event(name: str, minutes: int, version: int = 1, previous: int | None = None) -> Event:
    """Return an event so many minutes later."""
    happened = NOW + timedelta(minutes=minutes)
    return Event(uuid.uuid4().hex, name, version, previous, "rollback", happened, 0.5, "ada", "here")


def test_events_are_read_back_oldest_first(history: History) -> None:
    """Events come back with the documented columns, oldest first, whatever the order they were written in."""
    for one in (event("churn", 2, 1, 2), event("fraud", 1), event("churn", 0, 3)):
        history.record_event(one)
    frame = history.events()
    assert tuple(frame.columns) == EVENT_COLUMNS
    assert versions(frame) == ["churn:3", "fraud:1", "churn:1"]
    assert frame["previous"].tolist() == [pd.NA, pd.NA, 2]
    assert frame["happened_at"].tolist() == [pd.Timestamp(NOW + timedelta(minutes=m)) for m in (0, 1, 2)]
    assert versions(history.events("churn")) == ["churn:3", "churn:1"]


def level(connections: int, minutes: int = 0, name: str = "churn") -> LoadLevel:
    """Return a level of a load test so many minutes later."""
    measured = NOW + timedelta(minutes=minutes)
    return LoadLevel(uuid.uuid4().hex, f"t{minutes}", name, 1, "docker", measured, connections, 2.0, 9, 0, 0, 4.5)


def test_loads_are_read_back_level_by_level(history: History) -> None:
    """Load tests come back with the documented columns, the oldest test first, its levels by connections."""
    history.record_load([level(1, 5), level(4, 5)])
    history.record_load([level(8), level(2)])
    history.record_load([level(1, 9, "fraud")])
    history.record_load([])
    frame = history.loads("churn")
    assert tuple(frame.columns) == LOAD_COLUMNS
    assert frame["connections"].tolist() == [2, 8, 1, 4]
    assert len(history.loads()) == 5


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("happened_at", "datetime64[us, UTC]"),
        ("previous", "Int64"),
        ("seconds", "float64"),
        ("kind", "category"),
        ("name", "category"),
    ],
)
@pytest.mark.parametrize("name", ["churn", "unknown"])
def test_types_of_events_do_not_depend_on_rows(history: History, name: str, column: str, dtype: str) -> None:
    """Every column of the events has its own type, also in an empty frame."""
    history.record_event(event("churn", 0))
    assert history.events(name)[column].dtype == dtype


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("measured_at", "datetime64[us, UTC]"),
        ("memory_bytes", "Int64"),
        ("requests", "Int64"),
        ("p99_seconds", "float64"),
        ("cpu_fraction", "float64"),
        ("engine", "category"),
        ("test", "string"),
    ],
)
@pytest.mark.parametrize("name", ["churn", "unknown"])
def test_types_of_loads_do_not_depend_on_rows(history: History, name: str, column: str, dtype: str) -> None:
    """Every column of the load tests has its own type, also in an empty frame."""
    history.record_load([level(1)])
    assert history.loads(name)[column].dtype == dtype
