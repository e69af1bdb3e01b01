"""Starts the server: the socket opens first, then the model loads while the server's own modules are imported."""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from . import cpus
from .inference import warm
from .model import LoadedModel, load
from .worker import Worker

EXIT_LOAD_FAILED = 3

#: By the name of a key, that of the environment variable which holds its token's digest.
_TOKENS = {"client": "TOKEN", "manager": "MANAGEMENT_TOKEN"}


def serve(root: Path, started: float) -> None:
    """Serve the model of a snapshot until the process is told to end.

    Parameters
    ----------
    root
        The directory that holds ``snapshot.json``.
    started
        When the process started, by :func:`time.perf_counter`.

    Notes
    -----
    A model that cannot be loaded ends the process with :data:`EXIT_LOAD_FAILED` and the traceback on stderr.
    """
    # As PID 1 a process ignores every signal that it has no handler for, and uvicorn installs its own only later.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _end)
    # What the model prints belongs in the container's log when it happens.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    keys = {name: _digest(f"CONTAINERITER_{variable}_SHA256") for name, variable in _TOKENS.items()}
    # All interfaces of the container's own network; the engine publishes on 127.0.0.1.
    host = os.environ.get("CONTAINERITER_HOST", "0.0.0.0")  # noqa: S104
    listener = _listen(host, os.environ.get("CONTAINERITER_PORT", "8080"))
    cpus.fit()  # Before the model imports what reads it.
    worker = Worker()
    number = os.environ.get("CONTAINERITER_VERSION", "1")
    first = First(number, worker, [worker.submit(_load, root)], _size(root / "model"))
    from .guard import Keys
    from .service import MAX_BODY_BYTES, MAX_QUEUE, Service
    from .web import run

    max_body_bytes = _bound("CONTAINERITER_MAX_BODY_BYTES", MAX_BODY_BYTES)
    service = Service(Keys(**keys), max_body_bytes, _bound("CONTAINERITER_MAX_QUEUE", MAX_QUEUE))
    run(listener, service, first, started)


@dataclass(frozen=True, slots=True)
class First:
    """The version that loads while the server starts.

    Attributes
    ----------
    number
        As in paths.
    worker
        The thread that loads it.
    promises
        The one to load it. Whoever waits for it takes it away: it would hold the model for as long as the server runs.
    size_bytes
        Of its files.
    """

    number: str
    worker: Worker
    promises: list[Future[LoadedModel]]
    size_bytes: int


def _end(signum: int, frame: Any) -> NoReturn:
    os._exit(128 + signum)


def _digest(variable: str) -> str:
    digest = os.environ.get(variable, "").lower()
    if digest and (len(digest) != 64 or not set(digest) <= set("0123456789abcdef")):
        sys.exit(f"containeriter: {variable} must be 64 hexadecimal digits")
    return digest


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _bound(variable: str, default: int) -> int:
    text = os.environ.get(variable, "") or str(default)
    if not (text.isdecimal() and int(text)):
        sys.exit(f"containeriter: {variable} must be a whole number above zero")
    return int(text)


def _listen(host: str, port: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
    except (OSError, ValueError) as error:
        sys.exit(f"containeriter: cannot listen on {host}:{port}: {error}")
    # Listening at once: who connects early waits for an answer instead of being refused and trying again.
    listener.listen(2048)
    return listener


def _load(root: Path) -> LoadedModel:
    try:
        return warm(load(root))
    except BaseException:  # noqa: BLE001 - whatever the model raises ends the process
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(EXIT_LOAD_FAILED)
