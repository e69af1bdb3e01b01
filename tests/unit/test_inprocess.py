"""Rows of samples, and the kernel's own times."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jupyter_containeriter import inprocess
from jupyter_containeriter.inprocess import MAX_ROWS, KernelTimes, rows_of, time_predictions
from jupyter_containeriter.serving import wire

SAMPLES: dict[str, Any] = {
    "array": np.arange(6.0).reshape(3, 2),
    "frame": pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}, index=[7, 8, 9]),
    "series": pd.Series([1.0, 2.0, 3.0], name="a"),
    "list": [[1, 2], [3, 4], [5, 6]],
    "texts": ["good", "bad", "so so"],
    "sparse": sparse.csr_matrix(np.eye(3)),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_each_row_fits_the_schema_of_the_sample(kind: str) -> None:
    """A row is a sample of one row: what a client would send."""
    sample = SAMPLES[kind]
    schema = wire.infer_schema(sample)
    rows = rows_of(sample, schema["kind"])
    assert len(rows) == 3
    for row in rows:
        assert wire.encode(row, schema)
        assert type(row) is type(sample)


@pytest.mark.parametrize(
    "sample", [{"a": [1, 2]}, "text", 3.0, np.float64(3), np.array(3.0), sparse.coo_matrix(np.eye(3)), (1, "a")]
)
def test_what_has_no_rows_has_none(sample: Any) -> None:
    """It is sent as a whole."""
    assert rows_of(sample, wire.infer_schema(sample)["kind"]) == []


def test_a_large_sample_is_not_sent_whole() -> None:
    """Its first rows are enough."""
    assert len(rows_of(np.zeros((MAX_ROWS + 5, 1)), "ndarray")) == MAX_ROWS


def test_rows_are_predicted_in_turn_from_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that writes into its input gets the same rows again."""
    monkeypatch.setattr(inprocess, "_MOST_CALLS", 5)
    seen: list[float] = []

    def predict(row: Any) -> None:
        seen.append(float(row[0]))
        row[0] = -1

    seconds = time_predictions(predict, [np.array([1.0]), np.array([2.0])])
    assert seen == [1.0, 1.0, 2.0, 1.0, 2.0, 1.0], "the first call is not timed"
    assert len(seconds) == 5
    assert all(second >= 0 for second in seconds)


def test_a_slow_model_is_called_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls make a median; where even they take long, one does."""
    monkeypatch.setattr(inprocess, "_BLOCK_SECONDS", 0.0)
    assert len(time_predictions(lambda _: None, [1])) == 3
    monkeypatch.setattr(inprocess, "_LONGEST_SECONDS", 0.0)
    assert len(time_predictions(lambda _: None, [1])) == 1


def test_the_drift_is_how_far_before_and_after_are_apart() -> None:
    """The median is of both, the drift between them."""
    times = KernelTimes(array("d", [1.0, 2.0, 3.0]), array("d", [4.0, 4.0]))
    assert (times.p50_seconds, times.drift_seconds, times.calls) == (3.0, 2.0, 5)
