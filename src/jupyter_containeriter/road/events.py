"""What the history is told beside iterations: versions that go into service and out of it, and load tests."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.errors import HistoryError
from jupyter_containeriter.progress import Progress
from jupyter_containeriter.types import Container, Event, Iteration, LoadLevel

if TYPE_CHECKING:
    from jupyter_containeriter.measurement import LoadTest
    from jupyter_containeriter.session import Session


@contextmanager
def recorded(
    session: Session, deployed: Iteration | None, serving: Container | None, progress: Progress
) -> Iterator[None]:
    """Record what the block does to a name once it is done; a block that raises has done nothing.

    Parameters
    ----------
    session
        Gives the history.
    deployed
        The version that the block deploys; None where it stops what serves.
    serving
        What serves before.
    progress
        Hears of a history that cannot be written: the verb is done all the same.
    """
    began = time.monotonic()
    yield
    previous = serving.version if serving else None
    name, version = (deployed.name, deployed.version) if deployed else (serving.name, serving.version)  # type: ignore[union-attr]
    kind: Any = "undeploy" if deployed is None else "rollback" if previous and version < previous else "deploy"
    event = Event(
        uuid.uuid4().hex,
        name,
        version,
        previous,
        kind,
        datetime.now(UTC),
        time.monotonic() - began,
        session.user,
        session.host,
    )
    try:
        session.history.record_event(event)
    except HistoryError as error:
        progress.note(f"The {kind} is done, but not in the history: {error.message}")


def record_levels(session: Session, test: LoadTest, progress: Progress) -> None:
    """Record a load test, one row for each number of connections."""
    measured_at, identity = datetime.now(UTC), uuid.uuid4().hex
    known = {field.name for field in fields(LoadLevel)}
    levels = [
        LoadLevel(
            uuid.uuid4().hex,
            identity,
            test.name,
            test.version,
            test.engine,
            measured_at,
            **{column: _plain(value) for column, value in row.items() if column in known},
            user=session.user,
            host=session.host,
        )
        for row in test.frame.to_dict("records")
    ]
    try:
        session.history.record_load(levels)
    except HistoryError as error:
        progress.note(f"The load test is not in the history: {error.message}")


def _plain(value: Any) -> Any:
    """Return Python's own number, None for a missing one."""
    import pandas as pd

    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value
