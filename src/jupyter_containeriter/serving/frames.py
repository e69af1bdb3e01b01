"""DataFrames and Series as tensors: one for each column, and one more where the index is not the default one."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from .arrays import Column
from .columns import convert_column, decode_column, describe_column, encode_column
from .tensors import Tensor, WireError, make_tensor, parameters_of, read_tensor, type_name

#: Name of the tensor that carries an index, with ``.0``, ``.1`` … appended for the levels of a MultiIndex.
INDEX = "__index__"

#: What an index of a given datatype becomes if neither the schema nor the request describes it.
_PLAIN_INDEX = {"INT64": "int64", "FP64": "float64", "BYTES": "str", "BOOL": "bool"}


def infer_frame(value: Any, name: str, prefix: str) -> dict[str, Any]:
    """Return the schema of a DataFrame; its tensors are named by prefix and column label."""
    labels = value.columns
    if not isinstance(labels.dtype, np.dtype | pd.StringDtype) or labels.nlevels > 1:
        raise WireError(f"{name}: cannot carry column labels of type {type_name(labels)}; use plain names")
    columns = []
    for label, (_, series) in zip(labels.tolist(), value.items(), strict=True):
        plain_label(label, f"{name}, column {label!r}")
        column = describe_column(series, f"{name}, column {label!r}")
        columns.append({"name": f"{prefix}{label}", "label": label, **column})
    for tensor, count in Counter(column["name"] for column in columns).items():
        if count > 1 or tensor == f"{prefix}{INDEX}":
            raise WireError(f"{name}: the column name {tensor!r} is {'used twice' if count > 1 else 'reserved'}")
    labels_dtype = "range" if isinstance(labels, pd.RangeIndex) else str(labels.dtype)
    return {
        "kind": "dataframe",
        "name": name,
        "columns": columns,
        "labels": {"dtype": labels_dtype, "name": plain_label(labels.name, f"{name}, columns")},
        "index": describe_index(value.index, f"{name}, index", empty=not columns),
    }


def encode_frame(value: Any, schema: dict[str, Any], prefix: str, *, cast: bool) -> list[Tensor]:
    """Return the tensors of a DataFrame that fits the schema."""
    name, wanted = schema["name"], [column["label"] for column in schema["columns"]]
    actual = infer_frame(value, name, prefix)
    labels = [column["label"] for column in actual["columns"]]
    _same_labels(name, labels, wanted, ordered=not cast)
    if not cast and actual["labels"] != schema["labels"]:
        raise WireError(f"{name}: expected column labels {schema['labels']}, got {actual['labels']}")
    places = {label: place for place, label in enumerate(labels)}
    tensors = []
    for column in schema["columns"]:
        place = places[column["label"]]
        tensors.append(_encode_series(value.iloc[:, place], actual["columns"][place], column, cast=cast))
    return tensors + encode_index(value.index, actual["index"], schema["index"], prefix)


def _same_labels(name: str, labels: list[Any], wanted: list[Any], *, ordered: bool) -> None:
    given, known = set(labels), set(wanted)
    missing = [label for label in wanted if label not in given]
    unknown = [label for label in labels if label not in known]
    for problem, found in (("lacks the column", missing), ("has the unknown column", unknown)):
        if found:
            raise WireError(f"{name}: {problem} {', '.join(repr(label) for label in found[:10])}")
    if ordered and labels != wanted:
        raise WireError(f"{name}: expected the columns in the order {wanted}, got {labels}")


def _encode_series(series: Any, actual: Column, column: Column, *, cast: bool) -> Tensor:
    name = column["name"]
    if not _same_column(actual, column):
        if not cast:
            raise WireError(f"{name}: expected dtype {column['dtype']}, got {series.dtype}")
        series = convert_column(series, column, name)
    data, parameters = encode_column(series, name)
    return make_tensor(name, [len(data)], column["datatype"], data, parameters)


def _same_column(actual: Column, wanted: Column) -> bool:
    return all(actual.get(key) == wanted.get(key) for key in ("dtype", "ordered", "categories"))


def decode_frame(tensors: dict[str, Tensor], schema: dict[str, Any], prefix: str) -> Any:
    """Return the DataFrame of tensors indexed by name, in the schema's column order."""
    columns: list[Any] = []
    for column in schema["columns"]:
        columns.append(_decode_series(tensors[column["name"]], column, len(columns[0]) if columns else None))
    rows = len(columns[0]) if columns else None
    index = decode_index(tensors, schema["index"], prefix, rows)
    frame = pd.DataFrame(dict(enumerate(columns))) if columns else pd.DataFrame(index=index)
    frame.index = index
    frame.columns = _labels([column["label"] for column in schema["columns"]], schema["labels"])
    return frame


def _labels(labels: list[Any], described: dict[str, Any]) -> Any:
    if described["dtype"] == "range":
        return _range(labels, described["name"])
    return pd.Index(labels, dtype=described["dtype"], name=described["name"])


def _range(numbers: list[int], name: Any) -> Any:
    """Return the RangeIndex of these numbers if they are one."""
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    start = numbers[0] if numbers else 0
    span = range(start, start + step * len(numbers), step) if step else range(0)
    return pd.RangeIndex(span, name=name) if list(span) == numbers else pd.Index(numbers, dtype="int64", name=name)


def _decode_series(tensor: Tensor, column: Column, rows: int | None) -> Any:
    name = column["name"]
    shape, data = read_tensor(tensor, column["datatype"])
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise WireError(f"{name}: expected shape [-1], got {shape}")
    if rows is not None and shape[0] != rows:
        raise WireError(f"{name}: expected {rows} rows as in the other columns, got {shape[0]}")
    return decode_column(name, data, column, parameters_of(tensor))


def infer_series(value: Any, name: str) -> dict[str, Any]:
    """Return the schema of a Series."""
    column = describe_column(value, name)
    label = plain_label(value.name, f"{name}, name of the Series")
    index = describe_index(value.index, f"{name}, index")
    return {"kind": "series", "name": name, **column, "label": label, "index": index}


def encode_series(value: Any, schema: dict[str, Any], prefix: str, *, cast: bool) -> list[Tensor]:
    """Return the tensors of a Series that fits the schema."""
    actual = infer_series(value, schema["name"])
    if not cast and actual["label"] != schema["label"]:
        raise WireError(f"{schema['name']}: expected a Series named {schema['label']!r}, got {actual['label']!r}")
    tensor = _encode_series(value, actual, schema, cast=cast)
    return [tensor, *encode_index(value.index, actual["index"], schema["index"], prefix)]


def decode_series(tensors: dict[str, Tensor], schema: dict[str, Any], prefix: str) -> Any:
    """Return the Series of tensors indexed by name."""
    series = _decode_series(tensors[schema["name"]], schema, None)
    series.index = decode_index(tensors, schema["index"], prefix, len(series))
    return series.rename(schema["label"])


def describe_index(index: Any, where: str, *, empty: bool = False) -> dict[str, Any] | None:
    """Describe an index, or return None for the default one.

    The default index of a frame without columns (``empty``) is described too: nothing else tells its length.
    """
    names = [plain_label(name, f"{where}, name") for name in index.names]
    ranged = isinstance(index, pd.RangeIndex)
    default = ranged and names == [None] and (index.start, index.step) == (0, 1)
    if default and not (empty and len(index)):
        return None
    levels = [describe_column(index.get_level_values(level), where) for level in range(index.nlevels)]
    described = {"names": names, "levels": levels, "multi": index.nlevels > 1, "range": ranged}
    frequency = getattr(index, "freqstr", None)
    return {**described, "freq": frequency} if frequency else described


def encode_index(index: Any, actual: dict[str, Any] | None, wanted: dict[str, Any] | None, prefix: str) -> list[Tensor]:
    """Return an index's tensors; where it is not as the schema says, the first one describes it in its parameters."""
    if actual is None:
        return []
    tensors = []
    for level, column in enumerate(actual["levels"]):
        name = f"{prefix}{INDEX}.{level}" if actual["multi"] else f"{prefix}{INDEX}"
        data, parameters = encode_column(index.get_level_values(level).to_series(), name)
        if level == 0 and actual != wanted:
            parameters = {**parameters, "index": json.dumps(actual)}
        tensors.append(make_tensor(name, [len(data)], column["datatype"], data, parameters))
    return tensors


def decode_index(tensors: dict[str, Tensor], wanted: dict[str, Any] | None, prefix: str, rows: int | None) -> Any:
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
        values.append(_decode_series(tensors[name], {**column, "name": name}, rows))
    names = described["names"]
    if described["multi"]:
        return pd.MultiIndex.from_arrays(values, names=names)
    if described["range"]:
        return _range(values[0].tolist(), names[0])
    index = pd.Index(values[0], name=names[0])
    return _with_frequency(index, described["freq"]) if "freq" in described else index


def _described_index(first: Tensor, wanted: dict[str, Any] | None) -> dict[str, Any]:
    text = parameters_of(first).get("index")
    if text is None:
        if wanted is not None:
            return wanted
        datatype = str(first.get("datatype"))
        if datatype not in _PLAIN_INDEX:
            raise WireError(f"{first['name']}: expected one of the datatypes {', '.join(_PLAIN_INDEX)}")
        level = {"dtype": _PLAIN_INDEX[datatype], "datatype": datatype}
        return {"names": [None], "levels": [level], "multi": False, "range": False}
    try:
        described = json.loads(text)
        if not 0 < len(described["levels"]) == len([plain_label(name, INDEX) for name in described["names"]]):
            raise ValueError("expected as many names as levels")
        for level in described["levels"]:
            decode_column(first["name"], [], level, {})
        return {"multi": described["multi"], "range": described["range"], **described}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WireError(f"{first['name']}: expected the parameter index to describe an index: {error}") from None


def _with_frequency(index: Any, frequency: str) -> Any:
    try:
        return type(index)(index, freq=frequency)
    except (TypeError, ValueError):
        return index  # Another request's dates need not have the sample's rhythm.


def plain_label(label: Any, where: str) -> Any:
    """Return a column, Series or index name if the schema can hold it."""
    if label is None or type(label) in (str, int, float, bool):
        return label
    raise WireError(f"{where}: cannot carry a name of type {type_name(label)}; use a string or a number")
