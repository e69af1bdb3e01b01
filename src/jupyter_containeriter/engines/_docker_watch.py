"""Docker's and Podman's own stream of events, of the containers of one history."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jupyter_containeriter.engines import _labels


class EventWatch:
    """Tells of events as the engine does; nothing is asked meanwhile.

    Parameters
    ----------
    api
        A connected ``docker.APIClient``.
    history
        Whose containers.
    changed
        Is told, in a thread; a last time when the engine goes away.
    """

    def __init__(self, api: Any, history: str, changed: Callable[[], None]) -> None:
        # Not by kind: Podman calls some events by other names. Nobody does much else to our containers.
        label = f"{_labels.HISTORY}={history}"
        self._events = api.events(filters={"type": ["container"], "label": [label]})
        self._changed = changed
        self._closed = self._ended = False
        threading.Thread(target=self._run, name="containeriter-events", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether nobody is told any more."""
        return self._closed or self._ended

    def close(self) -> None:
        """Tell no more."""
        self._closed = True
        # Also where its connection has just gone by itself.
        with suppress(OSError, AttributeError):
            self._events.close()

    def _run(self) -> None:
        # What is wrong with the connection is told by whoever asks the engine next.
        with suppress(OSError, ValueError, AttributeError):
            for _event in self._events:
                if self._closed:
                    return
                self._changed()
        self._ended = True
        if not self._closed:
            self._changed()
