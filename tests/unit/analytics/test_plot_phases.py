"""The plot of phases, read from its artists."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

from jupyter_containeriter.analytics import KINDS, plot
from jupyter_containeriter.analytics.palette import COLORS
from jupyter_containeriter.analytics.phases import WITHIN, plot_phases
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.types import ITERATION_COLUMNS, Iteration, Status

NOW = datetime(2030, 1, 2, tzinfo=UTC)


def iteration(version: int, total: float | None = 1.5, status: Status = "verified", **fields: Any) -> Iteration:
    """Make an iteration whose five phases share the total equally."""
    name = fields.pop("name", "churn")
    share = None if total is None else total / len(WITHIN)
    fields = {**dict.fromkeys((f"{phase}_seconds" for phase in WITHIN), share), **fields}
    started_at = NOW + timedelta(minutes=version)
    done = total if status == "verified" else None
    return Iteration(
        f"{name}{version}", name, version, status, started_at, **{"package_to_verified_seconds": done} | fields
    )


def frame(*iterations: Iteration) -> pd.DataFrame:
    """Return iterations as the history does."""
    return pd.DataFrame([asdict(one) for one in iterations], columns=list(ITERATION_COLUMNS))


def title(figure: Figure) -> str:
    """Return the title of the whole figure."""
    return figure.get_suptitle()


def upper(figure: Figure) -> Any:
    """Return the main panel."""
    return next(axes for axes in figure.axes if "package" in axes.get_ylabel())


def marks(figure: Figure) -> list[str]:
    """Return what is written above the bars."""
    return [text.get_text() for text in upper(figure).texts]


def legend(axes: Any) -> list[str]:
    """Return the entries of a panel's legend."""
    return [text.get_text() for text in axes.get_legend().get_texts()]


def version_labels(figure: Figure) -> list[str]:
    """Return what is written below the bars."""
    lowest = next(axes for axes in figure.axes if axes.get_xlabel())
    return [label.get_text() for label in lowest.get_xticklabels()]


def bars(axes: Any, phase: str) -> list[float]:
    """Return the heights of a phase's bars."""
    color = mpl.colors.to_rgb(COLORS[phase])
    return [bar.get_height() for bar in axes.patches if bar.get_fill() and bar.get_facecolor()[:3] == color]


def test_package_import_is_light() -> None:
    """Importing the package imports neither matplotlib nor pandas."""
    code = "import sys, jupyter_containeriter.analytics; print({'matplotlib', 'pandas'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_drawing_leaves_pyplot_alone() -> None:
    """Drawing does not import pyplot, so that no backend is chosen and no figure has to be closed."""
    code = (
        "import sys, pandas as pd; from jupyter_containeriter.analytics import plot;"
        "from jupyter_containeriter.types import ITERATION_COLUMNS as columns;"
        "plot('phases', pd.DataFrame(columns=list(columns)))._repr_png_(); print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_unknown_kind_lists_the_kinds() -> None:
    """A kind of plot that does not exist is refused with those that do."""
    with pytest.raises(UsageError) as caught:
        plot("pie", frame())
    assert all(kind in caught.value.remedy for kind in KINDS)


def test_phases_are_the_first_kind() -> None:
    """It is what is drawn where no kind is named."""
    assert title(plot(KINDS[0], frame(iteration(1)))) == title(plot_phases(frame(iteration(1))))


def test_notebook_shows_a_picture() -> None:
    """IPython shows the figure as one PNG without any matplotlib backend, at half its pixels."""
    data, metadata = DisplayFormatter().format(plot("phases", frame(iteration(1))))
    assert set(data) == {"text/plain", "image/png"}
    assert data["image/png"].startswith(b"\x89PNG")
    assert metadata["image/png"] == {"width": 680, "height": 400}


def test_own_style_of_the_person_changes_nothing() -> None:
    """A dark style set for other figures does not make ours unreadable."""
    expected = plot("phases", frame(iteration(1)))._repr_png_()
    with mpl.style.context("dark_background"):
        assert plot("phases", frame(iteration(1)))._repr_png_() == expected


def test_title_of_one() -> None:
    """The title of one iteration says how long it took."""
    assert title(plot_phases(frame(iteration(1, 2.9)))) == "churn: 1 iteration, package to verified 2.9 s"


def test_title_of_several() -> None:
    """The title of several iterations goes from the first verified to the last verified one."""
    rows = frame(
        iteration(1, 9, "failed"), iteration(2, 2.94), iteration(3, 4), iteration(4, 1.1), iteration(5, 8, "built")
    )
    assert title(plot_phases(rows)) == "churn: 5 iterations, package to verified 2.9 s → 1.1 s"


def test_title_of_none_verified() -> None:
    """The title says so when nothing was verified."""
    rows = frame(iteration(1, 1, "failed"), iteration(2, 1, "interrupted"))
    assert title(plot_phases(rows)) == "churn: 2 iterations, none verified"


def test_title_of_several_models() -> None:
    """The title of several models counts them and gives the median."""
    rows = frame(iteration(1, 1), iteration(1, 2, name="fraud"), iteration(2, 6, name="fraud"))
    assert title(plot_phases(rows)) == "2 models, 3 iterations, package to verified: median 2.0 s"


def test_long_name_breaks_the_title() -> None:
    """A title too long for the figure goes on below."""
    rows = frame(iteration(1, name="a-very-long-name" * 5))
    assert title(plot_phases(rows)).splitlines()[-1] == "package to verified 1.5 s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.043, "43 ms"), (0.66, "0.66 s"), (12.34, "12.3 s"), (126, "2.1 min"), (10_800, "3.0 h")]
)
def test_totals_have_sensible_digits(seconds: float, text: str) -> None:
    """A total is written with as many digits as one can use."""
    assert marks(plot_phases(frame(iteration(1, seconds)))) == [text]


def test_phases_are_stacked() -> None:
    """The phases of the call are stacked in order, and the total is at the top."""
    axes = upper(plot_phases(frame(iteration(1, 2.5))))
    assert [bars(axes, phase) for phase in WITHIN] == [[0.5]] * 5
    assert [bar.get_y() for bar in axes.patches] == [0, 0.5, 1, 1.5, 2]
    assert axes.texts[0].xy == (0, 2.5)


def test_total_of_a_bar_that_is_cut_off_can_be_read() -> None:
    """It stands on the bar, whose colour may be dark, so it has a ground of its own; the others need none."""
    axes = upper(plot_phases(frame(*(iteration(number, 100.0 if number == 1 else 0.1) for number in range(1, 8)))))
    assert axes.texts[0].get_text().endswith("↑")
    assert [text.get_bbox_patch() is not None for text in axes.texts] == [True, *[False] * 6]


def test_time_of_no_phase_is_shown() -> None:
    """What no phase accounts for is drawn as other, so that a bar is as high as its total."""
    axes = upper(plot_phases(frame(iteration(1, 1.0, package_to_verified_seconds=1.5))))
    assert bars(axes, "other") == [0.5]
    assert "other" in legend(axes)


def test_no_lower_panel_without_times_before() -> None:
    """Without time before the call there is one panel only."""
    assert len(plot_phases(frame(iteration(1))).axes) == 1


def test_think_and_run_have_their_own_scale() -> None:
    """Minutes before the call are drawn below, in minutes, and leave the upper scale alone."""
    figure = plot_phases(frame(iteration(1, think_seconds=600.0, run_seconds=30.0)))
    lower = next(axes for axes in figure.axes if "before" in axes.get_ylabel())
    assert lower.get_ylabel().endswith("(min)")
    assert (bars(lower, "think"), bars(lower, "run")) == ([10], [0.5])
    assert upper(figure).get_ylim()[1] < 2


def test_short_times_before_stay_in_seconds() -> None:
    """Less than two minutes before the call are drawn in seconds."""
    figure = plot_phases(frame(iteration(1, run_seconds=30.0)))
    assert any(axes.get_ylabel().endswith("call (s)") for axes in figure.axes)


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_unfinished_are_marked(status: Status) -> None:
    """What did not finish has a hatch, its status instead of a total, and an entry in the legend."""
    axes = upper(plot_phases(frame(iteration(1), iteration(2, 1, status))))
    assert [text.get_text() for text in axes.texts] == ["1.5 s", status]
    assert [bar.get_height() for bar in axes.patches if bar.get_hatch()] == [1]
    assert legend(axes)[-1] == status


def test_finished_have_no_hatch() -> None:
    """Without anything unfinished the legend is of phases only."""
    axes = upper(plot_phases(frame(iteration(1), iteration(2, 1, "built"))))
    assert legend(axes) == list(reversed(WITHIN))
    assert not any(bar.get_hatch() for bar in axes.patches)


def test_missing_seconds_are_not_zero() -> None:
    """An iteration without any time is called not timed."""
    assert marks(plot_phases(frame(iteration(1, None)))) == ["not timed"]


def test_versions_are_labels() -> None:
    """Bars of one model are labelled by version."""
    figure = plot_phases(frame(iteration(3), iteration(7)))
    assert version_labels(figure) == ["3", "7"]
    assert figure.axes[0].get_xlabel() == "version"


def test_models_stand_together() -> None:
    """Bars of several models are grouped and labelled by model and version."""
    rows = frame(iteration(1), iteration(1, name="fraud"), iteration(2), iteration(2, name="fraud"))
    assert version_labels(plot_phases(rows)) == ["churn:1", "churn:2", "fraud:1", "fraud:2"]


def test_name_selects_one_model() -> None:
    """With a name, only that model is drawn."""
    figure = plot_phases(frame(iteration(1), iteration(4, name="fraud")), "fraud")
    assert version_labels(figure) == ["4"]
    assert title(figure).startswith("fraud: 1 iteration,")


def test_many_iterations_show_the_last() -> None:
    """Of very many iterations the last 40 are drawn, and the title says so and is about all of them."""
    one = frame(iteration(1))
    rows = pd.concat([one] * 10_000, ignore_index=True).assign(version=range(1, 10_001))
    rows.loc[0, "package_to_verified_seconds"] = 9
    figure = plot_phases(rows)
    assert version_labels(figure) == [str(version) for version in range(9_961, 10_001)]
    assert title(figure) == "churn: 10,000 iterations (last 40 shown), package to verified 9.0 s → 1.5 s"


@pytest.mark.parametrize("count", [1, 2, 8, 10, 40])
@pytest.mark.parametrize("name", ["churn", "a-very-long-name" * 5])
def test_nothing_is_cut_off(count: int, name: str) -> None:
    """Title, labels and legends lie within the figure."""
    rows = frame(
        *(
            iteration(version, status="interrupted" if version % 3 == 2 else "verified", name=name, run_seconds=9.0)
            for version in range(1, count + 1)
        )
    )
    figure = plot_phases(rows)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= width
    assert box.y1 <= height


@pytest.mark.parametrize(
    ("name", "command"), [(None, "%containerize MODEL"), ("churn", "%containerize MODEL --name churn")]
)
def test_empty_history_says_what_to_do(name: str | None, command: str) -> None:
    """Without iterations the figure says how to get one."""
    (text,) = plot_phases(frame(), name).axes[0].texts
    assert text.get_text().endswith(f"run {command}")


def test_frame_of_the_history_can_be_drawn(tmp_path: Any) -> None:
    """A frame with the history's own types is drawn as well, with rows and without."""
    from jupyter_containeriter.history import History

    history = History(tmp_path / "history.sqlite")
    assert plot_phases(history.frame()).axes[0].texts
    history.begin("churn", started_at=NOW)
    assert marks(plot_phases(history.frame(), "churn")) == ["running"]
    history.close()
