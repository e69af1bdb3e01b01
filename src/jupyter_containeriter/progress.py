"""What a long call tells while it works. Faces show it; the default stays silent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


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

    Attributes
    ----------
    seconds
        Time of each phase so far; a phase that was cut short counts with what it took.
    current
        The phase that began last.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.current = ""
        self._began = time.monotonic()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a block as (more of) a phase."""
        began = time.monotonic()
        self.current = name
        self.progress.started(name)
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
            self.progress.ended(name, self.seconds[name])

    @property
    def total(self) -> float:
        """Seconds since the first phase could begin."""
        return time.monotonic() - self._began
