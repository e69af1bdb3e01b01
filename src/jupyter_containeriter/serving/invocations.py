"""The scoring routes of MLflow, which SageMaker asks for, too."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .model import LoadedModel
from .service import Service


async def ping(service: Service, request: Request) -> Response:
    """Tell whether it predicts."""
    return Response(status_code=200 if service.ready else 503)


async def invocations(service: Service, request: Request) -> Response:
    """Predict."""
    version = service.live()
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type not in ("application/json", "text/csv"):
        raise HTTPException(415, f"expected application/json or text/csv, got {content_type}")
    body = await service.body(request)

    def job(model: LoadedModel) -> bytes:
        from .scoring import score

        return score(model, content_type, body)

    return Response(await service.work(version, job), media_type="application/json")
