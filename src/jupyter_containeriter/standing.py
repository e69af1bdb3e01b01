"""What containers tell of versions, also while their history cannot be asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jupyter_containeriter.errors import EngineError
from jupyter_containeriter.progress import Progress
from jupyter_containeriter.types import Container, Iteration

if TYPE_CHECKING:
    from jupyter_containeriter.engines.base import Engine
    from jupyter_containeriter.session import Session


def started(session: Session, engine: Engine) -> list[Container]:
    """Return the containers of the session's history on an engine, as what they were started with."""
    # While the history could not be asked it may have been known by another id.
    present, *former = session.history.ids
    others = [container for history in former for container in engine.containers(history)]
    known = session.history.by_ids(container.iteration for container in others) if others else {}
    return [*engine.containers(present), *(container for container in others if container.iteration in known)]


def iterations_of(session: Session, containers: Collection[Container]) -> dict[str, Iteration]:
    """Return the iterations that containers serve, by id; of the promoted ones also without their rows."""
    known = session.history.by_ids(container.iteration for container in containers)
    if session.history.is_complete:
        return known
    promises = {name: promise.container for name, promise in session.handles.promises().items()}
    promoted = [container for container in containers if promises.get(container.name) == container.id]
    return {container.iteration: _as_labelled(container) for container in promoted} | known


@contextmanager
def telling(session: Session, progress: Progress) -> Iterator[None]:
    """Tell in the end what happened to the history meanwhile."""
    try:
        yield
    finally:
        for remark in session.history.remarks():
            progress.note(remark)


def highest_version(session: Session, name: str) -> int:
    """Return the highest version of a name that has a container here; 0 without one."""
    with suppress(EngineError):
        return max((container.version for _, container in session.live(name)), default=0)
    return 0


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
