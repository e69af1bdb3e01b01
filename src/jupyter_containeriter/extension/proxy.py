"""The way to a deployment through Jupyter: its own login, its own address."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httputil import HTTPHeaders, parse_response_start_line
from tornado.iostream import StreamClosedError, UnsatisfiableReadError

from jupyter_containeriter.errors import NotServingError, TooLargeError, UnansweredError
from jupyter_containeriter.extension import forwarding
from jupyter_containeriter.extension.answers import SANDBOXED, Handler, allowed
from jupyter_containeriter.extension.line import Line
from jupyter_containeriter.extension.service import Service
from jupyter_containeriter.serving.documentation import page

#: The page with which a person tries a model. It is ours, not the container's, so it may do what Jupyter's pages may.
_DOCS = "docs"

_CONNECT_SECONDS = 5.0
#: Models may take long; a person who waits for longer than this has gone.
_ANSWER_SECONDS = 600.0
_MOST_ASKED_BYTES = 100 * 1024**2
#: Where a model is, and its token, are known for so long: engines need milliseconds to tell.
_KNOWN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a deployment answers, and what opens it."""

    url: str
    token: str


class Targets:
    """Finds deployments, and remembers them for a moment.

    Parameters
    ----------
    service
        Knows what runs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[str, tuple[float, Target]] = {}

    async def find(self, name: str) -> Target:
        """Return where a name is served.

        Raises
        ------
        NotFoundError
            It is not.
        NotServingError
            Its container has ended.
        """
        until, target = self._known.get(name, (0.0, None))
        if target is None or until < time.monotonic():
            self._known.pop(name, None)
            target = await self._service.ask(self._look, name)
            self._known[name] = time.monotonic() + _KNOWN_SECONDS, target
        return target

    def _look(self, name: str) -> Target:
        deployment = self._service.deployment(name)
        if not deployment.url:
            raise NotServingError(
                f"The container of {name}:{deployment.version} has ended.", "Deploy it again, or read its logs."
            )
        return Target(deployment.url, deployment.token)


class ProxyHandler(Handler):
    """Passes a request on to the deployment of a name, and its answer back."""

    def initialize(self, targets: Targets) -> None:
        """Take what knows the deployments."""
        self._targets = targets
        self._answer = HTTPHeaders()
        self._status = 0
        self._line = Line()
        self._is_gone = False

    @allowed("read")
    async def get(self, name: str) -> None:
        """Pass it on; the page for people is served from here."""
        if self._path == _DOCS:
            self._send_docs()
        else:
            await self._forward(name)

    @allowed("read")
    async def head(self, name: str) -> None:
        """Pass it on."""
        await self._forward(name)

    @allowed("execute")
    async def post(self, name: str) -> None:
        """Pass it on."""
        await self._forward(name)

    @allowed("execute")
    async def put(self, name: str) -> None:
        """Pass it on."""
        await self._forward(name)

    @allowed("execute")
    async def patch(self, name: str) -> None:
        """Pass it on."""
        await self._forward(name)

    @allowed("execute")
    async def delete(self, name: str) -> None:
        """Pass it on."""
        await self._forward(name)

    @allowed("execute")
    async def options(self, name: str) -> None:  # type: ignore[override]
        """Pass it on. Pages of other origins are not asked to come here."""
        await self._forward(name)

    @property
    def _path(self) -> str:
        """The path below the deployment, checked."""
        # As it came: what Jupyter has unquoted, the deployment would unquote once more.
        below = self.request.path.partition("/containeriter/proxy/")[2]
        return forwarding.checked_path(below.partition("/")[2])

    def _send_docs(self) -> None:
        text, policy = page()
        # So that the page finds the cookie whose value it has to send along.
        self.xsrf_token  # noqa: B018
        self.content_type = "text/html; charset=utf-8"
        self.set_header("Content-Security-Policy", policy)
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-cache")
        self.finish(text)

    async def _forward(self, name: str) -> None:
        path, query = self._path, forwarding.checked_query(self.request.query)
        if len(self.request.body) > _MOST_ASKED_BYTES:
            raise TooLargeError(f"More than {_MOST_ASKED_BYTES // 1024**2} MB do not pass through Jupyter.")
        target = await self._targets.find(name)
        request = HTTPRequest(
            f"{target.url}/{path}{'?' if query else ''}{query}",
            method=self.request.method or "GET",
            headers=forwarding.asked(self.request.headers.get_all(), target.token),
            body=self.request.body or (b"" if self.request.method in {"POST", "PUT", "PATCH"} else None),
            header_callback=self._hear,
            streaming_callback=self._pass_on,
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_ANSWER_SECONDS,
            follow_redirects=False,
            decompress_response=False,
            allow_nonstandard_methods=True,
        )
        try:
            await self._line.ask(request)
        except (HTTPClientError, OSError, UnsatisfiableReadError) as error:
            self._break(name, error)
            return
        if not self._headers_written:
            self._begin()
        with suppress(StreamClosedError):
            await self.finish()

    def _hear(self, line: str) -> None:
        """Note a line of the answer's head."""
        if line.startswith("HTTP/"):
            self._status, self._answer = parse_response_start_line(line.strip()).code, HTTPHeaders()
        elif line.strip():
            self._answer.parse_line(line)

    async def _pass_on(self, chunk: bytes) -> None:
        if not self._headers_written:
            self._begin()
        with suppress(StreamClosedError):
            self.write(chunk)
            await self.flush()

    def _begin(self) -> None:
        self.set_status(self._status)
        for name, value in forwarding.answered(self._answer.get_all()):
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", SANDBOXED)
        self.set_header("Cache-Control", "no-store")
        self.content_type = self._answer.get("Content-Type", "application/octet-stream")
        self.set_header("Content-Type", self.content_type)

    def on_connection_close(self) -> None:
        """Ask no longer: whoever wanted to know has gone."""
        super().on_connection_close()
        self._is_gone = True
        self._line.hang_up()

    def _break(self, name: str, error: Exception) -> None:
        if not self._headers_written and not self._is_gone:
            raise UnansweredError(f"The container of {name} does not answer: {error}.") from error
        # Nobody is to take half an answer for a whole one.
        self.detach().close()

    def compute_etag(self) -> str | None:
        """Leave entity tags to the deployment."""
        return None


def proxy_arguments(service: Service) -> dict[str, Any]:
    """Return what every handler of the proxy is given."""
    return {"targets": Targets(service)}
