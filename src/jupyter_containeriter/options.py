"""How a person wants a version to run, and what to write beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_containeriter.errors import UsageError

_STARTED_WITH = ("memory", "cpus", "gpus", "port", "token")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run, and what to write beside the iteration.

    Attributes
    ----------
    engine
        ``auto``, ``docker``, ``sandbox`` or ``process``; None for the setting.
    base
        ``kernel`` or an image; None for the setting.
    platform
        ``linux/amd64`` or ``linux/arm64``; None for the engine's own.
    memory, cpus
        Limits, None for the settings.
    gpus
        As for ``docker run --gpus``.
    port
        Host port, None for the name's own.
    token
        Whether requests need a bearer token.
    deploy
        False to build and load only.
    fresh
        True to start a new container even where the one that runs could load the model.
    params, metrics, tags, note
        Written into the history.
    notebook
        Name of the notebook, "" where unknown.
    """

    engine: str | None = None
    base: str | None = None
    platform: str | None = None
    memory: str | None = None
    cpus: float | None = None
    gpus: str | None = None
    port: int | None = None
    token: bool = True
    deploy: bool = True
    fresh: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    notebook: str = ""

    def __post_init__(self) -> None:
        if self.port is not None and not 0 < self.port < 65536:
            raise UsageError(
                f"--port {self.port}: there is no such port.", "Give one from 1 to 65535, or leave it out."
            )
        if self.fresh and not self.deploy:
            raise UsageError("--fresh starts a container, --no-deploy starts none.", "Give one of them.")

    def run_options(self) -> dict[str, Any]:
        """Return what a container is asked for once and for all when it starts."""
        return {name: getattr(self, name) for name in _STARTED_WITH}

    @classmethod
    def as_started(cls, engine: str, options: Mapping[str, Any]) -> RunOptions:
        """Return how a container was asked to run, from what :meth:`run_options` told then."""
        return cls(engine=engine, **{name: options[name] for name in _STARTED_WITH if name in options})
