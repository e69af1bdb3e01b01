"""Several requests predicted as one: how their rows are joined, parted again, and when that is known to be harmless.

Most models predict sixteen rows in the time of one, but not every function takes each row for itself, and the sums of
a matrix product may be added up in another order when it has more rows. So every version is tried with its sample
right after it was loaded: only a model whose rows come out the same to the last bit, alone or among others, is batched.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from copy import deepcopy
from itertools import accumulate, chain, pairwise
from typing import Any

from .inference import read_value, write_json, write_value
from .model import Batching, LoadedModel
from .wire import encode, kind_of

#: So many rows are predicted at once; a version is tried with each, and later gets no more than it was tried with.
_TRIED = (3, 32, 256)
#: So many rows of the sample are tried, each alone first.
_ROWS = 6
#: Of so many those that differ are taken.
_LOOKED_AT = 20
#: More than two rows are tried alone only while there is time for so many more predictions: the batches need some.
_SPARE = 8
#: What the trial may take; loading waits for it.
_SECONDS = 0.2
#: A first prediction that takes longer says enough.
_COLD_SECONDS = 1.0


class PartingError(ValueError):
    """What came out is not one row for each that went in."""


def key(value: Any) -> Hashable | None:
    """Return what values must have in common to be joined; None for those that never are, nor any without rows."""
    kind = kind_of(value)
    if type(value) is list:
        return (list, len(value[0]) if type(value[0]) is list else None) if value else None
    if kind not in ("ndarray", "dataframe", "series") or not value.ndim or not len(value):
        return None
    if kind == "ndarray":
        dtype = value.dtype
        # Texts may be of any width.
        return ("U" if dtype.kind == "U" else dtype, value.shape[1:]) if dtype.kind in "biufOU" else None
    if not _is_plainly_indexed(value):
        return None
    return (tuple(value.columns), tuple(value.dtypes)) if kind == "dataframe" else (value.name, value.dtype)


def _is_plainly_indexed(value: Any) -> bool:
    index = value.index
    return type(index).__name__ == "RangeIndex" and (index.start, index.step, index.name) == (0, 1, None)


def join(values: Sequence[Any]) -> Any:
    """Return values of one :func:`key` as one."""
    kind = kind_of(values[0])
    if kind == "ndarray":
        import numpy as np

        return np.concatenate(values)
    if kind == "dataframe":
        import pandas as pd

        return pd.concat(values, ignore_index=True)
    return list(chain.from_iterable(values))


def part(value: Any, sizes: Sequence[int]) -> list[Any]:
    """Return the rows that belong to each of those that were joined.

    Raises
    ------
    PartingError
        It has not so many rows, or is nothing that has rows.
    """
    bounds = list(pairwise(accumulate(sizes, initial=0)))
    if key(value) is None or len(value) != bounds[-1][1]:
        raise PartingError("the model does not give one row for each that it gets")
    if kind_of(value) in ("dataframe", "series"):
        return [value.iloc[first:last].reset_index(drop=True) for first, last in bounds]
    return [value[first:last] for first, last in bounds]


def same(model: LoadedModel, data: Any, given: Any) -> bool:
    """Tell whether the model, asked for these rows alone, gives what it gave among others, to the last bit."""
    return _written(model, model.predict(deepcopy(data))) == _written(model, given)


def examine(model: LoadedModel) -> Batching:
    """Find out by the sample whether rows may be predicted together."""
    if model.sample is None or model.outputs is None:
        return Batching(0, "there is no sample to try it with")
    sample = read_value(model, model.sample)
    try:
        return _examine(model, sample)
    except Exception as error:  # noqa: BLE001 - whatever the model does then, it serves one request after the other
        return Batching(0, str(error))


def _examine(model: LoadedModel, sample: Any) -> Batching:
    if kind_of(sample) == "dataframe":
        sample = sample.reset_index(drop=True)  # As in requests that bring no index, which are those that are joined.
    if key(sample) is None:
        return Batching(0, "inputs of this type are not joined")
    first = min(len(sample), _LOOKED_AT)
    parts = part(sample, [1] * first + [len(sample) - first])[:first]
    rows = list({write_json(encode(row, model.inputs or {})): row for row in parts}.values())[:_ROWS]
    if len(rows) < 2:
        return Batching(0, "it takes rows that differ to see whether they depend on each other")
    trial = _Trial(model)
    alone = trial.predict(rows[:1])
    trial.begin()  # The first prediction imports this and that; whoever came first would have waited for it.
    for row in rows[1:]:
        if not trial.has_time_for(_SPARE if len(alone) > 1 else 0):
            break
        alone += trial.predict([row])
    proven = 0
    # There and back again: a row has other neighbours each time.
    order = [*range(len(alone)), *reversed(range(len(alone)))]
    for size in _TRIED:
        if not trial.has_time_for(1):
            break
        chosen = [order[place % len(order)] for place in range(size)]
        if trial.predict([rows[place] for place in chosen]) != [alone[place] for place in chosen]:
            return Batching(0, "rows come out differently among others than alone")
        proven = size
    if not proven:
        return Batching(0, f"trying it takes more than {_SECONDS:g} s")
    told = f"the sample's rows came out the same to the last bit, alone and among {proven}"
    return Batching(proven, told, trial.gives, trial.shortest)


class _Trial:
    """Predicts rows of the sample, and watches the time.

    Attributes
    ----------
    gives
        The :func:`key` of what the model gave last.
    shortest
        How long the shortest prediction took.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self.gives: Hashable | None = None
        self.shortest = float("inf")

    def begin(self) -> None:
        """Take the time from now on; after a very long prediction there is none."""
        self._deadline = time.perf_counter() + (_SECONDS if self.shortest < _COLD_SECONDS else 0)
        self._last = 0.0

    def has_time_for(self, predictions: int) -> bool:
        """Tell whether so many more predictions will fit, if they take as long as the last one."""
        return time.perf_counter() + predictions * self._last < self._deadline

    def predict(self, rows: list[Any]) -> list[bytes]:
        """Return what the model gives for each of some rows, as it would be sent."""
        began = time.perf_counter()
        # A copy, because some models write on what they are given.
        given = self._model.predict(deepcopy(join(rows)))
        self.gives = key(given)
        self._last = time.perf_counter() - began
        self.shortest = min(self.shortest, self._last)
        return [_written(self._model, one) for one in part(given, [1] * len(rows))]


def _written(model: LoadedModel, result: Any) -> bytes:
    return write_json(write_value(model, result))
