"""The model-repository extension: which versions are held, and whether the model answers at all.

``unload`` takes the model back from clients and ``load`` gives it back to them; its versions stay in memory meanwhile,
so that neither takes time. Which of them is live may be chosen, nothing else may be changed.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .description import configuration
from .inference import parse_json
from .responses import json_response
from .service import Service
from .wire import WireError

_POLICY = ("version_policy", "versionPolicy")
_EXAMPLE = '{"version_policy": {"specific": {"versions": [N]}}}'


async def index(service: Service, request: Request) -> Response:
    """List the versions that clients may ask; with ``{"ready": true}`` only if they answer."""
    ready = (await _document(service, request)).get("ready", False)
    if type(ready) is not bool:
        raise HTTPException(400, "ready: expected true or false")
    live = service.versions.live
    if live is None or (ready and not service.ready):
        return json_response([])
    state = {"state": "READY", "reason": ""} if service.ready else {"state": "UNAVAILABLE", "reason": "unloaded"}
    return json_response([{"name": live.model.name, "version": number, **state} for number in service.numbers()])


async def load(service: Service, request: Request) -> Response:
    """Give the model back to clients, as the version that the parameter ``config`` may choose."""
    service.insist_on(request)
    parameters = await _parameters(service, request)
    for name in parameters:
        if name != "config":
            raise HTTPException(400, f"{name}: cannot be loaded; only versions that are held can")
    if "config" in parameters:
        service.versions.switch(_chosen(service, parameters["config"]))
    service.withdrawn = False
    return json_response({})


async def unload(service: Service, request: Request) -> Response:
    """Take the model back from clients; its versions stay in memory."""
    service.insist_on(request)
    await _parameters(service, request)
    service.withdrawn = True
    return json_response({})


def _chosen(service: Service, text: Any) -> str:
    """Return the version that a configuration chooses, or answer 400."""
    live = service.versions.live
    assert live is not None
    try:
        config = parse_json(text.encode())
        policy = next((config.pop(key) for key in _POLICY if key in config), None)
        others = {key for key, value in config.items() if configuration(live, live).get(key) != value}
    except (WireError, AttributeError):
        raise HTTPException(400, f"config: expected the text of a JSON object such as {_EXAMPLE}") from None
    if others:
        raise HTTPException(400, f"config: {sorted(others)[0]} cannot be changed; {_EXAMPLE} chooses a version")
    if policy is None:
        return live.number
    try:
        (number,) = policy["specific"]["versions"]
    except (LookupError, TypeError, ValueError):
        raise HTTPException(400, f"config: expected one version to be live, as in {_EXAMPLE}") from None
    if str(number) not in service.numbers():
        held = ", ".join(service.numbers())
        raise HTTPException(400, f"config: version {number!r:.60} is not held, only {held}")
    return str(number)


async def _parameters(service: Service, request: Request) -> dict[str, Any]:
    parameters = (await _document(service, request)).get("parameters") or {}
    if not isinstance(parameters, dict):
        raise HTTPException(400, "parameters: expected an object")
    return parameters


async def _document(service: Service, request: Request) -> dict[str, Any]:
    """Return the object that a body holds; an empty one is an empty object."""
    body = await service.body(request)
    try:
        document = parse_json(body) if body else {}
    except WireError as error:
        raise HTTPException(400, str(error)) from None
    if not isinstance(document, dict):
        raise HTTPException(400, "expected a JSON object")
    return document
