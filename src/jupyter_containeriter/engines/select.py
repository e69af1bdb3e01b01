"""Which engine to use: the one that was asked for, else Docker where one answers, else the embedded sandbox."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import EngineUnreachableError, UsageError

ENGINES = ("auto", "docker", "sandbox", "process")


def select_engine(wanted: str, state: Path) -> Engine:
    """Return the engine of that name; ``auto`` takes the first that works.

    Parameters
    ----------
    wanted
        One of :data:`ENGINES`.
    state
        Directory of the sandbox.

    Raises
    ------
    UsageError
        No engine has that name.
    EngineUnreachableError
        The engine that was asked for does not answer: start it, or choose another.
    """
    if wanted == "docker":
        return _docker()
    if wanted == "sandbox":
        return _sandbox(state)
    if wanted == "process":
        return _process(state)
    if wanted != "auto":
        raise UsageError(f"There is no engine {wanted!r}.", f"Use one of {', '.join(ENGINES)}.")
    for candidate in (_docker, lambda: _sandbox(state)):
        try:
            return candidate()
        except EngineUnreachableError:
            continue
    return _process(state)


def reachable_engines(state: Path) -> list[Engine]:
    """Return every engine that may hold containers of ours now."""
    found: list[Engine] = [_process(state)]
    with suppress(EngineUnreachableError):
        found.insert(0, _docker())
    return found


def _docker() -> Engine:
    from jupyter_containeriter.engines.docker import docker_engine

    engine = docker_engine()
    host = urlsplit(engine.address)
    if host.scheme != "unix" and host.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise EngineUnreachableError(
            f"The engine at {host.geturl()} is on another machine, where this kernel cannot reach its containers.",
            "Use an engine on this machine (unset DOCKER_HOST or change the Docker context), or --engine sandbox.",
        )
    return engine


def _sandbox(state: Path) -> Engine:
    from jupyter_containeriter.bubblewrap import namespaces_work
    from jupyter_containeriter.engines.sandbox import SandboxEngine

    if not namespaces_work():
        raise EngineUnreachableError(
            "The sandbox needs user namespaces, which this machine forbids.",
            "Allow them (sysctl kernel.unprivileged_userns_clone=1), or use --engine process, which isolates nothing.",
        )
    return SandboxEngine(state)


def _process(state: Path) -> Engine:
    from jupyter_containeriter.engines.sandbox import SandboxEngine

    return SandboxEngine(state, isolation="process")
