"""The plot of a load test, read from its artists."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from load_frames import KERNEL, levels, unanswered, usage
from matplotlib.figure import Figure

from jupyter_containeriter.analytics.load import plot_load
from jupyter_containeriter.analytics.palette import LATENCIES

SOME = ((1, 900.0, 0.0011), (4, 2800.0, 0.0015), (16, 4200.0, 0.004))


def draw(frame: pd.DataFrame, used: pd.DataFrame | None = None, title: str = "finding") -> Any:
    """Draw, and make sure that it can be rendered."""
    figure = plot_load(frame, usage(*frame["connections"]) if used is None else used, title)
    figure.canvas.draw()
    return figure


def panel(figure: Figure, label: str) -> Any:
    """Return the panel whose vertical axis has that label."""
    return next(axes for axes in figure.axes if label in axes.get_ylabel())


def legend(axes: Any) -> list[str]:
    """Return the entries of a panel's legend."""
    return [text.get_text() for text in axes.get_legend().get_texts()] if axes.get_legend() else []


def ticks(axes: Any) -> list[str]:
    """Return what is written below a panel."""
    return [label.get_text() for label in axes.get_xticklabels()]


def test_the_finding_is_the_title() -> None:
    """A long one is broken into lines."""
    assert draw(levels(*SOME), title="container adds 0.1 ms").get_suptitle() == "container adds 0.1 ms"
    assert draw(levels(*SOME), title="word " * 40).get_suptitle().count("\n") == 2


def test_percentiles_are_lines_in_milliseconds() -> None:
    """One line for each, over the numbers of connections."""
    frame = levels(*SOME)
    axes = panel(draw(frame), "latency")
    for name, color in LATENCIES.items():
        (line,) = (line for line in axes.lines if line.get_color() == color)
        assert line.get_ydata() == pytest.approx(1000 * frame[f"{name}_seconds"])
    assert ticks(axes) == ["1", "4", "16"]


def test_the_kernel_is_a_line_to_compare_with() -> None:
    """At its own median; in the legend by name."""
    axes = panel(draw(levels(*SOME)), "latency")
    assert legend(axes) == ["p50", "p90", "p99", "max", "kernel p50"]
    assert any(np.allclose(line.get_ydata(), 1000 * KERNEL) for line in axes.lines)
    low, high = axes.get_ylim()
    assert low < 1000 * KERNEL < high


def test_without_a_kernel_there_is_no_such_line() -> None:
    """Nothing is drawn that was not measured."""
    axes = panel(draw(levels(*SOME, kernel=float("nan"))), "latency")
    assert legend(axes) == ["p50", "p90", "p99", "max"]
    assert len(axes.lines) == 4


def test_throughput_is_bars_with_their_numbers() -> None:
    """What was answered, each second."""
    axes = panel(draw(levels(*SOME)), "requests/s")
    assert [bar.get_height() for bar in axes.patches] == [900, 2800, 4200]
    assert [text.get_text() for text in axes.texts] == ["900", "2,800", "4,200"]
    assert legend(axes) == []


def test_failures_stand_on_what_was_answered() -> None:
    """Hatched, where there are some, and in the legend."""
    axes = panel(draw(levels(*SOME, errors=[0, 0, 600])), "requests/s")
    (failed,) = (bar for bar in axes.patches if bar.get_hatch())
    assert (failed.get_y(), failed.get_height()) == (4200, 600)
    assert legend(axes) == ["answered", "failed"]


def test_no_answer_at_all_is_said() -> None:
    """A logarithmic scale has no place for it."""
    figure = draw(unanswered(1, 4))
    assert [text.get_text() for text in panel(figure, "latency").texts] == ["no request was answered"]
    assert len([bar for bar in panel(figure, "requests/s").patches if bar.get_hatch()]) == 2


def test_a_single_level_can_be_drawn() -> None:
    """Its bar does not fill the panel."""
    axes = panel(draw(levels(SOME[0])), "requests/s")
    left, right = axes.get_xlim()
    assert (right - left) > 2 * axes.patches[0].get_width()


def test_many_levels_have_room_for_their_numbers() -> None:
    """Numbers above the bars stand upright before they overlap."""
    frame = levels(*((2**power, 4000.0, 0.001 * 2**power) for power in range(9)))
    axes = panel(draw(frame), "requests/s")
    assert {text.get_rotation() for text in axes.texts} == {90}
    assert ticks(axes)[-1] == "256"


def test_what_was_used_is_drawn_over_the_times_measured() -> None:
    """A band for each level, from its beginning, with its connections above."""
    frame = levels(*SOME)
    for label in ("CPU", "memory"):
        axes = panel(draw(frame), label)
        assert [text.get_text() for text in axes.texts] == ["1 conn.", "4 conn.", "16 conn."]
        assert [band.get_x() for band in axes.patches] == pytest.approx(list(frame["began_seconds"]))
    assert panel(draw(frame), "memory").lines[0].get_ydata().max() == 50


def test_an_engine_that_told_nothing_is_said() -> None:
    """The panels stay, with a sentence."""
    figure = draw(levels(*SOME), usage())
    assert [text.get_text() for text in panel(figure, "CPU").texts] == ["not sampled: the engine told nothing"]


def test_own_style_of_the_person_changes_nothing() -> None:
    """A dark style set for other figures does not make ours unreadable."""
    expected = draw(levels(*SOME))._repr_png_()
    with mpl.style.context("dark_background"):
        assert draw(levels(*SOME))._repr_png_() == expected


def test_it_fits_a_notebook() -> None:
    """As wide as the other charts."""
    assert draw(levels(*SOME))._repr_png_()[1]["width"] == 940
