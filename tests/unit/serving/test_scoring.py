"""MLflow's scoring forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from .conftest import Client

Serve = Callable[..., Client]

FRAME = pd.DataFrame({"age": [1.5, 2.0], "city": ["a", "b"], "member": [True, False], "visits": [1, 2]})
ARRAY = np.array([[1.0, 2.0], [3.0, 4.0]])
RECORDS = FRAME.to_dict("records")
SPLIT = {"columns": list(FRAME.columns), "data": FRAME.astype(object).to_numpy().tolist()}
CSV = {"Content-Type": "text/csv; charset=utf-8"}


def seen(serve: Serve, sample: Any, body: Any, headers: dict[str, str] | None = None) -> Any:
    """Return what the model gets of a request."""
    got: list[Any] = []
    signature = [] if sample is None else [sample]
    answer = serve(lambda data: got.append(data) or 1, *signature)("POST", "/invocations", body, headers)
    assert answer.status == 200, answer.body
    assert answer.json == {"predictions": 1}
    return got[0]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"dataframe_split": SPLIT}, None),
        ({"dataframe_split": {"data": SPLIT["data"]}}, None),
        ({"dataframe_records": RECORDS}, None),
        ({"dataframe_records": [dict(reversed(record.items())) for record in RECORDS]}, None),
        ({"inputs": FRAME.to_dict("list")}, None),
        ({"inputs": SPLIT["data"]}, None),
        ({"inputs": RECORDS}, None),
        ({"instances": SPLIT["data"]}, None),
        ({"instances": RECORDS}, None),
        (FRAME.to_csv(index=False).encode(), CSV),
        (FRAME[["visits", "member", "city", "age"]].to_csv(index=False).encode("utf-8-sig"), CSV),
        ({"dataframe_split": {"index": [0, 1], **SPLIT}}, None),
        ({"dataframe_split": SPLIT, "params": None, "signature_name": "ignored"}, None),
        (FRAME.to_csv(index=False, header=False).encode(), {"Content-Type": "text/csv; header=absent"}),
    ],
    ids=range(14),
)
def test_every_form_becomes_the_frame_the_model_takes(serve: Serve, body: Any, headers: Any) -> None:
    """Whatever the form, the order of columns or their naming, the model gets its DataFrame with its dtypes."""
    pd.testing.assert_frame_equal(seen(serve, FRAME, body, headers), FRAME)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"inputs": [[1, 2], [3, 4]]}, None),
        ({"inputs": {"a": [1, 3], "b": [2, 4]}}, None),
        ({"instances": [[1.0, 2.0], [3.0, 4.0]]}, None),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}, None),
        ({"dataframe_records": [{"a": 1, "b": 2}, {"b": 4, "a": 3}]}, None),
        (b"a,b\n1,2\n3,4\n", CSV),
        (b"0,1\n1,2\n3,4\n", CSV),
        (b"1,2\n3,4\n", {"Content-Type": 'TEXT/CSV; charset="UTF-8"; header=absent'}),
    ],
    ids=range(8),
)
def test_every_form_becomes_the_array_the_model_takes(serve: Serve, body: Any, headers: Any) -> None:
    """Rows and columns become an array of the signature's dtype."""
    got = seen(serve, ARRAY, body, headers)
    assert got.dtype == ARRAY.dtype
    assert got.tolist() == ARRAY.tolist()


@pytest.mark.parametrize(
    ("sample", "body", "expected"),
    [
        ([[1.0, 2.0]], {"inputs": [[1, 2], [3, 4]]}, [[1.0, 2.0], [3.0, 4.0]]),
        (["text"], {"inputs": ["a", "b"]}, ["a", "b"]),
        ("text", {"inputs": "a"}, "a"),
        ({"x": 1, "y": [1.5]}, {"inputs": {"x": 3, "y": [2]}}, {"x": 3, "y": [2.0]}),
        ((1, "a"), {"inputs": [2, "b"]}, (2, "b")),
        ([{"a": [1, 2]}], {"dataframe_records": [{"a": 1}]}, [{"a": 1}]),
        ([1, None], {"inputs": {"any": ["thing"]}}, {"any": ["thing"]}),
    ],
    ids=range(7),
)
def test_plain_values_are_read_by_the_signature(serve: Serve, sample: Any, body: Any, expected: Any) -> None:
    """Models that take lists, scalars, mappings or any JSON get them."""
    assert seen(serve, sample, body) == expected


def test_series_and_objects_are_read_by_the_signature(serve: Serve) -> None:
    """A Series comes from a list or a one-column CSV; a column of objects may hold numbers."""
    sample = pd.Series([1.0], name="age")
    pd.testing.assert_series_equal(seen(serve, sample, {"inputs": [2]}), pd.Series([2.0], name="age"))
    pd.testing.assert_series_equal(seen(serve, sample, b"age\n2\n", CSV), pd.Series([2.0], name="age"))
    mixed = pd.DataFrame({"x": pd.Series([1, "a"], dtype=object)})
    assert seen(serve, mixed, {"inputs": {"x": [5, "b", None]}})["x"].tolist() == [5, "b", None]


def test_missing_values_are_understood(serve: Serve) -> None:
    """Null in JSON and an empty cell in CSV are missing values where the dtype knows them."""
    for body, headers in (({"inputs": [[None, 2]]}, None), (b"a,b\n,2\n", CSV)):
        got = seen(serve, ARRAY, body, headers)
        assert math.isnan(got[0, 0])
    for missing in (None, math.nan):
        assert seen(serve, FRAME[["city"]], {"inputs": [[missing]]})["city"].isna().tolist() == [True]


def test_no_rows_are_understood(serve: Serve) -> None:
    """A request without rows gives an empty frame or array with the signature's dtypes."""
    for body, headers in (
        ({"inputs": []}, None),
        ({"dataframe_records": []}, None),
        ({"dataframe_split": {"columns": list(FRAME.columns), "data": []}}, None),
        (b"age,city,member,visits\n", CSV),
    ):
        pd.testing.assert_frame_equal(seen(serve, FRAME, body, headers), FRAME.iloc[:0])
    assert seen(serve, ARRAY, {"inputs": []}).shape == (0, 2)


def test_without_signature_the_form_decides(serve: Serve) -> None:
    """Without a signature lists become arrays and dataframe forms become DataFrames."""
    assert seen(serve, None, {"inputs": [[1, 2]]}).tolist() == [[1, 2]]
    assert seen(serve, None, {"inputs": [[1], [2, 3]]}) == [[1], [2, 3]]
    assert seen(serve, None, {"inputs": {"a": 1}}) == {"a": 1}
    expected = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    split = {"columns": ["a", "b"], "data": [[1, "x"], [2, None]]}
    pd.testing.assert_frame_equal(seen(serve, None, {"dataframe_split": split}), expected)
    pd.testing.assert_frame_equal(seen(serve, None, b"a,b\n1,x\n2,\n", CSV), expected)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], ["object", "list"]),
        ({}, ["exactly one", "none"]),
        ({"inputs": [], "instances": []}, ["exactly one", "inputs, instances"]),
        ({"dataframe_split": []}, ["dataframe_split", "list"]),
        ({"dataframe_split": {"columns": 5, "data": []}}, ["dataframe_split.columns"]),
        ({"dataframe_split": {"columns": [[]], "data": []}}, ["dataframe_split.columns"]),
        ({"dataframe_split": {"columns": []}}, ["dataframe_split.data"]),
        ({"dataframe_split": {"columns": ["age"], "data": [[1, 2]]}}, ["dataframe_split.data[0]"]),
        ({"dataframe_records": {}}, ["dataframe_records"]),
        ({"dataframe_records": [{"age": 1}, {"city": 2}]}, ["dataframe_records[1]", "'age'"]),
        ({"dataframe_records": [{"age": 1}]}, ["city", "missing"]),
        ({"dataframe_records": [{**RECORDS[0], "more": 1}]}, ["unknown column 'more'"]),
        ({"dataframe_records": [{**RECORDS[0], "age": "old"}]}, ["age", "a number", '"old"']),
        ({"inputs": {"age": 5}}, ["'age'", "a list"]),
        ({"inputs": [[1]]}, ["inputs[0]", "a list of 4"]),
        ({"inputs": 5}, ["inputs", "int"]),
        ({"dataframe_split": {**SPLIT, "index": [1]}}, ["dataframe_split.index", "list of 2"]),
        ({"dataframe_split": {**SPLIT, "index": [1, "a"]}}, ["__index__", "a string"]),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, ["names of their own"]),
        ({"dataframe_split": SPLIT, "params": 5}, ["params", "an object"]),
        ({"dataframe_split": SPLIT, "params": {"top_k": 5}}, ["params", "takes none"]),
    ],
    ids=range(21),
)
def test_malformed_forms_name_the_field(serve: Serve, body: Any, words: list[str]) -> None:
    """A malformed form is refused with 400 and the field."""
    answer = serve(len, FRAME)("POST", "/invocations", body)
    assert answer.status == 400
    for word in words:
        assert word in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "header"),
        (b"age\n1,2\n", "row 1"),
        (b'age\n"1\n', "csv"),
        (b"\xff", "utf-8"),
        (b"age\nold\n", '"old"'),
        (b"1.5\n2.5\n", "header=absent"),
    ],
    ids=range(6),
)
def test_malformed_csv_is_told(serve: Serve, body: bytes, word: str) -> None:
    """A CSV without header, with odd rows, bad quotes, encoding or cells is refused with 400."""
    answer = serve(len, FRAME[["age"]])("POST", "/invocations", body, CSV)
    assert answer.status == 400
    assert word in answer.json["error"]


@pytest.mark.parametrize(
    ("sample", "given", "word"),
    [
        (ARRAY, {"a": [1], "b": [2, 3]}, "equal length"),
        (ARRAY, [[1], [2, 3]], "equal length"),
        (ARRAY, {"a": 1}, "input-0"),
        ({"x": 1}, 5, "x"),
        ({"x": 1}, {"y": 1}, "'y'"),
        ({"x": 1, "y": 2}, {"x": 1}, "y: missing"),
        ((1, 2), [1], "list of 2"),
    ],
    ids=range(7),
)
def test_inputs_of_another_form_are_told(serve: Serve, sample: Any, given: Any, word: str) -> None:
    """Inputs that do not have the signature's form are refused with 400."""
    answer = serve(len, sample)("POST", "/invocations", {"inputs": given})
    assert answer.status == 400
    assert word in answer.json["error"]


def test_a_first_row_of_data_is_never_lost(serve: Serve) -> None:
    """Numbers in place of a header are refused, where the model takes numbers: the row would be missing."""
    answer = serve(len, ARRAY)("POST", "/invocations", b"1.0,2.0\n3.0,4.0\n", CSV)
    assert answer.status == 400
    assert "looks like a row of data" in answer.json["error"]


@pytest.mark.parametrize(
    "labels",
    [pd.Index([7, 8]), pd.Index(["a", "b"]), pd.Index([0.5, 1.5]), pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])],
    ids=range(4),
)
def test_labels_of_rows_reach_the_model(serve: Serve, labels: Any) -> None:
    """The index of a split form is the frame's, where the sample had one of its kind."""
    frame = FRAME.set_axis(labels)
    index = [list(label) if isinstance(label, tuple) else label for label in labels]
    pd.testing.assert_frame_equal(seen(serve, frame, {"dataframe_split": {"index": index, **SPLIT}}), frame)


def test_labels_of_rows_reach_a_model_whose_sample_had_none(serve: Serve) -> None:
    """Integers and texts are understood without a description, as where a client sends a part of its frame."""
    for labels in ([7, 8], ["a", "b"]):
        got = seen(serve, FRAME, {"dataframe_split": {"index": labels, **SPLIT}})
        assert got.index.tolist() == labels


def test_params_reach_a_model_that_takes_them(serve: Serve) -> None:
    """What predicts gets MLflow's params where it has a parameter of that name."""

    def predict(data: Any, params: Any = None) -> Any:
        return params

    client = serve(predict, [1])
    for params in ({"top_k": 3}, None):
        assert client("POST", "/invocations", {"inputs": [1], "params": params}).json == {"predictions": params}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-16",
        "application/json; format=pandas-split",
        "text/csv; charset=latin-1",
        "text/csv; header=perhaps",
        "application/json; header=absent",
    ],
    ids=range(5),
)
def test_parameters_of_content_types_are_not_guessed(serve: Serve, content_type: str) -> None:
    """Another charset than UTF-8 and any parameter that is unknown are refused with 415, as by MLflow."""
    answer = serve(len)("POST", "/invocations", b"{}", {"Content-Type": content_type})
    assert answer.status == 415
    assert "only with charset" in answer.json["error"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("text/html, application/json;q=0.9", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("", 200),
        ("text/csv", 406),
        ("application/jsonlines, text/csv", 406),
    ],
    ids=range(7),
)
def test_predictions_are_json_or_nothing(serve: Serve, accept: str, status: int) -> None:
    """Who accepts no JSON is answered with 406 rather than with what they cannot read."""
    headers = {"Content-Type": "application/json;", "Accept": accept}
    assert serve(len, [1])("POST", "/invocations", {"inputs": [1]}, headers).status == status


def test_other_content_types_are_refused(serve: Serve) -> None:
    """Only JSON and CSV are taken; others are refused with 415."""
    answer = serve(len)("POST", "/invocations", b"x", {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 415
    assert "x-www-form-urlencoded" in answer.json["error"]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (ARRAY, [[1.0, 2.0], [3.0, 4.0]]),
        (np.array([1.0, np.nan, np.inf]), [1.0, None, "Infinity"]),
        (FRAME.iloc[:1], RECORDS[:1]),
        (pd.Series(["a", None]), ["a", None]),
        ({"a": np.array([1]), "b": (1, "x")}, {"a": [1], "b": [1, "x"]}),
        ([("cat", 0.9), ("dog", math.nan)], [["cat", 0.9], ["dog", None]]),
        (np.array([1, "a", (2,)], dtype=object), [1, "a", [2]]),
        (np.float32(0.5), 0.5),
        ([[1], [2]], [[1], [2]]),
        (None, None),
        (np.zeros((2, 0)), [[], []]),
    ],
    ids=range(11),
)
def test_predictions_are_plain_json(serve: Serve, result: Any, expected: Any) -> None:
    """Predictions are the JSON a person would write, with null for NaN."""
    assert serve(lambda data: result)("POST", "/invocations", {"inputs": [1]}).json == {"predictions": expected}


def test_sparse_matrices_are_objects_of_their_parts(serve: Serve) -> None:
    """A sparse matrix is given and answered as the arrays it is made of, never as all its zeros."""
    sample = sparse.csr_matrix(np.array([[0.0, 1.5], [2.0, 0.0]]))
    parts = {"data": [1.5, 2.0], "indices": [1, 0], "indptr": [0, 1, 2], "shape": [2, 2]}
    answer = serve(lambda data: data * 2, sample, sample)("POST", "/invocations", {"inputs": parts})
    assert answer.json == {"predictions": {**parts, "data": [3.0, 4.0]}}
    refused = serve(lambda data: data, sample)("POST", "/invocations", {"inputs": [[0.0, 1.5]]})
    assert refused.status == 400
    assert "expected a sparse matrix as an object with data, indices, indptr, shape" in refused.json["error"]


def test_columns_below_two_labels_are_called_by_both(serve: Serve) -> None:
    """The labels of a MultiIndex are joined with a dot."""
    frame = pd.DataFrame([[1.5, 2]], columns=pd.MultiIndex.from_tuples([("price", "mean"), ("price", "n")]))
    got = seen(serve, frame, {"dataframe_records": [{"price.n": 2, "price.mean": 1.5}]})
    pd.testing.assert_frame_equal(got, frame)


def test_values_that_json_lacks_are_answered_as_texts(serve: Serve) -> None:
    """Dates, decimals and complex numbers are answered as texts, dicts with numbers for keys as objects."""
    answers = [
        (np.array([1 + 2j]), ["1+2j"]),
        ({0: 0.25, 1: 0.75}, {"0": 0.25, "1": 0.75}),
        ([{(1, 2): Decimal("1.10")}], [{"[1, 2]": "1.10"}]),
        ([{"when": pd.Timestamp("2024-01-31", tz="UTC")}], [{"when": "2024-01-31T00:00:00+00:00"}]),
    ]
    for value, expected in answers:
        answer = serve(lambda _, value=value: value, [1])("POST", "/invocations", {"inputs": [1]})
        assert answer.json == {"predictions": expected}
