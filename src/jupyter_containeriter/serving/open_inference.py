"""The routes of the Open Inference Protocol v2 over HTTP."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ._version import __version__
from .batcher import Prediction
from .binary import JSON_LENGTH
from .description import configuration, metadata, statistics
from .inference import Reply, decode_request, encode_response
from .model import LoadedModel
from .responses import json_response, reply_response
from .service import Service

#: What the server knows beyond the protocol itself, by the names that Triton gave.
_EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository")


async def live(service: Service, request: Request) -> Response:
    """Tell that the server runs."""
    return json_response({"live": True})


async def ready(service: Service, request: Request) -> Response:
    """Tell whether it predicts."""
    return json_response({"ready": service.ready}, 200 if service.ready else 503)


async def server_metadata(service: Service, request: Request) -> Response:
    """Describe the server; its version is not the model's."""
    about = {"name": "jupyter_containeriter", "version": __version__}
    return json_response({**about, "extensions": _EXTENSIONS})


async def model_metadata(service: Service, request: Request) -> Response:
    """Describe the model: its versions and tensors."""
    return json_response(metadata(service.named(request), service.numbers()))


async def model_configuration(service: Service, request: Request) -> Response:
    """Describe the model as Triton's clients ask for it."""
    return json_response(configuration(service.named(request), service.live()))


async def model_statistics(service: Service, request: Request) -> Response:
    """Tell how often the versions were asked that a path names."""
    version = service.named(request) if "name" in request.path_params else None
    one = version if "version" in request.path_params else None
    told = [one] if one else [version for version in service.versions if not version.candidate]
    return json_response({"model_stats": [statistics(version) for version in told]})


async def model_ready(service: Service, request: Request) -> Response:
    """Tell whether the model predicts."""
    return json_response({"name": service.named(request).model.name, "ready": True})


async def predict(service: Service, request: Request) -> Response:
    """Predict."""
    service.named(request)  # What is refused is refused before its body is read.
    body = await service.body(request)
    version = service.named(request)
    json_length = request.headers.get(JSON_LENGTH)

    def job(model: LoadedModel) -> Prediction:
        asked = decode_request(model, body, json_length)
        return Prediction(asked.data, lambda result: encode_response(model, version.number, asked, result))

    reply: Reply = await service.work(version, job)
    return await reply_response(request, reply)
