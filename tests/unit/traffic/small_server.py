"""A server that answers as a test says, and notes what it was asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class SmallServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1; ``answer`` gives the status of the request of that number, None to break the connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Callable[[int], int | None] = lambda _: 200
        self.keeps_alive = True
        self.bodies: list[bytes] = []
        self.authorizations: set[str] = set()
        self.open: set[socket.socket] = set()
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def go_away(self) -> None:
        """Stop listening and break every connection, as a killed process does."""
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SmallServer

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.bodies.append(body)
            number = len(self.server.bodies)
            self.server.authorizations.add(self.headers.get("Authorization", ""))
        status = self.server.answer(number)
        if status is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.close_connection = not self.server.keeps_alive
        connection = "" if self.server.keeps_alive else "Connection: close\r\n"
        self.wfile.write(f"HTTP/1.1 {status} Said\r\n{connection}Content-Length: 2\r\n\r\n{{}}".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""
