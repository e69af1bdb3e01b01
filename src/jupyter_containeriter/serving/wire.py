"""The codec of the Open Inference Protocol v2, used by the server in the container and by the client in the kernel.

A value is described by a *schema* (plain JSON) and carried by a list of *tensors*. Schema kinds:

==========  =========================================================  ====================================
kind        value                                                      tensors
==========  =========================================================  ====================================
ndarray     ``numpy.ndarray`` of any dimension                         one
dataframe   ``pandas.DataFrame``                                       one for each column, and the index
series      ``pandas.Series``                                          one, and the index
list        rectangular (nested) list of one plain type                one
scalar      number, string, bool, numpy scalar                         one
mapping     ``dict`` of str to values; names are joined with a dot     those of its values
sequence    tuple, or list of arrays; names are numbered               those of its items
json        any other value JSON can hold (tuples too)                 one BYTES tensor of JSON text
==========  =========================================================  ====================================

The round trip is exact in value, dtype and container type; what cannot be carried raises :class:`WireError`. numpy and
pandas are imported only when a value or a schema needs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .plain import (
    DATATYPES,
    decode_json,
    decode_list,
    decode_scalar,
    encode_json,
    encode_list,
    encode_scalar,
    infer_list,
    infer_scalar,
)
from .tensors import Tensor, WireError, by_name, is_numpy_scalar, to_json, type_name

__all__ = ["WireError", "decode", "encode", "infer_schema", "tensor_metadata"]

Schema = dict[str, Any]

#: Longer tuples are data rather than several outputs, and go as one JSON text if they can.
_LONGEST_TUPLE = 16


# --- infer ---------------------------------------------------------------------------------------------------------


def infer_schema(value: Any, *, name: str = "input-0") -> Schema:
    """Describe a value.

    Parameters
    ----------
    value
        What a model takes or gives.
    name
        Name of its tensor: ``input-0`` for an input, ``output-0`` for an output. Columns of a DataFrame and members
        of a mapping at the top have names of their own.

    Returns
    -------
    dict
        The schema, as plain JSON.

    Raises
    ------
    WireError
        If the value cannot be carried. The message names the column or the element in the way.
    """
    try:
        schema = _infer(value, name, "")
    except RecursionError:
        raise WireError(f"{name}: is nested too deeply") from None
    twice = [tensor for tensor, count in Counter(leaf["name"] for leaf in _leaves(schema)).items() if count > 1]
    if twice:
        raise WireError(f"{name}: two parts would both be called {twice[0]!r}")
    return schema


def _infer(value: Any, name: str, prefix: str) -> Schema:
    kind = kind_of(value)
    if kind in ("ndarray", "dataframe", "series"):
        return _infer_rich(value, kind, name, prefix)
    schema = None
    if kind == "mapping":
        members = {key: _infer(item, f"{prefix}{key}", f"{prefix}{key}.") for key, item in value.items()}
        schema = {"kind": "mapping", "name": name, "members": members}
    elif kind == "scalar":
        schema = infer_scalar(value, name)
    elif kind == "list":
        schema = infer_list(value, name)
    elif kind == "tuple" and 0 < len(value) <= _LONGEST_TUPLE:
        schema = _infer_sequence(value, name)
    return schema or _infer_json(value, name)


def _infer_rich(value: Any, kind: str, name: str, prefix: str) -> Schema:
    if kind == "ndarray":
        from .arrays import infer_array

        return infer_array(value, name)
    from .frames import infer_frame, infer_series

    return infer_frame(value, name, prefix) if kind == "dataframe" else infer_series(value, name)


def kind_of(value: Any) -> str:
    """Return the kind a value belongs to by its type alone; ``json`` where only a closer look can tell."""
    kind = type(value)
    if kind in DATATYPES or is_numpy_scalar(value):
        return "scalar"
    if kind is list or kind is tuple:
        return kind.__name__
    if kind is dict:
        return "mapping" if value and all(type(key) is str for key in value) else "json"
    # pandas moved its public names, so the package is what tells them from somebody else's DataFrame.
    package = kind.__module__.partition(".")[0]
    names = {"numpy": ("ndarray", "memmap"), "pandas": ("DataFrame", "Series")}.get(package, ())
    if kind.__name__ not in names:
        return "json"
    return "ndarray" if package == "numpy" else kind.__name__.lower()


def _infer_json(value: Any, name: str) -> Schema:
    try:
        to_json(value, name)
    except WireError:
        # Several arrays in a list or a tuple: each goes as what it is.
        if not (isinstance(value, list | tuple) and any(_is_rich(item) for item in value)):
            raise
        return _infer_sequence(value, name)
    return {"kind": "json", "name": name}


def _is_rich(value: Any) -> bool:
    """Tell whether a value is an array or a frame, or contains one."""
    if isinstance(value, dict):
        return any(map(_is_rich, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_rich, value))
    return kind_of(value) in ("ndarray", "dataframe", "series")


def _infer_sequence(value: Any, name: str) -> Schema:
    items = [_infer(item, f"{name}.{position}", f"{name}.{position}.") for position, item in enumerate(value)]
    return {"kind": "sequence", "name": name, "container": type(value).__name__, "items": items}


# --- encode --------------------------------------------------------------------------------------------------------


def encode(value: Any, schema: Schema, *, cast: bool = False) -> list[Tensor]:
    """Return the tensors of a value.

    Parameters
    ----------
    value
        A value that fits the schema.
    schema
        As from :func:`infer_schema`.
    cast
        Convert what is meant to be the same: numbers to the schema's dtype where nothing is lost, a list to an array,
        columns to the schema's order. For data that a person gives; otherwise a dtype of its own is refused.

    Returns
    -------
    list of dict
        ``name``, ``shape``, ``datatype``, ``data`` and, where needed, ``parameters``; plain JSON.

    Raises
    ------
    WireError
        If the value does not fit the schema. The message says what was expected.
    """
    return _encode(value, schema, "", cast=cast)


def _encode(value: Any, schema: Schema, prefix: str, *, cast: bool) -> list[Tensor]:
    kind, name = schema["kind"], schema["name"]
    if kind == "json":
        return [encode_json(value, name)]
    if kind == "ndarray" and cast and kind_of(value) == "list":
        value = _as_array(value, name)
    actual = kind_of(value)
    if actual != kind and not (kind == "sequence" and actual == schema["container"]):
        raise WireError(f"{name}: expected a {_wanted_type(schema)}, got {type_name(value)}")
    if kind == "ndarray":
        from .arrays import encode_array

        return [encode_array(value, schema, cast=cast)]
    if kind in ("dataframe", "series"):
        from .frames import encode_frame, encode_series

        encode_pandas = encode_frame if kind == "dataframe" else encode_series
        return encode_pandas(value, schema, prefix, cast=cast)
    if kind in ("mapping", "sequence"):
        return _encode_parts(value, schema, cast=cast)
    return [encode_list(value, schema, cast=cast) if kind == "list" else encode_scalar(value, schema, cast=cast)]


def _wanted_type(schema: Schema) -> str:
    names = {"dataframe": "pandas DataFrame", "series": "pandas Series", "ndarray": "numpy array", "mapping": "dict"}
    if schema["kind"] == "sequence":
        return str(schema["container"])
    return names.get(schema["kind"], str(schema["kind"]))


def _as_array(value: list[Any], name: str) -> Any:
    import numpy as np

    try:
        return np.array(value)
    except ValueError as error:
        raise WireError(f"{name}: expected a numpy array or a rectangular list: {error}") from None


def _encode_parts(value: Any, schema: Schema, *, cast: bool) -> list[Tensor]:
    name = schema["name"]
    if schema["kind"] == "mapping":
        if list(value) != list(schema["members"]) and not (cast and value.keys() == schema["members"].keys()):
            raise WireError(f"{name}: expected the keys {list(schema['members'])}, got {list(value)}")
        parts = [(value[key], member) for key, member in schema["members"].items()]
    else:
        if len(value) != len(schema["items"]):
            raise WireError(f"{name}: expected {len(schema['items'])} items, got {len(value)}")
        parts = list(zip(value, schema["items"], strict=True))
    return [tensor for part, member in parts for tensor in _encode(part, member, f"{member['name']}.", cast=cast)]


# --- decode --------------------------------------------------------------------------------------------------------


def decode(tensors: list[Tensor], schema: Schema) -> Any:
    """Return the value that tensors carry.

    Parameters
    ----------
    tensors
        As parsed from JSON, in any order.
    schema
        What they must be.

    Raises
    ------
    WireError
        If a tensor is missing, unknown, given twice or not what the schema says. The message names it.
    """
    named = by_name(tensors)
    wanted = [leaf["name"] for leaf in _leaves(schema)]
    for name in wanted:
        if name not in named:
            raise WireError(f"{name}: missing; expected {_listed(wanted)}")
    indexes = tuple(_index_names(schema, ""))
    for name in named:
        if name not in wanted and not name.startswith(indexes):
            raise WireError(f"{name}: unknown; expected {_listed(wanted)}")
    return _decode(named, schema, "")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "")


def _decode(named: dict[str, Tensor], schema: Schema, prefix: str) -> Any:
    kind, name = schema["kind"], schema["name"]
    if kind == "mapping":
        return {key: _decode(named, member, f"{member['name']}.") for key, member in schema["members"].items()}
    if kind == "sequence":
        items = [_decode(named, item, f"{item['name']}.") for item in schema["items"]]
        return tuple(items) if schema["container"] == "tuple" else items
    if kind == "ndarray":
        from .arrays import decode_array

        return decode_array(named[name], schema)
    if kind in ("dataframe", "series"):
        from .frames import decode_frame, decode_series

        return (decode_frame if kind == "dataframe" else decode_series)(named, schema, prefix)
    if kind == "list":
        return decode_list(named[name], schema)
    return decode_json(named[name]) if kind == "json" else decode_scalar(named[name], schema)


# --- describe ------------------------------------------------------------------------------------------------------


def tensor_metadata(schema: Schema) -> list[dict[str, Any]]:
    """Return name, datatype and shape of each tensor of a schema; -1 stands for the batch dimension."""
    return [{key: leaf[key] for key in ("name", "datatype", "shape")} for leaf in _leaves(schema)]


def _leaves(schema: Schema) -> Iterator[dict[str, Any]]:
    kind = schema["kind"]
    if kind == "mapping":
        for member in schema["members"].values():
            yield from _leaves(member)
    elif kind == "sequence":
        for item in schema["items"]:
            yield from _leaves(item)
    elif kind == "dataframe":
        for column in schema["columns"]:
            yield {**column, "shape": [-1]}
    elif kind == "series":
        yield {**schema, "shape": [-1]}
    else:
        yield {"datatype": "BYTES", "shape": [1], **schema}


def _index_names(schema: Schema, prefix: str) -> Iterator[str]:
    kind = schema["kind"]
    if kind in ("mapping", "sequence"):
        for part in schema["members"].values() if kind == "mapping" else schema["items"]:
            yield from _index_names(part, f"{part['name']}.")
    elif kind in ("dataframe", "series"):
        yield f"{prefix}__index__"
