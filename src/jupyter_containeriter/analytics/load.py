"""A load test: latency and throughput by connections, and what the container used over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from .look import BAND, CHARACTER, INK, blank, dress, say_within
from .palette import COLORS, FAILED, KERNEL, LATENCIES

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    _Floats = NDArray[np.float64]

_CPU, _MEMORY = COLORS["build"], COLORS["load"]

# Inches.
_HEIGHT, _BELOW = 3.4, 1.9
_BAR = 0.6
_MARKERS = {"p50": "o-", "p90": "o-", "p99": "o-", "max": "_:"}


def plot_load(frame: pd.DataFrame, usage: pd.DataFrame, title: str) -> Figure:
    """Draw a load test.

    Parameters
    ----------
    frame, usage
        As in :class:`~jupyter_containeriter.measurement.LoadTest`.
    title
        The finding.

    Returns
    -------
    Figure
        Above, latencies (on a logarithmic scale, with the kernel's own median) and throughput by connections; below,
        CPU and memory over time.
    """
    with style.context("default"):
        return _draw(frame, usage, title)


def _draw(frame: pd.DataFrame, usage: pd.DataFrame, title: str) -> Figure:
    figure = blank(_HEIGHT + _BELOW, title)
    # Figures of their own, for their columns are of different widths.
    parts = figure.add_gridspec(2, 1, height_ratios=(_HEIGHT, _BELOW))
    upper, lower = (figure.add_subfigure(part, facecolor="white") for part in (parts[0], parts[1]))
    latency, throughput = upper.subplots(1, 2, width_ratios=(3, 2))
    _draw_latencies(latency, frame)
    _draw_throughput(throughput, frame)
    cpu, memory = lower.subplots(1, 2, sharex=True)
    _draw_usage(cpu, frame, usage[["at_seconds", "cpu_fraction"]], "container's CPU (cores)", _CPU)
    megabytes = usage[["at_seconds"]].assign(memory=usage["memory_bytes"] / 1e6)
    _draw_usage(memory, frame, megabytes, "its memory (MB)", _MEMORY)
    return figure


# --- by connections -------------------------------------------------------------------------------------------------


def _draw_latencies(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw the percentiles, and the kernel's median as a line to measure them by."""
    x = np.arange(len(frame))
    milliseconds = {name: 1000 * frame[f"{name}_seconds"].to_numpy("float64") for name in LATENCIES}
    handles: list[Artist] = []
    for name, values in milliseconds.items():
        width = 2 if name == "p50" else 1.4
        handles += axes.plot(x, values, _MARKERS[name], color=LATENCIES[name], ms=5, lw=width, label=name)
    kernel = 1000 * float(frame["kernel_p50_seconds"].iloc[0])
    if np.isfinite(kernel):
        handles.append(axes.axhline(kernel, color=KERNEL, ls="--", lw=1.4, label="kernel p50"))
    _scale(axes, np.array([*np.concatenate(list(milliseconds.values())), kernel]))
    axes.set_ylabel("latency (ms)", color=INK)
    _by_connections(axes, frame)
    dress(axes, handles)


def _scale(axes: Axes, values: _Floats) -> None:
    """Show all values on a logarithmic scale with plain numbers; say so where there is none."""
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        say_within(axes, "no request was answered")
        return
    axes.set_yscale("log")
    low, high = values.min() / 1.6, values.max() * 1.6
    axes.set_ylim(low, high)
    ticks = [m * 10.0**e for e in range(-4, 7) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    if len(ticks) > 7:
        ticks = [10.0**e for e in range(-4, 7) if low <= 10.0**e <= high]
    axes.set_yticks(ticks)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_throughput(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw answers a second, and above them what failed."""
    x = np.arange(len(frame))
    answered = frame["requests_per_second"].fillna(0.0).to_numpy("float64")
    seconds = frame["seconds"].to_numpy("float64")
    errors = frame["errors"].to_numpy("float64")
    failed = np.divide(errors, seconds, out=np.zeros_like(errors), where=seconds > 0)
    axes.bar(x, answered, _BAR, color=LATENCIES["p50"])
    handles: list[Artist] = []
    if failed.any():
        some = failed > 0
        look: dict[str, Any] = {"facecolor": "white", "edgecolor": FAILED, "hatch": "////", "lw": 0.8}
        axes.bar(x[some], failed[some], _BAR, answered[some], **look)
        handles = [Patch(color=LATENCIES["p50"], label="answered"), Patch(label="failed", **look)]
    _write_throughput(axes, answered, answered + failed)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.9g}"))
    axes.set_ylabel("requests/s", color=INK)
    _by_connections(axes, frame)
    dress(axes, handles)


def _write_throughput(axes: Axes, answered: _Floats, tops: _Floats) -> None:
    """Write how many were answered above each bar, in the colour of what was answered."""
    texts = [f"{count:,.0f}" for count in answered]
    # The panel's own place for a bar, about.
    upright = max(map(len, texts)) * CHARACTER > 3.0 / max(len(texts), 2)
    for place, (text, top) in enumerate(zip(texts, tops, strict=True)):
        axes.annotate(
            text,
            (place, top),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if upright else 0,
            fontsize=8 if upright else 9,
            color=LATENCIES["p50"],
        )
    axes.set_ylim(0, (1.25 if upright else 1.12) * float(tops.max()) or 1.0)


def _by_connections(axes: Axes, frame: pd.DataFrame) -> None:
    count = len(frame)
    labels = [str(connections) for connections in frame["connections"]]
    steep = count > 12
    axes.set_xticks(range(count), labels, rotation=90 if steep else 0)
    # A single level must not fill the panel.
    margin = 0.5 if count > 2 else 1.2 - 0.3 * count
    axes.set_xlim(-margin, count - 1 + margin)
    axes.set_xlabel("connections", color=INK)


# --- over time ------------------------------------------------------------------------------------------------------


def _draw_usage(axes: Axes, frame: pd.DataFrame, use: pd.DataFrame, label: str, color: str) -> None:
    """Draw one of the container's figures over time, above bands for the numbers of connections."""
    axes.set_ylabel(label, color=INK, fontsize=9)
    axes.set_xlabel("seconds", color=INK)
    dress(axes, [])
    if use.empty:
        axes.set_xticks([])
        say_within(axes, "not sampled: the engine told nothing")
        return
    at, heights = use.to_numpy("float64").T
    # Each figure is of the time since the one before.
    at, heights = np.insert(at, 0, 0.0), np.insert(heights, 0, heights[0])
    axes.plot(at, heights, color=color, lw=1.6, drawstyle="steps-pre")
    axes.fill_between(at, heights, step="pre", color=color, alpha=0.15, lw=0)
    axes.set_ylim(0, 1.3 * float(heights.max()) or 1.0)  # the numbers of connections are written above
    whole = max(float(at[-1]), float((frame["began_seconds"] + frame["seconds"]).max()))
    axes.set_xlim(0, whole)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    _draw_bands(axes, frame, whole)


def _draw_bands(axes: Axes, frame: pd.DataFrame, whole: float) -> None:
    """Shade the time of each measurement, with its number of connections above; what is between them is no part."""
    for _, level in frame.iterrows():
        left, width = float(level["began_seconds"]), float(level["seconds"])
        axes.axvspan(left, left + width, color=BAND, lw=0, zorder=0)
        if width > 0.05 * whole:
            axes.text(
                left + width / 2,
                0.97,
                f"{level['connections']} conn." if width > 0.2 * whole else f"{level['connections']}",
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="top",
                fontsize=8,
                color=INK,
            )
