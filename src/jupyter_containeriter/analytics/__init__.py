"""Pictures of the history: a DataFrame in, a Figure out, no input or output of its own.

Importing this package is cheap: pandas and matplotlib are imported on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_containeriter.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["KINDS", "plot"]


def _phases(frame: DataFrame, name: str | None) -> Figure:
    from .phases import plot_phases

    return plot_phases(frame, name)


_PLOTS: dict[str, Callable[[DataFrame, str | None], Figure]] = {"phases": _phases}

KINDS: tuple[str, ...] = tuple(_PLOTS)
"""The kinds of plot there are."""


def plot(frame: DataFrame, kind: str = "phases", name: str | None = None) -> Figure:
    """Draw iterations.

    Parameters
    ----------
    frame
        Iterations, with the columns :data:`~jupyter_containeriter.types.ITERATION_COLUMNS`.
    kind
        One of :data:`KINDS`: ``phases`` shows where the time of each iteration went.
    name
        Only this model's iterations; all without it.

    Raises
    ------
    UsageError
        There is no such kind: take one of those it lists.
    """
    if kind not in _PLOTS:
        raise UsageError(f"There is no plot {kind!r}.", f"Take one of: {', '.join(KINDS)}.")
    return _PLOTS[kind](frame, name)
