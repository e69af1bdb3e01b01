"""Groups of iterations against each other: ways of deploying, engines, or any other column or tag."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.plurals import counted

from .look import INK, LINE, MINUS, blank, dress, duration, no_iterations, say, scale_times, subject, unit_for
from .palette import FAILED
from .rows import promoted, seconds, statuses
from .statistics import ENOUGH, Difference, difference_of_medians

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 10
_POINTS = 400
_LOOKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#332288", "v"), ("#7A828C", "P"))
_COLUMNS = ("method", "engine", "base", "hot", "parity", "name", "notebook", "user", "host")


def groups(frame: pd.DataFrame, by: str = "method") -> pd.Series[str]:
    """Return the group of each iteration, "" where it has none.

    Parameters
    ----------
    frame
        Iterations.
    by
        ``method``, ``engine`` or another column that is a category, or the key of a tag.

    Raises
    ------
    UsageError
        There is no such column or tag.
    """
    if by in _COLUMNS:
        return frame[by].astype("object").fillna("").astype(str)
    found = [tags.get(by, "") if isinstance(tags, dict) else "" for tags in frame["tags"]]
    if not any(found):
        keys = dict.fromkeys(key for tags in frame["tags"] if isinstance(tags, dict) for key in tags)
        raise UsageError(
            f"Iterations cannot be compared by {by!r}: there is no such column or tag.",
            f"Columns are {', '.join(_COLUMNS)}; tags are {', '.join(keys) or 'none'}.",
        )
    return pd.Series(found, index=frame.index, dtype="object").astype(str)


def plot_compare(frame: pd.DataFrame, name: str | None = None, *, by: str = "method") -> Figure:
    """Draw how long iterations of each group took from package to verified, and how far their medians are apart.

    Parameters
    ----------
    frame
        Iterations.
    name
        Whose they are, where it is only one model.
    by
        What they are grouped by, see :func:`groups`.

    Returns
    -------
    Figure
        Each group's iterations as points, their quartiles as a box, the median as a line; beside it the difference of
        each group's median to the lowest one, with its interval (95 %, bootstrap).
    """
    if frame.empty:
        return no_iterations(name)
    rows = pd.DataFrame(
        {
            "group": groups(frame, by).to_numpy(),
            "y": seconds(frame, "package_to_verified_seconds").to_numpy(),
            "failed": (statuses(frame) == "failed").to_numpy(),
            "good": promoted(frame).to_numpy(),
        }
    )
    rows = rows[rows["group"] != ""]
    timed = rows[rows["good"] & rows["y"].notna()]
    if timed.empty:
        return say(
            f"None of {counted(len(frame), 'iteration')} was timed from package to verified: nothing to compare yet"
        )
    # Of very many groups those with most iterations, the fastest on top.
    many = timed["group"].value_counts().index[:_MOST]
    medians = timed[timed["group"].isin(many)].groupby("group")["y"].median().sort_values(kind="stable")
    values = {str(group): timed.loc[timed["group"] == group, "y"].to_numpy() for group in medians.index}
    differences = [difference_of_medians(value, next(iter(values.values()))) for value in values.values()]
    left_out = timed["group"].nunique() - len(values)
    title = f"{subject(frame)}: {_sentence(list(values), differences, by)}"
    title += f" ({left_out} more {by}s not shown)" if left_out else ""
    figure = blank(1.5 + 0.75 * len(values), title)
    if len(values) == 1:
        _draw_groups(figure.subplots(), values, rows)
        return figure
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _draw_groups(left, values, rows)
    _draw_differences(right, differences)
    return figure


def _draw_groups(axes: Axes, values: dict[str, np.ndarray], rows: pd.DataFrame) -> None:
    random = np.random.default_rng(1)
    labels = []
    for place, (group, found) in enumerate(values.items()):
        color, marker = _LOOKS[place % len(_LOOKS)]
        shown = found if len(found) <= _POINTS else np.sort(found)[np.linspace(0, len(found) - 1, _POINTS).astype(int)]
        heights = place + random.uniform(-0.22, 0.22, len(shown))
        axes.plot(shown, heights, marker, color=color, ms=4, mew=0, alpha=0.45, zorder=2)
        low, middle, high = np.percentile(found, [25, 50, 75])
        axes.barh(place, high - low, 0.62, low, facecolor="none", edgecolor=color, lw=1.3, zorder=3)
        axes.plot([middle, middle], [place - 0.36, place + 0.36], color=color, lw=3, solid_capstyle="butt", zorder=4)
        failed = int(rows.loc[rows["group"] == group, "failed"].sum())
        labels.append(f"{_clipped(group)}\n{len(found):,}" + (f", {failed:,} failed" if failed else ""))
    axes.set_yticks(range(len(values)), labels)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlabel("package to verified\n(each, quartiles, median)", color=INK)
    scale_times(axes, "x", np.concatenate(list(values.values())))
    dress(axes, grid="x")


def _draw_differences(axes: Axes, differences: list[Difference]) -> None:
    """Draw how much slower each group is than the first one."""
    axes.axvline(0, color=LINE, lw=1)
    highest = max([0.0, *(d.high if d.known else d.estimate for d in differences)])
    lowest = min([0.0, *(d.low if d.known else d.estimate for d in differences)])
    factor, unit = unit_for(max(highest, -lowest))
    for place, difference in enumerate(differences[1:], start=1):
        color, marker = _LOOKS[place % len(_LOOKS)]
        axes.plot(difference.estimate / factor, place, marker, color=color, ms=6)
        if difference.known:
            axes.plot([difference.low / factor, difference.high / factor], [place, place], color=color, lw=2)
        known = difference.known
        text = _interval(difference) if known else f"{duration(difference.estimate)}, too few for an interval"
        look: dict[str, Any] = {"fontsize": 8, "color": INK if known else FAILED, "textcoords": "offset points"}
        axes.annotate(text, (difference.estimate / factor, place), (0, 9), ha="center", **look)
    # What is written above a point is wider than its interval.
    margin = 0.35 * ((highest - lowest) / factor) or 1.0
    axes.set_xlim(lowest / factor - 0.4 * margin, highest / factor + margin)
    axes.set_xlabel(f"slower than the fastest ({unit})\n(difference of medians, 95 % interval)", color=INK)
    dress(axes, grid="x")
    axes.tick_params(labelleft=False)


# --- the sentence ---------------------------------------------------------------------------------------------------


def _sentence(names: list[str], differences: list[Difference], by: str) -> str:
    """Say which group is faster and how sure that is: of the two fastest, where there are more."""
    if len(names) == 1:
        only = differences[0]
        another = "; time another one with %%iteration" if by == "method" else ""
        return f"only one {by} so far: {names[0]}, {duration(only.medians[0])} (median of {only.counts[0]:,}){another}"
    return compared(_clipped(names[0]), _clipped(names[1]), differences[1])


def compared(first: str, second: str, difference: Difference) -> str:
    """Return the sentence of a difference: how much slower the second group is than the first.

    Parameters
    ----------
    first, second
        What the groups are called.
    difference
        Of the second group to the first one.
    """
    slow, fast = difference.medians
    many, few = difference.counts[::-1]
    medians = f"medians {_range(fast, slow, 'and')}, {many:,} and {few:,} iterations"
    if not difference.known:
        return f"too few to tell {first} from {second}: {medians}, {ENOUGH} of each are needed"
    if not difference.shown:
        return f"no difference shown between {first} and {second} (95 % interval {_interval(difference)}; {medians})"
    return (
        f"{first} is {_range(difference.estimate, None, '', difference)} faster than {second} "
        f"(95 % interval {_interval(difference)}; {medians})"
    )


def _interval(difference: Difference) -> str:
    return _range(difference.low, difference.high, "to")


def _range(first: float, second: float | None, word: str, beside: Difference | None = None) -> str:
    """Return one time or two in one unit, with as many digits as tell them apart and the smallest by two."""
    others = [second] if second is not None else []
    others += [beside.low, beside.high] if beside else []
    factor, unit = unit_for(max(abs(value) for value in (first, *others)))
    spread = abs(first - others[-1]) / factor if others else 0.0
    digits = max(0 if unit == "ms" else 1, _decimals(spread)) if spread > 0 else 2
    digits = min(3, max(digits, 1 + _decimals(min(abs(value) for value in (first, *others)) / factor)))
    texts = [f"{value / factor:,.{digits}f}" for value in (first, *([second] if second is not None else []))]
    return f" {word} ".join(texts).replace("-", MINUS) + f" {unit}"


def _decimals(value: float) -> int:
    """Return how many decimals it takes until the first digit that counts."""
    return -math.floor(math.log10(value)) if value > 0 else 0


def _clipped(text: str) -> str:
    return text if len(text) <= 26 else f"{text[:25]}…"
