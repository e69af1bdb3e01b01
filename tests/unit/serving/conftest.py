"""Snapshots on disk, the application called without a socket, and the server as a process of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import urllib3
import uvicorn

from jupyter_containeriter import serving
from jupyter_containeriter.serving import wire
from jupyter_containeriter.serving.app import Application
from jupyter_containeriter.serving.model import LoadedModel
from jupyter_containeriter.serving.service import Service
from jupyter_containeriter.serving.versions import Version
from jupyter_containeriter.serving.worker import Worker
from jupyter_containeriter.standard_library import FLAGS

#: What the server itself needs, below ``site-packages``; a model's own packages are added by the test.
SERVER_PACKAGES = (
    *("anyio", "click", "cloudpickle", "h11", "httptools", "idna", "sniffio", "starlette", "typing_extensions.py"),
    *("uvicorn", "uvloop"),
)

_UNSET = object()


@dataclass(frozen=True)
class Answer:
    """What the application answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Client:
    """Calls an ASGI application in this process."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.app = Application(service)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = b"",
        headers: dict[str, str] | None = None,
        *,
        gone: bool = False,
        impatient: bool = False,
    ) -> Answer:
        """Send a request; ``gone`` lets the client go away before its body is complete, ``impatient`` after it."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return asyncio.run(self.send(method, path, raw, headers or {}, gone=gone, impatient=impatient))

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | AsyncIterator[bytes],
        headers: dict[str, str],
        *,
        gone: bool = False,
        impatient: bool = False,
    ) -> Answer:
        """Send a request within a running loop, its body at once or in chunks."""
        messages = _messages(body, gone=gone, leaves=gone or impatient)
        sent: list[Any] = []

        async def receive() -> Any:
            # A client that waits for its answer says nothing more.
            return await anext(messages, None) or await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        await self.app(scope, receive, send)
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))


async def _messages(body: bytes | AsyncIterator[bytes], *, gone: bool, leaves: bool) -> AsyncIterator[Any]:
    """Say what a client says, as ASGI does."""
    if isinstance(body, bytes):
        yield {"type": "http.request", "body": body, "more_body": gone}
    else:
        async for chunk in body:
            yield {"type": "http.request", "body": chunk, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}
    if leaves:
        yield {"type": "http.disconnect"}


def loaded(function: Callable[[Any], Any], sample: Any = _UNSET, expected: Any = _UNSET) -> LoadedModel:
    """Return a loaded model with the signature of a sample."""
    inputs = None if sample is _UNSET else wire.infer_schema(sample)
    outputs = None if expected is _UNSET else wire.infer_schema(expected, name="output-0")
    return LoadedModel("churn", "containeriter_cloudpickle", inputs, outputs, None, function)


def serving_of(model: LoadedModel, **options: Any) -> Service:
    """Return a service whose first version is this model."""
    service = Service(**options)
    service.versions.add(Version("1", model, Worker()))
    service.versions.switch("1")
    return service


@pytest.fixture
def serve() -> Callable[..., Client]:
    """Return a function that serves a Python function in this process."""

    def start(function: Callable[[Any], Any], *signature: Any, **options: Any) -> Client:
        return Client(serving_of(loaded(function, *signature), **options))

    return start


def write_root(
    root: Path,
    model: Any,
    *,
    predict: dict[str, Any] | None = None,
    sample: Any = _UNSET,
    packages: tuple[str, ...] = (),
    changes: dict[str, Any] | None = None,
) -> Path:
    """Write the directory that an image holds at its root, and return the server's entry in it.

    ``changes`` replace members of ``snapshot.json``.
    """
    for directory in ("model", "code", "site-packages"):
        (root / directory).mkdir(parents=True)
    pickled = cloudpickle.dumps(model)
    (root / "model" / "model.pkl").write_bytes(pickled)
    digest = f"sha256:{hashlib.sha256(pickled).hexdigest()}"
    snapshot: dict[str, Any] = {
        "format": 1,
        "name": "churn",
        "model": {"path": "model/model.pkl", "format": "cloudpickle", "digest": digest},
        "predict": predict or {"kind": "callable"},
        "signature": None,
        "sample": None,
    }
    if sample is not _UNSET:
        schema = wire.infer_schema(sample)
        snapshot["signature"] = {"inputs": schema, "outputs": None}
        snapshot["sample"] = {"inputs": wire.encode(sample, schema)}
    (root / "snapshot.json").write_text(json.dumps(snapshot | (changes or {})))
    installed = Path(uvicorn.__file__).parent.parent
    for name in (*SERVER_PACKAGES, *packages):
        if (installed / name).exists():
            (root / "site-packages" / name).symlink_to(installed / name)
    package = root / "site-packages" / "containeriter_serving"
    shutil.copytree(Path(serving.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package / "__main__.py"


def run(entry: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start the entry as the container does."""
    return subprocess.Popen(
        [sys.executable, *FLAGS, str(entry), *arguments],
        env={"PATH": os.environ["PATH"], "CONTAINERITER_HOST": "127.0.0.1", "CONTAINERITER_PORT": "0", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def prove(entry: Path, output: Path) -> dict[str, Any]:
    """Run the proof and return its report."""
    process = run(entry, "--prove", str(output))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    report: dict[str, Any] = json.loads(output.read_text())
    return report


class Running:
    """A server in a process of its own, ready to be asked."""

    def __init__(self, entry: Path, **environment: str) -> None:
        self.process = run(entry, **environment)
        assert self.process.stderr is not None
        self.lines: list[str] = []
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r" is ready in \d+ ms on 127\.0\.0\.1:(\d+)", line):
                self.url = f"http://127.0.0.1:{found[1]}"
                break
        else:
            raise AssertionError("".join(self.lines))
        # Whatever it logs must be read, or the server would wait for room in the pipe.
        threading.Thread(target=self.lines.extend, args=(self.process.stderr,), daemon=True).start()

    def __call__(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Send a request."""
        return urllib3.request(method, f"{self.url}{path}", retries=False, timeout=60, **options)

    def stop(self) -> int:
        """Tell it to end and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Return a function that starts servers, which are ended after the test."""
    started: list[Running] = []

    def begin(entry: Path, **environment: str) -> Running:
        started.append(Running(entry, **environment))
        return started[-1]

    yield begin
    for server in started:
        server.process.kill()
        server.process.wait()
