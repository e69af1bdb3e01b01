"""Where the time of an iteration goes before the call: thinking (kernel idle) and running (cells executing)."""

from __future__ import annotations

import functools
import time


class CellClock:
    """Adds up cell times, and tells for each model name how much passed since its last iteration ended.

    Faces call it at the start and end of every cell. The cell that is running when the clock is read counts as run
    time up to that moment.
    """

    def __init__(self) -> None:
        self._run_seconds = 0.0
        self._cell_started: float | None = None
        self._first = (time.monotonic(), 0.0)
        self._marks: dict[str, tuple[float, float]] = {}

    def cell_started(self) -> None:
        """Note that a cell begins to execute."""
        self._cell_started = time.monotonic()

    def cell_ended(self) -> None:
        """Note that the cell has executed."""
        self._run_seconds, self._cell_started = self._total_run(), None

    def read(self, name: str) -> tuple[float, float]:
        """Return the seconds of thinking and of running since the name was marked, or since the clock began."""
        since, run_before = self._marks.get(name, self._first)
        run = self._total_run() - run_before
        return max(0.0, time.monotonic() - since - run), run

    def mark(self, name: str) -> None:
        """Begin to count anew for this name, from now."""
        self._marks[name] = (time.monotonic(), self._total_run())

    def _total_run(self) -> float:
        current = 0.0 if self._cell_started is None else time.monotonic() - self._cell_started
        return self._run_seconds + current


@functools.cache
def kernel_clock() -> CellClock:
    """Return the clock of this kernel; it begins when it is first asked for."""
    return CellClock()
