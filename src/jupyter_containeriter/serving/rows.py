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
#: What the trial may take; loading waits for it.
_SECONDS = 0.2


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
        return _examine(model, sample, time.perf_counter() + _SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever the model does then, it serves one request after the other
        return Batching(0, str(error))


def _examine(model: LoadedModel, sample: Any, deadline: float) -> Batching:
    if kind_of(sample) == "dataframe":
        sample = sample.reset_index(drop=True)  # As in requests that bring no index, which are those that are joined.
    if key(sample) is None:
        return Batching(0, "inputs of this type are not joined")
    rows = part(sample, [1] * len(sample))[:_ROWS]
    if len({write_json(encode(row, model.inputs or {})) for row in rows}) < 2:
        return Batching(0, "it takes rows that differ to see whether they depend on each other")
    alone, took = [], float("inf")
    for row in rows:
        began = time.perf_counter()
        given = _predicted(model, [row])
        alone.append(_written(model, given))
        now = time.perf_counter()
        took = min(took, now - began)
        if now + took > deadline:
            return Batching(0, f"trying it takes more than {_SECONDS:g} s")
    batching = Batching(0, "the model does not give one row for each that it gets")
    # There and back again: a row has other neighbours each time.
    order = [*range(len(rows)), *reversed(range(len(rows)))]
    for size in _TRIED:
        chosen = [order[place % len(order)] for place in range(size)]
        began = time.perf_counter()
        given = _predicted(model, [rows[place] for place in chosen])
        parts = part(given, [1] * size)
        if any(_written(model, one) != alone[place] for one, place in zip(parts, chosen, strict=True)):
            return Batching(0, "rows come out differently among others than alone")
        told = f"the sample's rows came out the same to the last bit, alone and among {size}"
        batching = Batching(size, told, key(given), took)
        now = time.perf_counter()
        if now + 2 * (now - began) > deadline:
            break
    return batching


def _predicted(model: LoadedModel, rows: list[Any]) -> Any:
    return model.predict(deepcopy(join(rows)))  # A copy, because some models write on what they are given.


def _written(model: LoadedModel, result: Any) -> bytes:
    return write_json(write_value(model, result))
