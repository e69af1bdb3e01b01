"""A thread that looks again and again while somebody has a panel open."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PERIOD_SECONDS = 1.0


class Follower:
    """Calls something again and again, between :meth:`start` and :meth:`stop`, in one thread and never in two.

    Parameters
    ----------
    tick
        Called at once and every period. What it raises ends nothing: it is tried again.
    period
        Seconds between two calls.
    """

    def __init__(self, tick: Callable[[], None], period: float = PERIOD_SECONDS) -> None:
        self._tick = tick
        self._period = period
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # What it asks must not be half gone when the kernel ends.
        atexit.register(self.stop)

    @property
    def is_running(self) -> bool:
        """Whether it calls, or is about to stop."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, unless it has begun."""
        with self._lock:
            if self.is_running and not self._stop.is_set():
                return
            before, self._stop = self._thread, threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stop, before), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop soon; a call that has begun is not waited for."""
        with self._lock:
            self._stop.set()

    def join(self) -> None:
        """Wait until it has stopped."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, stop: threading.Event, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        while not stop.is_set():
            # Whatever it is: it is tried again, and shows where a person acts.
            with suppress(Exception):
                self._tick()
            stop.wait(self._period)


def when_idle(call: Callable[[], None]) -> None:
    """Call in the kernel's main thread, when no cell runs there; at once where there is no kernel."""
    kernel = _kernel()
    if kernel is None or threading.current_thread() is threading.main_thread():
        call()
    else:
        kernel.io_loop.add_callback(call)


def _kernel() -> Any:
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)
