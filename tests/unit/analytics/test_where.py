"""Iterations chosen by an expression, what changed between two, and which value is best."""

from __future__ import annotations

import pandas as pd
import pytest

from jupyter_containeriter.analytics.changes import changed
from jupyter_containeriter.analytics.direction import best, lower_is_better
from jupyter_containeriter.analytics.where import where
from jupyter_containeriter.errors import UsageError


@pytest.fixture
def frame() -> pd.DataFrame:
    """Give three iterations."""
    return pd.DataFrame(
        {
            "version": pd.Series([1, 2, 3], dtype="Int64"),
            "status": pd.Categorical(["verified", "failed", "verified"]),
            "sent_bytes": pd.Series([5, None, 7], dtype="Int64"),
            "metrics": [{"accuracy": 0.8}, {}, {"accuracy": 0.95, "depth": 1.0}],
            "params": [{"depth": 3, "kind": "gini"}, {"depth": 4, "my rate": 0.1}, {"depth": 5}],
        }
    )


@pytest.mark.parametrize(
    ("expression", "versions"),
    [
        ("accuracy > 0.9 and status == 'verified'", [3]),
        ("accuracy > 0.5", [1, 3]),
        ("sent_bytes > 5", [3]),
        ("kind == 'gini'", [1]),
        ("`my rate` < 1", [2]),
        ("not status == 'failed'", [1, 3]),
        ("version in [1, 2]", [1, 2]),
        ("True", [1, 2, 3]),
    ],
)
def test_iterations_are_chosen(frame: pd.DataFrame, expression: str, versions: list[int]) -> None:
    """Columns, metrics and params have their names; what is missing is chosen by no comparison."""
    assert list(where(frame, expression)["version"]) == versions


def test_a_metric_hides_a_param(frame: pd.DataFrame) -> None:
    """Of two with one name the metric is meant."""
    assert list(where(frame, "depth == 1")["version"]) == [3]


def test_the_frame_stays_as_it_was(frame: pd.DataFrame) -> None:
    """Metrics that were looked at become no columns."""
    assert list(where(frame, "accuracy > 0").columns) == list(frame.columns)


def test_unknown_names_are_answered_with_those_there_are(frame: pd.DataFrame) -> None:
    """Columns, metrics and params are listed."""
    with pytest.raises(UsageError, match="there is no acuracy") as caught:
        where(frame, "acuracy > 1")
    assert "metrics: accuracy, depth" in caught.value.remedy
    assert "params: depth, kind, my rate" in caught.value.remedy


@pytest.mark.parametrize("expression", ["accuracy >", "version + 1", "kind > 3", "", "version = 3", "@x > 1"])
def test_what_is_no_question_is_refused(frame: pd.DataFrame, expression: str) -> None:
    """Each with an example of one."""
    with pytest.raises(UsageError) as caught:
        where(frame, expression)
    assert "For example" in caught.value.remedy


def test_what_changed_is_told_with_both_values() -> None:
    """Added and removed names count, unless they are None; NaN is the same as NaN, True is not 1."""
    nan = float("nan")
    before = {"same": 1, "nan": nan, "depth": 3, "gone": 2, "flag": 1}
    after = {"new": None, "same": 1, "nan": nan, "depth": 4, "flag": True}
    assert changed(before, after) == {"depth": (3, 4), "flag": (1, True), "gone": (2, None)}


@pytest.mark.parametrize(
    ("metric", "less"),
    [("log_loss", True), ("RMSE", True), ("testError", True), ("neg_log_loss", False), ("accuracy", False)],
)
def test_a_metric_s_name_tells_what_is_better(metric: str, less: bool) -> None:
    """Losses and errors are better when they are small."""
    assert lower_is_better(metric) is less
    assert best(metric, [1.0, None, 2.0, float("nan")]) == (1.0 if less else 2.0)


def test_one_value_alone_is_not_the_best() -> None:
    """Nor are equal ones."""
    assert best("accuracy", [0.5, None, 0.5]) is None
