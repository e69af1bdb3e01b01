"""A Docker daemon of a few lines on a Unix socket, with every answer up to the test.

It exists for answers that real daemons gave but do not give on demand: each kind of success that is none, a daemon
that dies, one that is silent.
"""

from __future__ import annotations

import json
import re
import socketserver
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import unquote

from jupyter_containeriter.types import Image

_CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]


@dataclass
class Reply:
    """One answer: status, a document or the lines of a stream, and headers."""

    status: int = 200
    body: Any = None
    lines: tuple[dict[str, Any], ...] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """Return the bytes of the body."""
        if self.lines is not None:
            return b"".join(json.dumps(line).encode() + b"\r\n" for line in self.lines)
        return b"" if self.body is None else json.dumps(self.body).encode()


LOADED = Reply(lines=({"stream": "Loaded image: localhost/containeriter/tiny:1\n"},))
GONE = Reply(404, {"message": "No such image"})


class DaemonDouble:
    """The daemon. ``routes`` maps "METHOD /path" patterns to replies or functions; ``seen`` lists what was asked.

    Images that are put into ``images`` (by any name) are found by inspecting; a load that is answered with
    :data:`LOADED` puts ``arriving`` there.
    """

    def __init__(self, store: str = "overlay2") -> None:
        self.seen: list[str] = []
        self.images: dict[str, dict[str, Any]] = {}
        self.loads: list[Reply | Callable[[], Reply]] = []
        self.arriving: Image | None = None
        self.routes: dict[str, Reply | Callable[[], Reply]] = {}
        self.bodies: list[bytes] = []
        #: Answer loads before the archive was read, and hang up.
        self.hasty = False
        self.store = store
        self._directory = tempfile.TemporaryDirectory()
        self.socket = f"{self._directory.name}/engine.sock"

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"unix://{self.socket}"

    def hold(self, image: Image, *, diff_ids: list[str] | None = None) -> None:
        """Make an image known, under its reference and its id."""
        identity = image.digest if self.store == "containerd" else image.config_digest
        attributes = {
            "Id": identity,
            "RepoTags": [image.reference],
            "RootFS": {"Layers": [layer.digest for layer in image.layers] if diff_ids is None else diff_ids},
        }
        self.images[image.reference] = self.images[identity] = attributes

    def __enter__(self) -> Self:
        """Start listening."""
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                double.answer(self)

            do_GET = do_POST = do_DELETE = do  # noqa: N815 (http.server's names)

            def log_message(self, *_: object) -> None:
                pass

            def address_string(self) -> str:
                return "unix"

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self._server = Server(self.socket, Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._directory.cleanup()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path = re.sub(r"^/v\d+\.\d+", "", unquote(handler.path)).partition("?")[0]
        self.seen.append(f"{handler.command} {path}")
        handler.close_connection = hasty = self.hasty and path == "/images/load"
        body = b"" if hasty else _body(handler)
        reply = self._reply(f"{handler.command} {path}", body)
        if reply is DIES:
            handler.close_connection = True
            return
        content = reply.content()
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _reply(self, request: str, body: bytes) -> Reply:
        for pattern, reply in self.routes.items():
            if re.fullmatch(pattern, request):
                return reply() if callable(reply) else reply
        if request == "POST /images/load":
            self.bodies.append(body)
            reply = self.loads.pop(0) if self.loads else LOADED
            reply = reply() if callable(reply) else reply
            if reply is LOADED and self.arriving:
                self.hold(self.arriving)
            return reply
        if request.startswith("GET /images/") and request.endswith("/json") and request != "GET /images/json":
            attributes = self.images.get(request.removeprefix("GET /images/").removesuffix("/json"))
            return Reply(body=attributes) if attributes else GONE
        if request.startswith("DELETE /images/"):
            return Reply(body=[]) if self.images.pop(request.removeprefix("DELETE /images/"), None) else GONE
        return self._fixed(request)

    def _fixed(self, request: str) -> Reply:
        listed = {tag: held for tag, held in self.images.items() if not tag.startswith("sha256:")}
        replies = {
            "GET /version": Reply(body={"ApiVersion": "1.41", "Version": "20.10.24", "Arch": "amd64"}),
            "GET /_ping": Reply(headers={"Libpod-Api-Version": "5.8.6"} if self.store == "podman" else {}),
            "GET /info": Reply(body={"DriverStatus": _CONTAINERD if self.store == "containerd" else []}),
            "GET /images/json": Reply(body=[{"Id": held["Id"], "RepoTags": [tag]} for tag, held in listed.items()]),
        }
        return replies.get(request, Reply(404, {"message": f"no route for {request}"}))


#: The daemon dies instead of answering.
DIES = Reply()


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline() or b"0", 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)
