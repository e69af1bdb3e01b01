"""How long iterations take, one after the other, with the running median and its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from jupyter_containeriter.plurals import counted

from .look import INK, blank, dress, duration, no_iterations, say_within, scale_times, subject
from .palette import COLORS, FAILED
from .rows import call_seconds, positions, promoted, seconds, statuses
from .statistics import rolling_median, step, window_for

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 4.6
_CYCLE, _CALL = COLORS["capture"], COLORS["build"]
#: Of methods, the most used one first: how they are told apart. The first one has the colour of the panel.
_METHODS = (("", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."))


def plot_trend(frame: pd.DataFrame, name: str | None = None) -> Figure:
    """Draw the cycle time, and the time from package to verified, of each iteration.

    Parameters
    ----------
    frame
        Iterations, oldest first.
    name
        Whose they are, where it is only one model.

    Returns
    -------
    Figure
        Each with the median of the last iterations that ended well, and that median's interval (95 %, from order
        statistics). What failed is marked and is in no median; the three most used ways of deploying have medians of
        their own.
    """
    if frame.empty:
        return no_iterations(name)
    places, label = positions(frame)
    rows = pd.DataFrame(
        {
            "x": places,
            "cycle": seconds(frame, "cycle_seconds").to_numpy(),
            "call": call_seconds(frame).to_numpy(),
            "status": statuses(frame).to_numpy(),
            "good": promoted(frame).to_numpy(),
            "method": frame["method"].astype(str).to_numpy(),
        }
    )
    figure = blank(_HEIGHT, _title(frame, rows))
    upper, lower = figure.subplots(2, 1, sharex=True)
    _draw(upper, rows.assign(y=rows["cycle"]), "cycle", _CYCLE)
    _draw(lower, rows.assign(y=rows["call"]), "package to verified", _CALL)
    lower.set_xlabel(label, color=INK)
    lower.xaxis.set_major_locator(MaxNLocator(12, integer=True, min_n_ticks=1))
    margin = max(0.6, 0.015 * (places.max() - places.min()))
    lower.set_xlim(places.min() - margin, places.max() + margin)
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, what: str, color: str) -> None:
    """Draw each iteration as a point, the running median as a line, its interval as a band, failures as crosses."""
    axes.set_ylabel(what, color=INK)
    timed = rows[rows["y"] > 0]
    if timed.empty:
        dress(axes)
        say_within(axes, "no time was recorded")
        return
    scale_times(axes, "y", timed["y"])
    good, others = timed[timed["good"]], rows[~rows["good"]]
    size = 2.5 if len(rows) > 400 else 5.0
    handles: list[Artist] = []
    methods = _methods(good)
    for (own, marker, style), method in zip(_METHODS, methods, strict=False):
        some = good[good["method"] == method]
        label = method if len(methods) > 1 else "each"
        alpha = 0.45 if size > 4 else 0.25
        handles += axes.plot(some["x"], some["y"], marker, color=own or color, alpha=alpha, ms=size, mew=0, label=label)
        if len(some) > 1:
            drawn = _draw_median(axes, some, own or color, style)
            # Of several methods the sign of the points is enough.
            handles += drawn if len(methods) == 1 else []
    handles += _draw_others(axes, others, size)
    dress(axes, handles)


def _methods(good: pd.DataFrame) -> list[str]:
    """Return the ways of deploying, the most used one first."""
    return [str(method) for method in good["method"].value_counts().index[: len(_METHODS)]]


def _draw_median(axes: Axes, good: pd.DataFrame, color: str, style: str) -> list[Artist]:
    window = window_for(len(good))
    middle = rolling_median(good["y"], window)
    x = good["x"].to_numpy()
    label = f"median of the last {window}"
    drawn: list[Artist] = list(axes.plot(x, middle["median"], style, color=color, lw=2, label=label))
    if middle["low"].notna().any():
        low, high = middle["low"].to_numpy(), middle["high"].to_numpy()
        drawn.append(axes.fill_between(x, low, high, color=color, alpha=0.18, lw=0, label="its 95 % interval"))
    return drawn


def _draw_others(axes: Axes, others: pd.DataFrame, size: float) -> list[Artist]:
    """Mark what did not end well, at the foot of the panel where no time is known."""
    handles: list[Artist] = []
    foot = axes.get_ylim()[0]
    looks: dict[str, dict[str, Any]] = {
        "failed": {"marker": "X", "color": FAILED},
        "interrupted": {"marker": "P", "color": "#57606A"},
        "running": {"marker": ">", "color": "#57606A"},
        "built": {"marker": "s", "color": "#57606A", "mfc": "none"},
    }
    for status, look in looks.items():
        some = others[others["status"] == status]
        if some.empty:
            continue
        y = some["y"].where(some["y"] > 0, foot)
        handles += axes.plot(
            some["x"],
            y,
            ls="",
            ms=size + 2.5,
            mew=0.6 if "mfc" in look else 0,
            clip_on=False,
            zorder=3,
            label=status,
            **look,
        )
    return handles


def _title(frame: pd.DataFrame, rows: pd.DataFrame) -> str:
    parts = [f"{subject(frame)}: {counted(len(rows), 'iteration')}"]
    good = rows[rows["good"] & (rows["call"] > 0)]
    untimed = "no time was recorded" if rows["good"].any() else "none verified"
    parts.append(_change(frame, good) if len(good) else untimed)
    cycles = rows.loc[rows["good"], "cycle"].dropna()
    if len(cycles):
        parts.append(f"a cycle takes {duration(float(cycles.median()))}" + (" (median)" if len(cycles) > 1 else ""))
    failed = int((rows["status"] == "failed").sum())
    if failed:
        parts.append(f"{failed:,} failed")
    return ", ".join(parts)


def _change(frame: pd.DataFrame, good: pd.DataFrame) -> str:
    """Say what package to verified takes, before and after it changed where it did; of the method used most."""
    methods = _methods(good)
    good = good[good["method"] == methods[0]]
    what = "package to verified" + (f" by {methods[0]}" if len(methods) > 1 else "")
    times = good["call"].to_numpy()
    place = step(times)
    if place is None:
        return f"{what} {duration(float(np.median(times)))}" + (" (median)" if len(times) > 1 else "")
    before, after = (duration(float(np.median(part))) for part in (times[:place], times[place:]))
    since = frame.iloc[int(good.index[place])]
    one = frame["name"].astype(str).nunique() == 1
    when = f"version {since['version']}" if one else f"{since['name']}:{since['version']}"
    return f"{what} {before} → {after} since {when}"
