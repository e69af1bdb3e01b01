"""What looking at a history at a glance takes: counts, the last versions, and whether anything was written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jupyter_containeriter.history import History
from jupyter_containeriter.types import Event, Iteration

_NOW = datetime(2030, 1, 1, tzinfo=UTC)


def begin(history: History, name: str = "churn") -> Iteration:
    """Begin an iteration."""
    return history.begin(name, started_at=_NOW, host="here")


def versions(rows: list[Iteration]) -> list[int]:
    """Return their versions."""
    return [row.version for row in rows]


def test_recent_are_the_highest_versions(history: History) -> None:
    """The highest first, and no more than were asked for."""
    for _ in range(5):
        begin(history)
    begin(history, "other")
    assert versions(history.recent("churn", 3)) == [5, 4, 3]
    assert versions(history.recent("churn", 30)) == [5, 4, 3, 2, 1]
    assert history.recent("nobody", 3) == []


def test_recent_go_on_below_a_version(history: History) -> None:
    """So that they can be read page by page."""
    for _ in range(5):
        begin(history)
    assert versions(history.recent("churn", 2, before=4)) == [3, 2]
    assert history.recent("churn", 2, before=1) == []


def test_counts_are_by_name(history: History) -> None:
    """Of every model there is."""
    assert history.counts() == {}
    for name in ("churn", "wine", "churn"):
        begin(history, name)
    assert history.counts() == {"churn": 2, "wine": 1}


def test_the_pulse_tells_of_every_write(history: History) -> None:
    """A row that begins, one that changes, an event, a row that goes; and nothing else."""
    row = begin(history)
    seen = [history.pulse()]

    def another() -> bool:
        seen.append(history.pulse())
        return seen[-1] != seen[-2]

    assert not another()
    history.update(replace(row, status="failed"))
    assert another()
    history.record_event(Event("event", "churn", 1, None, "deploy", _NOW, 1.0))
    assert another()
    history.delete(row.id)
    assert another()
    history.recent("churn", 30)
    history.counts()
    assert not another()


def test_the_pulse_tells_of_other_processes(history: History, location: Path | str) -> None:
    """They have connections of their own."""
    begin(history)
    seen = history.pulse()
    other = History(location)
    begin(other)
    other.close()
    assert history.pulse() != seen


@pytest.fixture
def away(tmp_path: Path) -> History:
    """Give a history whose file is damaged, so that rows wait."""
    (tmp_path / "history.sqlite").write_bytes(b"no history at all")
    return History(tmp_path / "history.sqlite", tmp_path / "spool")


def test_what_waits_is_counted_and_recent(away: History) -> None:
    """While nothing else is known."""
    begin(away)
    begin(away)
    assert versions(away.recent("churn", 1)) == [2]
    assert away.counts() == {"churn": 2}


def test_the_pulse_tells_of_what_waits(away: History) -> None:
    """A row that waits is news; it raises nothing."""
    seen = away.pulse()
    begin(away)
    assert away.pulse() != seen


def test_what_is_there_and_waits_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row whose end waits was counted when it began."""
    history = History(tmp_path / "history.sqlite", tmp_path / "spool")
    row, other = begin(history), begin(history)
    with monkeypatch.context() as patch:
        patch.setattr(history._spool, "forget", lambda _: None)
        patch.setattr(history._delivery, "_deliver", lambda _: None)
        history._spool.keep(replace(row, status="failed"))  # type: ignore[union-attr]
        assert history.counts() == {"churn": 2}
        assert [found.status for found in history.recent("churn", 30)] == ["running", "failed"]
    assert versions(history.recent("churn", 30)) == [other.version, row.version]
