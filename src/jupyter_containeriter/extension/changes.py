"""Notices that there may be something new to see: in the history, in the engines, or of who works on what."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Hashable
from contextlib import suppress
from itertools import product
from pathlib import Path

from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import ContainerIterError, EngineError
from jupyter_containeriter.heartbeat import SUFFIX
from jupyter_containeriter.session import Session
from jupyter_containeriter.watching import PolledWatch, Watch, written

_FILES_SECONDS = 0.5
#: A history on a server is asked, not just looked at.
_SERVER_SECONDS = 2.0
#: An engine that was started, or again, is found so late.
_ENGINES_SECONDS = 5.0


class Changes:
    """Calls ``changed``, in some thread, whenever something may have changed, until it is closed.

    Parameters
    ----------
    changed
        Is told; where nobody can be told any more, it raises RuntimeError.

    Attributes
    ----------
    working
        Names that some kernel works on: should it be killed, nothing but its lock tells.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._told = changed
        self._watches: list[Watch] = []
        self._engines: dict[tuple[str, str], Watch] = {}
        self._closed = False
        self.working: Collection[str] = ()

    def start(self, session: Session) -> None:
        """Begin to look. What happens after this call is told."""
        on_disk = isinstance(session.settings.history_location, Path)
        seconds = _FILES_SECONDS if on_disk else _SERVER_SECONDS
        looks: list[tuple[Callable[[], Hashable], float]] = [
            (session.history.pulse, seconds),
            (lambda: self._promises(session), _FILES_SECONDS),
            (lambda: self._work(session), _FILES_SECONDS),
            (lambda: self._listening(session), _ENGINES_SECONDS),
        ]
        for look, period in looks:
            self._watches.append(PolledWatch(look, self._changed, period))
        if self._closed:  # while it began
            self.close()

    def close(self) -> None:
        """Look no more. It does not wait."""
        self._closed = True
        for watch in [*self._watches, *self._engines.values()]:
            watch.close()

    def _changed(self) -> None:
        try:
            self._told()
        except RuntimeError:  # The event loop has ended, and the server with it.
            self.close()

    def _promises(self, session: Session) -> Hashable:
        return _written(session.handles.promoted)

    def _work(self, session: Session) -> Hashable:
        """Look at the signs of life of whoever works, and whether they still do."""
        busy: list[bool] = []
        for name in sorted(self.working):
            with suppress(EngineError):
                busy.append(session.locks.is_busy(name))
        return _written(session.locks.directory, SUFFIX), tuple(busy)

    def _listening(self, session: Session) -> Hashable:
        """Listen to every engine that answers by now; return to which."""
        wanted: list[tuple[Engine, str]] = []
        with suppress(ContainerIterError):
            wanted += product(session.engines(), session.history.ids)
        for engine, history in wanted:
            with suppress(ContainerIterError):
                key = engine.describe().endpoint, history
                if key not in self._engines or self._engines[key].is_over:
                    self._engines[key] = engine.watch(history, self._changed)
        if self._closed:
            self.close()
        return frozenset((key, id(watch)) for key, watch in self._engines.items() if not watch.is_over)


def _written(directory: Path, suffix: str = "") -> Hashable:
    """Return what is another value once a file of a directory was written, came or went."""
    try:
        with os.scandir(directory) as entries:
            found = [(entry.name, written(Path(entry.path))) for entry in entries if entry.name.endswith(suffix)]
    except OSError:
        return ()
    return tuple(sorted(found))
