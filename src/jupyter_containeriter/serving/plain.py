"""Python's own scalars and lists, and numpy's scalars, as tensors."""

from __future__ import annotations

from typing import Any

from .tensors import (
    JSON_CONTENT,
    Tensor,
    WireError,
    elements,
    flatten,
    float_word,
    is_numpy_scalar,
    make_tensor,
    nest,
    parameters_of,
    read_tensor,
    type_name,
)
from .texts import from_json, to_json

DATATYPES: dict[type, str] = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}
_TYPES: dict[str, type] = {kind.__name__: kind for kind in DATATYPES}


def infer_scalar(value: Any, name: str) -> dict[str, Any] | None:
    """Return the schema of a scalar, or None for an integer beyond 64 bits."""
    kind = type(value)
    if kind not in DATATYPES:
        from .arrays import describe_dtype

        return {"kind": "scalar", "name": name, "type": "numpy", **describe_dtype(value.dtype, name)}
    if kind is int and not _is_int64(value):
        return None
    return {"kind": "scalar", "name": name, "type": kind.__name__, "datatype": DATATYPES[kind]}


def _is_int64(number: Any) -> bool:
    return type(number) is int and -(2**63) <= number < 2**63


def infer_list(value: list[Any], name: str) -> dict[str, Any] | None:
    """Return the schema of a rectangular list of one type, or None for any other list."""
    try:
        shape, flat = flatten(value, name)
    except WireError:
        return None
    kinds = set(map(type, flat))
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind in DATATYPES and not (kind is int and not all(map(_is_int64, flat))):
        schema = {"kind": "list", "name": name, "type": kind.__name__, "datatype": DATATYPES[kind]}
        return {**schema, "shape": [-1] * len(shape)}
    if kind and len(shape) == 1 and is_numpy_scalar(flat[0]) and _of_one_dtype(flat):
        import numpy as np

        from .arrays import describe_dtype

        dtype = describe_dtype(np.array(flat).dtype, name)
        return {"kind": "list", "name": name, "type": "numpy", **dtype, "shape": [-1]}
    return None


def _of_one_dtype(scalars: list[Any]) -> bool:
    """Tell whether numpy scalars of one type are of one dtype, too; texts may have any length."""
    dtype = scalars[0].dtype
    return dtype.kind in "US" or (dtype.kind in "biufcMm" and all(scalar.dtype == dtype for scalar in scalars))


def encode_scalar(value: Any, schema: dict[str, Any], *, cast: bool) -> Tensor:
    """Return the tensor of a scalar that fits the schema."""
    name = schema["name"]
    if schema["type"] == "numpy":
        return _encode_numpy([value], infer_scalar(value, name), schema)
    wanted = _TYPES[schema["type"]]
    if cast and wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted or (wanted is int and not _is_int64(value)):
        raise WireError(f"{name}: expected {wanted.__name__}, got {type_name(value)} {value!r:.60}")
    data: Any = float_word(value) if type(value) is float else value
    return make_tensor(name, [1], schema["datatype"], [data])


def encode_list(value: list[Any], schema: dict[str, Any], *, cast: bool) -> Tensor:
    """Return the tensor of a list; as JSON text where it is ragged or mixed though the sample was not."""
    name = schema["name"]
    if not value:
        return make_tensor(name, [0] * len(schema["shape"]), schema["datatype"], [])
    actual = infer_list(value, name)
    if schema["type"] == "numpy":
        return _encode_numpy(value, actual, schema)
    if not _same_list(actual, schema, cast=cast):
        return make_tensor(name, [1], "BYTES", [to_json(value, name)], JSON_CONTENT)
    shape, data = flatten(value, name)
    if schema["type"] == "float":
        data = [float_word(number) for number in data]
    return make_tensor(name, shape, schema["datatype"], data)


def _same_list(actual: dict[str, Any] | None, wanted: dict[str, Any], *, cast: bool) -> bool:
    if actual is None or actual["shape"] != wanted["shape"]:
        return False
    return actual["type"] == wanted["type"] or (cast and (actual["type"], wanted["type"]) == ("int", "float"))


def _encode_numpy(values: list[Any], actual: dict[str, Any] | None, schema: dict[str, Any]) -> Tensor:
    import numpy as np

    from .arrays import same_dtype, to_data

    name = schema["name"]
    if actual is None or actual["type"] != "numpy" or not same_dtype(actual, schema):
        raise WireError(f"{name}: expected numpy {schema['dtype']}, got {type_name(values[0])}")
    data, parameters = to_data(np.array(values), name)
    return make_tensor(name, [len(values)], schema["datatype"], data, parameters)


def encode_json(value: Any, name: str) -> Tensor:
    """Return the tensor of any value JSON can hold."""
    return make_tensor(name, [1], "BYTES", [to_json(value, name)], JSON_CONTENT)


def decode_json(tensor: Tensor) -> Any:
    """Undo :func:`encode_json`."""
    _, data = read_tensor(tensor, "BYTES")
    if len(data) != 1:
        raise WireError(f"{tensor['name']}: expected one JSON text, got {len(data)}")
    return from_json(elements(tensor["name"], "BYTES", data)[0], tensor["name"])


def decode_list(tensor: Tensor, schema: dict[str, Any]) -> Any:
    """Undo :func:`encode_list`."""
    name, datatype = schema["name"], schema["datatype"]
    if parameters_of(tensor).get("content_type") == "json":
        value = decode_json(tensor)
        if type(value) is not list:
            raise WireError(f"{name}: expected a list, got {type_name(value)}")
        return value
    shape, data = read_tensor(tensor, datatype)
    if len(shape) != len(schema["shape"]):
        raise WireError(f"{name}: expected shape {schema['shape']}, got {shape}")
    if not data:
        return []  # Whatever the shape: it may claim more rows than any memory holds.
    if schema["type"] == "numpy":
        from .arrays import from_data

        return list(from_data(name, data, schema, {}))
    return nest(shape, elements(name, datatype, data))


def decode_scalar(tensor: Tensor, schema: dict[str, Any]) -> Any:
    """Undo :func:`encode_scalar`."""
    name, datatype = schema["name"], schema["datatype"]
    _, data = read_tensor(tensor, datatype)
    if len(data) != 1:
        raise WireError(f"{name}: expected one element, got {len(data)}")
    if schema["type"] == "numpy":
        from .arrays import from_data

        return from_data(name, data, schema, {})[0]
    return elements(name, datatype, data)[0]
