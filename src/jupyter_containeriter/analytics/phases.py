"""Where the time of each iteration went, as stacked bars."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import style
from matplotlib.patches import Patch

from jupyter_containeriter.types import CALL_PHASES, PHASES

from .figure import NotebookFigure
from .palette import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE = PHASES[:2]
WITHIN = CALL_PHASES

_INK, _LINE, _FAINT = "#24292F", "#8C959F", "#E4E6E9"
_MARKS = {"failed": "#9B1C1C", "interrupted": "#57606A", "running": "#57606A"}

_FINISHED = frozenset({"verified", "deployed", "built"})
_SHOWN = 40

# Inches; a notebook's cell is about 9.4 wide. _CHARACTER is the width of one in a label.
_NARROW, _WIDE, _MARGINS, _SLOT = 6.8, 9.4, 2.2, 0.75
_HEIGHT, _HEIGHT_BEFORE = 4.0, 1.3
_CHARACTER = 0.068
_BAR = 0.72


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
    with style.context("default"):
        return _empty(name) if frame.empty else _draw(frame)


def _draw(frame: pd.DataFrame) -> Figure:
    rows = _rows(frame)
    timed_before = bool((rows[list(BEFORE)] > 0).to_numpy().any())
    slots = max(float(rows["x"].max()) + 1, 4.0)  # A single bar must not fill the panel.
    width = min(_WIDE, max(_NARROW, _MARGINS + _SLOT * slots))
    slot = (width - _MARGINS) / slots
    label = rows["label"].str.len().max() * _CHARACTER
    steep = label > slot
    height = _HEIGHT + timed_before * _HEIGHT_BEFORE + steep * label
    figure = NotebookFigure(figsize=(width, height), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    title = _title(frame, int(width * 9.5))
    figure.suptitle(title, x=0.12 / width, ha="left", fontsize=12, fontweight="bold", color=_INK)
    if timed_before:
        upper, lowest = figure.subplots(2, 1, sharex=True, height_ratios=(_HEIGHT - 0.7, _HEIGHT_BEFORE))
        _draw_before(lowest, rows)
    else:
        upper = lowest = figure.subplots()
    _draw_within(upper, rows, slot)
    upper.tick_params(labelbottom=upper is lowest)
    lowest.set_xticks(rows["x"], rows["label"], rotation=90 if steep else 0)
    lowest.tick_params(axis="x", labelsize=8 if len(rows) > 25 else 9)
    lowest.set_xlabel("version" if rows["name"].nunique() == 1 else "model:version", color=_INK)
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
    highest = float(rows["top"].max()) or 1.0
    phases = [*WITHIN, *(["other"] if rows["other"].max() > 0.01 * highest else [])]
    finished = rows["status"].isin(_FINISHED)
    unfinished = rows[~finished]
    _stack(axes, rows[finished], phases)
    _stack(axes, unfinished, phases, alpha=0.45)
    axes.bar(unfinished["x"], unfinished["top"], _BAR, fill=False, hatch="////", edgecolor=_INK, lw=0)
    axes.set_ylabel("package to verified (s)", color=_INK)
    _write_totals(axes, rows, highest, slot)
    handles = [Patch(facecolor=COLORS[phase], label=phase) for phase in reversed(phases)]
    if not unfinished.empty:
        label = ",\n".join(sorted(set(unfinished["status"])))
        handles.append(Patch(facecolor="white", edgecolor=_INK, hatch="////", lw=0.5, label=label))
    _dress(axes, handles)


def _write_totals(axes: Axes, rows: pd.DataFrame, highest: float, slot: float) -> None:
    """Write each total, or what became of the iteration instead, above its bar."""
    finished = rows["status"].isin(_FINISHED)
    texts = rows["total"].map(_duration).where(finished, rows["status"])
    upright = texts.str.len().max() * _CHARACTER > slot
    axes.set_ylim(0, highest * (1.32 if upright else 1.16))
    for x, top, text in zip(rows["x"], rows["top"], texts, strict=True):
        axes.annotate(
            text,
            (x, top),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if upright else 0,
            fontsize=8 if upright else 9,
            color=_MARKS.get(text, _INK),
        )


def _draw_before(axes: Axes, rows: pd.DataFrame) -> None:
    """Stack what came before the call, in minutes where seconds would be large."""
    in_minutes = rows[list(BEFORE)].sum(axis="columns").max() >= 120
    scaled = rows.assign(**{phase: rows[phase] / (60 if in_minutes else 1) for phase in BEFORE})
    _stack(axes, scaled, BEFORE)
    axes.set_ylabel(f"before the\ncall ({'min' if in_minutes else 's'})", color=_INK)
    _dress(axes, [Patch(facecolor=COLORS[phase], label=phase) for phase in reversed(BEFORE)])


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


def _dress(axes: Axes, handles: list[Patch]) -> None:
    """Give a panel its legend, its grid and its quiet frame."""
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False, labelcolor=_INK, fontsize=9
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)
    axes.grid(axis="y", color=_FAINT, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, color=_LINE, labelcolor=_INK)


def _title(frame: pd.DataFrame, width: int) -> str:
    """Say in one sentence what the bars show, on as few lines as fit."""
    names = frame["name"].astype(str)
    several = names.nunique() > 1
    subject = f"{names.nunique()} models, " if several else f"{names.iloc[0]}: "
    subject += f"{len(frame):,} iteration{'s' if len(frame) != 1 else ''}"
    if len(frame) > _SHOWN:
        subject += f" (last {_SHOWN} shown)"
    title = f"{subject}, {_finding(frame, several)}"
    return title if len(title) <= width else "\n".join([*textwrap.wrap(f"{subject},", width), _finding(frame, several)])


def _finding(frame: pd.DataFrame, several: bool) -> str:
    """Return how long it took: the first and the last verified one, or the median of several models."""
    seconds = frame.loc[frame["status"].astype(str) == "verified", "package_to_verified_seconds"].dropna()
    if seconds.empty:
        return "none verified"
    if several:
        return f"package to verified: median {_duration(seconds.median())}"
    first, last = _duration(seconds.iloc[0]), _duration(seconds.iloc[-1])
    return f"package to verified {first}" + (f" → {last}" if len(seconds) > 1 else "")


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "not timed"
    digits = 0 if seconds >= 100 else 1 if seconds >= 0.1 else 2
    return f"{seconds:,.{digits}f} s"


def _empty(name: str | None) -> Figure:
    """Say what to do to get a picture."""
    figure = NotebookFigure(figsize=(_WIDE, 1.4), facecolor="white")
    axes = figure.subplots()
    axes.set_axis_off()
    what, option = (f" of {name}", f" --name {name}") if name else ("", "")
    text = f"No iterations{what} yet: run %containerize MODEL{option}"
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, color=_INK)
    return figure
