"""What the tests of the extension work with: its routes, as the server has them, and events as they arrive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tornado.routing import PathMatches

_VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OURS = "jupyter_containeriter."
#: Generous: it only ends tests that would hang.
_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Route:
    """A verb of a path, as the server has it."""

    verb: str
    path: str

    def __str__(self) -> str:
        """As it is called where a test fails."""
        return f"{self.verb} {self.path}"


def routes(application: Any, base_url: str) -> list[Route]:
    """Return everything that the extension answers, below the base URL, with ``{name}`` for a name."""
    found = []
    for pattern, handler in _rules(application.default_router):
        if handler.__module__.startswith(_OURS):
            path = pattern.removesuffix("$").removeprefix(base_url).replace("(?P<name>[^/]+)", "{name}")
            found += [Route(verb, path) for verb in _VERBS if _answers(handler, verb)]
    return found


def _rules(router: Any) -> Iterator[tuple[str, type]]:
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from _rules(rule.target)
        elif isinstance(rule.matcher, PathMatches):
            yield rule.matcher.regex.pattern, rule.target


def _answers(handler: type, verb: str) -> bool:
    """Whether the verb is ours; those that only Jupyter defines are its own affair."""
    return any(verb.lower() in vars(kind) for kind in handler.__mro__ if kind.__module__.startswith(_OURS))


def told(response: Any) -> Any:
    """Return the JSON of an answer."""
    return json.loads(response.body)


class Reader:
    """Reads server-sent events from a path of a server until it goes away, as a browser does: without a farewell.

    Attributes
    ----------
    comments
        How many came.
    ended
        Done with the status of the answer once it has ended.
    """

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.comments = 0
        self._events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.ended = asyncio.ensure_future(self._read(port, path, headers))

    async def _read(self, port: int, path: str, headers: dict[str, str]) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            # In HTTP/1.0 what comes is the text itself, not chunks of it.
            head = [f"GET {path} HTTP/1.0", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
            writer.write("".join(f"{line}\r\n" for line in [*head, ""]).encode())
            status = int((await reader.readuntil(b"\r\n\r\n")).split()[1])
            while event := await reader.readuntil(b"\n\n") if status == 200 else b"":
                self._arrived(event.decode())
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()
        return status

    def _arrived(self, event: str) -> None:
        lines = dict(line.split(": ", 1) for line in event.splitlines() if line)
        if "data" in lines:
            self._events.put_nowait((lines["event"], json.loads(lines["data"])))
        else:
            self.comments += 1

    async def next(self) -> tuple[str, Any]:
        """Return the next event."""
        return await asyncio.wait_for(self._events.get(), _WAIT_SECONDS)

    async def overview(self, wanted: Any) -> dict[str, Any]:
        """Return the first overview from now on of which something is true."""
        while True:
            kind, document = await self.next()
            assert kind == "overview"
            if wanted(document):
                found: dict[str, Any] = document
                return found

    @property
    def is_quiet(self) -> bool:
        """Whether nothing arrived that was not read."""
        return self._events.empty()

    def close(self) -> None:
        """Go away."""
        self.ended.cancel()


async def until(probe: Any) -> None:
    """Wait for a probe to return something true."""
    async with asyncio.timeout(_WAIT_SECONDS):
        while not probe():
            await asyncio.sleep(0.01)
