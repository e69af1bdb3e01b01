"""What a panel knows of its model: looked at when something has changed, which a few files tell."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.errors import ContainerIterError
from jupyter_containeriter.overview import rows
from jupyter_containeriter.types import CALL_PHASES
from jupyter_containeriter.watching import written

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

#: A panel offers so many versions.
_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class Seen:
    """A model at one moment.

    Attributes
    ----------
    name
        The model's name.
    live
        What serves it, None where nothing does.
    versions
        Those that may be deployed with their status, newest first.
    newest
        Version and status of the last iteration, however it ended.
    working
        The phase of the iteration that is under way, "" without one.
    problem
        What could not be found out, with what to do about it.
    """

    name: str
    live: Deployment | None = None
    versions: tuple[tuple[int, str], ...] = ()
    newest: tuple[int, str] = (0, "")
    working: str = ""
    problem: ContainerIterError | None = field(default=None, compare=False)

    @property
    def serving(self) -> int:
        """The version that serves, 0 where none does."""
        return self.live.version if self.live and self.live.url else 0

    @property
    def identity(self) -> tuple[str, str]:
        """What runs and what it serves; another one where either changes."""
        container = self.live.container if self.live else None
        return (container.id, container.iteration) if container and container.running else ("", "")


def look(session: Session, name: str) -> Seen:
    """Look at engines and history; what does not answer is told, not raised."""
    try:
        return Seen(name, session.standing.deployment(name), *_rows(session, name))
    except ContainerIterError as error:
        return Seen(name, problem=error)


def marks(session: Session, name: str) -> Hashable:
    """Return what is another value when something happened to a model, wherever it was done; it costs little."""
    sign = session.locks.heartbeat(name).path
    return session.history.pulse(), written(session.handles.promoted / name), written(sign)


def _rows(session: Session, name: str) -> tuple[tuple[tuple[int, str], ...], tuple[int, str], str]:
    found = rows(session, name, _VERSIONS)
    kept = tuple((row["version"], row["status"]) for row in found if row["restorable"])
    newest = (found[0]["version"], found[0]["status"]) if found else (0, "")
    return kept, newest, _phase(session, name, newest[0]) if newest[1] == "running" else ""


def _phase(session: Session, name: str, version: int) -> str:
    """Return the phase that an iteration under way was in last."""
    row = session.history.get(name, version)
    sign = session.locks.heartbeat(name).last(row.id) if row else None
    return (sign.phase if sign else "") or CALL_PHASES[0]
