"""Charts of a session's history: each kind reads what it needs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from matplotlib.figure import Figure

from jupyter_containeriter.analytics import KINDS, needs
from jupyter_containeriter.errors import NotFoundError, UsageError
from jupyter_containeriter.session import Session
from jupyter_containeriter.types import EVENT_COLUMNS, ITERATION_COLUMNS, LOAD_COLUMNS

WHEN = datetime(2030, 1, 2, tzinfo=UTC)


@pytest.fixture
def session(lab: Any) -> Session:
    """Return the first kernel's session."""
    found: Session = lab.session
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn(session: Session, kind: str) -> None:
    """Of a history without anything, and of one with a row that runs."""
    assert isinstance(session.plot(kind), Figure)
    session.history.begin("churn", started_at=WHEN)
    assert isinstance(session.plot(kind, "churn"), Figure)
    assert isinstance(session.plot(kind), Figure)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_a_kind_needs_is_read(session: Session, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Its columns, and events and load tests where it is made of them."""
    history, read = session.history, list[str]()
    frame, events, loads = history.frame, history.events, history.loads

    def frame_heard(*arguments: Any, columns: Any = None, **others: Any) -> Any:
        read.extend(columns)
        return frame(*arguments, columns=columns, **others)

    monkeypatch.setattr(history, "frame", frame_heard)
    monkeypatch.setattr(history, "events", lambda name: (read.append("events"), events(name))[1])
    monkeypatch.setattr(history, "loads", lambda name: (read.append("loads"), loads(name))[1])
    session.plot(kind)
    needed = needs(kind, {})
    assert read == [*needed.columns, *["events"] * needed.events, *["loads"] * needed.loads]


@pytest.mark.parametrize("kind", KINDS)
def test_needs_are_columns_of_the_history(kind: str) -> None:
    """Nothing is asked for that there is not."""
    assert set(needs(kind, {}).columns) <= set(ITERATION_COLUMNS)
    assert {"kind", "previous", "happened_at"} <= set(EVENT_COLUMNS)
    assert {"added_p50_seconds", "measured_at"} <= set(LOAD_COLUMNS)


def test_unknown_models_and_options_are_refused(session: Session) -> None:
    """Before anything is read, and with what there is."""
    with pytest.raises(NotFoundError, match="no model churn"):
        session.plot("trend", "churn")
    with pytest.raises(UsageError, match="takes no metric") as caught:
        session.plot("trend", metric="accuracy")
    assert caught.value.remedy == "Plots that do: metric."
    with pytest.raises(UsageError, match="no plot 'pie'"):
        session.plot("pie")


def test_what_is_compared_by_is_read(session: Session) -> None:
    """A column that compare does not need otherwise."""
    session.history.begin("churn", started_at=WHEN, engine="docker")
    assert isinstance(session.plot("compare", by="engine"), Figure)
