"""A metric over iterations and over the time spent on them, and what each improvement cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.plurals import counted

from .direction import lower_is_better
from .look import INK, UNDER, blank, dress, duration, no_iterations, say, unit_for
from .palette import COLORS, FAILED
from .rows import promoted, seconds, statuses

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 4.2
_COLOR, _BEST = "#56B4E9", COLORS["capture"]
_MOST_WRITTEN = 8

#: A kernel that is idle for longer is no sign of thought: a night must not be what an improvement cost.
PAUSE_SECONDS = 3600.0

#: What a model gives that diverged: as good as infinite, and too large for the arithmetic of an axis.
_INFINITE = 1e300


def metric_names(frame: pd.DataFrame) -> list[str]:
    """Return the metrics that iterations have, in the order in which they appeared."""
    return list(dict.fromkeys(name for metrics in frame["metrics"] if isinstance(metrics, dict) for name in metrics))


def improvements(frame: pd.DataFrame, metric: str, *, lower: bool) -> pd.DataFrame:
    """Return how a metric improved from iteration to iteration, and what each improvement cost.

    Parameters
    ----------
    frame
        Iterations of one model, oldest first.
    metric
        Its name.
    lower
        Whether less is better.

    Returns
    -------
    DataFrame
        One row an iteration: ``value`` (NaN where it has none, or an infinite one); ``spent_seconds``, the sum of
        the cycles up to its end, those that failed included, in each of which the kernel's idle time counts for an hour
        at most; ``best``, the best value of those verified or deployed so far; ``improved``; and, of an improvement,
        ``gain`` (always positive) and ``cost_seconds``, what was spent since the one before (or since the beginning).
    """
    found = [metrics.get(metric) if isinstance(metrics, dict) else None for metrics in frame["metrics"]]
    value = pd.Series(pd.to_numeric(pd.Series(found, dtype="object"), errors="coerce"), dtype="float64")
    value = value.where(value.abs() < _INFINITE)
    rows = pd.DataFrame({"value": value})
    pauses = (seconds(frame, "think_seconds") - PAUSE_SECONDS).clip(lower=0).fillna(0.0)
    rows["spent_seconds"] = (seconds(frame, "cycle_seconds") - pauses).fillna(0.0).cumsum().to_numpy()
    counts = value.where(promoted(frame).to_numpy())
    best = counts.cummin() if lower else counts.cummax()
    rows["best"] = best.ffill()
    before = rows["best"].shift()
    rows["improved"] = counts.notna() & ((counts < before) if lower else (counts > before)) | (
        before.isna() & counts.notna()
    )
    rows["gain"] = (rows["best"] - before).abs().where(rows["improved"])
    spent = rows.loc[rows["improved"], "spent_seconds"]
    rows["cost_seconds"] = spent.diff().fillna(spent)
    return rows


def plot_metric(
    frame: pd.DataFrame, name: str | None = None, *, metric: str | None = None, better: str | None = None
) -> Figure:
    """Draw a metric over iterations, and over the time spent.

    Parameters
    ----------
    frame
        Iterations, oldest first.
    name
        Whose they are.
    metric
        Its name; the first one that was recorded by default.
    better
        ``higher`` or ``lower``; by the metric's name where not given.

    Raises
    ------
    UsageError
        There is no such metric, or the iterations are of several models.
    """
    if frame.empty:
        return no_iterations(name)
    chosen = _chosen(frame, metric)
    if chosen is None:
        return say("No metric was recorded yet: run %containerize MODEL --metric accuracy=EXPR")
    rows = improvements(frame, chosen, lower=_is_lower(chosen, better))
    rows["version"] = frame["version"].to_numpy("float64")
    rows["good"], rows["status"] = promoted(frame).to_numpy(), statuses(frame).to_numpy()
    figure = blank(_HEIGHT, _title(str(frame["name"].iloc[0]), chosen, rows, frame))
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, rows, "version")
    left.set_ylabel(f"{chosen} ({'lower' if _is_lower(chosen, better) else 'higher'} is better)", color=INK)
    left.set_xlabel("version", color=INK)
    left.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    factor, unit = unit_for(float(rows["spent_seconds"].iloc[-1]))
    rows["spent"] = rows["spent_seconds"] / factor
    _draw(right, rows, "spent")
    right.set_xlabel(f"time spent ({unit}; pauses count for an hour at most)", color=INK)
    # What an improvement cost is written to the right of it.
    right.set_xlim(0, 1.18 * float(rows["spent"].iloc[-1]) or 1.0)
    right.tick_params(labelleft=False)
    _annotate(right, rows)
    left.margins(y=0.14)
    return figure


def _chosen(frame: pd.DataFrame, metric: str | None) -> str | None:
    """Return the metric to draw; None where there is none at all."""
    models = list(dict.fromkeys(frame["name"].astype(str)))
    if len(models) > 1:
        raise UsageError(
            f"Metrics of {len(models)} models cannot be compared.", f"Name one of them: {', '.join(models)}."
        )
    names = metric_names(frame)
    if metric is not None and metric not in names:
        raise UsageError(
            f"No iteration of {models[0]} has a metric {metric!r}.",
            f"There are: {', '.join(names)}." if names else "Record one with %containerize MODEL --metric KEY=EXPR.",
        )
    return metric or (names[0] if names else None)


def _is_lower(metric: str, better: str | None) -> bool:
    if better not in {None, "higher", "lower"}:
        raise UsageError(f"better={better!r} is not known.", "Take higher or lower.")
    return lower_is_better(metric) if better is None else better == "lower"


def _draw(axes: Axes, rows: pd.DataFrame, x: str) -> None:
    good, others = rows[rows["good"]], rows[~rows["good"]]
    many = len(rows) > 400
    handles: list[Artist] = list(
        axes.plot(good[x], good["value"], "o", color=_COLOR, ms=2.5 if many else 5, mew=0, alpha=0.5, label="each")
    )
    handles += axes.plot(rows[x], rows["best"], color=_BEST, lw=2, drawstyle="steps-post", label="best so far")
    improved = rows[rows["improved"]]
    handles += axes.plot(improved[x], improved["value"], "D", color=_BEST, ms=5, mew=0, label="improvement")
    if others["value"].notna().any():
        handles += axes.plot(
            others[x], others["value"], "X", color=FAILED, ms=3 if many else 6.5, mew=0, label="not in service"
        )
    dress(axes, handles if x == "version" else [])


def _annotate(axes: Axes, rows: pd.DataFrame) -> None:
    """Write what the greatest improvements cost beside them, as far as there is room."""
    improved = rows[rows["gain"].notna()].nlargest(_MOST_WRITTEN, "gain")
    width, height = (float(np.ptp(rows[column].dropna())) or 1.0 for column in ("spent", "value"))
    written: list[tuple[float, float]] = []
    for x, y, cost in zip(improved["spent"], improved["best"], improved["cost_seconds"], strict=True):
        if any(abs(x - other) < 0.25 * width and abs(y - above) < 0.06 * height for other, above in written):
            continue
        text = f"+{duration(cost)}"
        axes.annotate(text, (x, y), (6, -9), textcoords="offset points", fontsize=8, color=INK, bbox=UNDER)
        written.append((x, y))


def _title(name: str, metric: str, rows: pd.DataFrame, frame: pd.DataFrame) -> str:
    text = f"{name}: {counted(len(rows), 'iteration')}, {metric}"
    improved = rows[rows["improved"]]
    if improved.empty:
        return f"{text}: none of them in service has it"
    first, last = improved.iloc[0], improved.iloc[-1]
    version = frame["version"].iloc[int(improved.index[-1])]
    if len(improved) == 1:
        return f"{text} {last['best']:.4g} is the best (version {version})"
    return (
        f"{text} {first['best']:.4g} → {last['best']:.4g} (version {version}) "
        f"in {duration(last['spent_seconds'])}, the last improvement cost {duration(last['cost_seconds'])}"
    )
