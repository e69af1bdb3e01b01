"""When iterations happen: by weekday and hour, in the time zone of whoever looks."""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from jupyter_containeriter.plurals import counted

from .look import INK, LINE, blank, no_iterations, say_within, subject
from .palette import COLORS
from .rows import ended, statuses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HEIGHT = 4.2
_ONE_COLOR = COLORS["build"]
#: White is for hours without any iteration only.
_COLORS = LinearSegmentedColormap.from_list("containeriter", ["#DCE9F4", _ONE_COLOR, "#0B2545"])
#: From this number of iterations on a habit can be told from chance.
_ENOUGH = 10
#: Share from which on three hours (of all 12 %) or a day (14 %) stand out.
_STANDS_OUT = 0.2


def by_hour(frame: pd.DataFrame, zone: tzinfo | None = None) -> pd.DataFrame:
    """Count iterations by the weekday and hour in which they ended.

    Parameters
    ----------
    frame
        Iterations, with ``finished_at``.
    zone
        The time zone to count in; that of this machine by default, with its summer time.

    Returns
    -------
    DataFrame
        Seven rows (0 is Monday) and 24 columns of counts. Iterations that have not ended are in none.
    """
    times = ended(frame).dropna()
    counts = np.zeros((7, 24), dtype="int64")
    if zone is not None:
        local = times.dt.tz_convert(zone)
        np.add.at(counts, (local.dt.day_of_week.to_numpy(), local.dt.hour.to_numpy()), 1)
    else:
        # pandas asks a zone that is not a named one value by value, too, and more slowly.
        found = [time.localtime(stamp) for stamp in times.to_numpy("datetime64[s]").astype("int64").tolist()]
        np.add.at(counts, ([one.tm_wday for one in found], [one.tm_hour for one in found]), 1)
    return pd.DataFrame(counts, index=pd.Index(range(7), name="weekday"), columns=pd.Index(range(24), name="hour"))


def plot_rhythm(frame: pd.DataFrame, name: str | None = None) -> Figure:
    """Draw how many iterations ended in each hour of the week.

    Parameters
    ----------
    frame
        Iterations.
    name
        Whose they are, where it is only one model.

    Returns
    -------
    Figure
        A map of hours by weekdays, with the sums of each hour above and of each weekday beside it.
    """
    if frame.empty:
        return no_iterations(name)
    counts = by_hour(frame).to_numpy()
    figure = blank(_HEIGHT, _title(frame, counts))
    grid = figure.add_gridspec(2, 2, width_ratios=(9, 1.2), height_ratios=(1, 3.2))
    middle = figure.add_subplot(grid[1, 0])
    above = figure.add_subplot(grid[0, 0], sharex=middle)
    beside = figure.add_subplot(grid[1, 1], sharey=middle)
    _draw_map(middle, counts)
    above.bar(np.arange(24) + 0.5, counts.sum(axis=0), 0.86, color=_ONE_COLOR)
    beside.barh(np.arange(7) + 0.5, counts.sum(axis=1), 0.8, color=_ONE_COLOR)
    above.set_ylabel("iterations", color=INK, fontsize=9)
    above.set_ylim(0, 1.25 * max(1, counts.sum(axis=0).max()))
    beside.set_xlim(0, 1.5 * max(1, counts.sum(axis=1).max()))
    for axes in (above, beside):
        axes.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
        axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    _write_sums(above, beside, counts)
    if not counts.any():
        say_within(above, "none has ended")
    return figure


def _draw_map(axes: Axes, counts: NDArray[np.int64]) -> None:
    most = max(int(counts.max()), 1)
    shown = np.ma.masked_equal(counts, 0)
    axes.pcolormesh(shown, cmap=_COLORS, vmin=0, vmax=most, edgecolors="white", lw=1.5)
    axes.set_facecolor("#F6F7F8")
    for day, hour in np.argwhere(counts):
        count = int(counts[day, hour])
        color = "white" if count > 0.45 * most else INK
        axes.text(hour + 0.5, day + 0.52, _short(count), ha="center", va="center", fontsize=7.5, color=color)
    axes.set_xticks(range(0, 25, 3))
    axes.set_yticks(np.arange(7) + 0.5, [day[:3] for day in _DAYS])
    axes.set_ylim(7, 0)
    axes.set_xlim(0, 24)
    axes.set_xlabel(f"hour of the day in which they ended ({_zone()})", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(labelsize=9, color=LINE, labelcolor=INK)


def _write_sums(above: Axes, beside: Axes, counts: NDArray[np.int64]) -> None:
    look: dict[str, Any] = {"textcoords": "offset points", "color": INK}
    for hour, count in enumerate(counts.sum(axis=0)):
        if count:
            above.annotate(_short(count), (hour + 0.5, count), (0, 2), ha="center", va="bottom", fontsize=7.5, **look)
    for day, count in enumerate(counts.sum(axis=1)):
        if count:
            beside.annotate(_short(count), (count, day + 0.5), (3, 0), ha="left", va="center", fontsize=8, **look)


def _short(count: int) -> str:
    """Return a count that fits into an hour's place."""
    return str(count) if count < 1000 else f"{count / 1000:.1f}k" if count < 10_000 else f"{count // 1000}k"


def _zone() -> str:
    return datetime.now(UTC).astimezone().tzname() or "local time"


def _title(frame: pd.DataFrame, counts: NDArray[np.int64]) -> str:
    """Say which hours and days most iterations fall on."""
    whole = int(counts.sum())
    text = f"{subject(frame)}: {counted(len(frame), 'iteration')}"
    if not whole:
        return f"{text}, none has ended"
    if whole < _ENOUGH:
        return f"{text}, too few to tell a habit"
    days, hours = counts.sum(axis=1), counts.sum(axis=0)
    first = _busiest(hours)
    busiest = hours[first : first + 3].sum()
    clear = busiest >= _STANDS_OUT * whole
    parts = [
        text,
        f"{_percent(busiest, whole)} between {first} and {first + 3} h" if clear else "at any hour of the day",
    ]
    if days.max() >= _STANDS_OUT * whole:
        parts.append(f"most on {_DAYS[int(days.argmax())]}s ({_percent(days.max(), whole)})")
    parts.append(f"{_percent(days[5:].sum(), whole)} at weekends")
    failed = int((statuses(frame) == "failed").sum())
    return ", ".join([*parts, f"{failed:,} failed"] if failed else parts)


def _busiest(hours: NDArray[np.int64]) -> int:
    """Return the first of the three hours with most iterations; the middle one where several have as many."""
    sums = np.convolve(hours, np.ones(3, dtype="int64"), "valid")
    most = np.flatnonzero(sums == sums.max())
    return int(most[len(most) // 2])


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"
