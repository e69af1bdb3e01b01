"""What runs now, as the engines tell: also while the history cannot be asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.errors import EngineError
from jupyter_containeriter.types import PROMOTED, Container, Iteration

if TYPE_CHECKING:
    from jupyter_containeriter.engines.base import Engine
    from jupyter_containeriter.session import Session


class Standing:
    """What the engines run of one session's history.

    Parameters
    ----------
    session
        Gives engines, promises and history.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def containers(self, engines: Iterable[Engine] | None = None) -> list[tuple[Engine, Container]]:
        """Return every container of this history on these engines (on all that answer), newest first."""
        asked = self._session.engines() if engines is None else engines
        pairs = [(engine, self._promised(c)) for engine in asked for c in self.started(engine)]
        oldest = datetime.min.replace(tzinfo=UTC)
        return sorted(pairs, key=lambda pair: pair[1].started_at or oldest, reverse=True)

    def _promised(self, container: Container) -> Container:
        """Return a container as what it serves now; the engine only knows what it was started with."""
        promise = self._session.handles.promise(container.name)
        return promise.applied(container) if promise else container

    def serves(self, container: Container) -> bool:
        """Whether a container is the one that was promoted last of its name."""
        promise = self._session.handles.promise(container.name)
        return promise is None or promise.container == container.id

    def live(self, name: str) -> list[tuple[Engine, Container]]:
        """Return the containers of a name with their engines, newest first."""
        return [(engine, container) for engine, container in self.containers() if container.name == name]

    def serving(self, name: str) -> Container | None:
        """Return the container that was promoted last, else the newest one of a name."""
        live = [container for _, container in self.live(name)]
        return next((container for container in live if self.serves(container)), live[0] if live else None)

    def deployment(self, name: str) -> Deployment | None:
        """Return what serves a name, running or not; None where nothing does that was verified. Nothing is changed."""
        return next(iter(self.deployments(self.live(name))), None)

    def deployments(self, pairs: Collection[tuple[Engine, Container]]) -> list[Deployment]:
        """Return those of these containers that serve a version which was promoted, in their order."""
        serving = [(engine, container) for engine, container in pairs if self.serves(container)]
        iterations = self.iterations_of([container for _, container in serving])
        return [
            Deployment.of(iteration, engine, container, self._session.handles)
            for engine, container in serving
            if (iteration := iterations.get(container.iteration)) is not None and iteration.status in PROMOTED
        ]

    def remove(self, engine: Engine, container: Container) -> None:
        """Stop a container and forget its token."""
        engine.stop(container.id)
        self._session.handles.forget(container.id)

    def iterations_of(self, containers: Collection[Container]) -> dict[str, Iteration]:
        """Return the iterations that containers serve, by id; of the promoted ones also without their rows."""
        known = self._session.history.by_ids(container.iteration for container in containers)
        if self._session.history.is_complete:
            return known
        promises = {name: promise.container for name, promise in self._session.handles.promises().items()}
        promoted = [container for container in containers if promises.get(container.name) == container.id]
        return {container.iteration: _as_labelled(container) for container in promoted} | known

    def highest_version(self, name: str) -> int:
        """Return the highest version of a name that has a container here; 0 without one."""
        with suppress(EngineError):
            return max((container.version for _, container in self.live(name)), default=0)
        return 0

    def unreachable(self) -> str:
        """Say that an engine which ran something before cannot be asked now; "" where all can."""
        if any(engine.name == "docker" for engine in self._session.engines()):
            return ""
        latest = (self._session.history.latest(name, PROMOTED) for name in self._session.history.names())
        if any(iteration and iteration.engine == "docker" for iteration in latest):
            return "Docker does not answer, so what it may run is not known here."
        return ""

    def started(self, engine: Engine) -> list[Container]:
        """Return the containers of the session's history on an engine, as what they were started with."""
        # While the history could not be asked it may have been known by another id.
        present, *former = self._session.history.ids
        others = [container for history in former for container in engine.containers(history)]
        known = self._session.history.by_ids(container.iteration for container in others) if others else {}
        return [*engine.containers(present), *(container for container in others if container.iteration in known)]


def _as_labelled(container: Container) -> Iteration:
    return Iteration(
        container.iteration,
        container.name,
        container.version,
        "deployed",
        container.started_at or datetime.now(UTC),
        engine=container.engine,
        image_reference=container.image_reference,
        image_digest=container.image_digest,
    )
