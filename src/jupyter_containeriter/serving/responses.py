"""Responses: JSON, and errors as the Open Inference Protocol words them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .compression import deflate, wanted_coding
from .inference import Reply, write_json


def json_response(content: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(write_json(content), status, media_type="application/json")


def error_response(status: int, message: str, headers: Any = None) -> Response:
    """Answer with ``{"error": message}``."""
    return Response(write_json({"error": message}), status, headers, "application/json")


async def reply_response(request: Request, reply: Reply) -> Response:
    """Answer with a reply, compressed if the client asks for it."""
    chunks, headers = reply.chunks, dict(reply.headers)
    if coding := wanted_coding(request.headers.get("accept-encoding", ""), chunks):
        chunks = await asyncio.to_thread(deflate, chunks, coding)
        headers |= {"Content-Encoding": coding, "Vary": "Accept-Encoding"}
    return ChunksResponse(chunks, headers) if len(chunks) > 1 else Response(chunks[0], headers=headers)


#: Where the scope of a request may hold what sends a whole response at once; see :class:`.connection.Connection`.
SEND_WHOLE = "containeriter.send_whole"


async def send_response(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response: in one piece where it is one and the connection can."""
    send_whole = scope.get(SEND_WHOLE) if type(response) is Response else None
    if send_whole is None or not send_whole(response.status_code, response.raw_headers, response.body):
        await response(scope, receive, send)


class ChunksResponse(Response):
    """A response whose parts are sent one after the other, so that nothing large is joined."""

    def __init__(self, chunks: Sequence[bytes], headers: Mapping[str, str]) -> None:
        super().__init__(headers={**headers, "Content-Length": str(sum(map(len, chunks)))})
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        *others, last = self._chunks
        for chunk in others:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": last})
