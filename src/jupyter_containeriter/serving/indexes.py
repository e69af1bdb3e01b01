"""Indexes of pandas objects as tensors, and the labels of a frame's columns as part of its schema."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from .arrays import Column
from .columns import decode_column, describe_column, describe_values, pack_column, read_values
from .tensors import Tensor, WireError, arrow_types, make_tensor, parameters_of, read_tensor
from .texts import from_json, to_json

#: Name of the tensor that carries an index, with ``.0``, ``.1`` … appended for the levels of a MultiIndex.
INDEX = "__index__"

#: What an index of a given datatype becomes if neither the schema nor the request describes it.
_PLAIN_INDEX = {"INT64": "int64", "FP64": "float64", "BYTES": "str", "BOOL": "bool"}

Description = dict[str, Any]


def describe_index(index: Any, where: str, *, empty: bool = False) -> Description | None:
    """Describe an index, or return None for the default one.

    The default index of a frame without columns (``empty``) is described too: nothing else tells its length.
    """
    if _is_default(index) and not (empty and len(index)):
        return None
    levels = [describe_column(index.get_level_values(level), where) for level in range(index.nlevels)]
    return {**_describe_form(index, where), "levels": levels}


def _is_default(index: Any) -> bool:
    return isinstance(index, pd.RangeIndex) and index.name is None and (index.start, index.step) == (0, 1)


def _describe_form(index: Any, where: str) -> Description:
    """Describe all of an index but the values of its levels."""
    names = [write_label(name, f"{where}, name") for name in index.names]
    described = {"names": names, "multi": index.nlevels > 1, "range": isinstance(index, pd.RangeIndex)}
    frequency = getattr(index, "freqstr", None) if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) else None
    return {**described, "freq": frequency} if frequency else described


def encode_index(index: Any, actual: Description | None, wanted: Description | None, prefix: str) -> list[Tensor]:
    """Return an index's tensors; where it is not as the schema says, the first one describes it in its parameters."""
    if actual is None:
        return []
    _refuse_arrow(f"{prefix}{INDEX}", actual, wanted)
    tensors = []
    for level, column in enumerate(actual["levels"]):
        name = f"{prefix}{INDEX}.{level}" if actual["multi"] else f"{prefix}{INDEX}"
        data, parameters = pack_column(index.get_level_values(level), name)
        if level == 0 and actual != wanted:
            parameters = {**parameters, "index": json.dumps(actual)}
        tensors.append(make_tensor(name, [len(data)], column["datatype"], data, parameters))
    return tensors


def decode_index(tensors: dict[str, Tensor], wanted: Description | None, prefix: str, rows: int | None) -> Any:
    """Return the index the tensors carry, or the default one if they carry none."""
    first = tensors.get(f"{prefix}{INDEX}") or tensors.get(f"{prefix}{INDEX}.0")
    if first is None:
        return pd.RangeIndex(rows or 0)
    described = _described_index(first, wanted)
    values = []
    for level, column in enumerate(described["levels"]):
        name = f"{prefix}{INDEX}.{level}" if described["multi"] else f"{prefix}{INDEX}"
        if name not in tensors:
            raise WireError(f"{name}: missing")
        values.append(read_rows(tensors[name], {**column, "name": name}, rows))
    return _make_index(values, described)


def _make_index(values: list[Any], described: Description) -> Any:
    names = [read_label(name) for name in described["names"]]
    if described["multi"]:
        return pd.MultiIndex.from_arrays(values, names=names)
    if described["range"]:
        return _range(values[0].tolist(), names[0])
    index = pd.Index(values[0], name=names[0], dtype=values[0].dtype)
    return _with_frequency(index, described["freq"]) if "freq" in described else index


def _range(numbers: list[int], name: Any) -> Any:
    """Return the RangeIndex of these numbers if they are one."""
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    start = numbers[0] if numbers else 0
    span = range(start, start + step * len(numbers), step) if step else range(0)
    return pd.RangeIndex(span, name=name) if list(span) == numbers else pd.Index(numbers, dtype="int64", name=name)


def _with_frequency(index: Any, frequency: str) -> Any:
    try:
        return type(index)(index, freq=frequency)
    except (TypeError, ValueError):
        return index  # Another request's dates need not have the sample's rhythm.


def _described_index(first: Tensor, wanted: Description | None) -> Description:
    text = parameters_of(first).get("index")
    if text is None:
        if wanted is not None:
            return wanted
        datatype = str(first.get("datatype"))
        if datatype not in _PLAIN_INDEX:
            raise WireError(f"{first['name']}: expected one of the datatypes {', '.join(_PLAIN_INDEX)}")
        level = {"dtype": _PLAIN_INDEX[datatype], "datatype": datatype}
        if datatype == "BYTES":
            level["family"] = "string"
        return {"names": [None], "levels": [level], "multi": False, "range": False}
    try:
        described = json.loads(text)
        _refuse_arrow(first["name"], described, wanted)
        if not 0 < len(described["levels"]) == len([read_label(name) for name in described["names"]]):
            raise ValueError("expected as many names as levels")
        for level in described["levels"]:
            decode_column(first["name"], [], level, {})
        return {"multi": described["multi"], "range": described["range"], **described}
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise WireError(f"{first['name']}: expected the parameter index to describe an index: {error}") from None


def _refuse_arrow(name: str, described: Any, wanted: Description | None) -> None:
    """Refuse Arrow types that are not the signature's."""
    if not arrow_types(described) <= arrow_types(wanted):
        raise WireError(f"{name}: its Arrow type is not in the signature; convert the index to a dtype of the sample's")


def read_rows(tensor: Tensor, column: Column, rows: int | None) -> Any:
    """Return the Series of a column's tensor, which has this many rows."""
    name = column["name"]
    shape, data = read_tensor(tensor, column["datatype"], packed=True)
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise WireError(f"{name}: expected shape [-1], got {shape}")
    if rows is not None and shape[0] != rows:
        raise WireError(f"{name}: expected {rows} rows as in the other columns, got {shape[0]}")
    return decode_column(name, data, column, parameters_of(tensor))


# --- labels --------------------------------------------------------------------------------------------------------


def describe_labels(labels: Any, where: str) -> Description | None:
    """Describe the labels of columns with their values, or return None for the default ones."""
    if _is_default(labels):
        return None
    levels = [describe_values(labels.get_level_values(level), where) for level in range(labels.nlevels)]
    return {**_describe_form(labels, where), "levels": levels}


def read_labels(described: Description | None, count: int) -> Any:
    """Undo :func:`describe_labels`."""
    if described is None:
        return pd.RangeIndex(count)
    return _make_index([pd.Series(read_values(level, "labels")) for level in described["levels"]], described)


def label_text(label: Any) -> str:
    """Return a column's label as its tensor is called: the levels of a MultiIndex are joined with a dot."""
    return ".".join(map(str, label)) if isinstance(label, tuple) else str(label)


def write_label(label: Any, where: str) -> Any:
    """Return the name of a Series or an index as plain JSON."""
    return json.loads(to_json(label, where))


def read_label(label: Any) -> Any:
    """Undo :func:`write_label`."""
    name = from_json(json.dumps(label), "name")
    hash(name)  # What an index cannot be called raises a TypeError.
    return name
