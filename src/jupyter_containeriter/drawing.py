"""Charts of the history: what a kind of chart needs is read, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_containeriter import analytics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jupyter_containeriter.session import Session


def draw(session: Session, kind: str, name: str | None, options: dict[str, Any]) -> Figure:
    """Draw a kind of chart, of one model or of all; see :func:`jupyter_containeriter.analytics.plot`.

    Raises
    ------
    NotFoundError
        There is no such model in the history.
    UsageError
        There is no such kind, option, metric or group.
    """
    needed = analytics.needs(kind, options)
    session.reconciler.reconcile()
    session.versions.check_known(name)
    history = session.history
    return analytics.plot(
        kind,
        history.frame(name, columns=needed.columns),
        name,
        events=history.events(name) if needed.events else None,
        loads=history.loads(name) if needed.loads else None,
        **options,
    )
