"""The codec, for values that nobody thought of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from hypothesis.extra import pandas as pdst
from scipy import sparse

from jupyter_containeriter.serving.indexes import INDEX

from .round_trips import assert_same, round_trip

# The machine that runs this may be busy: no example is too slow, and the same ones are tried every time.
settings.register_profile("wire", deadline=None, database=None, derandomize=True, max_examples=60)
settings.load_profile("wire")

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXTS,
    st.binary(max_size=8),
    st.complex_numbers(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.timedeltas(),
)
KEYS = st.one_of(TEXTS.filter(lambda text: "." not in text), st.integers(), st.booleans(), st.none())

NUMBERS = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    npst.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    npst.datetime64_dtypes(endianness="?"),
    npst.timedelta64_dtypes(endianness="?"),
    npst.byte_string_dtypes(endianness="?", min_len=1, max_len=6),
    npst.unicode_string_dtypes(endianness="?", min_len=1, max_len=6),
)
ARRAYS = npst.arrays(NUMBERS, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


def containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nest values in lists, tuples and dicts whose keys are told apart by their texts."""
    return st.one_of(
        st.lists(children, max_size=4),
        st.lists(children, max_size=4).map(tuple),
        st.lists(st.tuples(KEYS, children), max_size=4, unique_by=lambda pair: str(pair[0])).map(dict),
    )


@given(st.recursive(LEAVES, containers, max_leaves=12))
def test_plain_values_round_trip(value: Any) -> None:
    """Whatever is made of plain values comes back as it was."""
    assert_same(round_trip(value), value)


@given(ARRAYS)
def test_arrays_round_trip(value: np.ndarray) -> None:
    """An array of any dtype and shape comes back with its values, bit by bit."""
    back = round_trip(value)
    assert_same(back, value)


PANDAS_DTYPES = st.sampled_from(["?", "i1", "u8", "f4", "f8", "c16", "M8[s]", "M8[ns]", "m8[us]"])
COLUMNS = npst.arrays(PANDAS_DTYPES, st.integers(0, 4))


@given(COLUMNS, st.data())
def test_columns_round_trip(values: np.ndarray, data: st.DataObject) -> None:
    """A column of any dtype that pandas has comes back, with any index, alone and within a frame."""
    series = pd.Series(values)
    series.index = pd.Index(data.draw(st.lists(LABELS, min_size=len(series), max_size=len(series))))
    assert_same(round_trip(series), series)
    frame = pd.DataFrame({"a": series, "b": range(len(series))})
    assert_same(round_trip(frame), frame)


LABELS = st.one_of(TEXTS, st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), st.none())


@given(st.lists(LABELS, max_size=4))
def test_labels_round_trip(labels: list[Any]) -> None:
    """The columns of a frame may be called anything that can be told apart as text."""
    frame = pd.DataFrame(np.zeros((2, len(labels))), columns=pd.Index(labels))
    texts = [*map(str, frame.columns.tolist()), INDEX]
    assume(len(set(texts)) == len(texts))
    assert_same(round_trip(frame), frame)


@given(pdst.data_frames(pdst.columns(["x", "y"], dtype=float), index=pdst.range_indexes(max_size=4)))
def test_frames_round_trip(frame: pd.DataFrame) -> None:
    """A frame of floats comes back bit by bit."""
    assert_same(round_trip(frame), frame)


@given(
    npst.arrays(st.sampled_from(["f8", "f4", "i8", "?"]), npst.array_shapes(min_dims=2, max_dims=2, min_side=0)),
    st.sampled_from(["csr", "csc", "bsr", "coo", "dok", "lil", "dia"]),
)
def test_sparse_matrices_round_trip(table: np.ndarray, form: str) -> None:
    """A sparse matrix of any format comes back in it."""
    value = getattr(sparse, f"{form}_array")(table)
    assert_same(round_trip(value), value)
