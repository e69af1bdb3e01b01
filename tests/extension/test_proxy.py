"""Through Jupyter to a deployment: what it is asked, what it answers, and what neither gets to see."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from server_bench import told, until
from session_bench import Lab
from tornado.httpclient import HTTPResponse
from tornado.simple_httpclient import HTTPStreamClosedError

from jupyter_containeriter.extension import proxy
from jupyter_containeriter.extension.answers import SANDBOXED
from jupyter_containeriter.handles import Handle, Promise
from jupyter_containeriter.session import Session
from jupyter_containeriter.testing import FakeEngine, tiny_image
from jupyter_containeriter.types import Container, RunSpec

Fetch = Callable[..., Awaitable[HTTPResponse]]

_TOKEN = "the-deployments-own"


@dataclass
class Asked:
    """A request as a container got it."""

    verb: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Echo:
    """A container that notes what it is asked, and answers what it is told to; or nothing until it is left alone."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    body: bytes = b"{}"
    breaks: bool = False
    waits: bool = False
    left: threading.Event = field(default_factory=threading.Event)
    asked: list[Asked] = field(default_factory=list)
    container: Container | None = None
    engine: FakeEngine | None = None

    @property
    def last(self) -> Asked:
        """The last request."""
        return self.asked[-1]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _answer(self) -> None:
        echo = self.server.echo
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        echo.asked.append(Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if echo.waits and self.path == "/wait":
            self.connection.recv(1)
            echo.left.set()
            return
        self.send_response(echo.status)
        for name, value in echo.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(echo.body) * (2 if echo.breaks else 1)))
        self.end_headers()
        if self.command != "HEAD":
            with suppress(ConnectionError):
                self.wfile.write(echo.body)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    echo: Echo


@pytest.fixture
def echo(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Echo]:
    """Let a container serve the name ``echo``."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.echo = Echo()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    engine = FakeEngine(serve=lambda *_: server.server_port)
    monkeypatch.setattr(Session, "engines", lambda _self: [engine])
    history, image = lab.session.history, tiny_image(tmp_path)
    engine.load(image)
    row = replace(history.begin("echo", started_at=datetime.now(UTC)), status="deployed")
    history.update(row)
    server.echo.engine = engine
    server.echo.container = container = engine.run(image, RunSpec("echo", row.version, row.id, history.id))
    lab.session.handles.save(container.id, Handle(_TOKEN, engine="memory:fake", manager="managing"))
    lab.session.handles.promote("echo", Promise(container.id))
    yield server.echo
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_verb_passes(echo: Echo, ask: Fetch, verb: str) -> None:
    """With path, query and body as they are."""
    body = b"[1, 2]" if verb in {"POST", "PUT", "PATCH"} else None
    options = {"method": verb, "params": {"a": "1 2"}}
    response = await ask("proxy/echo/v2/models/echo/infer", **options, **({"body": body.decode()} if body else {}))
    assert response.code == 200
    assert (echo.last.verb, echo.last.path, echo.last.body) == (verb, "/v2/models/echo/infer?a=1+2", body or b"")


async def test_an_answer_passes_as_it_is(echo: Echo, ask: Fetch) -> None:
    """Status, type and bytes; also one that is no success, and one without a body."""
    echo.status, echo.body, echo.headers = 422, b"\x00\xff" * 100_000, {"Content-Type": "application/octet-stream"}
    response = await ask("proxy/echo/invocations", "{}")
    assert (response.code, response.body) == (422, echo.body)
    assert response.headers["Content-Type"] == "application/octet-stream"
    echo.status, echo.body, echo.headers = 304, b"", {}
    assert (await ask("proxy/echo/invocations")).code == 304


async def test_the_deployment_learns_nothing_of_jupyter(echo: Echo, ask: Fetch, jp_serverapp: Any) -> None:
    """Neither its token nor its cookies, wherever they stand; it gets its own token."""
    token = jp_serverapp.identity_provider.token
    headers = {"Cookie": "username-localhost=secret", "X-XSRFToken": "secret", "X-Forwarded-User": "secret"}
    await ask("proxy/echo/invocations", "{}", headers=headers, params={"token": token, "_xsrf": "secret"})
    assert echo.last.headers["authorization"] == f"Bearer {_TOKEN}"
    everything = f"{echo.last.path} {echo.last.headers}"
    assert token not in everything
    assert "secret" not in everything
    assert "managing" not in everything


async def test_nobody_learns_the_deployment_s_token(echo: Echo, ask: Fetch) -> None:
    """It is not in the overview, in no answer and in no page."""
    for path in ("api/overview", "api/models/echo/iterations", "proxy/echo/invocations", "proxy/echo/docs"):
        response = await ask(path)
        assert response.code == 200, (path, response.body)
        assert _TOKEN not in f"{response.headers} {response.body.decode()}"


async def test_the_deployment_cannot_act_on_jupyter_s_pages(echo: Echo, ask: Fetch) -> None:
    """Its pages run no scripts and have no origin; it sets no cookie, and leads nowhere."""
    echo.status, echo.body = 302, b"<script>alert(1)</script>"
    echo.headers = {
        "Content-Type": "text/html",
        "Set-Cookie": "_xsrf=mine; Path=/",
        "Location": "https://elsewhere.example",
        "Access-Control-Allow-Origin": "*",
        "Content-Security-Policy": "default-src *",
    }
    response = await ask("proxy/echo/page")
    assert response.headers.get_list("Content-Security-Policy") == [SANDBOXED]
    assert "sandbox;" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Location" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers.get("Access-Control-Allow-Origin", "") == ""
    assert not [cookie for cookie in response.headers.get_list("Set-Cookie") if "mine" in cookie]


@pytest.mark.parametrize("path", ["//evil.example/x", "/../../api/me", "/%2e%2e/%2e%2e/api/me", "/%2Fevil.example"])
async def test_nothing_leads_out_of_a_deployment(
    echo: Echo, http_server_client: Any, jp_base_url: str, jp_auth_header: dict[str, str], path: str
) -> None:
    """Nobody is asked anything."""
    url = f"{jp_base_url}containeriter/proxy/echo{path}"
    response = await http_server_client.fetch(url, headers=jp_auth_header, raise_error=False)
    assert (response.code, told(response)["error"]) == (400, "UsageError")
    assert not echo.asked


@pytest.mark.parametrize("path", ["containeriter/versions", "v2/repository/models/echo/load"])
async def test_nobody_manages_a_deployment_through_it(echo: Echo, ask: Fetch, path: str) -> None:
    """The routes are not there."""
    response = await ask(f"proxy/echo/{path}", "{}")
    assert response.code == 404
    assert not echo.asked


async def test_the_page_for_people_is_ours(echo: Echo, ask: Fetch) -> None:
    """Whatever the container has there: its page could do everything that Jupyter's pages may."""
    echo.body = b"<script>alert(1)</script>"
    response = await ask("proxy/echo/docs")
    assert b"alert(1)" not in response.body
    assert b"X-XSRFToken" in response.body
    policy = response.headers["Content-Security-Policy"]
    assert re.match(r"default-src 'none'; script-src 'sha256-", policy)
    assert "unsafe-inline" not in policy
    assert response.headers["Content-Type"].startswith("text/html")
    assert not echo.asked


async def test_what_is_too_large_does_not_pass(echo: Echo, ask: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anybody is asked."""
    monkeypatch.setattr(proxy, "_MOST_ASKED_BYTES", 10)
    response = await ask("proxy/echo/invocations", "x" * 11)
    assert (response.code, told(response)["error"]) == (413, "TooLargeError")
    assert not echo.asked


async def test_a_name_that_nothing_serves(lab: Lab, ask: Fetch) -> None:
    """It is said what to do."""
    response = await ask("proxy/nobody/invocations", "{}")
    assert (response.code, told(response)["error"]) == (404, "NotFoundError")
    assert told(response)["remedy"]


async def test_a_container_that_has_ended(echo: Echo, ask: Fetch) -> None:
    """It is said what to do."""
    assert echo.engine is not None
    assert echo.container is not None
    echo.engine.exit(echo.container.id, 137)
    response = await ask("proxy/echo/invocations", "{}")
    assert (response.code, told(response)["error"]) == (503, "NotServingError")
    assert told(response)["remedy"]


async def test_a_container_that_does_not_answer(
    echo: Echo, ask: Fetch, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    """Nothing listens on its port."""
    monkeypatch.setattr(proxy.Targets, "_look", lambda *_: proxy.Target(f"http://127.0.0.1:{port}", ""))
    response = await ask("proxy/echo/invocations", "{}")
    assert (response.code, told(response)["error"]) == (502, "UnansweredError")


async def test_a_head_that_never_ends_is_no_answer(echo: Echo, ask: Fetch) -> None:
    """It is the container's mistake, not ours, and is not kept in memory."""
    echo.headers = {"X-Long": "x" * 1_000_000}
    response = await ask("proxy/echo/invocations", "{}")
    assert (response.code, told(response)["error"]) == (502, "UnansweredError")


async def test_half_an_answer_is_not_taken_for_a_whole_one(echo: Echo, ask: Fetch) -> None:
    """The connection breaks, as that to the container did."""
    echo.body, echo.breaks = b"x" * 100_000, True
    with pytest.raises(HTTPStreamClosedError):
        await ask("proxy/echo/invocations", "{}")


async def test_a_deployment_that_was_replaced_is_found(echo: Echo, ask: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a name is served is not remembered for long."""
    monkeypatch.setattr(proxy, "_KNOWN_SECONDS", 0.0)
    assert (await ask("proxy/echo/ping")).code == 200
    assert echo.engine is not None
    assert echo.container is not None
    echo.engine.stop(echo.container.id)
    assert (await ask("proxy/echo/ping")).code == 404


@pytest.fixture
def call(
    http_server_client: Any, jp_base_url: str, jp_auth_header: dict[str, str]
) -> Callable[[str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Return a function that asks for a path and leaves the answer to whoever calls it."""

    async def begin(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", http_server_client.get_http_port())
        url, login = f"{jp_base_url}containeriter/{path}", jp_auth_header["Authorization"]
        writer.write(f"GET {url} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {login}\r\n\r\n".encode())
        return reader, writer

    return begin


async def test_what_nobody_waits_for_is_broken_off(echo: Echo, call: Any) -> None:
    """A container that never answers is left as soon as whoever asked is gone."""
    echo.waits = True
    _, writer = await call("proxy/echo/wait")
    await until(lambda: echo.asked)
    writer.transport.abort()
    await until(echo.left.is_set)


async def test_nobody_waits_for_others_requests(echo: Echo, ask: Fetch, call: Any) -> None:
    """However many a container does not answer."""
    echo.waits = True
    writers = [(await call("proxy/echo/wait"))[1] for _ in range(70)]
    await until(lambda: len(echo.asked) == 70)
    assert (await ask("proxy/echo/ping")).code == 200
    for writer in writers:
        writer.transport.abort()


async def test_who_goes_away_harms_nobody(echo: Echo, ask: Fetch, call: Any, caplog: pytest.LogCaptureFixture) -> None:
    """In the middle of a large answer; the next one is answered, and nothing is said to have failed."""
    echo.body = b"x" * 50_000_000
    reader, writer = await call("proxy/echo/large")
    await reader.readexactly(100_000)
    writer.transport.abort()
    echo.body = b"{}"
    assert (await ask("proxy/echo/small")).body == b"{}"
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"} and record.exc_info]
