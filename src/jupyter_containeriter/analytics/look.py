"""How every chart looks: its size, its title, its panels, and times in words and on axes."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from jupyter_containeriter.plurals import counted

from .figure import NotebookFigure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray

INK, LINE, FAINT, BAND = "#24292F", "#8C959F", "#E4E6E9", "#F3F4F6"

#: So that what is written over marks can be read.
UNDER = {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.6}

# Inches; a notebook's cell is about 9.4 wide. CHARACTER is the width of one in a label.
WIDE = 9.4
CHARACTER = 0.068
#: Of a title; fewer than on average, so that wide ones fit, too.
LETTERS_PER_INCH = 9.2
_LINE_OF_TITLE = 0.2

#: From this ratio of the largest to the smallest on, a linear scale would flatten the small ones.
_SPREAD = 12.0

MINUS = "\N{MINUS SIGN}"
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"), (0.000_001, "µs"))
_LADDER = (
    *(digit * 10.0**power for power in range(-4, 1) for digit in (1, 2, 5)),
    *(10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0),
    *(3600.0 * hours for hours in (1, 2, 5, 12)),
    *(86_400.0 * days for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)


# --- the figure -----------------------------------------------------------------------------------------------------


def blank(height: float, title: str, width: float = WIDE) -> NotebookFigure:
    """Return a figure with its title, which is the finding; a long one is broken into lines and makes it higher."""
    lines = [part for line in title.split("\n") for part in _wrapped(line, int(width * LETTERS_PER_INCH))]
    figure = NotebookFigure(figsize=(width, height + _LINE_OF_TITLE * (len(lines) - 1)), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    figure.suptitle("\n".join(lines), x=0.12 / width, ha="left", fontsize=12, fontweight="bold", color=INK)
    return figure


def say(text: str) -> NotebookFigure:
    """Return a figure that only says what to do to get a picture."""
    lines = _wrapped(text, int(WIDE * LETTERS_PER_INCH))
    figure = NotebookFigure(figsize=(WIDE, 1.2 + _LINE_OF_TITLE * len(lines)), facecolor="white")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", fontsize=12, color=INK)
    return figure


def _wrapped(text: str, letters: int) -> list[str]:
    """Break a text into lines, never between a number and its unit."""
    joined = re.sub(r"(?<=\d) (?=\w{1,4}\b|%)", "\N{NO-BREAK SPACE}", text)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in textwrap.wrap(joined, letters)]


def say_within(axes: Axes, text: str) -> None:
    """Say in a panel why there is nothing in it."""
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=10, color=INK)


def no_iterations(name: str | None) -> NotebookFigure:
    """Say how to get iterations."""
    what, option = (f" of {name}", f" --name {name}") if name else ("", "")
    return say(f"No iterations{what} yet: run %containerize MODEL{option}")


def dress(
    axes: Axes, handles: Sequence[Artist] = (), *, legend: str = "above", columns: int = 8, grid: str = "y"
) -> None:
    """Give a panel its quiet frame, a grid along one axis, and its legend above or to the right of it."""
    if handles and legend == "above":
        place: dict[str, Any] = {
            "loc": "lower left",
            "bbox_to_anchor": (-0.02, 1.0),
            "ncols": min(len(handles), columns),
        }
        axes.legend(
            handles=handles, frameon=False, labelcolor=INK, fontsize=9, handlelength=1.6, columnspacing=1.2, **place
        )
    elif handles:
        place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.02)}
        axes.legend(handles=handles, frameon=False, labelcolor=INK, fontsize=9, **place)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.grid(axis="x" if grid == "x" else "y", color=FAINT, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, color=LINE, labelcolor=INK, which="both")


# --- words ----------------------------------------------------------------------------------------------------------


def subject(frame: pd.DataFrame) -> str:
    """Return whose iterations these are: the model's name, or how many models."""
    names = frame["name"].astype(str)
    return str(names.iloc[0]) if names.nunique() == 1 else counted(names.nunique(), "model")


def duration(seconds: float) -> str:
    """Return a time with two or three digits that count, in the unit that fits it."""
    if math.isnan(seconds):
        return "not timed"
    factor, unit = unit_for(seconds)
    value = seconds / factor
    size = abs(value)
    few = unit in {"ms", "µs"}
    digits = 0 if size >= (9.95 if few else 99.5) else 1 if size >= 0.995 else 2
    return f"{value:,.{digits}f} {unit}".replace("-", MINUS)


def unit_for(seconds: float) -> tuple[float, str]:
    """Return the unit that a time is best told in: how many seconds it has, and its sign."""
    size = abs(seconds)
    if size >= 2 * 86_400:
        return _UNITS[0]
    if size >= 2 * 3_600:
        return _UNITS[1]
    if size >= 100:
        return _UNITS[2]
    if size >= 0.0995 or size == 0:
        return _UNITS[3]
    return _UNITS[4] if size >= 0.0001 else _UNITS[5]


# --- times on axes --------------------------------------------------------------------------------------------------


def scale_times(axes: Axes, axis: str, values: Iterable[float]) -> None:
    """Scale an axis of seconds: logarithmic where they differ widely, else linear with zero; units are at the ticks.

    So a night between two iterations is shown where it is, and the others can still be told apart. Differences may be
    below zero, where there is no logarithm.
    """
    found = np.asarray(list(values), dtype="float64")
    found = found[np.isfinite(found) & (found != 0)]
    shown: Axis = axes.yaxis if axis == "y" else axes.xaxis
    limit = axes.set_ylim if axis == "y" else axes.set_xlim
    if not found.size:
        limit(0, 1)
        return
    low, high = float(found.min()), float(found.max())
    if low > 0 and high / low > _SPREAD:
        (axes.set_yscale if axis == "y" else axes.set_xscale)("log")
        low, high = low / 1.5, high * 1.5
        limit(low, high)
        ticks = _rungs(low, high)
    else:
        low, high = 1.12 * min(low, 0), 1.12 * max(high, 0)
        limit(low, high)
        factor, _ = unit_for(max(high, -low))
        ticks = np.asarray(MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low / factor, high / factor)) * factor
        ticks = ticks[(ticks >= low) & (ticks <= high)]
    shown.set_major_locator(FixedLocator(list(ticks)))
    shown.set_minor_locator(NullLocator())
    shown.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    shown.set_minor_formatter(NullFormatter())


def _rungs(low: float, high: float) -> NDArray[np.float64]:
    """Return round times within limits, not more than one can read."""
    rungs = np.array([rung for rung in _LADDER if low <= rung <= high])
    # Where all would be crowded, every second, third … of them.
    return rungs[:: max(1, math.ceil(len(rungs) / 7))]


def tick(seconds: float) -> str:
    """Return a round time as it is written at an axis: ``0.5 s``, ``20 min``."""
    factor, unit = next(((factor, unit) for factor, unit in _UNITS if abs(seconds) >= factor), _UNITS[3])
    if unit == "ms" and abs(seconds) >= 0.1:
        factor, unit = _UNITS[3]
    if unit == "µs" and abs(seconds) >= 0.0001:
        factor, unit = _UNITS[4]
    return f"{seconds / factor:,.3g} {unit}".replace("-", MINUS)
