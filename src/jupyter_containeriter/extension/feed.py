"""One source for many listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing


class Feed:
    """Passes on what a source tells, to whoever listens. Without a listener there is no source.

    A listener that comes later hears at once what was told last; one that is slow misses what is outdated by then.

    Parameters
    ----------
    source
        Makes a source: an asynchronous generator. It is closed when nobody listens any more.
    """

    def __init__(self, source: Callable[[], AsyncIterator[str]]) -> None:
        self._source = source
        self._listeners = 0
        self._running: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._told: str | None = None

    async def listen(self, patience: float) -> AsyncIterator[str | None]:
        """Yield what is told, and None whenever nothing was for so many seconds; raise what the source raises."""
        self._listeners += 1
        try:
            heard = None
            while True:
                running = self._started()
                news = self._news
                if self._told is not heard:
                    heard = self._told
                    yield heard
                    continue
                if running.done():
                    running.result()
                    return
                try:
                    await asyncio.wait_for(news.wait(), patience)
                except TimeoutError:
                    yield None
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._stop()

    def _started(self) -> asyncio.Task[None]:
        if self._running is None:
            self._running = asyncio.create_task(self._run())
            self._running.add_done_callback(lambda _: self._tell(self._told))
        return self._running

    def _stop(self) -> None:
        running, self._running, self._told = self._running, None, None
        if running is not None:
            running.cancel()

    async def _run(self) -> None:
        async with aclosing(self._source()) as source:  # type: ignore[type-var]
            async for text in source:
                self._tell(text)

    def _tell(self, text: str | None) -> None:
        """Wake everybody; whoever waits from now on waits for the next news."""
        self._told = text
        news, self._news = self._news, asyncio.Event()
        news.set()
