"""The kinds of charts beside phases: what they compute, say and refuse."""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from history_frames import events, iterations, loads, nothing, rollbacks, two_methods, typed, untimed, with_failures

from jupyter_containeriter import analytics
from jupyter_containeriter.analytics import KINDS, added, by_hour, difference_of_medians, improvements, plot
from jupyter_containeriter.analytics.compare import compared
from jupyter_containeriter.analytics.direction import lower_is_better
from jupyter_containeriter.analytics.look import duration, tick
from jupyter_containeriter.errors import UsageError

NAN = float("nan")


def title(kind: str, frame: pd.DataFrame, name: str | None = "churn", **options: Any) -> str:
    """Return the finding of a chart, on one line."""
    given = {"events": events(), "loads": loads(0), **options}
    return str(plot(kind, frame, name, **given).get_suptitle()).replace("\n", " ")


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look from Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# --- all of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "frame",
    [iterations(1), iterations(2), two_methods(30), with_failures(iterations(40)), untimed(), iterations(300)],
    ids=["one", "two", "methods", "failing", "untimed", "many"],
)
@pytest.mark.parametrize("name", ["churn", "a-very-long-name" * 4])
def test_nothing_is_cut_off(kind: str, frame: pd.DataFrame, name: str) -> None:
    """Title, labels and legends lie within the figure, which is no wider than a notebook."""
    frame = typed(frame.assign(name=name, method=frame["method"].astype(str).replace("docker build", name)))
    back = rollbacks(frame).assign(name=name)
    figure: Any = plot(kind, frame, name, events=back, loads=loads(30).assign(name=name))
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert width <= 9.4
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= width
    assert box.y1 <= height


@pytest.mark.parametrize("kind", KINDS)
def test_several_models_are_drawn_or_refused_by_name(kind: str) -> None:
    """A metric is of one model; everything else can be drawn of all."""
    frame = typed(pd.concat([iterations(5), iterations(5).assign(name="fraud")]))
    given: dict[str, Any] = {"events": events(), "loads": pd.concat([loads(2), loads(2).assign(name="fraud")])}
    if kind == "metric":
        with pytest.raises(UsageError) as caught:
            plot(kind, frame, **given)
        assert caught.value.remedy == "Name one of them: churn, fraud."
    else:
        assert plot(kind, frame, **given).get_suptitle()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "overhead"])
def test_empty_says_what_to_run(kind: str) -> None:
    """Without iterations there is the command that makes one."""
    (text,) = plot(kind, nothing(), "churn", events=events()).axes[0].texts
    assert text.get_text() == "No iterations of churn yet: run %containerize MODEL --name churn"


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_is_enough(kind: str) -> None:
    """Without events and load tests there were none."""
    figure: Any = plot(kind, with_failures(iterations(9)))
    figure.draw_without_rendering()


def test_functions_are_reached_from_the_package() -> None:
    """All that is listed is there, and nothing else."""
    assert all(callable(getattr(analytics, name)) for name in analytics.__all__ if name != "KINDS")
    with pytest.raises(AttributeError, match="no attribute 'pie'"):
        analytics.pie  # noqa: B018


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (4.2e-5, "42 µs"),
        (0.00042, "0.42 ms"),
        (0.21, "0.21 s"),
        (99, "99.0 s"),
        (7201, "2.0 h"),
        (3 * 86400, "3.0 d"),
        (-0.0001, "\N{MINUS SIGN}0.10 ms"),
        (NAN, "not timed"),
    ],
)
def test_durations_have_a_fitting_unit(seconds: float, text: str) -> None:
    """And two or three digits."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (0.0005, "0.5 ms"), (0.2, "0.2 s"), (90, "1.5 min"), (43200, "12 h")]
)
def test_ticks_are_short(seconds: float, text: str) -> None:
    """Round times in their unit."""
    assert tick(seconds) == text


# --- trend ----------------------------------------------------------------------------------------------------------


def test_trend_says_since_when() -> None:
    """The first version on the new level, with the medians before and from it on."""
    said = title("trend", iterations(14))
    assert re.match(
        r"churn: 14 iterations, package to verified 2\.\d s → 0\.2\d s since version 3, a cycle takes", said
    )


def test_trend_without_a_change_has_one_median() -> None:
    """Nothing is said of a change that chance explains."""
    frame = iterations(20).assign(package_to_verified_seconds=0.2)
    assert "package to verified 0.20 s (median), a cycle" in title("trend", typed(frame))


def test_trend_counts_failures() -> None:
    """They are in no median."""
    assert title("trend", with_failures(iterations(24))).endswith(", 8 failed")


# --- rhythm ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("berlin")
def test_hours_are_those_of_the_viewer() -> None:
    """With summer time: 22:30 UTC is the next day in Berlin, at 23:30 in winter and at 0:30 in summer."""
    ends = pd.to_datetime(["2030-01-07 22:30", "2030-07-08 22:30"], utc=True)
    frame = iterations(2).assign(finished_at=ends)
    counts = by_hour(frame)
    assert (counts[23][0], counts[0][1], counts.to_numpy().sum()) == (1, 1, 2)
    pd.testing.assert_frame_equal(counts, by_hour(frame, ZoneInfo("Europe/Berlin")))


@pytest.mark.usefixtures("berlin")
def test_rhythm_says_when() -> None:
    """The busiest three hours, the busiest day, weekends."""
    ends = [pd.Timestamp(f"2030-01-08 {hour}:10", tz="UTC") for hour in (*[12] * 6, *[13] * 4, *[14] * 2)]
    said = title("rhythm", iterations(12, finished_at=ends))
    assert said == "churn: 12 iterations, 100 % between 13 and 16 h, most on Tuesdays (100 %), 0 % at weekends"


def test_rhythm_names_no_hours_that_do_not_stand_out() -> None:
    """Of iterations all around the clock."""
    ends = pd.date_range("2030-01-07", periods=24 * 28, freq="h", tz="UTC")
    said = title("rhythm", iterations(len(ends), finished_at=ends))
    assert said == "churn: 672 iterations, at any hour of the day, 29 % at weekends"


def test_few_are_no_habit() -> None:
    """Nothing is made of fewer than ten."""
    assert title("rhythm", iterations(9)) == "churn: 9 iterations, too few to tell a habit"


# --- metric ---------------------------------------------------------------------------------------------------------


def scores(*values: float | None, **columns: Any) -> pd.DataFrame:
    """Return iterations of a hundred seconds each with these accuracies."""
    metrics = [{} if value is None else {"accuracy": value} for value in values]
    return iterations(len(values), metrics=metrics, **{"cycle_seconds": 100.0, "think_seconds": 10.0, **columns})


def test_improvements_cost_what_was_spent_since_the_last_one() -> None:
    """By hand: the second is worse, the third has none, the fourth failed; all of them took time."""
    frame = scores(0.8, 0.7, None, 0.99, 0.9, status=["verified", "deployed", "verified", "failed", "verified"])
    found = improvements(frame, "accuracy", lower=False)
    assert list(found["improved"]) == [True, False, False, False, True]
    assert list(found["best"]) == [0.8, 0.8, 0.8, 0.8, 0.9]
    assert list(found["spent_seconds"]) == [100, 200, 300, 400, 500]
    np.testing.assert_allclose(found["gain"], [NAN, NAN, NAN, NAN, 0.1])
    np.testing.assert_array_equal(found["cost_seconds"], [100, NAN, NAN, NAN, 400])


def test_a_night_is_not_what_an_improvement_cost() -> None:
    """Idle time counts for an hour at most."""
    frame = scores(0.8, 0.9, cycle_seconds=[100.0, 50_100.0], think_seconds=[50.0, 50_000.0])
    assert list(improvements(frame, "accuracy", lower=False)["cost_seconds"]) == [100, 3700]


@pytest.mark.parametrize("value", [1e308, -1.7e308, math.inf, NAN])
def test_what_diverged_is_no_value_and_is_drawn_without(value: float) -> None:
    """An axis cannot hold numbers so large; the iteration counts all the same."""
    frame = scores(0.8, value, 0.9)
    assert list(improvements(frame, "accuracy", lower=False)["best"]) == [0.8, 0.8, 0.9]
    plot("metric", frame).savefig(io.BytesIO())
    plot("metric", scores(value)).savefig(io.BytesIO())


def test_lower_can_be_better() -> None:
    """The best is then the least."""
    assert list(improvements(scores(3, 2, 5), "accuracy", lower=True)["best"]) == [3, 2, 2]


@pytest.mark.parametrize("metric", ["rmse", "RMSE", "log_loss", "valLoss", "test-error", "mae_holdout", "train time"])
def test_names_of_which_less_is_better(metric: str) -> None:
    """By the words in them."""
    assert lower_is_better(metric)


@pytest.mark.parametrize(
    "metric", ["accuracy", "roc_auc", "r2", "neg_mean_squared_error", "neg_log_loss", "f1", "emails"]
)
def test_names_of_which_more_is_better(metric: str) -> None:
    """All others, and those that scikit-learn turned round."""
    assert not lower_is_better(metric)


def test_unknown_metric_lists_those_there_are() -> None:
    """The remedy has the names, or the way to record one."""
    with pytest.raises(UsageError) as caught:
        plot("metric", iterations(3), "churn", metric="auc")
    assert caught.value.remedy == "There are: accuracy."
    with pytest.raises(UsageError) as caught:
        plot("metric", untimed(), "churn", metric="auc")
    assert "--metric KEY=EXPR" in caught.value.remedy


def test_better_is_higher_or_lower() -> None:
    """Another word is refused."""
    assert "(lower is better)" in plot("metric", scores(1, 2), better="lower").axes[0].get_ylabel()
    with pytest.raises(UsageError, match="better='more'"):
        plot("metric", scores(1, 2), better="more")


# --- compare --------------------------------------------------------------------------------------------------------


def test_the_sentence_says_which_is_faster_and_how_sure_that_is() -> None:
    """With the interval, both medians and both counts, in one unit each."""
    assert re.fullmatch(
        r"churn: containeriter is 8\.\d s faster than docker build "
        r"\(95 % interval 8\.\d to 8\.\d s; medians 0\.\d\d and 8\.\d\d s, 10 and 10 iterations\)",
        title("compare", two_methods(10)),
    )


def test_the_sentence_of_two_that_do_not_differ() -> None:
    """No winner is named."""
    random = np.random.default_rng(3)
    a, b = random.lognormal(-1.6, 0.3, 12), random.lognormal(-1.6, 0.3, 12)
    said = compared("a", "b", difference_of_medians(b, a))
    assert said.startswith("no difference shown between a and b (95 % interval \N{MINUS SIGN}")


def test_the_sentence_of_too_few() -> None:
    """It says how many are needed instead of an interval."""
    said = title("compare", two_methods(3))
    assert said.startswith("churn: too few to tell containeriter from docker build: medians")
    assert said.endswith("3 and 3 iterations, 6 of each are needed")


def test_equal_times_show_no_difference() -> None:
    """An interval without any width has digits, too."""
    frame = two_methods(10).assign(package_to_verified_seconds=0.22)
    assert title("compare", frame).endswith(
        "(95 % interval 0.00 to 0.00 s; medians 0.22 and 0.22 s, 10 and 10 iterations)"
    )


def test_one_group_alone_is_said() -> None:
    """With the way to get another one."""
    assert title("compare", iterations(4)).endswith("time another one with %%iteration")


def test_groups_are_columns_or_tags() -> None:
    """Of tags, iterations without it are in no group."""
    frame = iterations(21, tags=[{"team": "red" if place % 2 else "blue"} for place in range(20)] + [{}])
    assert "10 and 10 iterations" in title("compare", frame, by="team")
    assert "only one engine so far: docker" in title("compare", frame, by="engine")
    with pytest.raises(UsageError) as caught:
        plot("compare", frame, by="colour")
    assert caught.value.remedy.endswith("tags are team.")


def test_very_many_groups_are_not_all_drawn() -> None:
    """The title says how many are left out."""
    frame = iterations(60, tags=[{"run": str(place % 15)} for place in range(60)])
    assert title("compare", frame, by="run").endswith("(5 more runs not shown)")


# --- overhead -------------------------------------------------------------------------------------------------------


def test_the_newest_test_counts() -> None:
    """Of each version and number of connections; levels without a comparison are left out."""
    tests = loads(2, (1, 4))
    again = tests.assign(
        measured_at=tests["measured_at"] + pd.Timedelta(days=1), added_p50_seconds=[0.5, NAN, 0.6, 0.7]
    )
    found = added(pd.concat([again, tests]))
    assert list(found["added_p50_seconds"]) == [0.5, tests["added_p50_seconds"][1], 0.6, 0.7]


def test_overhead_without_tests_says_what_to_run() -> None:
    """The command, with the name."""
    (text,) = plot("overhead", iterations(3), "churn", loads=loads(0)).axes[0].texts
    assert text.get_text() == "No load test of churn yet: run %loadtest churn"
