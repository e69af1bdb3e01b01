"""Rows of samples as forms, and forms as rows again."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.serving import wire
from jupyter_containeriter.widgets.rows import SampleForm, form_of

FRAME = pd.DataFrame(
    {
        "count": [3, 4],
        "price": [0.1, 1 / 3],
        "active": [True, False],
        "city": ["Bern", "Oslo"],
        "kind": pd.Categorical(["b", "a"], categories=["a", "b", "c"]),
        "since": pd.to_datetime(["2024-01-02 03:04:05.123456", "2025-01-01 00:00:00"], format="mixed"),
        "maybe": pd.array([1, None], dtype="Int64"),
        "gap": [np.nan, 2.0],
        "nested": [[1, 2], {"a": 1}],
        "away": pd.to_datetime(["2024-01-02", None]).tz_localize("UTC"),
        "took": pd.to_timedelta([1, 2], unit="h"),
    }
)


def form(rows: Any) -> Any:
    """Make the form of rows as the panel does."""
    return form_of(wire.infer_schema(rows), rows)


def fields(shown: Any) -> dict[str, Any]:
    """Return the widgets of a form by their labels."""
    return {widget.description: widget for widget in shown.widget.children}


def test_columns_get_fields_of_their_kind() -> None:
    """Truth, categories and times have their own; numbers and the rest are typed, and so may be missing."""
    kinds = {name: type(widget).__name__ for name, widget in fields(form(FRAME[:1])).items()}
    assert kinds == {
        "count": "Text",
        "price": "Text",
        "active": "Checkbox",
        "city": "Text",
        "kind": "Dropdown",
        "since": "NaiveDatetimePicker",
        "maybe": "Text",
        "gap": "Text",
        "nested": "Text",
        "away": "Text",
        "took": "Text",
    }


@pytest.mark.parametrize("place", [0, 1])
def test_a_row_nobody_changed_is_sent_exactly(place: int) -> None:
    """With its microseconds, missing values and label."""
    rows = FRAME[place : place + 1]
    pd.testing.assert_frame_equal(form(rows).value(), rows)


@pytest.mark.parametrize(
    ("column", "typed", "expected"),
    [
        ("count", "7", 7),
        ("count", "1e3", 1000),
        ("count", str(2**60 + 1), 2**60 + 1),
        ("price", " 2.5", 2.5),
        ("price", "1e-3", 0.001),
        ("active", False, False),
        ("city", "Rome", "Rome"),
        ("kind", 2, "c"),
        ("since", datetime(2020, 2, 3, 4, 5), pd.Timestamp("2020-02-03 04:05")),
        ("maybe", "5", 5),
        ("away", "2024-03-04", pd.Timestamp("2024-03-04", tz="UTC")),
        ("took", "2 hours", pd.Timedelta("2h")),
        ("gap", "1.5", 1.5),
        ("nested", '{"b": [2]}', {"b": [2]}),
    ],
)
def test_a_changed_field_is_sent_as_its_column_is(column: str, typed: Any, expected: Any) -> None:
    """The other columns stay what they were, and the types of all of them."""
    rows = FRAME[:1]
    shown = form(rows)
    fields(shown)[column].value = typed
    sent = shown.value()
    assert sent[column].iloc[0] == expected
    assert list(sent.dtypes) == list(rows.dtypes)
    others = rows.columns.drop(column)
    pd.testing.assert_frame_equal(sent[others], rows[others])


@pytest.mark.parametrize("column", ["price", "maybe", "nested", "away", "took"])
def test_an_emptied_field_is_missing(column: str) -> None:
    """Where the column can hold that."""
    shown = form(FRAME[:1])
    fields(shown)[column].value = ""
    assert pd.isna(shown.value()[column].iloc[0])


@pytest.mark.parametrize(
    ("column", "typed", "said"),
    [
        ("gap", "many", "'many' is no number"),
        ("price", "1,5", "'1,5' is no number"),
        ("count", "33.7", "'33.7' is no whole number"),
        ("maybe", "x", "'x' is no number"),
        ("count", "", "here nothing can be missing"),
        ("away", "soon", "soon"),
    ],
)
def test_what_does_not_fit_its_column_is_said_by_its_name(column: str, typed: str, said: str) -> None:
    """With what to do; nothing is rounded or made up."""
    shown = form(FRAME[:1])
    fields(shown)[column].value = typed
    with pytest.raises(UsageError, match=f"^{column}: .*{re.escape(said)}") as caught:
        shown.value()
    assert caught.value.remedy == "Correct the field."


def test_a_row_of_an_array_has_a_field_for_each_place() -> None:
    """And stays an array of its type."""
    rows = np.array([[1.0, 2.0, 3.0]], dtype="float32")
    shown = form(rows)
    fields(shown)["[1]"].value = "9.5"
    np.testing.assert_array_equal(shown.value(), np.array([[1.0, 9.5, 3.0]], dtype="float32"))
    assert shown.value().dtype == "float32"


@pytest.mark.parametrize("rows", [[[1, 2]], ["text"], np.zeros((1, 2, 2)), pd.Series(["a"], name="text")])
def test_other_values_are_json(rows: Any) -> None:
    """Written as it is read, and read as the kind that it was."""
    shown = form(rows)
    assert shown.value() is rows
    shown.widget.value = shown.widget.value + " "
    sent = shown.value()
    assert type(sent) is type(rows)
    assert np.array_equal(np.asarray(sent), np.asarray(rows))


def test_json_that_cannot_be_read_is_refused() -> None:
    """Before anything is sent."""
    shown = form([[1, 2]])
    shown.widget.value = "[[1,"
    with pytest.raises(UsageError, match="cannot be read"):
        shown.value()


def test_without_a_signature_anything_can_be_written() -> None:
    """The model says itself what it does not take."""
    shown = form_of(None, None)
    shown.widget.value = '{"a": [1]}'
    assert shown.value() == {"a": [1]}


def test_tensors_are_written_as_arrays_are() -> None:
    """And stay tensors of their type."""
    import torch

    rows = torch.zeros(1, 2)
    shown = form(rows)
    assert shown.value() is rows
    shown.widget.value = "[[1.5, 2]]"
    assert torch.equal(shown.value(), torch.tensor([[1.5, 2.0]]))


def test_what_nobody_could_read_is_sent_as_it_is() -> None:
    """A picture has more numbers than a page should be sent."""
    rows = np.zeros((1, 3, 224, 224))
    shown = form(rows)
    assert isinstance(shown, SampleForm)
    assert shown.value() is rows


def test_a_row_of_very_many_columns_is_no_form() -> None:
    """Nobody fills hundreds of fields: the row of the sample is sent."""
    rows = pd.DataFrame(np.zeros((1, 300)))
    assert form(rows).value() is rows
