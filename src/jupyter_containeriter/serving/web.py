"""The HTTP server: uvicorn with httptools and uvloop where they can be imported, else h11 and asyncio."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import time
from concurrent.futures import Future
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from .app import Application
from .model import LoadedModel
from .service import Service
from .versions import Version
from .worker import Worker

#: Running requests get this long to finish once the process is told to end.
_SHUTDOWN_SECONDS = 2


def run(
    listener: socket.socket, service: Service, number: str, loading: tuple[Worker, Future[LoadedModel]], started: float
) -> None:
    """Serve on an open socket while the model loads, until the process is told to end.

    Parameters
    ----------
    listener
        A listening socket.
    service
        What to serve, still without a version.
    number
        The version that is being loaded.
    loading
        The thread that loads it, and its promise to do so.
    started
        When the process started, by :func:`time.perf_counter`.
    """

    async def announce() -> None:
        worker, promise = loading
        model = await asyncio.wrap_future(promise)
        service.versions.add(Version(number, model, worker, time.perf_counter() - started))
        service.versions.switch(number)
        # What is loaded stays: the collector need not look through it at every pass.
        gc.enable()
        gc.freeze()
        host, port = listener.getsockname()[:2]
        milliseconds = round(1000 * (time.perf_counter() - started))
        print(  # noqa: T201 - the container's log is stderr
            f"containeriter: {model.name} is ready in {milliseconds} ms on {host}:{port}", file=sys.stderr
        )

    config = Config(
        Application(service),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    _Server(config, announce).run(sockets=[listener])


class _Server(Server):
    """A server that does one thing more as soon as it answers."""

    def __init__(self, config: Config, announce: Any) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announcing = asyncio.ensure_future(self._announce())
