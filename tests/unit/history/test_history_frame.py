"""The history as a DataFrame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from jupyter_containeriter.history import History
from jupyter_containeriter.types import ITERATION_COLUMNS

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
CATEGORIES = {"name", "status", "engine", "method", "base", "parity", "user", "host"}
INTEGERS = {"version", "image_size_bytes", "sent_bytes", "execution_count"}


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """Give a history of churn:1, fraud:1, churn:2, begun in this order."""
    store = History(tmp_path / "history.sqlite")
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
