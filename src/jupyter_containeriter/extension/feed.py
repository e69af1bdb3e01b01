"""One source for many listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing


class Feed:
    """Passes on what a source tells, to whoever listens. Without a listener there is no source.

    A listener that comes later hears at once what was told last; one that is slow misses what is outdated by then. Once
    a source has ended, those who listened hear so, and whoever comes after that has a new one: a reader that is stuck
    keeps nothing from others.

    Parameters
    ----------
    source
        Makes a source: an asynchronous generator. It is closed when nobody listens any more.
    """

    def __init__(self, source: Callable[[], AsyncIterator[str]]) -> None:
        self._source = source
        self._telling: _Telling | None = None

    async def listen(self, patience: float) -> AsyncIterator[str | None]:
        """Yield what is told, and None whenever nothing was for so many seconds; raise what the source raises."""
        if self._telling is None or self._telling.is_over:
            self._telling = _Telling(self._source())
        async with aclosing(self._telling.listen(patience)) as texts:  # type: ignore[type-var]
            async for text in texts:
                yield text


class _Telling:
    """What one source tells, until it ends or nobody listens."""

    def __init__(self, source: AsyncIterator[str]) -> None:
        self._listeners = 0
        self._news = asyncio.Event()
        self._told: str | None = None
        self._task = asyncio.create_task(self._pass_on(source))
        self._task.add_done_callback(lambda _: self._tell(self._told))

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be told."""
        return self._task.done() or self._task.cancelling() > 0

    async def listen(self, patience: float) -> AsyncIterator[str | None]:
        """Yield what is told, and None whenever nothing was for so many seconds; raise what the source raises."""
        self._listeners += 1
        try:
            heard = None
            while True:
                news = self._news
                if self._told is not heard:
                    heard = self._told
                    yield heard
                elif self._task.done():
                    self._task.result()
                    return
                else:
                    try:
                        await asyncio.wait_for(news.wait(), patience)
                    except TimeoutError:
                        yield None
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._task.cancel()

    async def _pass_on(self, source: AsyncIterator[str]) -> None:
        async with aclosing(source) as texts:  # type: ignore[type-var]
            async for text in texts:
                self._tell(text)

    def _tell(self, text: str | None) -> None:
        """Wake everybody; whoever waits from now on waits for the next news."""
        self._told = text
        news, self._news = self._news, asyncio.Event()
        news.set()
