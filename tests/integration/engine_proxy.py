"""Stands between a notebook and Docker's socket, and misbehaves at a chosen request."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal

_REQUEST = re.compile(rb"(GET|POST|DELETE|PUT|HEAD) (\S+) HTTP/1\.1\r\n")
_END_OF_CHUNKS = b"\r\n0\r\n\r\n"


class EngineProxy:
    """Passes everything on, until the request comes that it was told to wait for.

    Parameters
    ----------
    path
        Where it listens.
    engine
        The engine's own socket.
    """

    def __init__(self, path: Path, engine: str) -> None:
        self._path = path
        self._engine = engine
        self._pattern: re.Pattern[str] | None = None
        self._action = ""
        self._answer = b""
        self._times = 0
        self._connections: list[socket.socket] = []
        #: Set when the chosen request has come.
        self.reached = threading.Event()
        self._released = threading.Event()
        self.heal()

    @property
    def address(self) -> str:
        """Its address, for ``DOCKER_HOST``."""
        return f"unix://{self._path}"

    def at(self, request: str, action: Literal["die", "stall", "answer"], answer: bytes = b"", times: int = 1) -> None:
        """Choose a request, by a pattern of its method and path, and what happens when it comes.

        ``die`` cuts every connection and listens no more, ``stall`` keeps silent until :meth:`heal`, ``answer`` gives
        an answer of its own. After so many ``times`` everything is passed on again.
        """
        self.reached.clear()
        self._released.clear()
        self._action, self._answer, self._times = action, answer, times
        self._pattern = re.compile(request)

    def heal(self) -> None:
        """Pass everything on again."""
        self._pattern = None
        self._released.set()
        if not self._path.exists():
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self._path))
            self._listener.listen()
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Cut every connection and listen no more."""
        self._released.set()
        self._path.unlink(missing_ok=True)
        for connection in (self._listener, *self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._engine)
                self._connections += [client, engine]
                threading.Thread(target=self._pass_on, args=(client, engine), daemon=True).start()
                threading.Thread(target=_copy, args=(engine, client), daemon=True).start()

    def _pass_on(self, client: socket.socket, engine: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(65536):
                # The docker SDK writes the head of a request at once, after it has read the answer to the last one.
                head = _REQUEST.match(piece)
                if head and self._pattern and self._pattern.search(f"{head[1].decode()} {head[2].decode()}"):
                    self._misbehave(client, piece)
                    break
                engine.sendall(piece)
        for connection in (client, engine):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _misbehave(self, client: socket.socket, piece: bytes) -> None:
        self._times -= 1
        if not self._times:
            self._pattern = None
        self.reached.set()
        if self._action == "die":
            self.close()
        elif self._action == "stall":
            self._released.wait()
        else:
            while not piece.endswith(_END_OF_CHUNKS):
                piece = piece[-len(_END_OF_CHUNKS) :] + client.recv(65536)
            client.sendall(self._answer)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def answer(body: bytes) -> bytes:
    """Return an HTTP answer of status 200 with a body of JSON."""
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
