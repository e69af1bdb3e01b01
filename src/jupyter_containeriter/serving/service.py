"""What the routes serve: the versions in memory, and how a request reaches one."""

from __future__ import annotations

import asyncio
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from .batcher import Job
from .compression import CODINGS, CompressionError, TooLargeError, inflate
from .guard import MANAGER, Keys
from .metrics import Metrics
from .model import ModelError, RefusedError
from .versions import Version, Versions
from .wire import WireError

MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Service:
    """What the routes serve.

    Attributes
    ----------
    keys
        Which tokens open it.
    max_body_bytes
        Requests to predict that are larger are refused.
    versions
        Empty until the first one is loaded.
    withdrawn
        Whether the model was unloaded by the repository's route, until it is loaded again.
    metrics
        What was counted.
    """

    keys: Keys = field(default_factory=Keys)
    max_body_bytes: int = MAX_BODY_BYTES
    versions: Versions = field(default_factory=Versions)
    withdrawn: bool = False
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def ready(self) -> bool:
        """Whether it predicts."""
        return self.versions.live is not None and not self.withdrawn

    def loaded(self) -> Version:
        """Return the live version, also if the model is unloaded, or answer 503 where there is none yet."""
        live = self.versions.live
        if live is None:
            raise HTTPException(503, "the model is still loading", {"Retry-After": "1"})
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
        """Return the version a path names, or answer 404."""
        self.insist_on(request)
        live, name, number = self.live(), request.path_params["name"], request.path_params.get("version")
        if number is None:
            return live
        version = self.versions.get(number)
        if version is None or (version.candidate and not request.scope.get(MANAGER)):
            known = ", ".join(repr(one) for one in self.numbers())
            raise HTTPException(404, f"there is no version {number!r} of {name!r} here, only {known}")
        return version

    def numbers(self) -> list[str]:
        """Return the numbers of the versions that clients may ask."""
        return [version.number for version in self.versions if not version.candidate]

    async def work(self, version: Version, job: Job) -> Any:
        """Do a job in a version's thread and return its result; its errors are answered."""
        with version.usage.counting():
            return _result(await version.batcher.ask(job).future)

    async def body(self, request: Request) -> bytearray:
        """Read a request's body, inflated if it is compressed, or answer 413 as soon as it is too large.

        It can be written to, and is the caller's: arrays may be views of it.
        """
        coding = request.headers.get("content-encoding", "identity").strip().lower()
        if coding not in (*CODINGS, "identity"):
            raise HTTPException(415, f"Content-Encoding: expected {' or '.join(CODINGS)}, got {coding}")
        body = bytearray()
        async for chunk in request.stream():
            if len(body) + len(chunk) > self.max_body_bytes:
                raise self._too_large()
            body += chunk
        return body if coding == "identity" else await self._inflated(body, coding)

    async def _inflated(self, body: bytearray, coding: str) -> bytearray:
        try:
            return await asyncio.to_thread(inflate, body, coding, self.max_body_bytes)
        except CompressionError as error:
            raise HTTPException(400, str(error)) from None
        except TooLargeError:
            raise self._too_large() from None

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
