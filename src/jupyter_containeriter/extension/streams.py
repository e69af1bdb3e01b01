"""Routes that go on answering: server-sent events, as long as somebody reads them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from tornado.iostream import StreamClosedError

from jupyter_containeriter.extension.answers import Handler, allowed
from jupyter_containeriter.extension.feed import Feed

#: What stands between may end a connection on which nothing was sent for longer.
_SIGN_OF_LIFE_SECONDS = 15.0


class Stream(Handler):
    """Sends what a feed tells."""

    #: A page that is open is no activity of anybody: servers that nobody uses may be stopped.
    _track_activity = False
    _sending: asyncio.Task[None] | None = None

    async def send(self, event: str, feed: Feed) -> None:
        """Send events until the reader goes away."""
        self.content_type = "text/event-stream"
        self.set_header("Content-Type", self.content_type)
        self.set_header("Cache-Control", "no-store")
        # Proxies such as nginx would wait for more.
        self.set_header("X-Accel-Buffering", "no")
        self._sending = asyncio.current_task()
        try:
            async with aclosing(feed.listen(_SIGN_OF_LIFE_SECONDS)) as texts:  # type: ignore[type-var]
                async for text in texts:
                    self.write(": nothing new\n\n" if text is None else f"event: {event}\ndata: {text}\n\n")
                    await self.flush()
        except (StreamClosedError, asyncio.CancelledError):
            return

    def on_connection_close(self) -> None:
        """Stop listening: the reader has gone."""
        super().on_connection_close()
        if self._sending is not None:
            self._sending.cancel()


class EventsHandler(Stream):
    """The overview, at once and after every change."""

    @allowed("read")
    async def get(self) -> None:
        """Send overviews."""
        await self.send("overview", self.service.overviews)


class LogsStreamHandler(Stream):
    """What the server of a model writes."""

    @allowed("read")
    async def get(self, name: str) -> None:
        """Send the last lines, at once and whenever there are others."""
        await self.send("logs", self.service.log_feed(name, self.lines()))
