"""Where the time of an iteration goes before the call: thinking (kernel idle) and running (cells executing)."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: So many cells are remembered; a longer source is as good as none.
_CELLS, _SOURCE = 1000, 100_000


@dataclass(slots=True, eq=False)
class ExecutedCell:
    """A cell that runs, or has run.

    Attributes
    ----------
    number
        Its execution count; None where it is not counted.
    source
        As it was typed.
    started, ended
        On the monotonic clock; it runs while ``ended`` is None.
    rebound
        Watched variables that held another object after it than before.
    """

    number: int | None
    source: str
    started: float
    ended: float | None = None
    rebound: tuple[str, ...] = ()


@dataclass(slots=True)
class _Running:
    cell: ExecutedCell
    key: object
    thread: int


class CellClock:
    """Adds up cell times, and tells for each model name how much passed since its last iteration ended.

    Faces call it at the start and end of every cell. The cell that is running when the clock is read counts as run
    time up to that moment. Cells that run other cells count once.

    Parameters
    ----------
    began
        Where the first iteration of every name begins, on the monotonic clock; now by default.

    Attributes
    ----------
    cells
        What was executed last, oldest first.
    watched
        Variables whose objects tell of a change, with the identity of what each held last.
    shell
        IPython's shell where it tells of cells, else None.
    """

    def __init__(self, began: float | None = None) -> None:
        self.cells: deque[ExecutedCell] = deque(maxlen=_CELLS)
        self.watched: dict[str, int] = {}
        self.shell: Any = None
        self._running: list[_Running] = []
        self._run_seconds = 0.0
        self._run_began = 0.0
        self._first = (time.monotonic() if began is None else began, 0.0)
        self._marks: dict[str, tuple[float, float]] = {}
        self._days: dict[str, datetime] = {}

    def cell_started(self, source: str = "", number: int | None = None, key: object = None) -> None:
        """Note that a cell begins to execute; ``key`` is what its end is known by."""
        now = time.monotonic()
        cell = ExecutedCell(number, source if len(source) <= _SOURCE else "", now)
        if not self._running:
            self._run_began = now
        self._running.append(_Running(cell, key, threading.get_ident()))
        self.cells.append(cell)

    def cell_ended(self, key: object = None, rebound: tuple[str, ...] = ()) -> None:
        """Note that the cell has executed, and with it what it began and whose end was not seen."""
        found = next((running for running in reversed(self._running) if running.key is key), None)
        if found is not None:
            found.cell.rebound = rebound
            self._end(self._running.index(found))

    def all_ended(self) -> None:
        """Note that no cell of this thread runs (any more), whatever was seen."""
        self._end(0)

    def is_running(self, key: object = None) -> bool:
        """Whether a cell of this thread runs, or the one that is known by this key."""
        thread = threading.get_ident()
        return any(running.thread == thread if key is None else running.key is key for running in self._running)

    @property
    def current(self) -> ExecutedCell | None:
        """The cell that runs; where it runs others, the one a person executed."""
        return self._running[0].cell if self._running else None

    def read(self, name: str, at: float | None = None) -> tuple[float, float]:
        """Return the seconds of thinking and of running since the name was marked, or since the clock began."""
        at = time.monotonic() if at is None else at
        since, run_before = self._marks.get(name, self._first)
        run = max(0.0, self._total_run(at) - run_before)
        return max(0.0, at - since - run), run

    def mark(self, name: str, at: float | None = None, day: datetime | None = None) -> None:
        """Begin to count anew for this name, from that moment (now by default), which is this time of day."""
        at = time.monotonic() if at is None else at
        self._marks[name] = (at, self._total_run(at))
        self._days[name] = datetime.now(UTC) if day is None else day

    def marked(self, name: str) -> datetime | None:
        """Return the time of day at which the name was marked last, None where it never was."""
        return self._days.get(name)

    def _end(self, position: int) -> None:
        now, thread = time.monotonic(), threading.get_ident()
        ended = [running for running in self._running[position:] if running.thread == thread]
        for running in ended:
            running.cell.ended = now
            self._running.remove(running)
        if ended and not self._running:
            self._run_seconds += now - self._run_began

    def _total_run(self, at: float) -> float:
        return self._run_seconds + (max(0.0, at - self._run_began) if self._running else 0.0)


def process_began() -> float | None:
    """Return when this process was started, on the monotonic clock; None where the system does not say."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, ValueError, IndexError):
        return None
    return time.monotonic() - age if age >= 0 else None


@functools.cache
def kernel_clock() -> CellClock:
    """Return the clock of this kernel; it began when the kernel did, so that imports before ``%load_ext`` count."""
    return CellClock(process_began())
