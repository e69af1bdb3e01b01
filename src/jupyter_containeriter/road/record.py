"""The row of an iteration in the history, from its beginning to its end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.capture.masking import without_secrets
from jupyter_containeriter.errors import ContainerIterError
from jupyter_containeriter.history.plain import plain_mapping, plain_text
from jupyter_containeriter.lead import changed_at, watch
from jupyter_containeriter.progress import PhaseTimes
from jupyter_containeriter.types import PROMOTED, Iteration, Status

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

#: Columns that hold what people, models and errors say.
_WRITTEN = ("cell", "params", "tags", "note", "error")
#: Of the source of a cell, so much is kept.
_CELL_CHARACTERS = 10_000


class Record:
    """One row.

    Parameters
    ----------
    session
        Gives the history, and the clock of the cells.
    times
        Times the phases.
    iteration
        As the history has it.

    Attributes
    ----------
    iteration
        The row as far as it is known.
    changed_at
        When the cell that changed the model last had ended, on the monotonic clock; None where that is not known.
    """

    def __init__(self, session: Session, times: PhaseTimes, iteration: Iteration) -> None:
        self._session = session
        self._times = times
        self._lock = threading.Lock()
        self.iteration = iteration
        self.changed_at: float | None = None

    @classmethod
    def begin(cls, session: Session, times: PhaseTimes, name: str, **fields: Any) -> Record:
        """Write the row of a new iteration: ``running``. Its call has begun where the times did."""
        think, run = session.clock.read(name, times.began)
        before = think + run + time.monotonic() - times.began
        cell = session.clock.current
        iteration = session.history.begin(
            name,
            # The very moment in which the one before ended, so that rows are in order.
            started_at=session.clock.marked(name) or datetime.now(UTC) - timedelta(seconds=before),
            think_seconds=think,
            run_seconds=run,
            execution_count=cell.number if cell else None,
            user=session.user,
            host=session.host,
            **_kept(session, {"cell": cell.source if cell else "", **fields}),
        )
        record = cls(session, times, iteration)
        times.changed = record.beat
        record.beat(times)
        return record

    def look_back(self, names: Callable[[Mapping[str, Any]], Collection[str]]) -> None:
        """Find out when the model changed last, and watch it from now on; it is no condition.

        Parameters
        ----------
        names
            Returns the variables that stand for the model, of those in the notebook.
        """
        clock = self._session.clock
        if clock.shell is not None:
            with suppress(Exception):
                namespace = clock.shell.user_ns
                variables = names(namespace)
                self.changed_at = changed_at(clock, variables, self._times.began)
                watch(clock, variables, namespace)

    def restart(self, *, cells: bool = True) -> None:
        """Let the call begin now: what was done until here counts as before it; without cells nothing was before."""
        in_this_cell = self.changed_at == self._times.began
        self._times.restart()
        if in_this_cell:
            self.changed_at = self._times.began
        if cells:
            think, run = self._session.clock.read(self.iteration.name, self._times.began)
            self.note(think_seconds=think, run_seconds=run)
        else:
            self.note(think_seconds=None, run_seconds=None, started_at=datetime.now(UTC))

    def note(self, **fields: Any) -> None:
        """Remember columns; they are written when the iteration ends. Any thread may."""
        kept = _kept(self._session, fields)
        with self._lock:
            self.iteration = replace(self.iteration, **kept)

    def save(self) -> None:
        """Write what is known."""
        self._session.history.update(self.iteration)

    @property
    def is_over(self) -> bool:
        """Whether the iteration has ended."""
        return self.iteration.finished_at is not None

    def end(self) -> None:
        """End the iteration: the next one of its name begins. What comes after is not timed."""
        if self.is_over:
            return
        times = self._times
        total = times.close()
        times.changed = lambda _: None
        finished_at = datetime.now(UTC)
        self._session.clock.mark(self.iteration.name, times.ended, finished_at)
        before = (self.iteration.think_seconds or 0.0) + (self.iteration.run_seconds or 0.0)
        self.note(finished_at=finished_at, cycle_seconds=before + total, **_columns(times.seconds))

    def finish(self, status: Status, error: str = "") -> None:
        """Write the row once and for all; the iteration ends with this call, unless it was ended before."""
        self.end()
        if status in PROMOTED:
            lead = None if self.changed_at is None else self._times.ended - self.changed_at
            self.note(package_to_verified_seconds=self._times.total, lead_seconds=lead)
        self.note(status=status, error=error)
        self.save()

    def fail(self, error: BaseException) -> None:
        """Write how an iteration ended early; one that was verified before stays so."""
        if self.iteration.status == "running":
            message = error.message if isinstance(error, ContainerIterError) else f"{type(error).__name__}: {error}"
            interrupted = isinstance(error, KeyboardInterrupt | asyncio.CancelledError)
            self.finish("interrupted" if interrupted else "failed", message)

    def forget(self) -> None:
        """Leave no row: the call was wrong. Its time is the next iteration's."""
        self._session.history.delete(self.iteration.id)

    def beat(self, times: PhaseTimes) -> None:
        """Note how far it is, should this kernel be killed."""
        seconds = {phase: value for phase, value in times.seconds.items() if phase != times.current}
        if times.current in times.seconds:
            seconds[times.current] = times.seconds[times.current]
        self._session.locks.heartbeat(self.iteration.name).beat(self.iteration.id, seconds)


def interrupted(session: Session, iteration: Iteration) -> Iteration:
    """Return the row of an iteration that has lost its kernel, up to the last sign of life."""
    before = (iteration.think_seconds or 0.0) + (iteration.run_seconds or 0.0)
    sign = session.locks.heartbeat(iteration.name).last(iteration.id)
    seconds = sign.seconds if sign else {}
    return replace(
        iteration,
        status="interrupted",
        finished_at=sign.at if sign else iteration.started_at + timedelta(seconds=before),
        cycle_seconds=before + sum(seconds.values()),
        error="The kernel ended.",
        **_columns(seconds),
    )


def _kept(session: Session, fields: dict[str, Any]) -> dict[str, Any]:
    """Return columns as they are kept: what people wrote without secrets, and not endlessly long."""
    written = {column: fields[column] for column in _WRITTEN if fields.get(column)}
    if not written:
        return fields
    plain = {
        column: plain_mapping(value) if isinstance(value, Mapping) else plain_text(value)
        for column, value in written.items()
    }
    kept = {**fields, **without_secrets(plain, session.handles.tokens().values())}
    return {**kept, "cell": kept["cell"][:_CELL_CHARACTERS]} if "cell" in kept else kept


def _columns(seconds: Any) -> dict[str, Any]:
    return {f"{phase}_seconds": value for phase, value in seconds.items()}
