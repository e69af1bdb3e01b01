"""Waiting for a server, and asking it for predictions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jupyter_containeriter.client import InferenceClient, example_body
from jupyter_containeriter.errors import EngineError, StartError, UsageError
from jupyter_containeriter.serving import wire
from jupyter_containeriter.starter import Patience, explain_end, wait_until_ready
from jupyter_containeriter.testing import FakeEngine, tiny_image
from jupyter_containeriter.types import Container, RunSpec

_PATIENCE = Patience(20.0, 64 * 1024**2)


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    """Give an engine that holds an image."""
    engine = FakeEngine()
    engine.load(tiny_image(tmp_path))
    return engine


@pytest.fixture
def container(engine: FakeEngine, tmp_path: Path) -> Container:
    """Start a container on whose port nobody listens."""
    return engine.run(tiny_image(tmp_path), RunSpec("churn", 1, "iteration", "history"))


Serve = Callable[[int, bytes], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve one answer to every request, and return its URL."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def _nobody() -> InferenceClient:
    # Port 9 (discard) is privileged: no server of a test can be there.
    return InferenceClient("http://127.0.0.1:9", "", "churn", None, 1)


def test_a_ready_server_is_waited_for(engine: FakeEngine, container: Container, serve: Serve) -> None:
    """Waiting ends when the server says that it is ready."""
    wait_until_ready(engine, container, InferenceClient(serve(200, b"{}"), "", "churn", None, 1), _PATIENCE)


def test_patience_ends(engine: FakeEngine, container: Container, serve: Serve) -> None:
    """A server that never is ready is shown with its last words and the setting that would give it longer."""
    engine.write_log(container.id, "loading\n")
    client = InferenceClient(serve(503, b"{}"), "", "churn", None, 1)
    with pytest.raises(StartError, match=r"not ready after 0\.01 s") as caught:
        wait_until_ready(engine, container, client, Patience(0.01, 1))
    assert "  | loading" in caught.value.message
    assert "ready_seconds" in caught.value.remedy


def test_an_end_while_waiting_is_noticed(engine: FakeEngine, container: Container) -> None:
    """A container that ends is not waited for any longer."""
    engine.exit(container.id, 1, log="ImportError: sklearn")
    with pytest.raises(StartError, match="exit code 1") as caught:
        wait_until_ready(engine, container, _nobody(), _PATIENCE)
    assert "ImportError: sklearn" in caught.value.message


def test_ends_are_explained(engine: FakeEngine, container: Container) -> None:
    """A running container has no end; one out of memory names the limit; one that is gone was removed."""
    assert explain_end(engine, container, _PATIENCE) is None
    engine.exit(container.id, 137, oom_killed=True)
    killed = explain_end(engine, container, _PATIENCE)
    assert killed is not None
    assert "more than 64 MiB" in killed.message
    assert "--memory" in killed.remedy
    engine.stop(container.id)
    gone = explain_end(engine, container, _PATIENCE)
    assert gone is not None
    assert "removed from outside" in gone.message


def test_a_server_that_does_not_answer_is_named() -> None:
    """Nobody at the address is the engine's trouble, and the address is named."""
    with pytest.raises(EngineError, match=r"churn does not answer at http://127\.0\.0\.1:9"):
        _nobody().predict([1])
    assert not _nobody().is_ready()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, b'{"error": "column a is missing"}', UsageError, "answered 400: column a is missing"),
        (422, b'{"error": "ValueError: shape"}', EngineError, "answered 422: ValueError: shape"),
        (401, b'{"error": "token"}', EngineError, "answered 401: token"),
        (500, b'{"error": "ValueError: no"}', EngineError, "ValueError: no"),
        (502, b"<html>bad gateway", EngineError, "bad gateway"),
        (500, b"[1]", EngineError, r"\[1\]"),
    ],
)
def test_a_server_s_error_is_told(serve: Serve, status: int, body: bytes, kind: Any, words: str) -> None:
    """What the server says is told: data that does not fit is the caller's, everything else the engine's."""
    with pytest.raises(kind, match=words):
        InferenceClient(serve(status, body), "", "churn", None, 1).predict([1])


@pytest.mark.parametrize("body", [b"{}", b"not json", b'{"outputs": 3}', b'{"outputs": [{"name": "x"}]}'])
def test_an_answer_that_is_none_is_told(serve: Serve, body: bytes) -> None:
    """A success whose body is no prediction ends in words, whoever sent it."""
    with pytest.raises(EngineError):
        InferenceClient(serve(200, body), "", "churn", None, 1).predict([1])


def test_data_that_does_not_fit_is_not_sent() -> None:
    """Data unlike the sample is refused before it is sent, with the name of what is wrong."""
    schema = {"inputs": wire.infer_schema(pd.DataFrame({"age": [1.0]}))}
    with pytest.raises(UsageError, match="age"):
        InferenceClient("http://127.0.0.1:9", "", "churn", schema, 1).predict(pd.DataFrame({"size": [1.0]}))


def _example(sample: Any) -> str:
    schema = {"inputs": wire.infer_schema(sample, name="input-0")}
    return example_body({"inputs": wire.encode(sample, schema["inputs"])}, schema)


def test_examples_are_one_row() -> None:
    """The example of a request is one row of the sample, as JSON; without a sample there is none."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert json.loads(_example(frame)) == {"dataframe_records": [{"a": 1, "b": "x"}]}
    assert json.loads(_example(frame[["a"]].to_numpy())) == {"inputs": [[1]]}
    assert json.loads(_example(frame[["a"]].set_axis([("a", 1)], axis=1))) == {"dataframe_records": [{"a.1": 1}]}
    assert json.loads(_example([1, 2])) == {"inputs": [1]}
    assert _example("text") == ""
    assert example_body(None, None) == ""
