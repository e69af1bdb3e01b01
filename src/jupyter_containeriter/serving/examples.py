"""The first rows of a model's sample, as examples of requests."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from .scoring import predictions
from .tensors import Tensor
from .wire import leaves

ROWS = 5

#: Longer examples have one row only, and then none at all.
_MOST_BYTES = 32 * 1024

_Schema = dict[str, Any]


def example_tensors(schema: _Schema, sample: list[Tensor]) -> list[Tensor] | None:
    """Return the tensors of the first rows, None where they are too long to be read."""
    named = {tensor["name"]: tensor for tensor in sample}
    # Without the labels of rows: they are not needed.
    own = [named[leaf["name"]] for leaf in leaves(schema)]
    for tensors in ([_head(tensor, schema, ROWS) for tensor in own], [_head(tensor, schema, 1) for tensor in own]):
        if len(json.dumps(tensors)) <= _MOST_BYTES:
            return tensors
    return None


def _head(tensor: Tensor, schema: _Schema, rows: int) -> Tensor:
    batch = schema["kind"] in ("dataframe", "series", "ndarray", "torch", "jax", "list")
    shape = tensor["shape"]
    # A list that is no array went as one JSON text.
    if not batch or not shape or (schema["kind"] == "list" and "parameters" in tensor):
        return tensor
    rows = min(rows, shape[0])
    return {**tensor, "shape": [rows, *shape[1:]], "data": tensor["data"][: rows * math.prod(shape[1:])]}


def example_request(schema: _Schema, tensors: list[Tensor]) -> dict[str, Any]:
    """Return a request in MLflow's form."""
    form = "dataframe_records" if schema["kind"] == "dataframe" else "inputs"
    return {form: predictions(tensors, schema)}


def example_csv(schema: _Schema, tensors: list[Tensor]) -> str | None:
    """Return the same request as a CSV, None where the value is no table."""
    value = predictions(tensors, schema)
    if schema["kind"] == "dataframe":
        rows = [[column["label"] for column in schema["columns"]], *(row.values() for row in value)]
    elif schema["kind"] == "ndarray" and len(schema["shape"]) == 2 and value:
        rows = [range(len(value[0])), *value]
    else:
        return None
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
