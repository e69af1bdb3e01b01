"""Pictures of the history, and the figures in them: DataFrames in, a Figure or a DataFrame out, no input or output.

Importing this package is cheap: pandas and matplotlib are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.types import EVENT_COLUMNS, LOAD_COLUMNS

from .kinds import KINDS, Kind, needs

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from .dora import dora_changes, dora_metrics
    from .metric import improvements
    from .overhead import added
    from .rhythm import by_hour
    from .statistics import difference_of_medians, median_interval, rolling_median, step

__all__ = [
    "KINDS",
    "Kind",
    "added",
    "by_hour",
    "difference_of_medians",
    "dora_changes",
    "dora_metrics",
    "improvements",
    "median_interval",
    "needs",
    "plot",
    "rolling_median",
    "step",
]

_PLACES = {
    "added": "overhead",
    "by_hour": "rhythm",
    "difference_of_medians": "statistics",
    "dora_changes": "dora",
    "dora_metrics": "dora",
    "improvements": "metric",
    "median_interval": "statistics",
    "rolling_median": "statistics",
    "step": "statistics",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def plot(
    kind: str,
    frame: DataFrame,
    name: str | None = None,
    *,
    events: DataFrame | None = None,
    loads: DataFrame | None = None,
    **options: Any,
) -> Figure:
    """Draw the history.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    frame
        Iterations, oldest first; at least the columns that :func:`needs` tells of this kind.
    name
        Only this model's; all without it.
    events, loads
        Rollbacks and the like (:data:`~jupyter_containeriter.types.EVENT_COLUMNS`) and load tests
        (:data:`~jupyter_containeriter.types.LOAD_COLUMNS`), for kinds that need them; none by default.
    **options
        ``metric`` and ``better`` (``"higher"`` or ``"lower"``) of the kind ``metric``; ``by`` (a column, or the key
        of a tag) of the kind ``compare``.

    Returns
    -------
    Figure
        With the finding as its title. Without iterations it says how to get some.

    Raises
    ------
    UsageError
        There is no such kind, option, metric or group: take one of those it lists.
    """
    needed = needs(kind, options)
    from matplotlib import style

    draw = getattr(import_module(f".{kind}", __name__), f"plot_{kind}")
    given = {option: value for option, value in options.items() if value is not None}
    if needed.events:
        given["events"] = _of(_empty(EVENT_COLUMNS) if events is None else events, name)
    if needed.loads:
        given["loads"] = _of(_empty(LOAD_COLUMNS) if loads is None else loads, name)
    # The styles set by the person are for the person's own figures.
    with style.context("default"):
        figure: Figure = draw(_of(frame, name), name, **given)
        return figure


def _of(frame: DataFrame, name: str | None) -> DataFrame:
    return frame if name is None else frame[frame["name"] == name]


def _empty(columns: tuple[str, ...]) -> DataFrame:
    from pandas import DataFrame

    return DataFrame(columns=list(columns))
