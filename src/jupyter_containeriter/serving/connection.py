"""One connection: uvicorn's, with bounds on how much and how slowly a client may send."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from .inference import write_json
from .responses import SEND_WHOLE

#: What a request's line and headers may take. Clients and proxies send a few kilobytes at most.
_HEAD_BYTES = 64 * 1024
#: How long a head may take. Nobody has shown a token yet, so that patience would be anybody's to use up.
_HEAD_SECONDS = 10.0
#: How long nothing of a body may come. There is no bound on all of it: a version is gigabytes, and lines are slow.
_BODY_SECONDS = 30.0


class Connection(HttpToolsProtocol):
    """Refuses heads that are too large, and requests that do not come to an end.

    Attributes
    ----------
    heard
        When the client last sent anything, by the loop's clock.
    """

    heard = 0.0
    _head: int | None = None
    _head_began = 0.0
    _in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request no longer than for the next one."""
        super().connection_made(transport)
        self.heard = self.loop.time()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self.heard = self.loop.time()
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > _HEAD_BYTES:
                self._refuse(431, f"the request's line and headers take more than {_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._head, self._head_began = 0, self.heard
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._head, self._in_body = None, True
        super().on_headers_complete()
        self.scope[SEND_WHOLE] = partial(_send_whole, self.cycle)  # type: ignore[literal-required]

    def on_message_complete(self) -> None:
        """End a request."""
        self._in_body = False
        super().on_message_complete()

    def check(self) -> None:
        """Refuse what should be here by now; to be called every now and then."""
        now = self.loop.time()
        if self._head is not None and now - self._head_began > _HEAD_SECONDS:
            self._refuse(408, f"the request's headers did not arrive within {_HEAD_SECONDS:g} s")
        elif self._in_body and not self.flow.read_paused and now - self.heard > _BODY_SECONDS:
            self._refuse(408, f"nothing of the request's body arrived for {_BODY_SECONDS:g} s")

    def is_quiet(self, seconds: float) -> bool:
        """Tell whether nothing is asked, and has not been for a while."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and self._head is None and self.loop.time() - self.heard > seconds

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in JSON like everything else."""
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        self._head, self._in_body = None, False
        # While an answer is under way, or an earlier request waits for its own, another one would be taken for it.
        if not self.transport.is_closing() and (self.cycle is None or self._may_answer(self.cycle)):
            body = write_json({"error": message})
            headers = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + headers + body)
        self.transport.close()

    @staticmethod
    def _may_answer(cycle: Any) -> bool:
        return bool(cycle.response_complete or (cycle.more_body and not cycle.response_started))


def _send_whole(cycle: RequestResponseCycle, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
    """Send a response, whose length is among its headers, by one write; return whether it could be done.

    By ASGI it would be two messages, each checked again, and two writes: as much work as reading the request.
    """
    if cycle.disconnected or cycle.flow.write_paused or len(body) > HIGH_WATER_LIMIT:
        return False
    content = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        content += (name, b": ", value, b"\r\n")
    closes = (b"connection", b"close") in headers
    if closes:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        content.append(b"connection: close\r\n")
    content += (b"\r\n", b"" if cycle.scope["method"] == "HEAD" else body)
    cycle.waiting_for_100_continue = False
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"".join(content))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
