"""A row of a sample as a form, and the form as a row again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import ipywidgets

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.widgets.fields import Field, field_of

#: With more columns a row is no form, with more letters no text: nobody could find anything in it.
_COLUMNS, _LETTERS = 120, 20_000
_AREA = {"layout": {"width": "100%", "height": "90px"}}


class Form(Protocol):
    """Where a person changes a row."""

    widget: Any

    def value(self) -> Any:
        """Return what is to be predicted, of the kind that the model takes; UsageError where it cannot be."""


def form_of(schema: Mapping[str, Any] | None, rows: Any) -> Form:
    """Return the form for one row, or for what cannot be taken apart.

    Parameters
    ----------
    schema
        The member ``inputs`` of the signature, None where there is none.
    rows
        One row of the sample, of the same kind as all of it.
    """
    kind = schema["kind"] if schema else ""
    if schema and kind == "dataframe" and len(schema["columns"]) <= _COLUMNS:
        return TableForm(schema["columns"], rows)
    if schema and kind == "ndarray" and rows.ndim == 2 and rows.shape[1] <= _COLUMNS and rows.dtype.kind in "iuf":
        return ArrayForm(schema, rows)
    if kind in {"", "list", "json", "ndarray", "series", "torch"}:
        listed = rows.tolist() if hasattr(rows, "tolist") else rows
        text = "" if rows is None else json.dumps(listed, default=str)
        if len(text) <= _LETTERS:
            return TextForm(rows, text)
    return SampleForm(rows)


class TableForm:
    """A row of a DataFrame: a field for each column."""

    def __init__(self, columns: list[Mapping[str, Any]], rows: Any) -> None:
        self._rows = rows
        self._fields = [
            field_of(
                str(column["label"]),
                column["datatype"],
                _plain(rows.iat[0, place]),
                _categories(rows.dtypes.iloc[place]),
            )
            for place, column in enumerate(columns)
        ]
        self.widget = _grid(self._fields)

    def value(self) -> Any:
        """Return a DataFrame of one row; columns nobody changed are exactly the sample's."""
        rows = self._rows.copy()
        for place, field in enumerate(self._fields):
            field.put(partial(_put_column, rows, place))
        return rows


class ArrayForm:
    """A row of a table of numbers: a field for each of its places."""

    def __init__(self, schema: Mapping[str, Any], rows: Any) -> None:
        self._rows = rows
        values = rows[0].tolist()
        self._fields = [field_of(f"[{place}]", schema["datatype"], value) for place, value in enumerate(values)]
        self.widget = _grid(self._fields)

    def value(self) -> Any:
        """Return an array of one row."""
        rows = self._rows.copy()
        for place, field in enumerate(self._fields):
            field.put(partial(rows.__setitem__, (0, place)))
        return rows


class TextForm:
    """What is written as JSON: lists, nested values, tensors, arrays of more dimensions."""

    def __init__(self, rows: Any, text: str) -> None:
        self._rows = rows
        hint = "What the model takes, as JSON: [[1.5, 2.0]]"
        self.widget = ipywidgets.Textarea(value=text, placeholder=hint, description="JSON", tooltip=hint, **_AREA)
        self._given = text

    def value(self) -> Any:
        """Return the value that the text means."""
        text = self.widget.value
        if text == self._given and self._rows is not None:
            return self._rows
        try:
            return _like(json.loads(text), self._rows)
        except (ValueError, TypeError) as error:
            raise UsageError(f"The input cannot be read: {error}.", "Write JSON, for example [[1.5, 2.0]].") from error


class SampleForm:
    """What cannot be changed in a page, such as pictures and sparse matrices: the sample is sent as it is."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        kind = type(rows).__name__
        self.widget = ipywidgets.HTML(f"A value of the kind {kind} is not edited here; the row of the sample is sent.")

    def value(self) -> Any:
        """Return the sample's row."""
        return self._rows


def _put_column(rows: Any, place: int, value: Any) -> None:
    import pandas as pd

    rows.isetitem(place, pd.Series([value], index=rows.index, dtype=rows.dtypes.iloc[place]))


def _like(value: Any, rows: Any) -> Any:
    """Return a value that was read from JSON as the kind of the sample."""
    kind = type(rows).__name__
    if kind == "ndarray":
        import numpy as np

        return np.asarray(value, dtype=rows.dtype)
    if kind == "Tensor":
        return rows.new_tensor(value)
    if kind == "Series":
        import pandas as pd

        return pd.Series(value, dtype=rows.dtype, name=rows.name)
    return value


def _plain(value: Any) -> Any:
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def _categories(dtype: Any) -> list[Any] | None:
    categories = getattr(dtype, "categories", None)
    return None if categories is None or dtype.name != "category" else categories.tolist()


def _grid(fields: list[Field]) -> Any:
    layout = ipywidgets.Layout(grid_template_columns="repeat(auto-fill, minmax(350px, 1fr))", grid_gap="2px 8px")
    layout.max_height, layout.overflow = "320px", "auto"
    return ipywidgets.GridBox([field.widget for field in fields], layout=layout)
