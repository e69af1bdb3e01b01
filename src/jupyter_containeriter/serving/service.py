"""What the routes serve: the versions in memory, and how a request reaches one."""

from __future__ import annotations

import asyncio
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from .batcher import Ask, Job
from .compression import CODINGS, CompressionError, TooLargeError, inflate
from .guard import MANAGER, Keys
from .memory import give_back_later
from .metrics import Metrics
from .model import ModelError, RefusedError
from .versions import Version, Versions
from .wire import WireError

MAX_BODY_BYTES = 64 * 1024 * 1024
#: Who comes when so many wait already is better off to ask again, or to ask another container.
MAX_QUEUE = 1024

#: Bodies that are held at a time may take so many times the largest one.
_BODIES = 4
#: How long a request may wait for the model.
_WAIT_SECONDS = 30.0
#: How long it may take in all, as long as this package's own clients wait.
_ANSWER_SECONDS = 300.0
#: Where the scope of a request says how much of the memory for bodies it holds.
_HELD = "containeriter.held"
_LATER = {"Retry-After": "1"}


@dataclass(slots=True)
class Service:
    """What the routes serve.

    Attributes
    ----------
    keys
        Which tokens open it.
    max_body_bytes
        Requests to predict that are larger are refused.
    max_queue
        Requests to predict are refused where so many wait for their version.
    versions
        Empty until the first one is loaded.
    withdrawn
        Whether the model was unloaded by the repository's route, until it is loaded again.
    loading
        The number of the version that is being loaded, "" while none is: there is memory for one at a time.
    draining
        Whether it is about to end: it answers what it is asked, and hopes not to be asked any more.
    metrics
        What was counted.
    """

    keys: Keys = field(default_factory=Keys)
    max_body_bytes: int = MAX_BODY_BYTES
    max_queue: int = MAX_QUEUE
    versions: Versions = field(default_factory=Versions)
    withdrawn: bool = False
    loading: str = ""
    draining: bool = False
    metrics: Metrics = field(default_factory=Metrics)
    _held_bytes: int = 0
    _open: set[Ask] = field(default_factory=set)
    _inflater: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "inflater"))

    @property
    def ready(self) -> bool:
        """Whether it predicts."""
        return self.versions.live is not None and not self.withdrawn and not self.draining

    def loaded(self) -> Version:
        """Return the live version, also if the model is unloaded, or answer 503 where there is none yet."""
        live = self.versions.live
        if live is None:
            raise HTTPException(503, "the model is still loading", _LATER)
        return live

    def live(self) -> Version:
        """Return the live version, or answer 503 where clients have none."""
        live = self.loaded()
        if self.withdrawn:
            raise HTTPException(503, f"the model {live.model.name!r} is unloaded")
        return live

    def insist_on(self, request: Request) -> None:
        """Answer 404 where a path names another model."""
        name, known = request.path_params["name"], self.loaded().model.name
        if name != known:
            raise HTTPException(404, f"there is no model {name!r} here, only {known!r}")

    def named(self, request: Request) -> Version:
        """Return the version a path names, or answer 404; the manager may also ask a candidate."""
        self.insist_on(request)
        number = request.path_params.get("version")
        version = None if number is None else self.versions.get(number)
        if version is not None and version.candidate and request.scope.get(MANAGER):
            return version
        live = self.live()
        if number is None:
            return live
        if version is None or version.candidate:
            name, known = request.path_params["name"], ", ".join(repr(one) for one in self.numbers())
            raise HTTPException(404, f"there is no version {number!r} of {name!r} here, only {known}")
        return version

    def numbers(self) -> list[str]:
        """Return the numbers of the versions that clients may ask."""
        return [version.number for version in self.versions if not version.candidate]

    async def work(self, version: Version, job: Job) -> Any:
        """Do a job in a version's thread and return its result; its errors are answered."""
        with version.usage.counting():
            # 503 and not 429: all clients share one token, so nobody can tell whether one of them asks too much.
            if len(version.batcher) >= self.max_queue:
                raise HTTPException(503, f"{self.max_queue} requests wait already", _LATER)
            ask = version.batcher.ask(job)
            self._open.add(ask)
            try:
                return _result(await ask.future)
            finally:
                self._open.discard(ask)

    def expire(self, now: float) -> None:
        """Answer requests that have waited, or are being predicted, for too long; let go of forgotten candidates."""
        if self.versions.expire(now):
            give_back_later(self.versions.gone)
        for ask in [ask for ask in self._open if not ask.future.done()]:
            age = now - ask.since
            if not ask.started and age > _WAIT_SECONDS:
                busy = f"the model was busy for {_WAIT_SECONDS:g} s"
                ask.future.set_result(HTTPException(503, busy, _LATER))
            elif age > _ANSWER_SECONDS:
                # The model goes on: a thread cannot be ended from outside.
                ask.future.set_result(HTTPException(504, f"the model gave no answer within {_ANSWER_SECONDS:g} s"))

    def release(self, request: Request) -> None:
        """Forget the memory that a request's body took."""
        self._held_bytes -= request.scope.pop(_HELD, 0)

    def _hold(self, request: Request, size: int) -> None:
        """Note that a body takes memory, or answer 503 where all bodies take too much."""
        self._held_bytes += size
        request.scope[_HELD] = request.scope.get(_HELD, 0) + size
        if self._held_bytes > _BODIES * self.max_body_bytes:
            raise HTTPException(503, "other requests take all the memory there is for bodies", _LATER)

    async def body(self, request: Request) -> bytearray:
        """Read a request's body, inflated if it is compressed, or answer 413 as soon as it is too large.

        It can be written to, and is the caller's: arrays may be views of it.
        """
        coding = request.headers.get("content-encoding", "identity").strip().lower()
        if coding not in (*CODINGS, "identity"):
            raise HTTPException(415, f"Content-Encoding: expected {' or '.join(CODINGS)}, got {coding}")
        body = bytearray()
        more = True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, more = message.get("body", b""), message.get("more_body", False)
            if len(body) + len(chunk) > self.max_body_bytes:
                raise self._too_large()
            body += chunk
            self._hold(request, len(chunk))
        return body if coding == "identity" else await self._inflated(request, body, coding)

    async def _inflated(self, request: Request, body: bytearray, coding: str) -> bytearray:
        try:
            # One after the other: how much memory a body takes is only known once it is inflated.
            loop = asyncio.get_running_loop()
            inflated = await loop.run_in_executor(self._inflater, inflate, body, coding, self.max_body_bytes)
        except CompressionError as error:
            raise HTTPException(400, str(error)) from None
        except TooLargeError:
            raise self._too_large() from None
        self._hold(request, len(inflated))
        return inflated

    def _too_large(self) -> HTTPException:
        limit = f"the request's body is larger than {self.max_body_bytes} bytes; send fewer rows at a time"
        # The connection ends: reading on would take as long as the whole body.
        return HTTPException(413, limit, {"Connection": "close"})


def _result(answer: Any) -> Any:
    """Return what a job gave, or answer with what it raised."""
    if not isinstance(answer, BaseException):
        return answer
    if isinstance(answer, WireError):
        raise HTTPException(400, str(answer))
    if isinstance(answer, ModelError):
        traceback.print_exception(answer.__cause__, file=sys.stderr)
        # Its sample it predicts, so what it raises is about the data; what it returns is its own affair.
        raise HTTPException(422 if isinstance(answer, RefusedError) else 500, str(answer))
    if isinstance(answer, MemoryError | RecursionError):
        raise HTTPException(500, f"{type(answer).__name__}: {answer}") from answer
    raise answer
