"""The kinds of charts: what each is for, and what of the history it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.types import CALL_PHASES, ITERATION_COLUMNS, PHASES

_PHASES = tuple(f"{phase}_seconds" for phase in PHASES)
_CALL_PHASES = tuple(f"{phase}_seconds" for phase in CALL_PHASES)
_ROW = ("name", "version", "status", "finished_at")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of chart.

    Attributes
    ----------
    about
        What it shows, in a few words.
    columns
        Columns of the iterations that it is drawn from.
    events, loads
        Whether it needs the events, and the load tests.
    options
        The options it takes.
    """

    about: str
    columns: tuple[str, ...]
    events: bool = False
    loads: bool = False
    options: tuple[str, ...] = ()


_KINDS: dict[str, Kind] = {
    "phases": Kind("where the time of each iteration went", (*_ROW, "method", *_PHASES, "package_to_verified_seconds")),
    "trend": Kind(
        "how long iterations take, with the running median",
        (*_ROW, "method", *_CALL_PHASES, "package_to_verified_seconds", "cycle_seconds"),
    ),
    "rhythm": Kind("when iterations happen, by weekday and hour", (*_ROW, "started_at")),
    "metric": Kind(
        "a metric over iterations and over time spent",
        (*_ROW, "think_seconds", "cycle_seconds", "metrics"),
        options=("metric", "better"),
    ),
    "compare": Kind(
        "methods of deploying, or other groups, against each other",
        (*_ROW, "method", "tags", "package_to_verified_seconds"),
        options=("by",),
    ),
    "dora": Kind(
        "deployments, lead time, failures and time to restore, week by week", (*_ROW, "lead_seconds"), events=True
    ),
    "overhead": Kind("what containers add to a prediction, from load tests", ("name",), loads=True),
}

_OPTIONS = tuple(option for kind in _KINDS.values() for option in kind.options)

KINDS: tuple[str, ...] = tuple(_KINDS)
"""The kinds of charts there are; the first one is the default."""


def needs(kind: str, options: Mapping[str, Any]) -> Kind:
    """Return what a chart with these options (None: not given) needs.

    Raises
    ------
    UsageError
        There is no such kind, or it takes no such option.
    """
    if kind not in _KINDS:
        raise UsageError(f"There is no plot {kind!r}.", f"Take one of: {', '.join(KINDS)}.")
    found = _KINDS[kind]
    for option in (option for option, value in options.items() if value is not None):
        if option not in found.options:
            takers = [name for name, other in _KINDS.items() if option in other.options]
            raise UsageError(
                f"The plot {kind!r} takes no {option}.",
                f"Plots that do: {', '.join(takers)}."
                if takers
                else f"It takes: {', '.join(found.options) or 'none'}.",
            )
    by = options.get("by")
    if by in ITERATION_COLUMNS and by not in found.columns:
        return Kind(found.about, (*found.columns, by), found.events, found.loads, found.options)
    return found
