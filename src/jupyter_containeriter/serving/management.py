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

from .model import LoadError
from .responses import json_response
from .service import Service
from .versions import Version
from .worker import Worker

#: Of the size of its files, what a version takes while it loads: the files, what is read of them, what is made of it.
_ROOM = 3
#: Memory goes back a while after a switch: looking for it stops every thread for some milliseconds.
_TIDY_SECONDS = 1.0


async def versions(service: Service, request: Request) -> Response:
    """List what is in memory, oldest first."""
    return json_response({"versions": [_described(service, version) for version in service.versions]})


async def load(service: Service, request: Request) -> Response:
    """Load the version whose files the body holds as a tar, beside the live one; clients do not see it yet."""
    from .arrival import load_archive, receive, room_for_files

    number = request.path_params["version"]
    live = service.live()
    if (held := service.versions.get(number)) is not None and not held.candidate:
        raise HTTPException(409, f"version {number!r} is held already")
    service.versions.drop_candidates()
    size = int(request.headers.get("content-length", 0))
    _make_room(service, size)
    worker = Worker()
    began = time.perf_counter()
    try:
        with room_for_files() as directory:
            await receive(request.stream(), directory / "version.tar")
            model = await asyncio.wrap_future(worker.submit(load_archive, directory / "version.tar"))
        if model.name != live.model.name:
            raise LoadError(f"this is a version of {model.name!r}, not of {live.model.name!r}")
    except BaseException as error:
        worker.close()
        if isinstance(error, LoadError):
            raise HTTPException(422, str(error)) from None
        raise
    if await request.is_disconnected():
        # An interrupted kernel: nobody would ever let go of it.
        worker.close()
        raise ClientDisconnect
    version = Version(number, model, worker, time.perf_counter() - began, size, candidate=True)
    service.versions.add(version)
    return json_response(_described(service, version))


async def switch(service: Service, request: Request) -> Response:
    """Make the version that the body names the live one, at once."""
    from .memory import give_back

    try:
        number = str(json.loads(await service.body(request))["version"])
    except (ValueError, TypeError, LookupError):
        raise HTTPException(400, 'expected {"version": "N"}') from None
    if service.versions.get(number) is None:
        raise HTTPException(404, f"version {number!r} is not held")
    service.versions.switch(number)
    asyncio.get_running_loop().call_later(_TIDY_SECONDS, give_back)
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


def _make_room(service: Service, size: int) -> None:
    """Let go of kept versions until one of this size fits beside the live one, or answer 507."""
    from .memory import give_back, room

    kept = [version for version in service.versions if version is not service.versions.live]
    while (left := room()) is not None and left < _ROOM * size:
        if not kept:
            raise HTTPException(507, f"loading {size} bytes takes more memory than the {left} bytes that are left")
        service.versions.drop(kept.pop(0).number)
        give_back()
