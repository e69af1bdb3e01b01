"""DataFrames and Series as tensors: one for each column, and one more where the index is not the default one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from .arrays import Column
from .columns import convert_column, describe_column, pack_column
from .indexes import (
    INDEX,
    decode_index,
    describe_index,
    describe_labels,
    encode_index,
    label_text,
    read_label,
    read_labels,
    read_rows,
    write_label,
)
from .tensors import Codec, Tensor, WireError, make_tensor


def _infer_frame(value: Any, name: str, prefix: str) -> dict[str, Any]:
    """Return the schema of a DataFrame; its tensors are named by prefix and column label."""
    columns = []
    for label, (_, series) in zip(value.columns.tolist(), value.items(), strict=True):
        text = label_text(label)
        column = describe_column(series, f"{name}, column {label!r}")
        columns.append({"name": f"{prefix}{text}", "label": text, **column})
    for tensor, count in Counter(column["name"] for column in columns).items():
        if count > 1 or tensor == f"{prefix}{INDEX}":
            why = "used twice" if count > 1 else "reserved"
            raise WireError(f"{name}: the column name {tensor!r} is {why}; rename the column")
    return {
        "kind": "dataframe",
        "name": name,
        "columns": columns,
        "labels": describe_labels(value.columns, f"{name}, columns"),
        "index": describe_index(value.index, f"{name}, index", empty=not columns),
    }


def _encode_frame(value: Any, schema: dict[str, Any], prefix: str, *, cast: bool) -> list[Tensor]:
    """Return the tensors of a DataFrame that fits the schema."""
    name, wanted = schema["name"], [column["label"] for column in schema["columns"]]
    actual = _infer_frame(value, name, prefix)
    labels = [column["label"] for column in actual["columns"]]
    _same_labels(name, labels, wanted, ordered=not cast)
    if not cast and actual["labels"] != schema["labels"]:
        expected = read_labels(schema["labels"], len(wanted))
        raise WireError(f"{name}: expected the column labels {expected!r}, got {value.columns!r}")
    places = {label: place for place, label in enumerate(labels)}
    tensors = []
    for column in schema["columns"]:
        place = places[column["label"]]
        tensors.append(_encode_rows(value.iloc[:, place], actual["columns"][place], column, cast=cast))
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


def _encode_rows(series: Any, actual: Column, column: Column, *, cast: bool) -> Tensor:
    name = column["name"]
    if not _same_column(actual, column):
        if not cast:
            raise WireError(f"{name}: expected dtype {column['dtype']}, got {series.dtype}")
        series = convert_column(series, column, name)
    data, parameters = pack_column(series, name)
    return make_tensor(name, [len(data)], column["datatype"], data, parameters)


def _same_column(actual: Column, wanted: Column) -> bool:
    """Tell whether two columns are described alike, whatever they are called."""
    apart = {"kind", "name", "label", "index"}
    return all(actual.get(key) == wanted.get(key) for key in (actual.keys() | wanted.keys()) - apart)


def _decode_frame(tensors: dict[str, Tensor], schema: dict[str, Any], prefix: str) -> Any:
    """Return the DataFrame of tensors indexed by name, in the schema's column order."""
    columns: list[Any] = []
    for column in schema["columns"]:
        columns.append(read_rows(tensors[column["name"]], column, len(columns[0]) if columns else None))
    rows = len(columns[0]) if columns else None
    index = decode_index(tensors, schema["index"], prefix, rows)
    frame = pd.DataFrame(dict(enumerate(columns))) if columns else pd.DataFrame(index=index)
    frame.index = index
    frame.columns = read_labels(schema["labels"], len(columns))
    return frame


def _infer_series(value: Any, name: str, _prefix: str) -> dict[str, Any]:
    """Return the schema of a Series."""
    label = write_label(value.name, f"{name}, name of the Series")
    index = describe_index(value.index, f"{name}, index")
    return {"kind": "series", "name": name, **describe_column(value, name), "label": label, "index": index}


def _encode_series(value: Any, schema: dict[str, Any], prefix: str, *, cast: bool) -> list[Tensor]:
    """Return the tensors of a Series that fits the schema."""
    actual = _infer_series(value, schema["name"], prefix)
    if not cast and actual["label"] != schema["label"]:
        raise WireError(f"{schema['name']}: expected a Series named {schema['label']!r}, got {actual['label']!r}")
    tensor = _encode_rows(value, actual, schema, cast=cast)
    return [tensor, *encode_index(value.index, actual["index"], schema["index"], prefix)]


def _decode_series(tensors: dict[str, Tensor], schema: dict[str, Any], prefix: str) -> Any:
    """Return the Series of tensors indexed by name."""
    series = read_rows(tensors[schema["name"]], schema, None)
    series.index = decode_index(tensors, schema["index"], prefix, len(series))
    return series.rename(read_label(schema["label"]))


CODECS = {
    "dataframe": Codec(_infer_frame, _encode_frame, _decode_frame),
    "series": Codec(_infer_series, _encode_series, _decode_series),
}
