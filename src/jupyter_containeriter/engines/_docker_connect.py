"""Find the Docker or Podman that the person means, and connect to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_containeriter.engines._docker_errors import denied, reason
from jupyter_containeriter.errors import EngineUnreachableError

_PROBE_SECONDS = 2.0
#: A connection through ssh or a network takes its time.
_REMOTE_PROBE_SECONDS = 10.0
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine may listen, and the SDK's options to get there."""

    address: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def connect(host: str | None = None) -> tuple[Any, str]:
    """Return a connected ``docker.APIClient`` with a negotiated API version, and the address it talks to.

    Raises
    ------
    EngineUnreachableError
        Nothing answered; the message names everything that was tried, and why it failed.
    """
    tried: list[str] = []
    without_permission = False
    for endpoint in endpoints(host, os.environ):
        try:
            return _probe(endpoint), endpoint.address
        except Exception as error:  # noqa: BLE001 (the SDK raises bare Exception too; each one only means: next)
            tried.append(f"{endpoint.address} ({reason(error)})")
            without_permission |= denied(error)
    raise EngineUnreachableError(
        f"No container engine answers. Tried {', '.join(tried)}.",
        "Let your user use the engine (for Docker: sudo usermod -aG docker $USER, then log in again), "
        "or deploy with --engine sandbox."
        if without_permission
        else None,
    )


def endpoints(host: str | None, environment: Mapping[str, str]) -> Iterator[Endpoint]:
    """Yield where to look, in order.

    What was chosen (by the call, by ``DOCKER_HOST`` or by Docker's current context) is the only place: another
    engine than the chosen one would be a surprise. Else the usual sockets, Docker's before Podman's.
    """
    from docker.utils import kwargs_from_env

    chosen = host or environment.get("DOCKER_HOST")
    if chosen:
        options = kwargs_from_env(environment={**environment, "DOCKER_HOST": chosen})
        yield Endpoint(chosen, options)
        return
    context = _current_context(environment)
    if context:
        yield context
        return
    if sys.platform == "win32":
        yield _socket("npipe:////./pipe/docker_engine")
        return
    yield _socket("unix:///var/run/docker.sock")
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime:
        yield _socket(f"unix://{runtime}/docker.sock")
        yield _socket(f"unix://{runtime}/podman/podman.sock")
    yield _socket("unix:///run/podman/podman.sock")


def _current_context(environment: Mapping[str, str]) -> Endpoint | None:
    from docker.context import ContextAPI
    from docker.context.config import get_current_context_name

    name = environment.get("DOCKER_CONTEXT") or get_current_context_name()
    if name == "default":
        return None
    try:
        context = ContextAPI.get_context(name)
    except Exception as error:  # (docker.context raises bare Exception)
        raise EngineUnreachableError(f"Docker's context {name!r} cannot be read: {error}", _CONTEXT_REMEDY) from error
    if context is None or not context.Host:
        raise EngineUnreachableError(f"Docker's context {name!r} does not exist.", _CONTEXT_REMEDY)
    tls = {"tls": context.TLSConfig} if context.TLSConfig else {}
    return Endpoint(context.Host, {"base_url": context.Host, **tls})


_CONTEXT_REMEDY = "Choose one of `docker context ls` with `docker context use`, or set DOCKER_HOST."


def _socket(address: str) -> Endpoint:
    return Endpoint(address, {"base_url": address})


def _probe(endpoint: Endpoint) -> Any:
    import docker

    remote = endpoint.address.startswith(("ssh://", "tcp://", "http://", "https://"))
    client = docker.APIClient(
        version="auto",
        timeout=_REMOTE_PROBE_SECONDS if remote else _PROBE_SECONDS,
        # The person's own ssh, with its configuration and agent, instead of a second implementation.
        use_ssh_client=endpoint.address.startswith("ssh://"),
        **endpoint.options,
    )
    client.timeout = _SECONDS
    return client
