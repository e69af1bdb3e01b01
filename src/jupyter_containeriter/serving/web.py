"""The HTTP server: uvicorn with httptools and uvloop where they can be imported, else h11 and asyncio."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.server import Server

from .app import Application
from .service import Service
from .versions import Version

if TYPE_CHECKING:
    from .server import First

#: What was asked gets this long to be answered once the process is told to end; engines wait somewhat longer.
DRAIN_SECONDS = 8.0
#: A connection that was used so shortly ago may just be bringing the next request.
_QUIET_SECONDS = 0.25
_POLL_SECONDS = 0.02
#: uvicorn ticks ten times a second; that often somebody looks at what takes long.
_TICKS = 10


def run(listener: socket.socket, service: Service, first: First, started: float) -> None:
    """Serve on an open socket while the model loads, until the process is told to end.

    Parameters
    ----------
    listener
        A listening socket.
    service
        What to serve, still without a version.
    first
        The version that is being loaded.
    started
        When the process started, by :func:`time.perf_counter`.
    """
    service.loading = first.number

    async def announce() -> None:
        model = await asyncio.wrap_future(first.promises.pop())
        version = Version(first.number, model, first.worker, time.perf_counter() - started, first.size_bytes)
        service.versions.add(version)
        service.versions.switch(first.number)
        service.loading = ""
        # What is imported stays: the collector need not look through it at every pass, nor through the model for long.
        gc.enable()
        gc.freeze()
        host, port = listener.getsockname()[:2]
        milliseconds = round(1000 * (time.perf_counter() - started))
        print(  # noqa: T201 - the container's log is stderr
            f"containeriter: {model.name} is ready in {milliseconds} ms on {host}:{port}", file=sys.stderr
        )

    config = Config(
        Application(service),
        http=_protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    _Server(config, service, announce).run(sockets=[listener])


def _protocol() -> Any:
    try:
        from .connection import Connection
    except ImportError:  # No httptools for this platform.
        return "h11"
    return Connection


class _Server(Server):
    """A server that does one thing more as soon as it answers, and answers all it was asked before it ends."""

    def __init__(self, config: Config, service: Service, announce: Any) -> None:
        super().__init__(config)
        self._service = service
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announcing = asyncio.ensure_future(self._announce())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.draining = True
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS == 0:
            self._service.expire(time.monotonic())
            for connection in list(self.server_state.connections):
                if hasattr(connection, "check"):  # Those of h11 have none.
                    connection.check()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        connections = self.server_state.connections
        deadline = time.monotonic() + DRAIN_SECONDS
        while connections and time.monotonic() < deadline:
            for connection in list(connections):
                if _is_quiet(connection):
                    connection.shutdown()
            await asyncio.sleep(_POLL_SECONDS)
        if in_flight := self._service.metrics.in_flight:
            print(f"containeriter: ends without answering {in_flight} requests", file=sys.stderr)  # noqa: T201


def _is_quiet(connection: Any) -> bool:
    # Connections of h11 do not know; uvicorn closes those without a request.
    return not hasattr(connection, "is_quiet") or connection.is_quiet(_QUIET_SECONDS)
