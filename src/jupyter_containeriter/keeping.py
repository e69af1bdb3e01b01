"""Which versions are kept, however little room there is, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from jupyter_containeriter.types import PROMOTED, RUNNABLE, Iteration

if TYPE_CHECKING:
    from jupyter_containeriter.engines.base import Engine
    from jupyter_containeriter.session import Session

#: So many versions before the one that runs can be rolled back to.
PREDECESSORS = 2
#: A version with this tag is a saved reference.
KEEP_TAG = "keep"


def kept_versions(
    session: Session, rows: Iterable[Iteration], engines: Collection[Engine]
) -> dict[tuple[str, int], str]:
    """Return the reason for each version that is kept, by name and version.

    Parameters
    ----------
    session
        Tells where what was promoted runs, and which names other kernels are working on.
    rows
        The iterations for which an image was built.
    engines
        Those that tell what runs. A name whose promoted container is on none of them may run there.
    """
    live = {(container.name, container.version) for _, container in session.standing.containers(engines)}
    # Not what they serve: its files are those that a server reads while it runs, and starts with again.
    begun = {(one.name, one.version) for engine in engines for one in session.standing.started(engine)}
    asked = {engine.describe().endpoint for engine in engines}
    unreachable = bool(session.standing.unreachable())
    reasons: dict[tuple[str, int], str] = {}
    for name, group in groupby(sorted(rows, key=lambda row: (row.name, row.version)), key=lambda row: row.name):
        versions = list(group)
        if session.locks.is_busy(name):
            found = dict.fromkeys((row.version for row in versions), "another kernel works on this name")
        else:
            running = {version for named, version in live if named == name}
            blind = unreachable or session.handles.engine(name) not in {"", *asked}
            found = _reasons(versions, running, blind=blind)
            for row in versions:
                if (name, row.version) in begun:
                    found.setdefault(row.version, "the container that runs was started from it")
        reasons |= {(name, version): reason for version, reason in found.items()}
    return reasons


def _reasons(rows: Collection[Iteration], live: Collection[int], *, blind: bool) -> dict[int, str]:
    """Return the reasons within one name; ``blind`` where an engine cannot be asked what runs on it."""
    promoted = [row.version for row in rows if row.status in PROMOTED]
    runnable = [row.version for row in rows if row.status in RUNNABLE]
    reasons = dict.fromkeys(sorted(live), "it runs")
    hidden = promoted[-1:] if blind else []
    for version in hidden:
        reasons.setdefault(version, "it may run on an engine that does not answer")
    for serving in {*sorted(live)[-1:], *hidden}:
        for version in [version for version in promoted if version < serving][-PREDECESSORS:]:
            reasons.setdefault(version, "%rollback leads to it")
    for version in runnable[-1:]:
        reasons.setdefault(version, "the newest version")
    for row in rows:
        if KEEP_TAG in row.tags:
            reasons.setdefault(row.version, f"tagged {KEEP_TAG}={row.tags[KEEP_TAG]}")
    return reasons
