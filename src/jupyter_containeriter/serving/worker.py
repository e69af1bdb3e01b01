"""One thread that does all of the model's work, in order: models are rarely safe in several."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

#: musl gives threads 128 KiB of stack, too little to unpickle deeply nested models.
_STACK_BYTES = 16 * 1024 * 1024


class Worker:
    """A thread and its queue. It is a daemon: a prediction that never ends does not keep the server from ending."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        previous = threading.stack_size(_STACK_BYTES)
        threading.Thread(target=self._run, name="model", daemon=True).start()
        threading.stack_size(previous)

    def post(self, function: Callable[[], object]) -> None:
        """Queue a call whose result nobody waits for."""
        self._jobs.put(function)

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Queue a call; the future has its result."""
        future: Future[T] = Future()
        self.post(lambda: self._call(future, function, arguments))
        return future

    def close(self) -> None:
        """End the thread when it has done what is queued."""
        self._jobs.put(None)

    def _run(self) -> None:
        while self._work():
            pass

    def _work(self) -> bool:
        # A function of its own, so that no request's data is held while the thread waits for the next one.
        job = self._jobs.get()
        if job is None:
            return False
        try:
            job()
        except BaseException:  # noqa: BLE001 - the thread outlives whatever a job raises
            traceback.print_exc(file=sys.stderr)
        return True

    @staticmethod
    def _call(future: Future[Any], function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for it
            future.set_exception(error)
