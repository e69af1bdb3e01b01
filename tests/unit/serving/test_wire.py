"""The codec: what goes over the wire comes back as it was."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jupyter_containeriter.serving import wire

from .round_trips import assert_same, round_trip

ARRAYS = [
    *(np.array([[0, 1], [1, 0]], dtype=dtype) for dtype in ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")),
    *(np.array([0.1, -0.0, np.nan, np.inf, -np.inf], dtype=dtype) for dtype in ("f2", "f4", "f8", ">f8")),
    np.array([np.iinfo("i8").min, np.iinfo("i8").max]),
    np.array([np.iinfo("u8").max], dtype="u8"),
    np.array(["", "ä", "long text", "NaN"]),
    np.array([["a", None], ["", "b"]], dtype=object),
    np.array(["a", math.nan], dtype=object),
    np.array([1, "a", None, math.nan, [1, 2], {"k": (1, 2)}], dtype=object),
    np.array(["2024-01-01", "NaT"], dtype="M8[D]"),
    np.array(["2024-01-01T00:00:00.123456789", "1890-01-01"], dtype="M8[ns]"),
    np.array([1, "NaT"], dtype="m8[s]"),
    np.array(3.5),
    np.zeros((0, 4), dtype="f4"),
    np.zeros((2, 0)),
    np.array([], dtype="U7"),
    np.arange(24.0).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6).reshape(2, 3))[:, ::-1],
]

TABLE = pd.DataFrame(
    {
        "int": [1, 2, 3],
        "small": np.array([1, 2, 3], dtype="u1"),
        "float": [0.1, np.nan, -np.inf],
        "single": np.array([0.1, 2, 3], dtype="f4"),
        "bool": [True, False, True],
        "text": ["a", "", "ü"],
        "gaps": ["a", None, "c"],
        "objects": pd.Series(["a", None, "c"], dtype=object),
        "nan objects": pd.Series(["a", np.nan, "c"], dtype=object),
        "na objects": pd.Series(["a", pd.NA, "c"], dtype=object),
        "mixed": pd.Series([1, "b", None], dtype=object),
        "string": pd.Series(["a", pd.NA, ""], dtype="string"),
        "Int64": pd.Series([1, pd.NA, 2**62], dtype="Int64"),
        "UInt8": pd.Series([1, pd.NA, 255], dtype="UInt8"),
        "boolean": pd.Series([True, pd.NA, False], dtype="boolean"),
        "Float64": pd.Series([0.5, pd.NA, np.inf], dtype="Float64"),
        "Float32": pd.Series([0.5, pd.NA, 0.1], dtype="Float32"),
        "category": pd.Categorical(["x", None, "y"], categories=["y", "x", "z"]),
        "ordered": pd.Categorical([1, 3, None], categories=[3, 1], ordered=True),
        "dates category": pd.Categorical(pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-01"])),
        "date": pd.to_datetime(["2024-01-01", None, "2024-06-01T12:00:00.000000001"], format="ISO8601"),
        "zoned": pd.to_datetime(["2024-01-01", None, "2024-07-01"]).tz_localize("Europe/Berlin"),
        "utc": pd.to_datetime(["2024-01-01", None, "2024-07-01"]).tz_localize("UTC").as_unit("ns"),
        "span": pd.to_timedelta([1, None, 3], unit="s"),
    }
)

FRAMES = [
    TABLE,
    TABLE.iloc[:0],
    TABLE.iloc[1:],
    TABLE[["int"]].iloc[::-1],
    TABLE[["int"]].iloc[[2, 0]],
    TABLE[["float", "int"]].set_index(TABLE["text"]),
    TABLE[["int"]].set_index([TABLE["text"], TABLE["date"]]),
    TABLE[["int"]].set_index(pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC", name="when")),
    TABLE[["int"]].set_index(pd.CategoricalIndex(["a", "b", "a"])),
    TABLE[["int"]].rename_axis("row", axis=0).rename_axis("column", axis=1),
    pd.DataFrame(np.arange(6.0).reshape(2, 3)),
    pd.DataFrame([[1, 2]], columns=["a", 1]),
    pd.DataFrame([[1, 2]], columns=[7, 3]),
    pd.DataFrame(index=range(3)),
    pd.DataFrame(),
    pd.DataFrame({"é.x": [1]}),
]

SERIES = [
    pd.Series([1.0, np.nan], name="score"),
    pd.Series(["a", "b"], index=["x", "y"]),
    pd.Series([1, 2], name=0, index=pd.Index([5, 9], name="id")),
    pd.Series(["a", None], dtype="category"),
    pd.Series([], dtype="float32"),
    pd.Series([1], index=pd.MultiIndex.from_tuples([(1, "a")], names=["n", None])),
]

PLAIN = [
    True,
    7,
    -(2**63),
    2**70,
    0.1,
    math.nan,
    math.inf,
    "",
    "NaN",
    None,
    np.float32(0.1),
    np.int8(-3),
    np.bool_(True),
    np.str_("abc"),
    np.datetime64("2024-01-01"),
    [1, 2, 3],
    [1.5, math.nan, -math.inf],
    ["a", ""],
    [True, False],
    [[5.1, 3.5], [4.9, 3.0]],
    [[[1], [2]], [[3], [4]]],
    [[1, 2], [3]],
    [1, 2.0, "a", None, True],
    [2**64, 1],
    [],
    [[], []],
    {},
    [np.float32(0.1), np.float32(np.nan)],
    [np.str_("a"), np.str_("bcd")],
    ("cat", 0.9),
    (np.array([1.0]), np.array([2])),
    [np.array([[0.1, 0.9]]), np.array([[1.0]])],
    [("cat", 0.9), ("dog", math.nan)],
    tuple(range(40)),
    {"label": "cat", "score": 0.5, "all": [0.5, 0.5], "more": {"deep": np.array([1, 2], dtype="i4"), "none": None}},
    {"a": TABLE[["int"]].iloc[1:], "b": {"int": np.array(["x"])}, "c": pd.Series([1], index=["i"])},
    {"": 1, "x.y": "z"},
    [{"label": "a", "p": [0.1, math.inf]}, {"label": None}],
    [{"probability": np.array([0.1, 0.9])}, {"probability": np.array([0.3])}],
]


@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype}{value.shape}")
def test_arrays_round_trip(value: np.ndarray) -> None:
    """An array comes back with its values, dtype and shape."""
    assert_same(round_trip(value), value)


@pytest.mark.parametrize("value", FRAMES, ids=range(len(FRAMES)))
def test_frames_round_trip(value: pd.DataFrame) -> None:
    """A DataFrame comes back with its columns, dtypes and index though its tensors were shuffled."""
    assert_same(round_trip(value), value)


@pytest.mark.parametrize("column", list(TABLE.columns))
def test_columns_round_trip(column: str) -> None:
    """Every dtype of column comes back as a Series and as a column of its own."""
    assert_same(round_trip(TABLE[column]), TABLE[column])
    assert_same(round_trip(TABLE[[column]]), TABLE[[column]])


@pytest.mark.parametrize("value", SERIES, ids=range(len(SERIES)))
def test_series_round_trip(value: pd.Series) -> None:
    """A Series comes back with its dtype, name and index."""
    assert_same(round_trip(value), value)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:40])
def test_plain_values_round_trip(value: Any) -> None:
    """Scalars, lists, tuples, mappings and other JSON values come back as they were."""
    assert_same(round_trip(value), value)


def test_float_in_nullable_column_keeps_nan_and_missing_apart() -> None:
    """A nullable float column may hold NaN beside a missing value, and both come back."""
    array = pd.arrays.FloatingArray(np.array([np.nan, 1.0]), np.array([False, True]))
    back = round_trip(pd.Series(array))
    assert back.isna().tolist() == pd.Series(array).isna().tolist()


def test_strings_longer_than_the_sample_are_not_cut() -> None:
    """An array of longer texts than the sample's is carried whole."""
    schema = wire.infer_schema(np.array(["a"]))
    texts = np.array(["much longer"])
    assert_same(wire.decode(wire.encode(texts, schema), schema), texts)


def test_other_index_than_the_sample_is_carried() -> None:
    """A request may have an index where the sample had the default one, and the other way round."""
    plain, filtered = TABLE[["int"]], TABLE[["int"]].set_index(TABLE["text"])
    for sample, request in ((plain, filtered), (filtered, plain), (filtered, TABLE[["int"]].iloc[1:])):
        schema = wire.infer_schema(sample)
        assert_same(wire.decode(wire.encode(request, schema), schema), request)


def test_ragged_lists_are_carried_where_the_sample_was_rectangular() -> None:
    """A list that does not have the sample's form goes as JSON text."""
    schema = wire.infer_schema([[1, 2, 3]])
    assert_same(wire.decode(wire.encode([[1], [2, 3]], schema), schema), [[1], [2, 3]])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array([1], dtype=[("a", "i8")]), ["input-0", "[('a', '<i8')]"]),
        (np.array([np.longdouble(1)]), ["input-0", "float128"]),
        (np.array([object()], dtype=object), ["input-0", "element 0", "object"]),
        (np.ma.masked_array([1], [True]), ["input-0", "numpy.ma.MaskedArray", "filled()"]),
        (np.asmatrix([[1]]), ["input-0", "numpy.matrix", "numpy.asarray"]),
        (pd.DataFrame({"age": [Fraction(1)]}), ["age", "fractions.Fraction"]),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ["'a'", "used twice"]),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), ["'1'", "used twice"]),
        (pd.DataFrame([[1, 2]], columns=[("a", "b"), "a.b"]), ["'a.b'", "used twice", "rename"]),
        (pd.Series([1], name=Fraction(1)), ["input-0", "Fraction"]),
        (pd.Index([1]), ["input-0", "Index", "to_numpy()"]),
        (sparse.coo_array(np.arange(3)), ["input-0", "1 dimensions", "toarray()"]),
        ({"a": {"b": {1, 2}}}, ["a.b", "set"]),
        ([1, {"x": [range(2)]}], ["input-0[1]['x'][0]", "range"]),
        ({1: "a", "1": "b"}, ["input-0", "two keys", "'1'"]),
        (OrderedDict(a=1), ["input-0", "OrderedDict"]),
        ({"a.b": 1, "a": {"b": 2}}, ["'a.b'"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_carried_is_named(value: Any, words: list[str]) -> None:
    """A value that cannot be carried is refused with the name of the place and the type."""
    with pytest.raises(wire.WireError) as caught:
        wire.encode(value, wire.infer_schema(value))
    for word in words:
        assert word in str(caught.value)


def test_cyclic_values_are_refused() -> None:
    """A list that contains itself is refused instead of ending the process."""
    cyclic: list[Any] = [1]
    cyclic.append(cyclic)
    with pytest.raises(wire.WireError, match="too deeply"):
        wire.infer_schema(cyclic)


def test_metadata_has_one_entry_for_each_tensor() -> None:
    """The metadata names every tensor with its datatype and -1 for the batch dimension."""
    assert wire.tensor_metadata(wire.infer_schema(np.zeros((3, 4), dtype="f4"))) == [
        {"name": "input-0", "datatype": "FP32", "shape": [-1, 4]}
    ]
    assert wire.tensor_metadata(wire.infer_schema(TABLE[["int", "text"]])) == [
        {"name": "int", "datatype": "INT64", "shape": [-1]},
        {"name": "text", "datatype": "BYTES", "shape": [-1]},
    ]
    assert wire.tensor_metadata(wire.infer_schema({"a": 1, "b": {"c": [None]}}, name="output-0")) == [
        {"name": "a", "datatype": "INT64", "shape": [1]},
        {"name": "b.c", "datatype": "BYTES", "shape": [1]},
    ]


def broken(change: str, value: Any) -> list[dict[str, Any]]:
    """Return good tensors with one member changed."""
    tensor = wire.encode(np.array([[1.0, 2.0]]), wire.infer_schema(np.array([[1.0, 2.0]])))[0]
    return [{**tensor, change: value}]


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (broken("data", [1.0, "x"]), ["input-0", "a number", "element 1", '"x"']),
        (broken("data", [1.0, True]), ["input-0", "a number", "true"]),
        (broken("data", [1.0, 10**400]), ["input-0", "a number", "element 1"]),
        (broken("data", [1.0]), ["input-0", "2 elements", "got 1"]),
        (broken("data", [[1.0], [2.0]]), ["input-0", "[1, 2]", "[2, 1]"]),
        (broken("data", [[1.0], 2.0]), ["input-0", "equal length"]),
        (broken("data", "1,2"), ["input-0", "a list", "str"]),
        (broken("shape", [2]), ["input-0", "[2]", "[-1, 2]"]),
        (broken("shape", [1, -2]), ["input-0", "non-negative"]),
        (broken("shape", [True, 2]), ["input-0", "integers"]),
        (broken("shape", None), ["input-0", "shape"]),
        (broken("datatype", "FP32"), ["input-0", "FP64", "FP32"]),
        (broken("name", "other"), ["input-0", "missing"]),
        (broken("name", 5), ["inputs[0]", "name"]),
        (broken("parameters", 5), ["input-0", "parameters"]),
        ([], ["input-0", "missing"]),
        (["x"], ["inputs[0]"]),
        ("x", ["inputs", "a list"]),
        (broken("shape", [1, 2]) * 2, ["input-0", "twice"]),
        ([*broken("shape", [1, 2]), {"name": "more"}], ["more", "unknown"]),
    ],
    ids=range(20),
)
def test_malformed_tensors_are_named(tensors: Any, words: list[str]) -> None:
    """Tensors that are not what the schema says are refused with the field and what was expected."""
    with pytest.raises(wire.WireError) as caught:
        wire.decode(tensors, wire.infer_schema(np.array([[1.0, 2.0]])))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("column", "data", "words"),
    [
        ("small", [256, 0, 0], ["small", "0 to 255", "256"]),
        ("int", [1.5, 0, 0], ["int", "an integer", "1.5"]),
        ("int", [None, 0, 0], ["int", "an integer", "null"]),
        ("bool", [1, True, True], ["bool", "true or false"]),
        ("text", [5, "", ""], ["text", "a string"]),
        ("category", ["x", "q", None], ["category", "'q'", "'y', 'x', 'z'"]),
        ("date", ["yesterday", None, None], ["date", "ISO 8601"]),
        ("zoned", ["yesterday", None, None], ["zoned", "ISO 8601"]),
        ("int", [1, 2], ["int", "3 elements"]),
    ],
    ids=range(9),
)
def test_malformed_columns_are_named(column: str, data: list[Any], words: list[str]) -> None:
    """Column data of another type or range is refused with the column's name."""
    schema = wire.infer_schema(TABLE)
    tensors = copy.deepcopy(wire.encode(TABLE, schema))
    next(tensor for tensor in tensors if tensor["name"] == column)["data"] = data
    with pytest.raises(wire.WireError) as caught:
        wire.decode(tensors, schema)
    for word in words:
        assert word in str(caught.value)


def test_columns_of_different_length_are_refused() -> None:
    """A column with fewer rows than the first one is named."""
    schema = wire.infer_schema(TABLE[["int", "text"]])
    tensors = wire.encode(TABLE[["int", "text"]], schema)
    tensors[1] = {**tensors[1], "shape": [1], "data": ["a"]}
    with pytest.raises(wire.WireError, match="text: expected 3 rows"):
        wire.decode(tensors, schema)


def test_foreign_spellings_are_understood() -> None:
    """Nested data, columns of shape [n, 1], null for NaN, 3.0 for 3 and dates with an offset are understood."""
    array = wire.infer_schema(np.array([[1.0, 2.0]]))
    tensor = {"name": "input-0", "shape": [1, 2], "datatype": "FP64", "data": [[None, 2]]}
    assert_same(wire.decode([tensor], array), np.array([[np.nan, 2.0]]))
    frame = TABLE[["int", "utc"]].iloc[:1]
    tensors = [
        {"name": "int", "shape": [1, 1], "datatype": "INT64", "data": [[1.0]]},
        {"name": "utc", "shape": [1], "datatype": "BYTES", "data": ["2024-01-01T01:00:00+01:00"]},
    ]
    assert_same(wire.decode(tensors, wire.infer_schema(frame)), frame)


def test_foreign_index_without_description_is_understood() -> None:
    """An index sent without a description is taken by its datatype."""
    schema = wire.infer_schema(TABLE[["int"]])
    tensors = [
        {"name": "int", "shape": [1], "datatype": "INT64", "data": [1]},
        {"name": "__index__", "shape": [1], "datatype": "BYTES", "data": ["a"]},
    ]
    assert wire.decode(tensors, schema).index.tolist() == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        *("x", "5", "{}", '{"levels": [{"dtype": "nope", "datatype": "FP64"}], "names": [null]}'),
        '{"levels": [], "names": [], "multi": false, "range": true}',
        '{"levels": [{"dtype": "int64", "datatype": "INT64"}], "names": [{}], "multi": false, "range": false}',
        '{"levels": [{"family": "period", "dtype": "period[99999999999999999999D]"}], "names": [0]}',
    ],
)
def test_malformed_index_descriptions_are_refused(text: str) -> None:
    """An index description that makes no sense is refused by name."""
    index = {"name": "__index__", "shape": [1], "datatype": "INT64", "data": [1], "parameters": {"index": text}}
    tensors = [{"name": "int", "shape": [1], "datatype": "INT64", "data": [1]}, index]
    with pytest.raises(wire.WireError, match="__index__"):
        wire.decode(tensors, wire.infer_schema(TABLE[["int"]]))


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        (np.array([1.0]), np.array([1])),
        (np.array([1.0]), [1.0]),
        (np.array([[1.0, 2.0]]), np.array([[1.0]])),
        ([1.0], 1.0),
        (1.0, 1),
        ({"a": 1}, {"b": 1}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ((1, 2), [1, 2]),
        ((1, 2), (1, 2, 3)),
        (np.float32(1), 1.0),
        (np.float32(1), np.float64(1)),
        ([np.float32(1)], [1.0]),
        (TABLE[["int"]], TABLE[["float"]]),
        (TABLE[["int", "float"]], TABLE[["float", "int"]]),
        (TABLE[["int"]], TABLE[["int"]].astype(float)),
        (TABLE[["category"]], TABLE[["category"]].assign(category=lambda frame: frame["category"].cat.as_ordered())),
        (TABLE["int"], TABLE["int"].rename("other")),
    ],
    ids=range(17),
)
def test_values_that_do_not_fit_are_refused(sample: Any, value: Any) -> None:
    """A value of another type, dtype, shape or order than the schema's is refused, never converted silently."""
    with pytest.raises(wire.WireError):
        wire.encode(value, wire.infer_schema(sample))


@pytest.mark.parametrize(
    ("sample", "value", "expected"),
    [
        (np.array([1.0]), np.array([1]), np.array([1.0])),
        (np.array([1]), np.array([2.0]), np.array([2])),
        (np.array([[1.0]]), [[1]], np.array([[1.0]])),
        (1.5, 2, 2.0),
        ([1.5], [2], [2.0]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 2}),
        (TABLE[["int", "float"]], TABLE[["float", "int"]], TABLE[["int", "float"]]),
        (TABLE[["float"]], TABLE[["int"]].rename(columns={"int": "float"}), pd.DataFrame({"float": [1.0, 2.0, 3.0]})),
        (
            TABLE[["category"]],
            pd.DataFrame({"category": ["x", "z"]}),
            pd.DataFrame({"category": pd.Categorical(["x", "z"], categories=["y", "x", "z"])}),
        ),
    ],
    ids=range(9),
)
def test_cast_converts_what_is_meant_to_be_the_same(sample: Any, value: Any, expected: Any) -> None:
    """With cast, data that a person gives is converted to the schema where nothing is lost."""
    schema = wire.infer_schema(sample)
    assert_same(wire.decode(wire.encode(value, schema, cast=True), schema), expected)


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        (np.array([1]), np.array([1.5])),
        (np.array([1]), np.array(["1"])),
        (np.array([1.0]), [[1.0], [2.0, 3.0]]),
        (TABLE[["int"]], pd.DataFrame({"int": [1.5]})),
        (TABLE[["category"]], pd.DataFrame({"category": ["q"]})),
    ],
    ids=range(5),
)
def test_cast_refuses_what_would_be_lost(sample: Any, value: Any) -> None:
    """With cast, a conversion that changes a value is refused."""
    with pytest.raises(wire.WireError, match=r"without loss|rectangular"):
        wire.encode(value, wire.infer_schema(sample), cast=True)


def test_rows_without_elements_take_no_memory() -> None:
    """A shape that claims countless empty rows is read as an empty list."""
    tensor = {"name": "input-0", "shape": [2**60, 0], "datatype": "INT64", "data": []}
    assert wire.decode([tensor], wire.infer_schema([[1]])) == []


def test_texts_of_very_different_lengths_take_no_more_than_they_are_sent() -> None:
    """One long text among many short ones is refused where the array would take memory without end, not padded."""
    schema = wire.infer_schema(np.array(["a"]))
    texts = ["x" * 100_000, *[""] * 5000]
    with pytest.raises(wire.WireError, match="such different lengths"):
        wire.decode([{"name": "input-0", "shape": [5001], "datatype": "BYTES", "data": texts}], schema)
    wide = wire.infer_schema(np.array(["x" * 100_000]))
    few = {"name": "input-0", "shape": [3], "datatype": "BYTES", "data": ["a", "b", "c"]}
    many = {"name": "input-0", "shape": [5000], "datatype": "BYTES", "data": ["a"] * 5000}
    assert wire.decode([few], wide).dtype == np.dtype("<U100000")
    assert wire.decode([many], wide).dtype == np.dtype("<U1")
