"""MLflow's scoring forms, as at ``/invocations``, to and from tensors.

A request holds exactly one of ``inputs`` (a list, or a dict of columns), ``instances`` (a list of rows),
``dataframe_split`` and ``dataframe_records``, or is a CSV. Whatever the form, the model gets the type its signature
asks for: rows become an array or a DataFrame, by position where they have no names.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

from . import wire
from .inference import parse_json, write_json, write_value
from .model import LoadedModel
from .tables import Table, read_csv, read_table
from .tensors import FLOATS, Tensor, WireError, flatten, is_json, make_tensor, nest, type_name
from .texts import object_data, to_json, without_tags

FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")

_Schema = dict[str, Any]

_INDEX = "__index__"


def read_scoring(
    model: LoadedModel, body: bytes | bytearray, *, csv_header: bool | None = None
) -> tuple[Any, dict[str, Any]]:
    """Read a scoring request.

    Parameters
    ----------
    model
        What predicts.
    body
        JSON, or a CSV.
    csv_header
        Whether the first row of a CSV names the columns; None where the body is JSON.

    Returns
    -------
    data, options
        What the model takes.

    Raises
    ------
    WireError
        If the request is malformed. The message names the field.
    """
    if csv_header is not None:
        return read_form("csv", read_csv(body, model.inputs, header=csv_header), model.inputs), {}
    return _read_request(model, parse_json(body))


def write_scoring(model: LoadedModel, result: Any) -> bytes:
    """Write the answer to a scoring request.

    Raises
    ------
    ModelError
        If the model's output cannot be sent.
    """
    return write_json({"predictions": predictions(*write_value(model, result))})


# --- request -------------------------------------------------------------------------------------------------------


def _read_request(model: LoadedModel, request: Any) -> tuple[Any, dict[str, Any]]:
    """Return the model's input, and what else it is called with."""
    if not isinstance(request, dict):
        raise WireError(f"expected a JSON object with one of {', '.join(FORMS)}, got {type_name(request)}")
    given = [form for form in FORMS if form in request]
    if len(given) != 1:
        raise WireError(f"expected exactly one of {', '.join(FORMS)}, got {', '.join(given) or 'none'}")
    params = request.get("params")
    params = {} if params is None else params
    if not isinstance(params, dict):
        raise WireError(f"params: expected an object, got {type_name(params)}")
    if params and not model.takes_params:
        # MLflow would ignore them: the prediction would not be the one that was asked for.
        raise WireError("params: this model takes none; what predicts has no parameter of that name")
    data = read_form(given[0], request[given[0]], model.inputs)
    return data, {"params": params} if params else {}


def read_form(form: str, given: Any, schema: _Schema | None) -> Any:
    """Return the model's input from one of the forms."""
    table = read_table(form, given)
    if schema is None:
        return _best_effort(form, given, table)
    if table is None:
        return wire.decode(_raw_tensors(given, schema, form), schema)
    return wire.decode(_table_tensors(table, schema, form), schema)


def _table_tensors(table: Table, schema: _Schema, form: str) -> list[Tensor]:
    kind = schema["kind"]
    if kind == "dataframe":
        return [*_frame_tensors(_columns(table, schema, form), schema, form), *_index_tensors(table, schema)]
    if kind == "series" and all(len(row) == 1 for row in table.rows):
        return _raw_tensors([row[0] for row in table.rows], schema, form)
    if kind == "json" and table.columns is not None:
        return _raw_tensors([dict(zip(table.columns, row, strict=True)) for row in table.rows], schema, form)
    if kind == "mapping" and table.columns is not None:
        columns = [list(column) for column in zip(*table.rows, strict=True)]
        return _raw_tensors(dict(zip(table.columns, columns, strict=True)), schema, form)
    return _raw_tensors(table.rows, schema, form)


def _columns(table: Table, schema: _Schema, form: str) -> dict[Any, list[Any]]:
    if table.columns is None or not (table.columns or table.rows):
        return _by_position(table.rows, schema, form)
    columns = [list(column) for column in zip(*table.rows, strict=True)] or [[] for _ in table.columns]
    named = dict(zip(table.columns, columns, strict=True))
    if len(named) < len(columns):
        raise WireError(f"{form}: expected the columns to have names of their own, got {list(table.columns)}")
    return named


def _index_tensors(table: Table, schema: _Schema) -> list[Tensor]:
    """Return the labels of rows, where a form gives any and they are not just the rows' numbers."""
    labels = table.index
    if labels is None or labels == list(range(len(table.rows))):
        return []
    described = schema["index"]
    if described is None:
        datatype = "INT64" if all(type(label) is int for label in labels) else "BYTES"
        return [make_tensor(_INDEX, [len(labels)], datatype, labels)]
    levels = described["levels"]
    if not described["multi"]:
        return [make_tensor(_INDEX, [len(labels)], levels[0]["datatype"], labels)]
    if not all(isinstance(label, list) and len(label) == len(levels) for label in labels):
        raise WireError(f"dataframe_split.index: expected lists of {len(levels)}, one item for each level")
    return [
        make_tensor(f"{_INDEX}.{place}", [len(labels)], level["datatype"], [label[place] for label in labels])
        for place, level in enumerate(levels)
    ]


def _by_position(rows: Any, schema: _Schema, form: str) -> dict[Any, list[Any]]:
    labels = [column["label"] for column in schema["columns"]]
    if not isinstance(rows, list):
        raise WireError(f"{form}: expected a list of rows or an object of columns, got {type_name(rows)}")
    for position, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(labels):
            raise WireError(f"{form}[{position}]: expected a list of {len(labels)}, one item for each column")
    return {label: [row[place] for row in rows] for place, label in enumerate(labels)}


def _frame_tensors(columns: dict[Any, Any], schema: _Schema, form: str) -> list[Tensor]:
    known = {str(column["label"]): column for column in schema["columns"]}
    tensors = []
    for label, data in columns.items():
        if str(label) not in known:
            raise WireError(f"{form}: unknown column {label!r}; expected {', '.join(known)}")
        if not isinstance(data, list):
            raise WireError(f"{form}: expected the column {label!r} to be a list, got {type_name(data)}")
        tensors.append(_leaf(data, [len(data)], known[str(label)]))
    return tensors


def _raw_tensors(given: Any, schema: _Schema, form: str) -> list[Tensor]:
    """Return the tensors of nested JSON read as the schema says."""
    kind = schema["kind"]
    if kind == "json":
        return [make_tensor(schema["name"], [1], "BYTES", [to_json(given, form)])]
    if kind == "scalar":
        return [make_tensor(schema["name"], [1], schema["datatype"], [given])]
    if kind in ("mapping", "sequence"):
        parts = (_mapping_parts if kind == "mapping" else _sequence_parts)(given, schema, form)
        return [tensor for item, part, field in parts for tensor in _raw_tensors(item, part, field)]
    special = {"sparse": _sparse_tensors, "dataframe": _nested_frame_tensors}.get(kind)
    return special(given, schema, form) if special else [_array_tensor(given, schema, form)]


def _nested_frame_tensors(given: Any, schema: _Schema, form: str) -> list[Tensor]:
    if isinstance(given, dict):
        return _frame_tensors(given, schema, form)
    table = read_table(form, given)
    return _frame_tensors(_columns(table, schema, form) if table else _by_position(given, schema, form), schema, form)


def _mapping_parts(given: Any, schema: _Schema, form: str) -> list[tuple[Any, _Schema, str]]:
    members = schema["members"]
    if not isinstance(given, dict):
        raise WireError(f"{form}: expected an object with {', '.join(members)}, got {type_name(given)}")
    if unknown := given.keys() - members.keys():
        raise WireError(f"{form}: unknown {min(unknown)!r}; expected {', '.join(members)}")
    return [(given[key], member, f"{form}.{key}") for key, member in members.items() if key in given]


def _sequence_parts(given: Any, schema: _Schema, form: str) -> list[tuple[Any, _Schema, str]]:
    if not isinstance(given, list) or len(given) != len(schema["items"]):
        raise WireError(f"{form}: expected a list of {len(schema['items'])}")
    return [
        (item, part, f"{form}[{place}]") for place, (item, part) in enumerate(zip(given, schema["items"], strict=True))
    ]


def _sparse_tensors(given: Any, schema: _Schema, form: str) -> list[Tensor]:
    parts = _sparse_parts(schema)
    if not isinstance(given, dict) or given.keys() != parts.keys():
        raise WireError(f"{form}: expected a sparse matrix as an object with {', '.join(parts)}")
    return [_array_tensor(given[name], part, form) for name, part in parts.items()]


def _sparse_parts(schema: _Schema) -> dict[str, _Schema]:
    """Return the parts of a sparse matrix by their own names, such as ``data``."""
    return {part["name"].removeprefix(f"{schema['name']}."): part for part in schema["parts"]}


def _array_tensor(given: Any, schema: _Schema, form: str) -> Tensor:
    if isinstance(given, dict) and all(isinstance(column, list) for column in given.values()):
        # A dict of columns for a model that takes rows.
        lengths = {len(column) for column in given.values()}
        if len(lengths) > 1:
            raise WireError(f"{form}: expected columns of equal length")
        given = [list(row) for row in zip(*given.values(), strict=True)]
    shape, data = flatten(given, form) if isinstance(given, list) else ([], [given])
    wanted = schema.get("shape", [-1])
    if not data and len(shape) < len(wanted):
        shape = [0 if size == -1 else size for size in wanted]
    return _leaf(data, shape, schema)


def _leaf(data: list[Any], shape: list[int], schema: _Schema) -> Tensor:
    parameters: dict[str, Any] = {}
    if schema.get("family") == "interval" or is_json(schema.get("categories", {})):
        data = [_json_text(item, schema) for item in data]
    elif schema.get("dtype") == "object":
        data, parameters = object_data(data, schema["name"])
    elif schema["datatype"] not in FLOATS:
        # MLflow's clients write NaN for whatever is missing, also among texts.
        data = [None if element != element else element for element in data]  # noqa: PLR0124
    return make_tensor(schema["name"], shape, schema["datatype"], data, parameters)


def _json_text(item: Any, schema: _Schema) -> Any:
    """Return an element as the JSON text that carries it; it may be one already."""
    missing_category = item is None and "categories" in schema
    return item if missing_category or isinstance(item, str) else to_json(item, schema["name"])


def _best_effort(form: str, given: Any, table: Table | None) -> Any:
    """Return what a model without a signature most likely takes."""
    if table is None or form in ("inputs", "instances"):
        if find_spec("numpy") and isinstance(given, list):
            import numpy as np

            try:
                return np.asarray(given)
            except ValueError:
                return given
        return given
    if find_spec("pandas"):
        import pandas as pd

        return pd.DataFrame(table.rows, columns=None if table.columns is None else list(table.columns))
    return table.rows


# --- response ------------------------------------------------------------------------------------------------------


def predictions(tensors: list[Tensor], schema: _Schema) -> Any:
    """Return predictions as the JSON a person would write: nested lists, records for a DataFrame, null for NaN.

    A sparse matrix stays one: an object of the arrays it is made of, and its shape.
    """
    return _plain({tensor["name"]: tensor for tensor in tensors}, schema)


def _plain(named: dict[str, Tensor], schema: _Schema) -> Any:
    kind = schema["kind"]
    if kind == "mapping":
        return {key: _plain(named, member) for key, member in schema["members"].items()}
    if kind == "sequence":
        return [_plain(named, item) for item in schema["items"]]
    if kind == "dataframe":
        columns = [_data(named[column["name"]]) for column in schema["columns"]]
        labels = [str(column["label"]) for column in schema["columns"]]
        return [dict(zip(labels, row, strict=True)) for row in zip(*columns, strict=True)]
    if kind == "sparse":
        parts = {name: named[part["name"]] for name, part in _sparse_parts(schema).items()}
        return {name: nest(tensor["shape"], _data(tensor)) for name, tensor in parts.items()}
    tensor = named[schema["name"]]
    data = _data(tensor)
    # A list that went as JSON text is one element as well.
    one = kind in ("scalar", "json") or (kind == "list" and tensor["datatype"] != schema["datatype"])
    return data[0] if one else nest(tensor["shape"], data)


def _data(tensor: Tensor) -> list[Any]:
    if tensor["datatype"] in FLOATS:
        return [None if number == "NaN" else number for number in tensor["data"]]
    if is_json(tensor):
        return [without_tags(json.loads(text)) for text in tensor["data"]]
    return list(tensor["data"])
