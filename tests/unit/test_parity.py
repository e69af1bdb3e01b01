"""Comparison of the container's predictions with the notebook's."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jupyter_containeriter.parity import ATOL, RTOL, SHOWN_ROWS, compare

_FRAME = pd.DataFrame({"label": ["yes", None], "score": [0.25, float("nan")]})


@pytest.mark.parametrize(
    "value",
    [
        np.array([[1.0, np.nan], [np.inf, -0.0]]),
        np.array(["a", "longer"]),
        np.array([], dtype="float32"),
        _FRAME,
        pd.Series([1, 2], name="y"),
        pd.Series(pd.array([1, None], dtype="Int64")),
        [1, "a", None, True, float("nan"), [2.5]],
        [],
        {"mean": np.array([1.0]), "label": ["a"], "deep": {"x": 1}},
        3.5,
        "text",
        None,
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", np.nan)]), index=[("x", "y")]),
        pd.Series([1, 2], index=pd.MultiIndex.from_tuples([("a", 1), ("b", np.nan)])),
        pd.Series(pd.cut([1.0, np.nan], [0, 5])),
        sparse.csr_matrix([[0.0, np.nan], [1.0, 0.0]]),
        sparse.coo_array(np.zeros((0, 3))),
        {"sparse": [sparse.eye_array(2).tocsc()]},
        np.array([complex(np.nan, 1)]),
        [Decimal("NaN"), b"x", 1j],
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_equals_itself(value: Any) -> None:
    """Equal values are exact, whatever holds them, and NaN equals NaN."""
    comparison = compare(value, value)
    assert (comparison.parity, comparison.max_abs_difference, comparison.differences) == ("exact", 0.0, ())


@pytest.mark.parametrize("value", [(), (1, 2.5), [(), (1,)]])
def test_a_tuple_equals_the_list_it_becomes(value: Any) -> None:
    """Tuples come back from HTTP as lists, which is no difference."""
    assert compare(value, json.loads(json.dumps(value))).parity == "exact"


def _moved(distance: float) -> list[Any]:
    before, after = [100.0, 1.0], [100.0 + distance, 1.0]
    return [
        pytest.param(np.array(before), np.array(after), id="array"),
        pytest.param(pd.DataFrame({"p": before}), pd.DataFrame({"p": after}), id="frame"),
        pytest.param(pd.Series(before), pd.Series(after), id="series"),
        pytest.param(before, after, id="list"),
        pytest.param({"p": np.array(before)}, {"p": np.array(after)}, id="mapping"),
        pytest.param(before[0], after[0], id="scalar"),
        pytest.param(sparse.csr_matrix([before]), sparse.csr_matrix([after]), id="sparse"),
        pytest.param([before[0] + 0j], [after[0] + 0j], id="complex"),
    ]


@pytest.mark.parametrize(("expected", "actual"), _moved(RTOL * 50))
def test_floats_within_tolerance_are_close(expected: Any, actual: Any) -> None:
    """Floats that differ less than the tolerance are close, and the largest difference is told."""
    comparison = compare(expected, actual)
    assert comparison.parity == "close"
    assert comparison.max_abs_difference == pytest.approx(RTOL * 50)


@pytest.mark.parametrize(("expected", "actual"), _moved(RTOL * 200))
def test_floats_beyond_tolerance_fail(expected: Any, actual: Any) -> None:
    """Floats that differ more than the tolerance fail, and only the row that differs is shown."""
    comparison = compare(expected, actual)
    assert comparison.parity == "failed"
    assert len(comparison.differences) == 1
    assert comparison.max_abs_difference == pytest.approx(RTOL * 200)


def test_tolerance_near_zero_is_absolute() -> None:
    """Around zero the absolute tolerance decides."""
    assert compare([0.0], [ATOL]).parity == "close"
    assert compare([0.0], [ATOL * 2]).parity == "failed"


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ([1], [2]),
        ([10**6], [10**6 + 1]),
        (["a"], ["b"]),
        ([1.0], [float("nan")]),
        ([float("inf")], [float("-inf")]),
        ([None], [0]),
        ([1], [1.0]),
        ([True], [1]),
        (np.array([1]), np.array([1.0])),
        (np.array([1.0], "float32"), np.array([1.0], "float64")),
        (np.array([1.0]), np.array([[1.0]])),
        (np.array([1.0]), [1.0]),
        (pd.Series([1.0]), pd.Series([1.0]).to_frame()),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
        (pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"b": [1], "a": [1]})),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]})),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1, 2]})),
        ({"a": [1]}, {"b": [1]}),
        ({"a": np.array([1])}, {"a": np.array([1, 2])}),
        ([1], [1, 2]),
        ([[1, 2]], [[1]]),
        ([[1]], [[1, 2]]),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        ([[]], [[1]]),
        ([[]], [{}]),
        ("1", 1),
        (pd.Series([1], name="a"), pd.Series([1], name="b")),
        (pd.Series([1], index=["x"]), pd.Series([1], index=["y"])),
        (pd.Series([1], index=[0]), pd.Series([1], index=[0.0])),
        (pd.Series([1]), pd.Series([1]).rename_axis("id")),
        (pd.DataFrame({"a": [1]}, index=["x"]), pd.DataFrame({"a": [1]}, index=["y"])),
        (pd.DataFrame({1: [1]}), pd.DataFrame({"1": [1]})),
        (pd.DataFrame({"a": [1]}).rename_axis(columns="what"), pd.DataFrame({"a": [1]})),
        (sparse.csr_matrix([[1.0]]), sparse.csr_matrix([[2.0]])),
        (sparse.csr_matrix([[1.0, 0.0]]), sparse.csr_matrix([[0.0, 1.0]])),
        (sparse.csr_matrix([[1.0]]), sparse.csc_matrix([[1.0]])),
        (sparse.csr_matrix([[1.0]]), sparse.csr_matrix([[1.0]], dtype="float32")),
        (sparse.csr_matrix([[1.0]]), np.array([[1.0]])),
        (1 + 2j, 1 + 3j),
        (Decimal("1.1"), Decimal("1.2")),
        (b"a", b"b"),
    ],
)
def test_other_values_fail(expected: Any, actual: Any) -> None:
    """Integers, texts, types, kinds, shapes and names have no tolerance."""
    comparison = compare(expected, actual)
    assert comparison.parity == "failed"
    assert comparison.differences


def test_longer_text_is_no_other_type() -> None:
    """The width of fixed-width text is not compared, its content is."""
    assert compare(np.array(["a", "b"]), np.array(["a", "bcd"])).differences == (
        "row 1: notebook 'b', container 'bcd'",
    )


@pytest.mark.parametrize(
    ("expected", "actual", "line"),
    [
        (np.array([1, 2]), np.array([1, 3]), "row 1: notebook 2, container 3"),
        (np.array([[1, 2]]), np.array([[1, 3]]), "row 0[1]: notebook 2, container 3"),
        (
            pd.DataFrame({"a": [1], "b": ["x"]}),
            pd.DataFrame({"a": [1], "b": ["y"]}),
            "row 0, column 'b': notebook 'x', container 'y'",
        ),
        ({"p": [1.5]}, {"p": [2.5]}, "p row 0: notebook 1.5, container 2.5"),
        ([{"p": 1}], [{"p": 2}], "row 0['p']: notebook 1, container 2"),
        (1, 2, "value: notebook 1, container 2"),
        (np.array([1.0]), np.array([[1.0]]), "shape: notebook (1,), container (1, 1)"),
        (np.array([1]), np.array([1.0]), "type: notebook 'int64', container 'float64'"),
        (pd.Series([1, 2], ["a", "b"]), pd.Series([1, 2], ["a", "c"]), "index row 1: notebook 'b', container 'c'"),
        (pd.Series([1]), pd.Series([1], [0.0]), "index: notebook 'int64 named None', container 'float64 named None'"),
        (pd.Series([1], name="p"), pd.Series([1]), "name: notebook 'p', container None"),
        (
            pd.DataFrame({("a", "b"): [1]}),
            pd.DataFrame({("a", "b"): [2]}),
            "row 0, column ('a', 'b'): notebook 1, container 2",
        ),
        (sparse.csr_matrix([[0, 1]]), sparse.csr_matrix([[2, 1]]), "row 0[0]: notebook 0, container 2"),
        (sparse.csr_matrix([[1]]), sparse.csc_matrix([[1]]), "format: notebook 'csr', container 'csc'"),
        ({"p": pd.Series([1])}, {"p": pd.Series([2])}, "p row 0: notebook 1, container 2"),
    ],
)
def test_differences_say_where_and_what(expected: Any, actual: Any, line: str) -> None:
    """A difference names the row, the column where there is one, and both values."""
    assert compare(expected, actual).differences == (line,)


def test_close_rows_are_not_shown_among_failed_ones() -> None:
    """Rows within the tolerance do not hide those outside it."""
    assert compare([1.0, 2.0], [1.0 + 1e-9, 3.0]).differences == ("row 1: notebook 2.0, container 3.0",)


def test_many_differences_are_counted() -> None:
    """Only the first rows are shown; the others are counted."""
    comparison = compare(list(range(20)), list(range(1, 21)))
    assert len(comparison.differences) == SHOWN_ROWS + 1
    assert comparison.differences[-1] == f"… and {20 - SHOWN_ROWS} more"


def test_long_values_are_cut() -> None:
    """A long text is shown by its beginning."""
    (line,) = compare(["a" * 500], ["b" * 500]).differences
    assert len(line) < 250


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (np.array([0.1, 0.9]), np.array([0.7, 0.3])),
        ({"p": np.array([0.1])}, {"p": np.array([0.2])}),
        (["a"], ["b"]),
        ([float("nan")], [1.0]),
    ],
)
def test_a_nondeterministic_model_may_give_other_values(expected: Any, actual: Any) -> None:
    """Of a model that contradicts itself other values of the same nature are accepted."""
    comparison = compare(expected, actual, deterministic=False)
    assert comparison.parity == "nondeterministic"
    assert comparison.max_abs_difference is None


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (np.array([0.1]), np.array([0.1, 0.2])),
        (np.array([0.1]), np.array([1])),
        (np.array([0.1]), [0.1]),
        (np.array([0.1]), np.array([np.nan])),
        ([0.1], [float("inf")]),
        (pd.DataFrame({"a": [0.1]}), pd.DataFrame({"b": [0.1]})),
        ({"p": np.array([0.1])}, {"p": np.array([0.1, 0.2])}),
        ({"p": np.array([0.1])}, {"p": np.array([1])}),
        ({"p": [0.1]}, {"q": [0.1]}),
    ],
)
def test_a_nondeterministic_model_may_not_give_another_shape(expected: Any, actual: Any) -> None:
    """Kind, shape, type, names and finiteness hold for a model that contradicts itself, too."""
    comparison = compare(expected, actual, deterministic=False)
    assert comparison.parity == "failed"
    assert comparison.differences


def test_a_numpy_text_among_objects_equals_the_plain_text_that_json_brings_back() -> None:
    """An array of objects may hold numpy's scalars; what comes back are Python's, with the same values."""
    expected = np.array([np.str_("benign"), np.int64(3), np.float64(0.5)], dtype=object)
    actual = np.array(["benign", 3, 0.5], dtype=object)
    assert compare(expected, actual).parity == "exact"


def test_lists_of_arrays_are_compared_value_by_value() -> None:
    """Several outputs, as of a multi-output classifier, are compared output by output."""
    expected = [np.array([[0.1, 0.9]]), np.array([[0.3, 0.7]])]
    assert compare(expected, [part.copy() for part in expected]).parity == "exact"
    found = compare(expected, [expected[0], np.array([[0.3, 0.5]])])
    assert found.parity == "failed"
    assert found.differences == ("output 1 row 0[1]: notebook 0.7, container 0.5",)


def test_numpy_scalars_inside_plain_values_are_plain_ones() -> None:
    """What a model puts into dictionaries comes back as Python's own numbers."""
    expected = [{"label": "a", "score": np.float32(0.3), "n": np.int64(3)}]
    assert compare(expected, [{"label": "a", "score": float(np.float32(0.3)), "n": 3}]).parity == "exact"


def test_the_sides_of_a_comparison_have_names() -> None:
    """The lines say what was compared with what."""
    assert compare([1], [2], sides=("--expect", "clean process")).differences == ("row 0: --expect 1, clean process 2",)


def test_tensors_of_other_libraries_are_compared_as_arrays_and_are_no_numpy_arrays() -> None:
    """Tensors of torch differ by their values, their dtypes and their library."""
    import torch

    tensor = torch.tensor([1.0, 2.0], dtype=torch.bfloat16)
    assert compare(tensor, tensor.clone()).parity == "exact"
    assert compare(tensor, tensor + 1).differences[0] == "row 0: notebook 1.0, container 2.0"
    assert compare(tensor, tensor.float()).differences == (
        "type: notebook 'torch.bfloat16', container 'torch.float32'",
    )
    assert compare(tensor, tensor.float().numpy()).differences == (
        "kind: notebook 'array of torch', container 'array'",
    )
