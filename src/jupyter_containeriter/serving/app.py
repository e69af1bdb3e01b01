"""The application: which path leads where, and how errors are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from . import invocations, management, open_inference, repository
from .guard import Guard
from .metrics import Measured, metrics
from .responses import error_response
from .service import Service

Endpoint = Callable[[Service, Request], Awaitable[Response]]

_MODEL = "/v2/models/{name}"
_VERSION = _MODEL + "/versions/{version}"

#: What is asked most often stands first: routes are tried in order.
ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", f"{_MODEL}/infer", open_inference.predict),
    ("POST", f"{_VERSION}/infer", open_inference.predict),
    ("POST", "/invocations", invocations.invocations),
    ("GET", "/v2/health/live", open_inference.live),
    ("GET", "/v2/health/ready", open_inference.ready),
    ("GET", "/ping", invocations.ping),
    ("GET", "/metrics", metrics),
    ("GET", "/health", invocations.ping),
    ("GET", "/version", invocations.version),
    ("GET", "/v2", open_inference.server_metadata),
    ("GET", "/v2/models/stats", open_inference.model_statistics),
    ("GET", _MODEL, open_inference.model_metadata),
    ("GET", _VERSION, open_inference.model_metadata),
    ("GET", f"{_MODEL}/ready", open_inference.model_ready),
    ("GET", f"{_VERSION}/ready", open_inference.model_ready),
    ("GET", f"{_MODEL}/config", open_inference.model_configuration),
    ("GET", f"{_VERSION}/config", open_inference.model_configuration),
    ("GET", f"{_MODEL}/stats", open_inference.model_statistics),
    ("GET", f"{_VERSION}/stats", open_inference.model_statistics),
    ("POST", "/v2/repository/index", repository.index),
    ("POST", "/v2/repository/models/{name}/load", repository.load),
    ("POST", "/v2/repository/models/{name}/unload", repository.unload),
    ("GET", "/containeriter/versions", management.versions),
    ("PUT", "/containeriter/versions/{version}", management.load),
    ("DELETE", "/containeriter/versions/{version}", management.drop),
    ("PUT", "/containeriter/live", management.switch),
)


def create_app(service: Service) -> ASGIApp:
    """Build the application.

    Parameters
    ----------
    service
        What it serves; its first version may be added later.
    """

    def route(method: str, path: str, endpoint: Endpoint) -> Route:
        async def call(request: Request) -> Response:
            return await endpoint(service, request)

        return Route(path, call, methods=[method])

    handlers: dict[Any, Any] = {HTTPException: _on_http_error, ClientDisconnect: _on_disconnect, Exception: _on_error}
    application = Starlette(routes=[route(*one) for one in ROUTES], exception_handlers=handlers)
    # A slash too many is a path that does not exist, as for any client of JSON; no redirect.
    application.router.redirect_slashes = False
    return Measured(Guard(application, service.keys), service.metrics)


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    detail = error.detail
    if error.status_code == 404 and detail == "Not Found":
        detail = f"there is no route {request.url.path}"
    if error.status_code == 405:
        detail = f"{request.method} is not allowed for {request.url.path}"
    return error_response(error.status_code, detail, error.headers)


async def _on_disconnect(request: Request, error: Exception) -> Response:
    return error_response(400, "the client went away")  # Nobody reads it; the log need not hold a traceback.


async def _on_error(request: Request, error: Exception) -> Response:
    return error_response(500, f"{type(error).__name__}: {error}")
