"""The routes: Open Inference Protocol v2, and the scoring routes of MLflow and SageMaker."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .inference import infer, write_json
from .model import LoadedModel, ModelError
from .wire import WireError, tensor_metadata
from .worker import Worker

MAX_BODY_BYTES = 64 * 1024 * 1024

_Job = Callable[[LoadedModel], bytes]


@dataclass(slots=True)
class Service:
    """What the routes serve.

    Attributes
    ----------
    worker
        The thread that predicts.
    version
        The model's version as told in metadata.
    token_sha256
        Hexadecimal digest of the bearer token, or "" if none is asked for.
    model
        None until it is loaded.
    """

    worker: Worker = field(default_factory=Worker)
    version: str = "1"
    token_sha256: str = ""
    max_body_bytes: int = MAX_BODY_BYTES
    model: LoadedModel | None = None

    def loaded(self) -> LoadedModel:
        """Return the model, or answer 503 while it is loading."""
        if self.model is None:
            raise HTTPException(503, "the model is still loading", {"Retry-After": "1"})
        return self.model

    def named(self, request: Request) -> LoadedModel:
        """Return the model a path names, or answer 404."""
        model = self.loaded()
        name, version = request.path_params["name"], request.path_params.get("version", self.version)
        if name != model.name:
            raise HTTPException(404, f"there is no model {name!r} here, only {model.name!r}")
        if version != self.version:
            raise HTTPException(404, f"there is no version {version!r} of {name!r} here, only {self.version!r}")
        return model

    async def work(self, model: LoadedModel, job: _Job) -> Response:
        """Do a job in the worker thread and answer with what it wrote."""
        try:
            body = await asyncio.wrap_future(self.worker.submit(job, model))
        except WireError as error:
            raise HTTPException(400, str(error)) from None
        except ModelError as error:
            traceback.print_exception(error.__cause__, file=sys.stderr)
            raise HTTPException(500, str(error)) from None
        except (MemoryError, RecursionError) as error:
            raise HTTPException(500, f"{type(error).__name__}: {error}") from error
        return Response(body, media_type="application/json")

    async def body(self, request: Request) -> bytes:
        """Read a request's body, or answer 413 as soon as it is too large."""
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self.max_body_bytes:
                self.refuse_size()
            chunks.append(chunk)
        return b"".join(chunks)

    def refuse_size(self) -> None:
        """Answer 413, and end the connection rather than read on."""
        limit = f"the request's body is larger than {self.max_body_bytes} bytes; send fewer rows at a time"
        raise HTTPException(413, limit, {"Connection": "close"})


def create_app(service: Service) -> ASGIApp:
    """Build the application.

    Parameters
    ----------
    service
        What it serves; its model may be set later.
    """

    def route(path: str, endpoint: Callable[[Service, Request], Awaitable[Response]], method: str = "GET") -> Route:
        async def call(request: Request) -> Response:
            return await endpoint(service, request)

        return Route(path, call, methods=[method])

    routes = [
        route("/v2/health/live", _live),
        route("/v2/health/ready", _ready),
        route("/ping", _ping),
        route("/v2", _server_metadata),
        route("/invocations", _invocations, "POST"),
    ]
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes += [
            route(model, _model_metadata),
            route(f"{model}/ready", _model_ready),
            route(f"{model}/infer", _infer, "POST"),
        ]
    handlers: dict[Any, Any] = {HTTPException: _on_http_error, ClientDisconnect: _on_disconnect, Exception: _on_error}
    application = Starlette(routes=routes, exception_handlers=handlers)
    # A slash too many is a path that does not exist, as for any client of JSON; no redirect.
    application.router.redirect_slashes = False
    return _Guard(application, service.token_sha256) if service.token_sha256 else application


class _Guard:
    """Asks for the bearer token on every route but those that tell of health."""

    def __init__(self, application: ASGIApp, token_sha256: str) -> None:
        self._application = application
        self._token_sha256 = token_sha256.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_open(scope["path"]) or self._is_bearer(scope["headers"]):
            await self._application(scope, receive, send)
        else:
            headers = {"WWW-Authenticate": 'Bearer realm="containeriter"'}
            await _error(401, "this deployment asks for its bearer token", headers)(scope, receive, send)

    @staticmethod
    def _is_open(path: str) -> bool:
        return path == "/ping" or path.startswith("/v2/health/")

    def _is_bearer(self, headers: list[tuple[bytes, bytes]]) -> bool:
        for name, value in headers:
            if name == b"authorization":
                scheme, _, token = value.partition(b" ")
                digest = hashlib.sha256(token.strip()).hexdigest()
                return scheme.lower() == b"bearer" and hmac.compare_digest(digest, self._token_sha256)
        return False


# --- routes --------------------------------------------------------------------------------------------------------


async def _live(service: Service, request: Request) -> Response:
    return _json({"live": True})


async def _ready(service: Service, request: Request) -> Response:
    return _json({"ready": service.model is not None}, 503 if service.model is None else 200)


async def _ping(service: Service, request: Request) -> Response:
    return Response(status_code=503 if service.model is None else 200)


async def _server_metadata(service: Service, request: Request) -> Response:
    return _json({"name": "jupyter_containeriter", "version": service.version, "extensions": []})


async def _model_metadata(service: Service, request: Request) -> Response:
    model = service.named(request)
    inputs, outputs = (tensor_metadata(schema) if schema else [] for schema in (model.inputs, model.outputs))
    metadata = {"name": model.name, "versions": [service.version], "platform": model.platform}
    return _json({**metadata, "inputs": inputs, "outputs": outputs})


async def _model_ready(service: Service, request: Request) -> Response:
    return _json({"name": service.named(request).name, "ready": True})


async def _infer(service: Service, request: Request) -> Response:
    model = service.named(request)
    body = await service.body(request)
    return await service.work(model, lambda model: infer(model, service.version, body))


async def _invocations(service: Service, request: Request) -> Response:
    model = service.loaded()
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type not in ("application/json", "text/csv"):
        raise HTTPException(415, f"expected application/json or text/csv, got {content_type}")
    body = await service.body(request)

    def job(model: LoadedModel) -> bytes:
        from .scoring import score

        return score(model, content_type, body)

    return await service.work(model, job)


# --- errors --------------------------------------------------------------------------------------------------------


def _json(content: Any, status: int = 200) -> Response:
    return Response(write_json(content), status, media_type="application/json")


def _error(status: int, message: str, headers: Any = None) -> Response:
    return Response(write_json({"error": message}), status, headers, "application/json")


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    detail = error.detail
    if error.status_code == 404 and detail == "Not Found":
        detail = f"there is no route {request.url.path}"
    if error.status_code == 405:
        detail = f"{request.method} is not allowed for {request.url.path}"
    return _error(error.status_code, detail, error.headers)


async def _on_disconnect(request: Request, error: Exception) -> Response:
    return _error(400, "the client went away")  # Nobody reads it; the log need not hold a traceback.


async def _on_error(request: Request, error: Exception) -> Response:
    return _error(500, f"{type(error).__name__}: {error}")
