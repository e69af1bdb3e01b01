"""JSON schemas (2020-12) of what the routes take and give, made from the schemas of a signature.

Two forms of one value: *tensors* of the Open Inference Protocol, and *plain* JSON as in MLflow's scoring, where rows
are lists, records of a DataFrame objects, and missing values null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from .tensors import FLOATS, INTEGERS, Tensor, is_json
from .texts import without_tags

JsonSchema = dict[str, Any]

_Schema = dict[str, Any]

#: What stands for a floating-point number, by reference: models have many of them.
NUMBER_REFERENCE = {"$ref": "#/components/schemas/Number"}
NUMBER: JsonSchema = {
    "description": "A floating-point number; null is NaN.",
    "anyOf": [{"type": ["number", "null"]}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}],
}

#: The beginnings of numpy's dtypes, in either spelling, that have a missing value of their own.
_TIMES, _SPANS = ("datetime64", ">M8", "<M8"), ("timedelta64", ">m8", "<m8")


def element(column: _Schema, sample: Tensor | None = None, *, in_tensor: bool = False) -> JsonSchema:
    """Return the schema of one element: of an array, of a column, of a list.

    Parameters
    ----------
    column
        A part of a signature, with its ``datatype``.
    sample
        Its tensor in the sample, which tells what objects are; without it they may be anything.
    in_tensor
        As it is among the data of a tensor, where whatever JSON lacks is text.
    """
    datatype, family, dtype = column["datatype"], column.get("family", ""), str(column.get("dtype", ""))
    if family == "category":
        return {"enum": [*_categories(column["categories"], in_tensor), None]}
    if family in ("sparse", "arrow") and "of" in column:
        return element(column["of"], in_tensor=in_tensor)
    if family == "interval" and not in_tensor:
        return {"type": ["array", "null"], "items": element(column["of"]), "minItems": 2, "maxItems": 2}
    if datatype in FLOATS:
        return NUMBER_REFERENCE
    if dtype == "object" and not in_tensor and (sample is None or is_json(sample)):
        return {"description": "Any value."}
    if datatype in INTEGERS:
        found = _integer(datatype)
    else:
        found = {"type": "boolean"} if datatype == "BOOL" else _text(family, dtype)
    if family or dtype == "object" or dtype.startswith((*_TIMES, *_SPANS)):
        found["type"] = [found["type"], "null"]
    return found


def _categories(described: _Schema, in_tensor: bool) -> list[Any]:
    data: list[Any] = described["data"]
    return [without_tags(json.loads(text)) for text in data] if is_json(described) and not in_tensor else data


def _integer(datatype: str) -> JsonSchema:
    low, high = INTEGERS[datatype]
    if datatype == "INT64":  # Generated clients choke on its bounds: their languages' numbers are no longer than that.
        return {"type": "integer", "format": "int64"}
    return {"type": "integer", "minimum": low, **({"maximum": high} if datatype != "UINT64" else {"format": "uint64"})}


def _text(family: str, dtype: str) -> JsonSchema:
    if family == "interval":
        return {"type": "string", "description": "Both bounds as a JSON list.", "contentMediaType": "application/json"}
    if family in ("zoned", "period") or dtype.startswith(_TIMES):
        return {"type": "string", "description": "A time in ISO 8601, such as 2024-01-31T12:00:00."}
    if dtype.startswith("|S"):
        return {"type": "string", "contentEncoding": "base64"}
    if "complex" in dtype:
        return {"type": "string", "description": "A complex number, such as 1+2j."}
    return {"type": "string"}


def _array(of: JsonSchema, shape: Iterable[int]) -> JsonSchema:
    """Return the schema of nested lists; -1 is any length."""
    for size in reversed(list(shape)):
        of = {"type": "array", "items": of, **({} if size < 0 else {"minItems": size, "maxItems": size})}
    return of


def _object(properties: dict[str, JsonSchema]) -> JsonSchema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


# --- plain ---------------------------------------------------------------------------------------------------------


def record(schema: _Schema, samples: dict[str, Tensor]) -> JsonSchema:
    """Return the schema of one row of a DataFrame as an object."""
    columns = schema["columns"]
    return _object({column["label"]: element(column, samples.get(column["name"])) for column in columns})


def plain(schema: _Schema | None, samples: dict[str, Tensor]) -> JsonSchema:
    """Return the schema of a value as plain JSON; without a signature it may be anything."""
    if schema is None or schema["kind"] == "json":
        return {"description": "Any value."}
    parts = _PARTS.get(schema["kind"])
    if parts is not None:
        return parts(schema, samples)
    one = element(schema, samples.get(schema["name"]))
    return one if schema["kind"] == "scalar" else _array(one, schema.get("shape", [-1]))


def _mapping(schema: _Schema, samples: dict[str, Tensor]) -> JsonSchema:
    return _object({key: plain(member, samples) for key, member in schema["members"].items()})


def _sequence(schema: _Schema, samples: dict[str, Tensor]) -> JsonSchema:
    items = [plain(item, samples) for item in schema["items"]]
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


def _records(schema: _Schema, samples: dict[str, Tensor]) -> JsonSchema:
    return _array(record(schema, samples), [-1])


def _sparse(schema: _Schema, samples: dict[str, Tensor]) -> JsonSchema:
    parts = {part["name"].removeprefix(f"{schema['name']}."): part for part in schema["parts"]}
    return _object({name: _array(element(part), part["shape"]) for name, part in parts.items()})


#: Kinds of values that are made of several tensors.
_PARTS: dict[str, Callable[[_Schema, dict[str, Tensor]], JsonSchema]] = {
    "mapping": _mapping,
    "sequence": _sequence,
    "dataframe": _records,
    "sparse": _sparse,
}


# --- tensors -------------------------------------------------------------------------------------------------------

#: Any tensor, as the protocol describes it.
TENSOR: JsonSchema = {
    "type": "object",
    "description": "A tensor of the Open Inference Protocol.",
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"type": "string", "enum": ["BOOL", *INTEGERS, *sorted(FLOATS), "BYTES"]},
        "parameters": {"type": ["object", "null"]},
        "data": {"type": "array", "items": {}},
    },
    "required": ["name", "shape", "datatype", "data"],
}


def tensor(leaf: _Schema) -> JsonSchema:
    """Return the schema of one tensor: a part of a signature with ``name``, ``datatype`` and ``shape``."""
    size = {"type": "integer", "minimum": 0}
    sizes = ", ".join("any" if one < 0 else str(one) for one in leaf["shape"])
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "const": leaf["name"]},
            "shape": {**_array(size, [len(leaf["shape"])]), "description": f"[{sizes}]"},
            "datatype": {"type": "string", "const": leaf["datatype"]},
            "parameters": {"type": ["object", "null"]},
            "data": {"type": "array", "items": element(leaf, in_tensor=True)},
        },
        "required": ["name", "shape", "datatype", "data"],
    }
