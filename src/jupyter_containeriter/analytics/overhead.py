"""What containers add to a prediction at the median, from load tests: by connections and by versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jupyter_containeriter.plurals import counted

from .look import INK, LINE, blank, dress, duration, say, scale_times

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 3.8
_LINES = 5
_TICKS = 12
_LOOKS = (("#0072B2", "o-"), ("#D55E00", "s--"), ("#009E73", "^-."), ("#CC79A7", "D:"), ("#332288", "v-"))


def added(loads: pd.DataFrame) -> pd.DataFrame:
    """Return what each version's container adds to a prediction at the median, by connections.

    Parameters
    ----------
    loads
        Load tests, with the columns :data:`~jupyter_containeriter.types.LOAD_COLUMNS`.

    Returns
    -------
    DataFrame
        One row for each name, version and number of connections, of its newest test: ``name``, ``version``,
        ``connections``, ``engine``, ``measured_at``, ``added_p50_seconds``. Levels without a comparison (the kernel did
        not hold the model) are left out.
    """
    columns = ["name", "version", "connections", "engine", "measured_at", "added_p50_seconds"]
    found = loads[loads["added_p50_seconds"].notna()].sort_values("measured_at", kind="stable")
    found = found.assign(name=found["name"].astype(str)).drop_duplicates(columns[:3], keep="last")
    return found.sort_values(columns[:3], kind="stable").reset_index(drop=True)[columns]


def plot_overhead(_frame: pd.DataFrame, name: str | None = None, *, loads: pd.DataFrame) -> Figure:
    """Draw what containers add at the median: by connections for the last versions, and by versions.

    Parameters
    ----------
    name
        Whose load tests they are, where it is only one model.
    loads
        Load tests.
    """
    if loads.empty:
        return say(f"No load test{f' of {name}' if name else ''} yet: run %loadtest {name or 'NAME'}")
    rows = added(loads)
    if rows.empty:
        tests = counted(loads["test"].nunique(), "load test")
        return say(f"{tests}, but none next to the kernel's own model: run %loadtest right after %containerize")
    several = rows["name"].nunique() > 1
    version = rows["version"].astype(str)
    rows["label"] = rows["name"] + ":" + version if several else version
    # Versions in the order in which they were measured last.
    order = list(rows.groupby("label")["measured_at"].max().sort_values(kind="stable").index)
    figure = blank(_HEIGHT, _title(rows, order, name))
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_lines(left, rows, "connections", "label", order[-_LINES:], [*sorted(rows["connections"].unique())])
    left.set_ylabel("added at the median", color=INK)
    levels = sorted(rows["connections"].unique())
    # First, last and some between.
    some = [levels[place] for place in dict.fromkeys(np.linspace(0, len(levels) - 1, min(len(levels), 3)).astype(int))]
    _draw_lines(right, rows, "label", "connections", some, order)
    right.set_xlabel("model:version" if several else "version", color=INK)
    left.set_xlabel("connections", color=INK)
    right.tick_params(labelleft=False)
    scale_times(left, "y", rows["added_p50_seconds"])
    if rows["added_p50_seconds"].min() < 0:
        for axes in (left, right):
            axes.axhline(0, color=LINE, lw=1)
    return figure


def _draw_lines(axes: Axes, rows: pd.DataFrame, x: str, by: str, wanted: list[object], places: list[object]) -> None:
    """Draw one line for each wanted group, over places that are labels."""
    where = {place: number for number, place in enumerate(places)}
    handles: list[Artist] = []
    noun = "conn." if by == "connections" else "version" if rows["name"].nunique() == 1 else ""
    for (color, style), group in zip(_LOOKS, wanted, strict=False):
        some = rows[rows[by] == group]
        at = [where[value] for value in some[x]]
        line = sorted(zip(at, some["added_p50_seconds"], strict=True))
        label = f"{group} {noun}" if by == "connections" else f"{noun} {group}".strip()
        handles += axes.plot(*zip(*line, strict=True), style, color=color, ms=5, lw=1.6, label=label)
    every = max(1, -(-len(places) // _TICKS))
    steep = max(len(str(place)) for place in places) * min(len(places), _TICKS) > 50
    axes.set_xticks(
        range(0, len(places), every), [str(place) for place in places[::every]], rotation=90 if steep else 0
    )
    margin = 0.5 if len(places) > 2 else 1.0
    axes.set_xlim(-margin, len(places) - 1 + margin)
    dress(axes, handles, columns=3)


def _title(rows: pd.DataFrame, order: list[str], name: str | None) -> str:
    """Say what the version measured last adds with the fewest and with the most connections."""
    last = rows[rows["label"] == order[-1]].sort_values("connections")
    whose = f"{last['name'].iloc[0]}:{last['version'].iloc[0]}" if name or ":" not in order[-1] else order[-1]
    first = last.iloc[0]
    connections = counted(int(first["connections"]), "connection")
    text = f"{whose}: the container adds {_amount(first)} at the median with {connections}"
    if len(last) > 1:
        most = last.iloc[-1]
        text += f", {_amount(most)} with {most['connections']}"
    if len(order) > 1:
        text += f" ({counted(len(order), 'version')} measured)"
    return text


def _amount(level: pd.Series[Any]) -> str:
    """Return what is added; where it is no more than chance made of it, the container may even have been faster."""
    seconds = float(level["added_p50_seconds"])
    return duration(seconds) if seconds > 0 else f"nothing ({duration(seconds)})"
