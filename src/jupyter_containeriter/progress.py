"""What a long call tells while it works. Faces show it; the default stays silent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from jupyter_containeriter.types import CALL_PHASES


class Progress(Protocol):
    """Hears of phases as they begin and end."""

    def started(self, phase: str) -> None:
        """Hear that a phase begins."""

    def ended(self, phase: str, seconds: float) -> None:
        """Hear that it is done."""

    def note(self, text: str) -> None:
        """Hear something worth telling."""

    def detail(self, text: str) -> None:
        """Hear how far the phase is; each time instead of what was heard before. Any thread may tell."""


class Silent:
    """Tells nothing."""

    def started(self, phase: str) -> None:
        """Ignore it."""

    def ended(self, phase: str, seconds: float) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""

    def detail(self, text: str) -> None:
        """Ignore it."""


class PhaseTimes:
    """Times phases with a monotonic clock and passes them on.

    Together the phases are the whole time: what passes between two of them prepares the next one, and counts to it;
    what passes after the last one counts to that one.

    Parameters
    ----------
    progress
        Hears of the phases.
    began
        Where the first one begins, on the monotonic clock; now by default.
    rest
        The phase that all time without a phase counts to, instead.
    changed
        Called with these times at each change of the phase.

    Attributes
    ----------
    seconds
        Time of each phase so far; a phase that was cut short counts with what it took.
    current
        The phase that began last.
    began, ended
        The moments where the first phase begins, and up to which all time is in :attr:`seconds`.
    """

    def __init__(
        self,
        progress: Progress,
        began: float | None = None,
        rest: str = "",
        changed: Callable[[PhaseTimes], None] = lambda _: None,
    ) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.current = ""
        self.began = self.ended = time.monotonic() if began is None else began
        self.changed = changed
        self._rest = rest

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a block as (more of) a phase."""
        self._count(self._rest or name)
        self.current = name
        self.changed(self)
        self.progress.started(name)
        try:
            yield
        finally:
            self._count(name)
            self.progress.ended(name, self.seconds[name])

    def restart(self) -> None:
        """Let the first phase begin now."""
        self.began = self.ended = time.monotonic()
        self.seconds.clear()

    def close(self) -> float:
        """Count all time up to now, and return the seconds since the first phase began."""
        self._count(self._rest or self.current or CALL_PHASES[0])
        return self.total

    @property
    def total(self) -> float:
        """Seconds of all phases so far."""
        return self.ended - self.began

    def _count(self, name: str) -> None:
        before, self.ended = self.ended, time.monotonic()
        self.seconds[name] = self.seconds.get(name, 0.0) + self.ended - before
