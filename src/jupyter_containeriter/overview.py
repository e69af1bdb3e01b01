"""What there is to see at a glance: every model, what runs of it, who works on it, its last iterations; ready for JSON.

Nothing here changes anything, or waits for anybody: what cannot be asked is left out, and said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import ContainerIterError, EngineError
from jupyter_containeriter.plurals import counted
from jupyter_containeriter.road.record import interrupted
from jupyter_containeriter.types import CALL_PHASES, PHASES, RUNNABLE, Container, Iteration

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

#: So many iterations of each model are told; the others are asked for.
RECENT = 30

_TIMES = ("package_to_verified_seconds", "cycle_seconds", "lead_seconds", *(f"{phase}_seconds" for phase in PHASES))
_PLAIN = ("parity", "engine", "method", "hot", "notebook", "error", *_TIMES)

T = TypeVar("T")
Document = dict[str, Any]


def overview(session: Session) -> Document:
    """Return all of it.

    Parameters
    ----------
    session
        Whose history and engines.

    Returns
    -------
    dict
        ``engine`` (the one that is used by default, or None), ``problem`` (what is wrong and what to do, or None),
        ``remarks`` (sentences) and ``models``, by name: see ``openapi.yaml`` in ``extension``.
    """
    problems: list[ContainerIterError] = []
    _noting(problems, session.history.check)
    engine = _noting(problems, lambda: engine_in_use(session))
    totals = _noting(problems, session.history.counts) or {}
    remarks: list[str] = []
    serving = _serving(session, remarks)
    names = sorted({*totals, *serving})
    held = _held(session)
    return {
        "engine": engine,
        "problem": {"message": problems[0].message, "remedy": problems[0].remedy} if problems else None,
        "remarks": [*(problem.message for problem in problems[1:]), *remarks, *_waiting(session)],
        "models": [_model(session, name, totals.get(name, 0), serving.get(name), held) for name in names],
    }


def engine_in_use(session: Session) -> Document:
    """Return the engine that is used where nothing else is said.

    Raises
    ------
    EngineUnreachableError
        It does not answer: start it, or choose another.
    """
    session.look_again()
    engine = session.engine()
    info = engine.describe()
    return {"name": engine.name, "version": info.version, "endpoint": info.endpoint, "isolation": info.isolation}


def rows(session: Session, name: str, last: int, before: int | None = None) -> list[Document]:
    """Return all of the iterations with the highest versions of a model (below ``before``), the highest first."""
    held = _held(session)
    return [_row(row, held) for row in _rows(session, name, last, before)]


def _noting(problems: list[ContainerIterError], ask: Callable[[], T]) -> T | None:
    """Return an answer; None, and a problem more, where there is none."""
    try:
        return ask()
    except ContainerIterError as error:
        problems.append(error)
        return None


def _waiting(session: Session) -> list[str]:
    waiting = session.history.waiting
    verbs = "waits for the history, and is" if waiting == 1 else "wait for the history, and are"
    return [f"{counted(waiting, 'row')} {verbs} written once it works."] if waiting else []


# --- models ----------------------------------------------------------------------------------------------------------


def _model(session: Session, name: str, total: int, live: Document | None, held: Held) -> Document:
    found = _rows(session, name, RECENT)
    working = next((row for row in found if row.status == "running" and _is_ours(session, row)), None)
    last = next((row for row in found if row.status != "running"), None)
    return {
        "name": name,
        "total": max(total, len(found)),
        "live": live,
        "working": working and _working(session, working),
        "last": last and _last(last, held),
        "recent": [_bar(row) for row in reversed(found)],
    }


def _working(session: Session, row: Iteration) -> Document:
    sign = session.locks.heartbeat(row.name).last(row.id)
    return {
        "version": row.version,
        "phase": sign.phase if sign else "",
        "seconds": dict(sign.seconds) if sign else {},
        "since": (sign.at if sign else row.started_at).isoformat(),
    }


# --- what runs -------------------------------------------------------------------------------------------------------


def _serving(session: Session, remarks: list[str]) -> dict[str, Document]:
    """Return what serves each name; what an engine says instead of an answer is a remark."""
    pairs: list[tuple[Engine, Container]] = []
    for engine in session.engines():
        try:
            pairs += session.standing.containers([engine])
        except EngineError as error:
            remarks.append(error.message)
    with suppress(EngineError):
        remarks += filter(None, [session.standing.unreachable()])
    # The newest container of a name is the first one.
    return {live.name: _live(live) for live in reversed(session.standing.deployments(pairs))}


def _live(deployment: Deployment) -> Document:
    assert deployment.container is not None
    return {
        "version": deployment.container.version,
        "status": deployment.iteration.status,
        "parity": deployment.parity,
        "engine": deployment.engine,
        "running": deployment.container.running,
        "hot": deployment.iteration.hot,
        "started_at": _time(deployment.container.started_at),
        "url": deployment.url,
        "proxy": f"containeriter/proxy/{deployment.name}/",
        "example": deployment.example,
    }


# --- rows ------------------------------------------------------------------------------------------------------------

#: Whether the image of a digest is still in the layer cache.
Held = Callable[[str], bool]


def _held(session: Session) -> Held:
    def held(digest: str) -> bool:
        with suppress(ContainerIterError):
            return session.cache.blob(digest).exists()
        return False

    return held


def _rows(session: Session, name: str, last: int, before: int | None = None) -> list[Iteration]:
    return [_as_it_stands(session, row) for row in session.history.recent(name, last, before)]


def _is_ours(session: Session, row: Iteration) -> bool:
    """Whether its lock is among those that can be looked at here."""
    return row.host == session.host and row.owner in {session.locks.owner, ""}


def _as_it_stands(session: Session, row: Iteration) -> Iteration:
    """Return a row as it is; that of a kernel that was killed as it will be, once some kernel has written it."""
    with suppress(EngineError):
        if row.status == "running" and _is_ours(session, row) and not session.locks.is_busy(row.name):
            # It may have ended since it was read.
            now = session.history.by_ids([row.id]).get(row.id, row)
            return interrupted(session, now) if now.status == "running" else now
    return row


def _bar(row: Iteration) -> Document:
    """Return what a chart shows of an iteration. An overview has very many, and is sent after every change."""
    return {"version": row.version, "status": row.status, "seconds": _finite(_seconds(row)), "note": row.note}


def _last(row: Iteration, held: Held) -> Document:
    """Return an iteration without what may be long."""
    told = _row(row, held)
    del told["params"]
    return told


def _row(row: Iteration, held: Held) -> Document:
    """Return all that is told of an iteration."""
    deployable = row.status in RUNNABLE and bool(row.image_digest)
    return {
        **_bar(row),
        **{column: _finite(getattr(row, column)) for column in _PLAIN},
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
        "metrics": _finite(row.metrics),
        "params": _finite(row.params),
        "deployable": deployable,
        "restorable": deployable and held(row.image_digest),
    }


def _seconds(row: Iteration) -> float | None:
    """Return how long the call took; as far as it got where it was not verified."""
    if row.package_to_verified_seconds is not None:
        return row.package_to_verified_seconds
    known = [seconds for phase in CALL_PHASES if (seconds := getattr(row, f"{phase}_seconds")) is not None]
    return math.fsum(known) if known else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _finite(value: Any) -> Any:
    """Return what browsers can read: there is no NaN and no infinity in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
