"""The routes of whoever deployed the model: load a version beside the live one, switch to it, let go of it.

They change what clients are told, so they are closed to the deployment's ordinary token.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from . import memory
from .model import LoadError
from .responses import json_response
from .service import Service
from .versions import Version
from .worker import Worker

#: Of the size of its files, what a version takes while it loads: the files, what is read of them, what is made of it.
_ROOM = 3


async def versions(service: Service, request: Request) -> Response:
    """List what is in memory, oldest first, and tell which version is being loaded, if any."""
    held = [_described(service, version) for version in service.versions]
    return json_response({"versions": held, "loading": service.loading or None})


async def load(service: Service, request: Request) -> Response:
    """Load the version whose files the body holds as a tar, beside the live one; clients do not see it yet."""
    number = request.path_params["version"]
    service.loaded()
    if service.loading:
        raise HTTPException(409, f"version {service.loading!r} is being loaded")
    if (held := service.versions.get(number)) is not None and not held.candidate:
        raise HTTPException(409, f"version {number!r} is held already")
    size = int(request.headers.get("content-length", 0))
    service.loading = number
    try:
        await _make_room(service, size)
        version = await _arrived(service, request, number, size)
    finally:
        service.loading = ""
    service.versions.add(version)
    return json_response(_described(service, version))


async def _arrived(service: Service, request: Request, number: str, size: int) -> Version:
    """Return the version that a request brings, loaded."""
    from .arrival import Arriving, load_arriving

    worker = Worker()
    began = time.perf_counter()
    try:
        model = await asyncio.wrap_future(worker.submit(load_arriving, Arriving(request.stream())))
        if model.name != (expected := service.loaded().model.name):
            raise LoadError(f"this is a version of {model.name!r}, not of {expected!r}")
        if await request.is_disconnected():
            # An interrupted kernel: nobody would ever let go of it.
            raise ClientDisconnect
    except BaseException as error:
        worker.close()
        service.versions.gone.append(None)  # Whatever there is of it.
        memory.give_back_later(service.versions.gone)
        if isinstance(error, LoadError):
            raise HTTPException(422, str(error)) from None
        raise
    return Version(number, model, worker, time.perf_counter() - began, size, candidate=True)


async def switch(service: Service, request: Request) -> Response:
    """Make the version that the body names the live one, at once; clients are answered, also if it was unloaded."""
    try:
        number = str(json.loads(await service.body(request))["version"])
    except (ValueError, TypeError, LookupError):
        raise HTTPException(400, 'expected {"version": "N"}') from None
    if service.versions.get(number) is None:
        raise HTTPException(404, f"version {number!r} is not held")
    service.versions.switch(number)
    service.withdrawn = False
    memory.give_back_later(service.versions.gone)
    return await versions(service, request)


async def drop(service: Service, request: Request) -> Response:
    """Let go of a version."""
    number = request.path_params["version"]
    version = service.versions.get(number)
    if version is None:
        raise HTTPException(404, f"version {number!r} is not held")
    if version is service.versions.live:
        raise HTTPException(409, f"version {number!r} is live")
    service.versions.drop(number)
    memory.give_back_later(service.versions.gone)
    return await versions(service, request)


def _described(service: Service, version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "state": service.versions.state(version),
        "load_seconds": version.load_seconds,
        "size_bytes": version.size_bytes,
        "batching": version.batcher.batching.rows > 0,
        "batching_reason": version.batcher.batching.reason,
    }


async def _make_room(service: Service, size: int) -> None:
    """Let go of kept versions until one of this size fits beside the live one; answer 507 where it will not."""
    from .arrival import free_bytes

    if (free := free_bytes()) < size:
        raise HTTPException(507, f"its files take {size} bytes, and {free} bytes are left for temporary files")
    if service.versions.drop_candidates():
        await asyncio.to_thread(memory.give_back, service.versions.gone, thoroughly=True)
    kept = [version for version in service.versions if version is not service.versions.live]
    while (left := memory.room()) is not None and left < _ROOM * size:
        # As much as they took to load, at best: what would not be enough is not let go.
        if left + _ROOM * sum(version.size_bytes for version in kept) < _ROOM * size:
            raise HTTPException(
                507, f"loading {size} bytes takes {_ROOM * size} bytes of memory, and {max(left, 0)} bytes are left"
            )
        service.versions.drop(kept.pop(0).number)
        await asyncio.to_thread(memory.give_back, service.versions.gone, thoroughly=True)
