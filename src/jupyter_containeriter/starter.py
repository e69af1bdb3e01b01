"""Start a container and wait until its model answers, or say why it does not."""

from __future__ import annotations

import time
from dataclasses import dataclass

from jupyter_containeriter.bytesize import memory_text
from jupyter_containeriter.client import InferenceClient
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import EngineError, NotFoundError, StartError
from jupyter_containeriter.types import Container

_POLL_SECONDS = 0.005
#: Asking the engine costs more than asking the server.
_INSPECT_SECONDS = 0.25
_LOG_LINES = 15
#: An engine notices the end of a server a moment after its connections broke.
_NOTICE_SECONDS = 3.0
_NO_WORDS = " It wrote no log."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and the memory limit to name where it was too small."""

    seconds: float
    memory_bytes: int


def wait_until_ready(engine: Engine, container: Container, client: InferenceClient, patience: Patience) -> None:
    """Return when the server is ready.

    Raises
    ------
    StartError
        The container ended (out of memory, or the model does not load) or took too long; with its last log lines.
    """
    began = inspected = time.monotonic()
    while not client.is_ready():
        now = time.monotonic()
        if now - inspected > _INSPECT_SECONDS:
            inspected = now
            _check_alive(engine, container, patience)
        if now - began > patience.seconds:
            raise StartError(
                f"{_label(container)} was not ready after {patience.seconds:g} s.{_last_words(engine, container)}",
                "Read the log lines above; raise %config ContainerIter.ready_seconds for a model that loads slowly.",
            )
        time.sleep(_POLL_SECONDS)


def explain_end(engine: Engine, container: Container, patience: Patience) -> StartError | None:
    """Return why a container ended, or None while it runs."""
    try:
        now = engine.inspect(container.id)
    except NotFoundError:
        return StartError(f"{_label(container)} was removed from outside while it started.", "Run the cell again.")
    if now.running:
        return None
    if now.oom_killed:
        return StartError(
            f"{_label(container)} was killed: it used more than {memory_text(patience.memory_bytes)} of memory.",
            "Give it more: --memory 4g.",
        )
    words = _last_words(engine, container)
    remedy = (
        None if words != _NO_WORDS else "It ended itself (os._exit, a crash in native code): try it in a new process."
    )
    return StartError(f"{_label(container)} ended with exit code {now.exit_code}.{words}", remedy)


def explain_failure(
    engine: Engine, container: Container, client: InferenceClient, patience: Patience, error: EngineError
) -> EngineError:
    """Return why a container did not predict: its end, or its own log lines, which go when the container goes."""
    deadline = time.monotonic() + _NOTICE_SECONDS
    while not client.is_ready() and time.monotonic() < deadline:
        if ended := explain_end(engine, container, patience):
            return ended
        time.sleep(_POLL_SECONDS)
    return EngineError(f"{error.message}.{_last_words(engine, container)}", StartError.default_remedy)


def _check_alive(engine: Engine, container: Container, patience: Patience) -> None:
    error = explain_end(engine, container, patience)
    if error is not None:
        raise error


def _label(container: Container) -> str:
    return f"{container.name}:{container.version}"


def _last_words(engine: Engine, container: Container) -> str:
    lines = engine.logs(container.id, _LOG_LINES).strip()
    indented = "\n".join(f"  | {line}" for line in lines.splitlines())
    return f" Its last log lines:\n{indented}" if lines else _NO_WORDS
