"""A connection to a deployment."""

from __future__ import annotations

from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.iostream import IOStream
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient

_MOST_ANSWERED_BYTES = 1024**3


class Line(TCPClient):
    """A connection to a deployment for one request, which can be broken off.

    Tornado's client ends no request early by itself. One that nobody waits for any more would go on for as long as the
    container likes.
    """

    _stream: IOStream | None = None
    _is_over = False

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        """Connect, and remember to what."""
        self._stream = await super().connect(*args, **kwargs)
        if self._is_over:
            self._stream.close()
        return self._stream

    async def ask(self, request: HTTPRequest) -> None:
        """Send a request; its callbacks hear the answer.

        Raises
        ------
        HTTPClientError, OSError, UnsatisfiableReadError
            There is no answer, or none that can be understood, or it was broken off.
        """
        # A client of its own: no other deployment waits for one that takes long.
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=_MOST_ANSWERED_BYTES)
        client.tcp_client = self
        try:
            await client.fetch(request, raise_error=False)
        finally:
            client.close()

    def hang_up(self) -> None:
        """Break it off."""
        self._is_over = True
        if self._stream is not None:
            self._stream.close()
