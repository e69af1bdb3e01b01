"""A session over an engine in memory, whose containers are small servers of this process."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.capture.snapshot import CaptureRequest
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.progress import Progress
from jupyter_containeriter.road import ports
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.testing import FakeEngine
from jupyter_containeriter.types import Container, Image, Iteration, RunSpec

_CELL = """
class Scaler:
    def __init__(self, k): self.k = k
    def predict(self, rows): return [self.k * row for row in rows]
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Server(ThreadingHTTPServer):
    """A container's server: what it holds, by version, as the snapshots say it."""

    daemon_threads = True
    token_digest: str
    manager_digest: str
    bench: Servers
    held: dict[str, dict[str, Any]]
    candidates: set[str]
    hung: set[str]
    live: str


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/containeriter/versions":
            return self._manage(lambda body: None)
        return self._answer(200, {})

    def do_PUT(self) -> None:
        number = self.path.rpartition("/")[2]
        if number == "live":
            return self._manage(lambda body: setattr(self.server, "live", json.loads(body)["version"]))
        if refusal := self.server.bench.refusal:
            return self._manage(lambda body: None, refusal)
        self.server.hung.discard(number)
        return self._manage(lambda body: self.server.held.update({number: _packed_document(body)}))

    def do_DELETE(self) -> None:
        self._manage(lambda body: self.server.held.pop(self.path.rpartition("/")[2]))

    def do_POST(self) -> None:
        self._body()
        if self.server.token_digest and not {self.server.token_digest, self.server.manager_digest} & {self._digest()}:
            return self._answer(401, {"error": "no"})
        number = self.path.split("/")[5]
        if number not in self.server.held:
            return self._answer(404, {"error": f"there is no version {number}"})
        if number in self.server.hung:
            time.sleep(1)
        outputs = json.loads(json.dumps(self.server.held[number]["sample"]["outputs"]))
        for change in self.server.bench.changes:
            change(outputs)
        return self._answer(200, {"outputs": outputs})

    def _manage(self, change: Callable[[bytes], Any], refusal: int = 0) -> None:
        body = self._body()
        if self._digest() != self.server.manager_digest:
            return self._answer(403, {"error": "no"})
        if refusal:
            return self._answer(refusal, {"error": "not this one"})
        change(body)
        states = [
            {"version": number, "state": "live" if number == self.server.live else "kept"}
            for number in self.server.held
        ]
        return self._answer(200, {"versions": states})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _digest(self) -> str:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return hashlib.sha256(given.encode()).hexdigest()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Servers:
    """Serves what an image's snapshot says the model predicted in the notebook; ``changes`` make it lie.

    ``refusal`` is the status with which servers refuse to load a version beside the live one, 0 where they do.
    """

    def __init__(self) -> None:
        self.refusal = 0
        self.changes: list[Callable[[list[dict[str, Any]]], None]] = []
        self._servers: dict[int, _Server] = {}

    def serve(self, image: Image, spec: RunSpec) -> int:
        """Answer for a container, on the port it asks for."""
        server = self._servers.get(spec.port or 0)
        if server is None:
            server = _Server(("127.0.0.1", spec.port or 0), _Handler)
            self._servers[server.server_port] = server
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        server.bench, server.live = self, str(spec.version)
        server.held, server.candidates, server.hung = {server.live: _document(image)}, set(), set()
        server.token_digest = spec.environment.get("CONTAINERITER_TOKEN_SHA256", "")
        server.manager_digest = spec.environment.get("CONTAINERITER_MANAGEMENT_TOKEN_SHA256", "")
        return server.server_port

    def holds(self, port: int | None) -> tuple[str, set[str]]:
        """Return the live version of the server on a port, and all that it holds."""
        server = self._servers[port or 0]
        return server.live, set(server.held)

    def has(self, port: int) -> bool:
        """Whether a server of this bench listens there; it does so after its container was stopped, too."""
        return port in self._servers

    def leave_candidate(self, port: int | None, number: str) -> None:
        """Let a server hold a version that a killed kernel loaded and never promoted."""
        server = self._servers[port or 0]
        server.held[number] = server.held[server.live]
        server.candidates.add(number)

    def hang(self, port: int | None, number: str) -> None:
        """Let a version answer late, until it is loaded again."""
        self._servers[port or 0].hung.add(number)

    def switch_back(self, port: int | None) -> None:
        """Let a server answer with its first version again."""
        server = self._servers[port or 0]
        server.live = next(iter(server.held))

    def restart(self, port: int | None) -> None:
        """Let a server forget what was loaded into it."""
        self.switch_back(port)
        server = self._servers[port or 0]
        server.held = {server.live: server.held[server.live]}

    def close(self) -> None:
        """End all servers."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()


def _document(image: Image) -> dict[str, Any]:
    code = next(layer for layer in image.layers if layer.role == "code")
    with tarfile.open(code.path) as archive:
        name = "opt/containeriter/snapshot.json"
        file = archive.extractfile(name) if name in archive.getnames() else None
        return json.load(file) if file else {}


def _packed_document(packed: bytes) -> dict[str, Any]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        file = archive.extractfile("snapshot.json")
        document: dict[str, Any] = json.load(file) if file else {}
        return document


@dataclass
class Lab:
    """A person's kernel, or several: they share history, cache and engine."""

    settings: ContainerIter
    engine: FakeEngine
    servers: Servers
    sessions: list[Session] = field(default_factory=list)

    def kernel(self) -> Session:
        """Start another kernel."""
        self.sessions.append(Session(self.settings))
        return self.sessions[-1]

    @property
    def session(self) -> Session:
        """The first kernel."""
        return self.sessions[0] if self.sessions else self.kernel()

    def request(self, k: float = 3, name: str = "churn", **options: Any) -> CaptureRequest:
        """Define a model in a cell."""
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(_CELL, namespace)
        return CaptureRequest(name, namespace["Scaler"](k), "model", namespace, **{"sample": [1, 2], **options})

    def containerize(self, k: float = 3, progress: Progress | None = None, **options: Any) -> Deployment:
        """Take a model down the road in the first kernel, into a new container unless ``fresh`` is False."""
        options = {"fresh": options.get("deploy", True), **options}
        return self.session.containerize(self.request(k), RunOptions(**options), progress)

    def row(self, version: int, name: str = "churn") -> Iteration:
        """Read a version from the history."""
        row = self.session.history.get(name, version)
        assert row is not None
        return row

    def running(self) -> list[Container]:
        """List what the engine holds, newest first."""
        return self.engine.containers(self.session.history.id)

    def versions(self) -> list[int]:
        """List the versions that containers serve."""
        return [container.version for _, container in self.session.standing.containers([self.engine])]

    def tokens(self) -> set[str]:
        """List the containers whose token is kept."""
        directory = self.settings.data_path / "handles"
        return {path.name for path in directory.iterdir() if path.is_file()} if directory.exists() else set()


@pytest.fixture
def port() -> int:
    """Find a port that nothing listens on."""
    return _free_port()


@pytest.fixture
def make_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Lab]]:
    """Set a lab up around a cache directory."""
    servers = Servers()
    labs: list[Lab] = []
    is_free = ports.is_free
    monkeypatch.setattr(ports, "is_free", lambda port: servers.has(port) or is_free(port))

    def make(cache: Path) -> Lab:
        settings = ContainerIter(data_dir=str(tmp_path / "data"), cache_dir=str(cache), ready_seconds=20.0)
        engine = FakeEngine(serve=servers.serve)
        monkeypatch.setattr(Session, "engine", lambda _self, _wanted=None: engine)
        monkeypatch.setattr(Session, "engines", lambda _self: [engine])
        labs.append(Lab(settings, engine, servers))
        return labs[-1]

    yield make
    servers.close()
    for session in (session for lab in labs for session in lab.sessions):
        session.history.close()


@pytest.fixture
def lab(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Give a lab over the layer cache that all tests of this run share."""
    return make_lab(tmp_path_factory.getbasetemp() / "shared-layers")


@pytest.fixture
def own_lab(make_lab: Callable[[Path], Lab], tmp_path: Path) -> Lab:
    """Give a lab whose cache may be damaged."""
    return make_lab(tmp_path / "cache")
