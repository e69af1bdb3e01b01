"""Something that is looked at until nobody wants to know any more, in a thread that ends with its process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Protocol


def written(path: Path) -> int:
    """Return when a file was written last, in nanoseconds; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


class Watch(Protocol):
    """Somebody is told of changes, until it is closed or over.

    Attributes
    ----------
    is_over
        Whether nobody is told any more.
    """

    @property
    def is_over(self) -> bool:
        """Whether nobody is told any more."""

    def close(self) -> None:
        """Tell no more. It does not wait, and may be done twice."""


class PolledWatch:
    """Looks every now and then, and tells when what it sees is not what it saw last.

    Parameters
    ----------
    look
        Returns what there is to see; cheap, and never raises.
    changed
        Is told, in a thread.
    seconds
        Time between two looks.
    """

    def __init__(self, look: Callable[[], Hashable], changed: Callable[[], None], seconds: float) -> None:
        self._look = look
        self._changed = changed
        self._seconds = seconds
        self._done = threading.Event()
        # Seen before anybody relies on it: whatever happens from now on is told.
        self._seen = look()
        threading.Thread(target=self._run, name="containeriter-watch", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether nobody is told any more."""
        return self._done.is_set()

    def close(self) -> None:
        """Tell no more."""
        self._done.set()

    def _run(self) -> None:
        while not self._done.wait(self._seconds):
            before, self._seen = self._seen, self._look()
            if self._seen != before and not self._done.is_set():
                self._changed()
