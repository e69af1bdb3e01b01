"""Where the time of each iteration went, as stacked bars."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from jupyter_containeriter.plurals import counted
from jupyter_containeriter.types import CALL_PHASES, PHASES

from .look import CHARACTER, INK, LETTERS_PER_INCH, UNDER, WIDE, blank, dress, duration, no_iterations
from .palette import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE = PHASES[:2]
WITHIN = CALL_PHASES

_MARKS = {"failed": "#9B1C1C", "interrupted": "#57606A", "running": "#57606A"}

_FINISHED = frozenset({"verified", "deployed", "built"})
_SHOWN = 40

# Inches.
_NARROW, _MARGINS, _SLOT = 6.8, 2.2, 0.75
_HEIGHT, _HEIGHT_BEFORE = 4.0, 1.3
_BAR = 0.72

# How many times the median a bar may be high before it is cut off, and where.
_FAR_WITHIN, _FAR_BEFORE = 25.0, 8.0
_ABOVE = 1.5
#: Of more bars than this share none is an outlier.
_FEW = 0.2
_CUT = "\N{UPWARDS ARROW}"


def plot_phases(frame: pd.DataFrame, name: str | None = None) -> Figure:
    """Draw what each iteration took, from package to verified, phase by phase.

    The phases within the call are stacked in the upper panel. Time spent thinking and running cells is usually far
    longer; where it was recorded it has a lower panel with a scale of its own.

    Parameters
    ----------
    frame
        Iterations, with the columns :data:`~jupyter_containeriter.types.ITERATION_COLUMNS`.
    name
        Only this model's iterations; all without it.

    Returns
    -------
    Figure
        With the finding as its title. At most the last 40 iterations are drawn; the finding is of all of them.
    """
    if name is not None:
        frame = frame[frame["name"] == name]
    return no_iterations(name) if frame.empty else _draw(frame)


def _draw(frame: pd.DataFrame) -> Figure:
    rows = _rows(frame)
    timed_before = bool((rows[list(BEFORE)] > 0).to_numpy().any())
    slots = max(float(rows["x"].max()) + 1, 4.0)  # A single bar must not fill the panel.
    width = min(WIDE, max(_NARROW, _MARGINS + _SLOT * slots))
    slot = (width - _MARGINS) / slots
    label = rows["label"].str.len().max() * CHARACTER
    steep = label > slot
    height = _HEIGHT + timed_before * _HEIGHT_BEFORE + steep * label
    figure = blank(height, _title(frame, int(width * LETTERS_PER_INCH)), width)
    if timed_before:
        upper, lowest = figure.subplots(2, 1, sharex=True, height_ratios=(_HEIGHT - 0.7, _HEIGHT_BEFORE))
        _draw_before(lowest, rows)
    else:
        upper = lowest = figure.subplots()
    _draw_within(upper, rows, slot)
    upper.tick_params(labelbottom=upper is lowest)
    lowest.set_xticks(rows["x"], rows["label"], rotation=90 if steep else 0)
    lowest.tick_params(axis="x", labelsize=8 if len(rows) > 25 else 9)
    lowest.set_xlabel("version" if rows["name"].nunique() == 1 else "model:version", color=INK)
    upper.set_xlim(-0.6, slots - 0.4)
    return figure


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what is drawn, one row a bar: seconds by phase, total, top, status, name, label and position."""
    frame = frame.tail(_SHOWN).reset_index(drop=True)
    # Bars of one model stand together, models in the order in which they appeared.
    group = pd.Series(pd.factorize(frame["name"].astype(str))[0], index=frame.index).sort_values(kind="stable")
    frame = frame.loc[group.index]
    rows = pd.DataFrame({phase: frame[f"{phase}_seconds"].astype("float64") for phase in PHASES})
    stacked = rows[list(WITHIN)].sum(axis="columns", min_count=1)
    rows["total"] = frame["package_to_verified_seconds"].astype("float64").fillna(stacked)
    # What no phase accounts for: a bar must not be lower than the total written on it.
    rows["other"] = (rows["total"] - stacked.fillna(0)).clip(lower=0)
    rows = rows.fillna(dict.fromkeys([*PHASES, "other"], 0.0))
    rows["top"] = rows[[*WITHIN, "other"]].sum(axis="columns")
    rows["status"] = frame["status"].astype(str)
    rows["name"] = frame["name"].astype(str)
    version = frame["version"].astype(int).astype(str)
    rows["label"] = version if group.max() == 0 else rows["name"] + ":" + version
    rows["x"] = [index + 0.8 * gap for index, gap in enumerate(group)]
    return rows


def _draw_within(axes: Axes, rows: pd.DataFrame, slot: float) -> None:
    """Stack the phases of the call, with each total, and mark what did not finish."""
    highest = _ceiling(rows["top"], _FAR_WITHIN)
    phases = [*WITHIN, *(["other"] if rows["other"].max() > 0.01 * highest else [])]
    finished = rows["status"].isin(_FINISHED)
    unfinished = rows[~finished]
    _stack(axes, rows[finished], phases)
    _stack(axes, unfinished, phases, alpha=0.45)
    axes.bar(unfinished["x"], unfinished["top"], _BAR, fill=False, hatch="////", edgecolor=INK, lw=0)
    axes.set_ylabel("package to verified (s)", color=INK)
    _write_totals(axes, rows, highest, slot)
    handles = [Patch(facecolor=COLORS[phase], label=phase) for phase in reversed(phases)]
    if not unfinished.empty:
        label = ",\n".join(sorted(set(unfinished["status"])))
        handles.append(Patch(facecolor="white", edgecolor=INK, hatch="////", lw=0.5, label=label))
    dress(axes, handles, legend="right")


def _write_totals(axes: Axes, rows: pd.DataFrame, highest: float, slot: float) -> None:
    """Write each total, or what became of the iteration instead, above its bar."""
    finished = rows["status"].isin(_FINISHED)
    texts = rows["total"].map(duration).where(finished, rows["status"])
    texts += np.where(rows["top"] > highest, f" {_CUT}", "")
    upright = texts.str.len().max() * CHARACTER > slot
    axes.set_ylim(0, highest * (1.32 if upright else 1.16))
    for x, top, text in zip(rows["x"], rows["top"].clip(upper=highest), texts, strict=True):
        axes.annotate(
            text,
            (x, top),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if upright else 0,
            fontsize=8 if upright else 9,
            color=_MARKS.get(text.split()[0], INK),
            # That of a bar that is cut off stands on the bar.
            bbox=UNDER if text.endswith(_CUT) else None,
        )


def _draw_before(axes: Axes, rows: pd.DataFrame) -> None:
    """Stack what came before the call, in minutes where seconds would be large."""
    in_minutes = rows[list(BEFORE)].sum(axis="columns").max() >= 120
    scaled = rows.assign(**{phase: rows[phase] / (60 if in_minutes else 1) for phase in BEFORE})
    _stack(axes, scaled, BEFORE)
    totals = scaled[list(BEFORE)].sum(axis="columns")
    ceiling = _ceiling(totals, _FAR_BEFORE)
    if totals.max() > ceiling:
        # What is cut off is written on the bar instead.
        for x, total in zip(rows["x"], rows[list(BEFORE)].sum(axis="columns"), strict=True):
            if total / (60 if in_minutes else 1) > ceiling:
                look: dict[str, Any] = {"rotation": 90, "fontsize": 8, "color": INK}
                axes.text(x, 0.92 * ceiling, f"{duration(total)} {_CUT}", ha="center", va="top", **look)
        axes.set_ylim(0, ceiling)
    axes.set_ylabel(f"before the\ncall ({'min' if in_minutes else 's'})", color=INK)
    dress(axes, [Patch(facecolor=COLORS[phase], label=phase) for phase in reversed(BEFORE)], legend="right")


def _ceiling(totals: pd.Series[float], far: float) -> float:
    """Return up to where bars are shown: their highest, or less where it is so far up that the others would vanish."""
    some = totals[totals > 0]
    if some.empty:
        return 1.0
    near = some[some <= far * float(some.median())]
    few = 0 < len(some) - len(near) <= _FEW * len(some)
    return _ABOVE * float(near.max()) if few else float(some.max())


def _stack(axes: Axes, rows: pd.DataFrame, phases: list[str] | tuple[str, ...], alpha: float = 1.0) -> None:
    bottom = pd.Series(0.0, index=rows.index)
    for phase in phases:
        axes.bar(
            rows["x"],
            rows[phase],
            _BAR,
            bottom,
            color=COLORS[phase],
            alpha=alpha,
            edgecolor="white",
            lw=0.4,
            label=phase,
        )
        bottom += rows[phase]


def _title(frame: pd.DataFrame, width: int) -> str:
    """Say in one sentence what the bars show, on as few lines as fit."""
    names = frame["name"].astype(str)
    several = names.nunique() > 1
    subject = f"{names.nunique()} models, " if several else f"{names.iloc[0]}: "
    subject += counted(len(frame), "iteration")
    if len(frame) > _SHOWN:
        subject += f" (last {_SHOWN} shown)"
    title = f"{subject}, {_finding(frame, several)}"
    return title if len(title) <= width else "\n".join([*textwrap.wrap(f"{subject},", width), _finding(frame, several)])


def _finding(frame: pd.DataFrame, several: bool) -> str:
    """Return how long it took: the first and the last verified one, or the median of several models or methods."""
    verified = frame[(frame["status"].astype(str) == "verified") & frame["package_to_verified_seconds"].notna()]
    seconds = verified["package_to_verified_seconds"]
    if seconds.empty:
        return "none verified"
    if several or verified["method"].astype(str).nunique() > 1:
        return f"package to verified: median {duration(seconds.median())}"
    first, last = duration(seconds.iloc[0]), duration(seconds.iloc[-1])
    return f"package to verified {first}" + (f" → {last}" if len(seconds) > 1 else "")
