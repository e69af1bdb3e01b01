"""The rows of a sample one by one, and how long the kernel itself takes to predict them."""

from __future__ import annotations

import copy
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

#: Rows that are sent, at most: more make no other measurement.
MAX_ROWS = 1000

_BLOCK_SECONDS = 0.5
_MOST_CALLS = 2000
#: A slow model is called three times, unless that takes longer than this.
_FEWEST_CALLS, _LONGEST_SECONDS = 3, 5.0


def rows_of(sample: Any, kind: str) -> list[Any]:
    """Return each row of a sample as a sample of one row, the first :data:`MAX_ROWS`; [] where it has none to take.

    Parameters
    ----------
    sample
        As it is given to the model.
    kind
        Its kind in the words of :mod:`jupyter_containeriter.serving.wire`.
    """
    try:
        if kind in {"dataframe", "series"}:
            return [sample.iloc[row : row + 1] for row in range(min(len(sample), MAX_ROWS))]
        if kind in {"ndarray", "torch", "jax", "sparse"}:
            return [sample[row : row + 1] for row in range(min(sample.shape[0], MAX_ROWS))]
    except (IndexError, TypeError):  # no dimension, or a sparse format without rows
        return []
    return [sample[row : row + 1] for row in range(min(len(sample), MAX_ROWS))] if kind == "list" else []


@dataclass(frozen=True, slots=True)
class KernelTimes:
    """How long the kernel takes for the requests' rows, measured before and after the container.

    Attributes
    ----------
    before, after
        Seconds of each prediction.
    """

    before: array[float] = field(repr=False)
    after: array[float] = field(repr=False)

    @property
    def p50_seconds(self) -> float:
        """The median of all predictions."""
        return median([*self.before, *self.after])

    @property
    def drift_seconds(self) -> float:
        """How far the medians before and after are apart: less than this is no difference."""
        return abs(median(self.after) - median(self.before))

    @property
    def calls(self) -> int:
        """How many predictions were timed."""
        return len(self.before) + len(self.after)


def time_predictions(predict: Callable[[Any], Any], rows: Sequence[Any]) -> array[float]:
    """Predict the rows in turn for half a second (a slow model three times) and return the seconds of each call.

    Every call gets a copy, as the server makes a new object of each request: a model may write into its input.
    """
    predict(copy.deepcopy(rows[0]))  # what the first call sets up is not what a call costs
    seconds = array("d")
    start = time.monotonic()
    while _goes_on(len(seconds), time.monotonic() - start):
        row = copy.deepcopy(rows[len(seconds) % len(rows)])
        began = time.monotonic()
        predict(row)
        seconds.append(time.monotonic() - began)
    return seconds


def _goes_on(calls: int, seconds: float) -> bool:
    if calls < _FEWEST_CALLS:
        return calls == 0 or seconds < _LONGEST_SECONDS
    return calls < _MOST_CALLS and seconds < _BLOCK_SECONDS
