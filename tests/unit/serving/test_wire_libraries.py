"""The codec: what libraries beside numpy hold comes back as it was."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from jupyter_containeriter.serving import wire

from .round_trips import assert_same, round_trip

WHEN = pd.to_datetime(["2024-01-31", None, "1890-07-01T12:00:00.25"], format="ISO8601")

COLUMNS = {
    "period": pd.Series(pd.PeriodIndex(["2024-01", None, "1999-12"], freq="M")),
    "weeks": pd.Series(pd.PeriodIndex(["2024-01-03", "2024-02-01"], freq="W-WED")),
    "quarters": pd.Series(pd.PeriodIndex(["2024Q1", "2023Q4"], freq="Q-MAR")),
    "hours": pd.Series(pd.PeriodIndex(["2024-01-03T05"], freq="h")),
    "bins": pd.Series(pd.cut([1.0, math.nan, 7.5], [0, 5, 10])),
    "intervals": pd.Series(pd.arrays.IntervalArray.from_tuples([(0.0, 1.5), None, (1.5, math.inf)], closed="left")),
    "whole intervals": pd.Series(pd.interval_range(0, 3)),
    "spans": pd.Series(pd.IntervalIndex.from_breaks(pd.date_range("2024", periods=3))),
    "categories of intervals": pd.Series(pd.Categorical(pd.interval_range(0, 3), ordered=True)),
    "mixed categories": pd.Series(pd.Categorical(["a", 1, None], categories=[1, "a", "unused"])),
    "no categories": pd.Series(pd.Categorical([None, None])),
    "sparse": pd.Series([0.0, 2.5, math.nan], dtype="Sparse[float64]"),
    "sparse counts": pd.Series([0, 3], dtype="Sparse[int64]"),
    "seconds": pd.Series(WHEN.as_unit("s")),
    "milliseconds": pd.Series(WHEN.as_unit("ms")),
    "zoned milliseconds": pd.Series(WHEN.as_unit("ms").tz_localize("America/New_York")),
    "offset": pd.Series(WHEN.as_unit("us").tz_localize(dt.timezone(dt.timedelta(hours=2)))),
    "spans of time": pd.Series(pd.to_timedelta([1, None], unit="D").as_unit("ms")),
    "complex": pd.Series([1 + 2j, complex(math.nan, -0.0)]),
    "decimals": pd.Series([Decimal("1.10"), None, Decimal("NaN")], dtype=object),
    "dates": pd.Series([dt.date(2024, 1, 31), None], dtype=object),
    "bytes": pd.Series([b"\x00\xff", b""], dtype=object),
    "every missing": pd.Series([None, math.nan, pd.NA, pd.NaT, "x"], dtype=object),
    "lists": pd.Series([[1, 2], [], None], dtype=object),
    "half": pd.Series([0.5, math.inf], dtype="float16"),
}

LABELS = [
    pd.MultiIndex.from_tuples([("price", "mean"), ("price", "max")], names=["what", None]),
    pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
    pd.MultiIndex.from_product([["a", "b"], [pd.Timestamp("2024-01-01")]]),
    pd.date_range("2024-01-01", periods=2, freq="MS", name="month"),
    pd.CategoricalIndex(["x", "y"], categories=["y", "x", "z"], ordered=True),
    pd.interval_range(0, 2),
    pd.period_range("2024-01", periods=2, freq="M"),
    pd.Index([1.5, math.nan]),
    pd.Index(["a", ("b", "c")], tupleize_cols=False),
    pd.Index([True, False]),
    pd.RangeIndex(3, 7, 2, name=("tuple", 1)),
    pd.Index(["a", "b"], dtype="string"),
    pd.Index([1, 2], dtype="Int64"),
    pd.to_timedelta([1, 2], unit="s"),
    pd.Index([dt.date(2024, 1, 1), dt.date(2024, 1, 2)]),
]

_TABLE = np.array([[0, 1.5, 0], [2, 0, math.nan]])


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_round_trip(name: str) -> None:
    """Every dtype of pandas comes back: as a Series, as a column, and as the categories of one."""
    series = COLUMNS[name]
    assert_same(round_trip(series), series)
    assert_same(round_trip(series.to_frame("x")), series.to_frame("x"))
    assert_same(round_trip(series.iloc[:0]), series.iloc[:0])


@pytest.mark.parametrize("labels", LABELS, ids=range(len(LABELS)))
def test_labels_round_trip(labels: pd.Index) -> None:
    """Every kind of index comes back: as the columns of a frame, as its index, and with no rows left."""
    frame = pd.DataFrame([[1, 2.5]], columns=labels)
    assert_same(round_trip(frame), frame)
    indexed = pd.DataFrame({"x": [1, 2]}, index=labels)
    assert_same(round_trip(indexed), indexed)
    assert_same(round_trip(indexed["x"]), indexed["x"])
    assert_same(round_trip(frame.iloc[:0]), frame.iloc[:0])


def test_labels_with_levels_are_joined_in_the_names_of_tensors() -> None:
    """The tensor of a column below two labels is called by both."""
    frame = pd.DataFrame([[1, 2]], columns=LABELS[0])
    assert [leaf["name"] for leaf in wire.tensor_metadata(wire.infer_schema(frame))] == ["price.mean", "price.max"]


@pytest.mark.parametrize("form", ["csr", "csc", "bsr", "coo", "dia", "dok", "lil"])
@pytest.mark.parametrize("container", ["matrix", "array"])
def test_sparse_matrices_round_trip(form: str, container: str) -> None:
    """A sparse matrix comes back in its format, with its dtype and shape; without rows, too."""
    for table in (_TABLE, _TABLE.astype("f4"), np.zeros((0, 3)), np.array([[True, False]]), _TABLE[:1] * 1j):
        value = getattr(sparse, f"{form}_{container}")(table)
        assert_same(round_trip(value), value)


def test_the_entries_of_sparse_matrices_keep_their_order_and_integers() -> None:
    """Explicit zeros, unsorted entries and wide indices come back as they were: a product adds them in that order."""
    value = sparse.csr_matrix((np.array([1.0, 0.0, 3.0]), np.array([2, 0, 1]), np.array([0, 2, 3])), shape=(2, 3))
    value.indices, value.indptr = value.indices.astype("i8"), value.indptr.astype("i8")
    assert_same(round_trip(value), value)


def test_other_rows_than_the_samples_are_carried() -> None:
    """Another number of rows and entries fits the schema of a sparse sample; another number of columns does not."""
    schema = wire.infer_schema(sparse.csr_matrix(_TABLE))
    more = sparse.csr_matrix(np.ones((5, 3)))
    assert_same(wire.decode(wire.encode(more, schema), schema), more)
    with pytest.raises(wire.WireError, match="expected 3 columns, got 2"):
        wire.encode(more[:, :2], schema)
    with pytest.raises(wire.WireError, match="expected a sparse csr, got csc"):
        wire.encode(more.tocsc(), schema)


def test_a_person_may_give_another_sparse_format() -> None:
    """With cast the format, the container and lossless dtypes are converted."""
    schema = wire.infer_schema(sparse.csr_matrix(_TABLE))
    given = sparse.coo_array(np.eye(3, dtype="i4"))
    assert_same(wire.decode(wire.encode(given, schema, cast=True), schema), sparse.csr_matrix(np.eye(3)))


@pytest.mark.parametrize(
    ("part", "data", "words"),
    [
        ("indices", [9, 0, 1], "csr"),
        ("indices", [-1, 0, 1], "csr"),
        ("indptr", [0, 9, 3], "csr"),
        ("indptr", [0, 1], "csr"),
        ("shape", [2, 4], "expected 3 columns"),
        ("shape", [-2, 3], "two sizes"),
        ("shape", [7, 3], "csr"),
    ],
)
def test_made_up_places_of_entries_are_refused(part: str, data: list[int], words: str) -> None:
    """Indices beyond the shape are refused: compiled code would follow them."""
    value = sparse.csr_matrix(_TABLE)
    schema = wire.infer_schema(value)
    tensors = wire.encode(value, schema)
    tensor = next(tensor for tensor in tensors if tensor["name"] == f"input-0.{part}")
    tensor.update(shape=[len(data)], data=data)
    with pytest.raises(wire.WireError, match=words):
        wire.decode(tensors, schema)


def test_made_up_formats_are_refused() -> None:
    """A schema that came with a request names a format of sparse matrices, and nothing else of scipy."""
    value = sparse.csr_matrix(_TABLE)
    schema = wire.infer_schema(value)
    tensors = wire.encode(value, schema)
    for made_up in ({"format": "load", "container": "npz"}, {"format": "csr", "container": "graph"}):
        with pytest.raises(wire.WireError, match="unknown"):
            wire.decode(tensors, {**schema, **made_up})


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "uint8", "bool", "complex64"])
def test_torch_tensors_round_trip(dtype: str) -> None:
    """A tensor comes back with its dtype and shape."""
    for value in (
        torch.tensor([[0, 1.5], [2, 3]]).to(getattr(torch, dtype)),
        torch.tensor(2).to(getattr(torch, dtype)),
    ):
        back = round_trip(value)
        assert (back.dtype, back.shape, back.device.type) == (value.dtype, value.shape, "cpu")
        assert torch.equal(back, value)


def test_gradients_stay_behind() -> None:
    """A tensor that tracks gradients, or a parameter, comes back as its values alone."""
    for value in (torch.ones(2, requires_grad=True) * 2, torch.nn.Parameter(torch.ones(2))):
        back = round_trip(value)
        assert type(back) is torch.Tensor
        assert not back.requires_grad
        assert torch.equal(back, value)


def test_torch_tensors_of_another_dtype_are_refused() -> None:
    """bfloat16 is not taken for the floats it is carried as."""
    schema = wire.infer_schema(torch.ones(2, dtype=torch.bfloat16))
    with pytest.raises(wire.WireError, match="expected dtype bfloat16, got float32"):
        wire.encode(torch.ones(2), schema)
    with pytest.raises(wire.WireError, match="to_dense"):
        wire.infer_schema(torch.eye(2).to_sparse())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32", "uint8", "bool", "complex64"])
def test_jax_arrays_round_trip(dtype: str) -> None:
    """A JAX array comes back with its dtype and shape."""
    value = jax.numpy.asarray([[0, 1.5], [2, 3]]).astype(dtype)
    back = round_trip(value)
    assert (type(back), back.dtype, back.shape) == (type(value), value.dtype, value.shape)
    assert bool((back == value).all())


def test_jax_arrays_keep_their_64_bits() -> None:
    """Sixty-four bits come back whether the process that reads them asked for such or not."""
    with jax.enable_x64(True):
        value = jax.numpy.asarray([0.1, 2**40], dtype="float64")
    back = round_trip(value)
    assert back.dtype == value.dtype
    assert np.array_equal(np.asarray(back), np.asarray(value))


def test_arrays_of_libraries_are_carried_within_others() -> None:
    """Tensors and sparse matrices in dicts, lists and tuples go as what they are."""
    back = round_trip({"logits": torch.ones(1, 2), "states": (torch.zeros(1), [sparse.eye_array(2).tocsr()])})
    assert torch.equal(back["logits"], torch.ones(1, 2))
    assert_same(back["states"][1], [sparse.eye_array(2).tocsr()])


def test_arrow_columns_round_trip() -> None:
    """Arrow-backed columns of every usual type come back with it."""
    pa = pytest.importorskip("pyarrow")
    day = dt.date(2024, 1, 31)
    columns: list[tuple[Any, list[Any]]] = [
        *((kind, [1, None, 3]) for kind in (pa.int64(), pa.int8(), pa.uint64(), pa.float32())),
        (pa.float64(), [0.1, None, math.nan, math.inf]),
        (pa.bool_(), [True, None]),
        *((kind, ["a", None, ""]) for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()))),
        (pa.binary(), [b"\xff", None]),
        (pa.date32(), [day, None]),
        (pa.time64("us"), [dt.time(1, 2, 3), None]),
        (pa.timestamp("ns"), [10**18 + 1, None]),
        (pa.timestamp("ms", tz="Europe/Berlin"), [10**12, None]),
        (pa.duration("us"), [5, None]),
        (pa.decimal128(5, 2), [Decimal("1.10"), None]),
        (pa.list_(pa.int64()), [[1], [], None]),
        (pa.struct([("a", pa.int64())]), [{"a": 1}, None]),
    ]
    for kind, values in columns:
        series = pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, type=kind)))
        back = round_trip(series)
        assert back.dtype == series.dtype
        assert repr(back.array.__arrow_array__().to_pylist()) == repr(series.array.__arrow_array__().to_pylist())
        assert wire.libraries(wire.infer_schema(series)) == {"pandas", "pyarrow"}


def _indexed(index: Any) -> Any:
    return pd.DataFrame({"x": [1.0, 2.0]}, index=index)


def _arrow_index(pa: Any, name: str | None = None) -> Any:
    return pd.Index(pd.array([3, 4], dtype=pd.ArrowDtype(pa.int64())), name=name)


def test_an_index_of_the_signatures_arrow_type_may_be_described_otherwise() -> None:
    """An index with an Arrow type that the signature has too comes back, here under another name."""
    pa = pytest.importorskip("pyarrow")
    schema = wire.infer_schema(_indexed(_arrow_index(pa)))
    value = _indexed(_arrow_index(pa, "id"))
    pd.testing.assert_frame_equal(wire.decode(wire.encode(value, schema), schema), value)


def test_arrow_types_of_an_index_are_taken_from_the_signature_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of a foreign Arrow type is not sent, and the message of one that came is not read, however deep."""
    pa = pytest.importorskip("pyarrow")
    schema = wire.infer_schema(_indexed(None))
    value = _indexed(_arrow_index(pa))
    with pytest.raises(wire.WireError, match="__index__: its Arrow type is not in the signature"):
        wire.encode(value, schema)
    described = wire.infer_schema(value)["index"]
    (level,) = described["levels"]
    data, index = wire.encode(value, wire.infer_schema(value))
    monkeypatch.setattr(pa.ipc, "read_schema", lambda _: pytest.fail("read"))
    for levels in ([level], [{"dtype": "interval", "family": "interval", "datatype": "BYTES", "of": level}]):
        text = json.dumps({**described, "levels": levels})
        with pytest.raises(wire.WireError, match="its Arrow type is not in the signature"):
            wire.decode([data, {**index, "parameters": {"index": text}}], schema)


def test_libraries_name_what_the_image_needs() -> None:
    """A schema tells which libraries its values are of, however deep they are."""
    value = {"kind": [1], "deep": ({"m": sparse.eye_array(2)}, pd.Series([1])), "n": np.float32(1)}
    assert wire.libraries(wire.infer_schema(value)) == {"scipy", "pandas", "numpy"}
    assert wire.libraries(wire.infer_schema([{"any": "text"}])) == set()


@pytest.mark.parametrize(
    "value",
    [
        {0: 0.25, 1: 0.75},
        {True: "yes", False: "no"},
        {1: np.array([1.0]), "two": [2]},
        {(1, 2): "tuple", None: "none"},
        {"$tuple": 1},
        {"$float": "NaN"},
        [{1: {2: "deep"}}],
        [Decimal("1.10"), b"\x00", 1 + 2j, complex(math.nan, math.inf), complex(-0.0, -0.0)],
        dt.datetime(2024, 1, 31, 12, 0, 0, 5),
        dt.datetime(2024, 1, 31, tzinfo=dt.UTC),
        [dt.date(2024, 1, 31), dt.time(1, 2), dt.timedelta(days=-1, microseconds=3)],
        b"bytes",
        2j,
        [np.datetime64("2024-01-01"), np.datetime64("NaT", "D")],
        np.complex64(1 + 2j),
        np.bytes_(b"ab"),
        [np.complex128(1j), np.complex128(2)],
        np.array([1 + 2j, complex(-0.0, math.nan)]),
        np.array([[1j]], dtype="c8"),
        np.array([b"a", b"", b"\x00\xff"]),
        np.array([[b"long enough"]], dtype="S20"),
        np.array([b"a", None, Decimal(1), dt.date(2024, 1, 1)], dtype=object),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_plain_values_round_trip(value: Any) -> None:
    """Dicts of any keys, bytes, complex numbers, decimals and times come back as they were."""
    assert repr(round_trip(value)) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2024-01-31"),
        pd.Timestamp("2024-01-31").as_unit("s"),
        pd.Timestamp(1, unit="ns"),
        pd.Timestamp("2024-10-27 00:30", tz="UTC").tz_convert("Europe/Paris"),
        pd.Timestamp("2024-10-27 01:30", tz="UTC").tz_convert("Europe/Paris"),
        pd.Timestamp("2024-01-31", tz=dt.timezone(dt.timedelta(hours=2))),
        pd.Timedelta(-1, "ns"),
        pd.Timedelta("1 day").as_unit("s"),
    ],
    ids=repr,
)
def test_times_of_pandas_round_trip(value: Any) -> None:
    """Times and spans of pandas in lists and dicts come back with unit and zone, either side of a clock change."""
    for back in (round_trip([{"when": value}])[0]["when"], round_trip(value)):
        assert (repr(back), back.unit) == (repr(value), value.unit)


def test_records_with_dates_round_trip() -> None:
    """The records of a table with a column of dates come back as they were."""
    records = pd.DataFrame({"n": [1, 2], "day": pd.to_datetime(["2024-01-31", None])}).to_dict("records")
    assert repr(round_trip(records)) == repr(records)


def test_what_says_less_than_a_time_is_refused() -> None:
    """ISO 8601 knows years of four digits only; such a time is refused, not changed."""
    with pytest.raises(wire.WireError, match="Timestamp"):
        wire.infer_schema([pd.Timestamp(np.datetime64("20000-01-01", "s"))])


@pytest.mark.parametrize(
    "content", [["2024", "object"], ["x", "datetime64[ns]"], ["2024", "datetime64[x]"], ["2024", 1], ["2024"], None]
)
def test_malformed_times_of_pandas_are_named(content: Any) -> None:
    """What is no time is refused with the name of the tensor."""
    schema = wire.infer_schema([pd.Timestamp("2024")])
    (tensor,) = wire.encode([pd.Timestamp("2024")], schema)
    with pytest.raises(wire.WireError, match="input-0"):
        wire.decode([{**tensor, "data": [json.dumps([{"$timestamp": content}])]}], schema)


@pytest.mark.parametrize(("name", "verb"), [("input-0", "give"), ("output-0", "return")])
def test_hints_say_which_side_is_to_change(name: str, verb: str) -> None:
    """What a model answers is to be returned otherwise, not to be given."""
    with pytest.raises(wire.WireError, match=rf"{name}\[0\]: cannot carry a \S*Period; {verb} its str"):
        wire.infer_schema([pd.Period("2024")], name=name)


def test_keys_of_numpy_become_plain_ones() -> None:
    """A dict keyed by the classes of a model comes back equal; its keys are Python's own."""
    back = round_trip(dict(zip(np.array([3, 5]), [0.25, 0.75], strict=True)))
    assert back == {3: 0.25, 5: 0.75}
    assert [type(key) for key in back] == [int, int]


def test_times_in_named_zones_are_refused() -> None:
    """ISO 8601 does not say which zone a time is in, only its offset."""
    from zoneinfo import ZoneInfo

    with pytest.raises(wire.WireError, match="datetime"):
        wire.infer_schema(dt.datetime(2024, 1, 31, tzinfo=ZoneInfo("Europe/Berlin")))
