"""The application: which path leads where, and how errors are told. One road for all, and a short one."""

from __future__ import annotations

import sys
import traceback
from time import perf_counter

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from . import documentation, invocations, management, open_inference, repository
from .guard import Guard
from .metrics import metrics
from .responses import error_response, send_response
from .routing import Call, Endpoint, Router
from .service import Service

_MODEL = "/v2/models/{name}"
_VERSION = _MODEL + "/versions/{version}"

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
    ("GET", "/openapi.json", documentation.openapi),
    ("GET", "/docs", documentation.docs),
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


class Application:
    """Answers requests, and counts them.

    Parameters
    ----------
    service
        What it serves; its first version may be added later.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._guard = Guard(service.keys)
        self._router = Router(ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        metrics, began, status = self._service.metrics, perf_counter(), 500
        metrics.in_flight += 1
        request = Call(scope, receive)
        try:
            response = await self._response(request)
            status = response.status_code
            if self._service.draining:
                response.headers["Connection"] = "close"
            await send_response(response, scope, receive, send)
        finally:
            self._service.release(request)
            metrics.in_flight -= 1
            metrics.count(scope["path"], status, perf_counter() - began)

    async def _response(self, request: Request) -> Response:
        scope = request.scope
        try:
            self._guard.admit(scope)
            endpoint, scope["path_params"] = self._router.find(scope["method"], scope["path"])
            return await endpoint(self._service, request)
        except HTTPException as error:
            return error_response(error.status_code, error.detail, error.headers)
        except ClientDisconnect:
            return error_response(400, "the client went away")  # Nobody reads it.
        except Exception as error:  # noqa: BLE001 - one request must not end the others
            traceback.print_exc(file=sys.stderr)
            return error_response(500, f"{type(error).__name__}: {error}")
