"""The routes of the Open Inference Protocol v2 over HTTP."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from .binary import JSON_LENGTH
from .inference import infer
from .responses import json_response, reply_response
from .service import Service
from .wire import tensor_metadata


async def live(service: Service, request: Request) -> Response:
    """Tell that the server runs."""
    return json_response({"live": True})


async def ready(service: Service, request: Request) -> Response:
    """Tell whether it predicts."""
    return json_response({"ready": service.ready}, 200 if service.ready else 503)


async def server_metadata(service: Service, request: Request) -> Response:
    """Describe the server."""
    version = service.versions.live
    return json_response(
        {"name": "jupyter_containeriter", "version": version.number if version else "", "extensions": []}
    )


async def model_metadata(service: Service, request: Request) -> Response:
    """Describe the model: its versions and tensors."""
    model = service.named(request).model
    inputs, outputs = (tensor_metadata(schema) if schema else [] for schema in (model.inputs, model.outputs))
    metadata = {"name": model.name, "versions": service.numbers(), "platform": model.platform}
    return json_response({**metadata, "inputs": inputs, "outputs": outputs})


async def model_ready(service: Service, request: Request) -> Response:
    """Tell whether the model predicts."""
    return json_response({"name": service.named(request).model.name, "ready": True})


async def predict(service: Service, request: Request) -> Response:
    """Predict."""
    version = service.named(request)
    body = await service.body(request)
    json_length = request.headers.get(JSON_LENGTH)
    reply = await service.work(version, lambda model: infer(model, version.number, body, json_length))
    return await reply_response(request, reply)
