"""What is too much, too large or too slow is refused, and told so."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from uvicorn.config import Config
from uvicorn.server import ServerState

from jupyter_containeriter.serving import connection, service
from jupyter_containeriter.serving.connection import Connection

from .conftest import Answer, Client, loaded, serving_of

Serve = Callable[..., Client]

INFER = "/v2/models/churn/infer"
BODY = b'{"inputs": [{"name": "input-0", "shape": [1], "datatype": "FP64", "data": [1.0]}]}'


class Busy:
    """A server whose model predicts until it is told to go on."""

    def __init__(self, **options: Any) -> None:
        self.entered, self.goes_on = threading.Event(), threading.Event()
        self.client = Client(serving_of(loaded(self._predict, [1.0], [1.0]), **options))
        self.service = self.client.service

    def _predict(self, data: Any) -> Any:
        self.entered.set()
        assert self.goes_on.wait(30)
        return data

    async def ask(self) -> asyncio.Task[Answer]:
        """Ask, and return once the request waits or is being predicted."""
        task = asyncio.ensure_future(self.client.send("POST", INFER, BODY, {}))
        await asyncio.sleep(0)
        return task

    async def begin(self) -> asyncio.Task[Answer]:
        """Ask, and return once it is being predicted."""
        task = await self.ask()
        await asyncio.get_running_loop().run_in_executor(None, self.entered.wait, 30)
        return task


@pytest.fixture
def busy() -> Iterator[Busy]:
    """Return a server whose model is held."""
    server = Busy(max_queue=2)
    yield server
    server.goes_on.set()


def test_a_full_queue_is_told(busy: Busy) -> None:
    """Where enough requests wait, the next one is told to come later; health and metrics answer all the same."""

    async def ask() -> tuple[Answer, list[int]]:
        taken = [await busy.begin(), await busy.ask(), await busy.ask()]
        refused = await busy.client.send("POST", INFER, BODY, {})
        for path in ("/v2/health/ready", "/metrics"):
            assert (await busy.client.send("GET", path, b"", {})).status == 200
        busy.goes_on.set()
        return refused, [(await task).status for task in taken]

    refused, statuses = asyncio.run(ask())
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert "2 requests wait" in refused.json["error"]
    assert statuses == [200, 200, 200]


def test_metrics_tell_how_many_wait(busy: Busy) -> None:
    """The length of the queue is told while it is there."""

    async def ask() -> bytes:
        taken = [await busy.begin(), await busy.ask()]
        told = (await busy.client.send("GET", "/metrics", b"", {})).body
        busy.goes_on.set()
        await asyncio.gather(*taken)
        return told

    told = asyncio.run(ask())
    assert b'containeriter_queue_requests{version="1"} 1\n' in told
    assert b"containeriter_requests_in_flight 3\n" in told


def test_requests_do_not_wait_for_ever(busy: Busy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has waited too long is told to come later, what is predicted for too long is given up; the rest goes on."""

    async def ask() -> list[Answer]:
        predicted, waiting = await busy.begin(), await busy.ask()
        now = asyncio.get_running_loop().time()
        busy.service.expire(now + service._WAIT_SECONDS - 1)
        assert not predicted.done()
        busy.service.expire(now + service._WAIT_SECONDS + 1)
        late = await waiting
        busy.service.expire(now + service._ANSWER_SECONDS + 1)
        return [late, await predicted]

    late, given_up = asyncio.run(ask())
    assert (late.status, late.headers["retry-after"]) == (503, "1")
    assert given_up.status == 504
    busy.goes_on.set()
    assert busy.client("POST", INFER, BODY).status == 200


def test_bodies_take_no_more_memory_than_there_is(serve: Serve) -> None:
    """Many large bodies at a time are refused before they fill the container's memory, and later ones are taken."""
    client = serve(list, [1.0], max_body_bytes=100)

    async def ask() -> None:
        requests = [body_of(b"x" * 90) for _ in range(5)]
        for request in requests[:4]:
            await client.service.body(request)
        with pytest.raises(HTTPException) as refused:
            await client.service.body(requests[4])
        assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "1"})
        for request in requests:
            client.service.release(request)

    asyncio.run(ask())
    assert client("POST", INFER, BODY).status == 200


def body_of(body: bytes) -> Request:
    """Return a request with this body."""

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "headers": []}, receive)


def test_memory_of_bodies_is_given_back(serve: Serve) -> None:
    """However a request ends, the memory of its body is free again."""
    client = serve(list, [1.0], max_body_bytes=100)
    for body in (BODY, b"{", b"x" * 90):
        for _ in range(10):
            assert client("POST", INFER, body).status in (200, 400)
    assert client("POST", INFER, b"{", gone=True).status == 400
    assert client.service._held_bytes == 0


class Wire:
    """The other end of a connection: what was written to the client, and whether it was closed."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.lost: Callable[[None], None] = lambda _: None

    def write(self, data: bytes) -> None:
        """Take what the server writes."""
        self.written += data

    def close(self) -> None:
        """Take note, and tell the server."""
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.lost, None)

    def is_closing(self) -> bool:
        """Tell."""
        return self.closed

    def get_extra_info(self, name: str) -> None:
        """Know nothing."""

    def pause_reading(self) -> None:
        """Do nothing."""

    resume_reading = pause_reading

    @property
    def status(self) -> int:
        """What was answered, checked to be JSON and the last word."""
        head, _, body = self.written.partition(b"\r\n\r\n")
        assert b"connection: close" in head
        assert json.loads(body)["error"]
        assert self.closed
        return int(head.split()[1])


class Line:
    """A connection with a clock that can be set."""

    def __init__(self, client: Client) -> None:
        self.loop = asyncio.get_running_loop()
        self.wire: Any = Wire()
        self.connection = Connection(Config(client.app, http=Connection, lifespan="off"), ServerState(), {}, self.loop)
        self.connection.connection_made(self.wire)
        self.wire.lost = self.connection.connection_lost

    async def send(self, data: bytes) -> None:
        """Send, and let the server work."""
        self.connection.data_received(data)
        for _ in range(20):
            await asyncio.sleep(0)

    async def wait(self, seconds: float) -> None:
        """Let time pass for the connection."""
        self.connection.heard -= seconds
        self.connection._head_began -= seconds
        self.connection.check()
        for _ in range(20):
            await asyncio.sleep(0)


def on_a_line(scenario: Callable[[Line], Any], client: Client) -> Any:
    """Run a scenario on a connection."""

    async def run() -> Any:
        line = Line(client)
        await scenario(line)
        return line.wire

    return asyncio.run(run())


POST = b"POST /invocations HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"


def test_a_head_that_does_not_end_is_refused(serve: Serve) -> None:
    """Headers that trickle in are answered with 408."""

    async def trickle(line: Line) -> None:
        await line.send(POST[:40])
        await line.wait(connection._HEAD_SECONDS - 1)
        assert not line.wire.closed
        await line.send(POST[40:50])
        await line.wait(2)

    assert on_a_line(trickle, serve(list)).status == 408


def test_a_body_that_does_not_come_is_refused(serve: Serve) -> None:
    """A body of which nothing comes for long is answered with 408; one that comes slowly is taken."""

    async def stall(line: Line) -> None:
        await line.send(POST)
        for byte in b'{"in':
            await line.wait(connection._BODY_SECONDS - 1)
            await line.send(bytes([byte]))
        assert not line.wire.closed
        await line.wait(connection._BODY_SECONDS + 1)

    assert on_a_line(stall, serve(list)).status == 408


def test_a_connection_that_waits_for_its_answer_is_left_alone(busy: Busy) -> None:
    """Only the client's part of a request has to come in time."""

    async def ask(line: Line) -> None:
        await line.send(POST + b'{"inputs": [1]}')
        await line.wait(connection._BODY_SECONDS + connection._HEAD_SECONDS)
        assert not line.wire.closed
        assert not line.connection.is_quiet(0)

    on_a_line(ask, busy.client)


def test_a_head_that_is_too_large_is_refused(serve: Serve) -> None:
    """Headers without end are answered with 431, whether it is many or a single one."""
    many = b"".join(b"X-%d: y\r\n" % number for number in range(4_000))
    for part in (b"X-One: " + b"y" * 40_000, many):

        async def flood(line: Line, part: bytes = part) -> None:
            await line.send(POST[:-2])
            await line.send(part)
            assert not line.wire.closed
            await line.send(part)

        assert on_a_line(flood, serve(list)).status == 431


def test_what_is_no_http_is_refused_in_json(serve: Serve) -> None:
    """Whatever else comes over the line is answered like any other mistake."""

    async def chatter(line: Line) -> None:
        await line.send(b"\x16\x03\x01 hello\r\n\r\n")

    assert on_a_line(chatter, serve(list)).status == 400
