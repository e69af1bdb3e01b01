"""Every kind of chart, compared with what was looked at and found good: its picture, and all that is written in it.

Letters are not the same to the pixel in every release of matplotlib, so pictures are compared without them.

After a change that is meant to be seen, make them anew, look at each, and keep them beside the change::

    python -m pytest tests/unit/analytics/test_chart_images.py --mpl-generate-path=tests/unit/analytics/baseline
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from history_frames import (
    iterations,
    loads,
    nothing,
    rollbacks,
    two_methods,
    untimed,
    with_failures,
)
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

from jupyter_containeriter.analytics import KINDS, plot

MANY = 10_000

DPI = 50

#: Of the root mean square of differences, 0 to 255. Matplotlib 3.9, 3.10 and 3.11 do not differ at all; what
#: ``test_a_change_is_seen`` does to pictures is more.
TOLERANCE = 0.3

BASELINE = Path(__file__).with_name("baseline")

image = pytest.mark.mpl_image_compare(style="default", tolerance=TOLERANCE, savefig_kwargs={"dpi": DPI})


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look at the charts from one time zone."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def alternating(count: int) -> pd.DataFrame:
    """Return two methods in turn, of which one fails sometimes."""
    frame = two_methods(count)
    frame["status"] = frame["status"].astype("object")
    frame.loc[[3, 9, 10], "status"] = "failed"
    return frame


#: Histories by what is special about them: iterations, and load tests.
HISTORIES: dict[str, Callable[[], tuple[pd.DataFrame, pd.DataFrame]]] = {
    "small": lambda: (two_methods(7), loads(4)),
    "one": lambda: (iterations(1), loads(1, (1,))),
    "empty": lambda: (nothing(), loads(0)),
    "untimed": lambda: (untimed(), loads(2, added_p50_seconds=float("nan"))),
    "failing": lambda: (with_failures(alternating(12)), loads(3, added_p50_seconds=-0.0001)),
    "large": lambda: (iterations(MANY), loads(200, (1, 2, 4, 8, 16, 32))),
}


DRAWN = [f"{history}-{kind}" for kind in KINDS for history in HISTORIES]


def draw(history: str, kind: str) -> Any:
    """Draw a kind of chart of one of the histories."""
    frame, tests = HISTORIES[history]()
    return plot(kind, frame, "churn", events=rollbacks(frame), loads=tests)


def words(figure: Any) -> list[str]:
    """Return all that is written in a figure, panel by panel."""
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
    return [text.replace("\n", " ") for text in found if text]


def without_words(figure: Any) -> Figure:
    """Return a figure without anything written, its panels where they always are.

    Releases of matplotlib draw letters a little wider or narrower, and everything else gives way to them.
    """
    figure.set_layout_engine("none")
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, round(2 * height) / 2)
    figure.draw_without_rendering()
    for one in figure.findobj(Text) + figure.findobj(Legend):
        one.set_visible(False)
    found: Figure = figure
    return found


@image
@pytest.mark.parametrize("kind", DRAWN)
def test_chart(kind: str) -> Figure:
    """What is drawn: points, lines, bars, colours, scales."""
    return without_words(draw(*kind.split("-")))


@pytest.mark.parametrize("kind", DRAWN)
def test_words(kind: str, request: pytest.FixtureRequest) -> None:
    """What is written: the finding, labels, ticks, legends, numbers."""
    written = words(draw(*kind.split("-")))
    made = request.config.getoption("--mpl-generate-path")
    if made:
        Path(made, f"{kind}.txt").write_text("\n".join(written) + "\n", encoding="utf-8")
    kept = Path(made or BASELINE, f"{kind}.txt").read_text(encoding="utf-8").splitlines()
    assert written == kept


def change_title(figure: Any) -> None:
    """Let the finding be another one."""
    figure.suptitle(figure.get_suptitle().replace("8.", "9."))


def lose_a_bar(figure: Any) -> None:
    """Take one bar away."""
    next(patch for axes in figure.axes for patch in axes.patches if isinstance(patch, Rectangle)).remove()


def lose_a_line(figure: Any) -> None:
    """Take one line away."""
    figure.axes[-1].lines[-1].remove()


def change_a_color(figure: Any) -> None:
    """Give a line another colour."""
    figure.axes[0].lines[0].set_color("#D55E00")


def move_a_point(figure: Any) -> None:
    """Let one point be somewhere else."""
    line = figure.axes[0].lines[0]
    x, y = line.get_data()
    line.set_data(x, [*y[:-1], 2 * y[-1]])


def test_another_title_is_seen() -> None:
    """A finding with another figure is no longer what was kept."""
    figure = draw("small", "compare")
    change_title(figure)
    assert words(figure) != (BASELINE / "small-compare.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("small-phases", lose_a_bar),
        ("large-dora", lose_a_bar),
        ("small-compare", lose_a_bar),
        ("small-overhead", lose_a_line),
        ("small-trend", lose_a_line),
        ("small-metric", change_a_color),
        ("small-trend", move_a_point),
    ],
)
def test_a_change_is_seen(kind: str, change: Callable[[Any], None], tmp_path: Path) -> None:
    """A picture that misses something, or shows it elsewhere, is not the one that was kept."""
    figure = draw(*kind.split("-"))
    change(figure)
    with style.context("default"):
        without_words(figure).savefig(tmp_path / "changed.png", dpi=DPI)
    kept = tmp_path / "kept.png"
    shutil.copy(BASELINE / f"test_chart_{kind}.png", kept)
    assert compare_images(str(kept), str(tmp_path / "changed.png"), TOLERANCE) is not None
