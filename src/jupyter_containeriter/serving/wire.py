"""The codec of the Open Inference Protocol v2, used by the server in the container and by the client in the kernel.

A value is described by a *schema* (plain JSON) and carried by a list of *tensors*. Schema kinds:

==========  =========================================================  ====================================
kind        value                                                      tensors
==========  =========================================================  ====================================
ndarray     ``numpy.ndarray`` of any dimension                         one
dataframe   ``pandas.DataFrame``                                       one for each column, and the index
series      ``pandas.Series``                                          one, and the index
sparse      sparse matrix or array of scipy                            four: entries, their places, shape
torch, jax  ``torch.Tensor`` (without gradients), ``jax.Array``        one
list        rectangular (nested) list of one plain type                one
scalar      number, string, bool, numpy scalar                         one
mapping     ``dict``; names are joined with a dot                      those of its values
sequence    tuple, or list of arrays; names are numbered               those of its items
json        any other value JSON text can hold (see ``texts.py``)      one BYTES tensor of JSON text
==========  =========================================================  ====================================

The round trip is exact in value, dtype and container type; what cannot be carried raises :class:`WireError`. numpy,
pandas, scipy, torch and JAX are imported only when a value or a schema needs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
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
from .tensors import Codec, Tensor, WireError, by_name, is_numpy_scalar, type_name
from .texts import to_json

__all__ = ["WireError", "decode", "encode", "infer_schema", "leaves", "libraries", "listed", "tensor_metadata"]

Schema = dict[str, Any]

#: Longer tuples are data rather than several outputs, and go as one JSON text if they can.
_LONGEST_TUPLE = 16

#: The module that carries a kind, and the library that its values are of.
_RICH = {
    "ndarray": ("arrays", "numpy"),
    "dataframe": ("frames", "pandas"),
    "series": ("frames", "pandas"),
    "sparse": ("sparse", "scipy"),
    "torch": ("foreign", "torch"),
    "jax": ("foreign", "jax"),
}

#: Kinds by the package that defines a type and the type's name there; libraries move their public names about.
_TYPES = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "memmap"): "ndarray",
    ("pandas", "DataFrame"): "dataframe",
    ("pandas", "Series"): "series",
    ("torch", "Tensor"): "torch",
    ("torch", "Parameter"): "torch",
    ("jaxlib", "ArrayImpl"): "jax",
    **{
        ("scipy", f"{form}_{container}"): "sparse"
        for form in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
        for container in ("matrix", "array")
    },
}


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
    twice = [tensor for tensor, count in Counter(leaf["name"] for leaf in leaves(schema)).items() if count > 1]
    if twice:
        raise WireError(f"{name}: two parts would both be called {twice[0]!r}")
    return schema


def _infer(value: Any, name: str, prefix: str) -> Schema:
    kind = kind_of(value)
    if kind in _RICH:
        return _codec(kind).infer(value, name, prefix)
    schema = None
    if kind == "mapping":
        schema = _infer_mapping(value, name, prefix)
    elif kind == "scalar":
        schema = infer_scalar(value, name)
    elif kind == "list":
        schema = infer_list(value, name)
    elif kind == "tuple" and 0 < len(value) <= _LONGEST_TUPLE:
        schema = _infer_sequence(value, name)
    return schema or _infer_json(value, name)


@cache
def _codec(kind: str) -> Codec:
    """Import what carries a kind, and with it the library that its values are of."""
    module, _ = _RICH[kind]
    codec: Codec = import_module(f".{module}", __package__).CODECS[kind]
    return codec


def kind_of(value: Any) -> str:
    """Return the kind a value belongs to by its type alone; ``json`` where only a closer look can tell."""
    kind = type(value)
    if kind in DATATYPES or is_numpy_scalar(value):
        return "scalar"
    if kind is list or kind is tuple:
        return kind.__name__
    if kind is dict:
        return "mapping" if value and all(map(_is_key, value)) else "json"
    return _TYPES.get((kind.__module__.partition(".")[0], kind.__name__), "json")


def _is_key(key: Any) -> bool:
    return type(key) in (str, int, bool) or (is_numpy_scalar(key) and type(key.item()) in (str, int, bool))


def _infer_mapping(value: dict[Any, Any], name: str, prefix: str) -> Schema:
    """Describe a dict; its ``keys`` are told where they are not all strings, numpy's own become Python's."""
    keys = [key.item() if is_numpy_scalar(key) else key for key in value]
    parts = zip(keys, value.values(), strict=True)
    members = {str(key): _infer(item, f"{prefix}{key}", f"{prefix}{key}.") for key, item in parts}
    if len(members) < len(keys):
        twice, _ = Counter(map(str, keys)).most_common(1)[0]
        raise WireError(f"{name}: two keys would both be called {twice!r}")
    schema = {"kind": "mapping", "name": name, "members": members}
    return schema if set(map(type, keys)) == {str} else {**schema, "keys": keys}


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
    return kind_of(value) in _RICH


def _infer_sequence(value: Any, name: str) -> Schema:
    items = [_infer(item, f"{name}.{position}", f"{name}.{position}.") for position, item in enumerate(value)]
    return {"kind": "sequence", "name": name, "container": type(value).__name__, "items": items}


# --- encode --------------------------------------------------------------------------------------------------------


def encode(value: Any, schema: Schema, *, cast: bool = False, packed: bool = False) -> list[Tensor]:
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
    packed
        Leave the data of numeric arrays what they are, for ``binary.py`` or :func:`listed`.

    Returns
    -------
    list of dict
        ``name``, ``shape``, ``datatype``, ``data`` and, where needed, ``parameters``; plain JSON.

    Raises
    ------
    WireError
        If the value does not fit the schema. The message says what was expected.
    """
    tensors = _encode(value, schema, "", cast=cast)
    return tensors if packed else [listed(tensor) for tensor in tensors]


def listed(tensor: Tensor) -> Tensor:
    """Return a tensor, its data, if it has any, made a list as JSON has it where they were left an array."""
    if type(tensor.get("data", [])) is not list:
        from .arrays import to_data

        tensor["data"], _ = to_data(tensor["data"], tensor["name"])
    return tensor


def _encode(value: Any, schema: Schema, prefix: str, *, cast: bool) -> list[Tensor]:
    kind, name = schema["kind"], schema["name"]
    if kind == "json":
        return [encode_json(value, name)]
    if kind == "ndarray" and cast and kind_of(value) == "list":
        value = _as_array(value, name)
    actual = kind_of(value)
    if actual != kind and not (kind == "sequence" and actual == schema["container"]):
        raise WireError(f"{name}: expected a {_wanted_type(schema)}, got {type_name(value)}")
    if kind in _RICH:
        return _codec(kind).encode(value, schema, prefix, cast=cast)
    if kind in ("mapping", "sequence"):
        return _encode_parts(value, schema, cast=cast)
    return [encode_list(value, schema, cast=cast) if kind == "list" else encode_scalar(value, schema, cast=cast)]


def _wanted_type(schema: Schema) -> str:
    names = {
        "dataframe": "pandas DataFrame",
        "series": "pandas Series",
        "ndarray": "numpy array",
        "sparse": "sparse matrix of scipy",
        "torch": "torch Tensor",
        "jax": "JAX Array",
        "mapping": "dict",
    }
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
        keys = _keys(schema)
        if list(value) != keys and not (cast and value.keys() == set(keys)):
            raise WireError(f"{name}: expected the keys {keys}, got {list(value)}")
        parts = [(value[key], member) for key, member in zip(keys, schema["members"].values(), strict=True)]
    else:
        if len(value) != len(schema["items"]):
            raise WireError(f"{name}: expected {len(schema['items'])} items, got {len(value)}")
        parts = list(zip(value, schema["items"], strict=True))
    return [tensor for part, member in parts for tensor in _encode(part, member, f"{member['name']}.", cast=cast)]


def _keys(schema: Schema) -> list[Any]:
    """Return the keys of a mapping as they are in the dict."""
    return schema.get("keys") or list(schema["members"])


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
    wanted = [leaf["name"] for leaf in leaves(schema)]
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
        members = schema["members"].values()
        values = (_decode(named, member, f"{member['name']}.") for member in members)
        return dict(zip(_keys(schema), values, strict=True))
    if kind == "sequence":
        items = [_decode(named, item, f"{item['name']}.") for item in schema["items"]]
        return tuple(items) if schema["container"] == "tuple" else items
    if kind in _RICH:
        return _codec(kind).decode(named, schema, prefix)
    if kind == "list":
        return decode_list(named[name], schema)
    return decode_json(named[name]) if kind == "json" else decode_scalar(named[name], schema)


# --- describe ------------------------------------------------------------------------------------------------------


def tensor_metadata(schema: Schema) -> list[dict[str, Any]]:
    """Return name, datatype and shape of each tensor of a schema; -1 stands for the batch dimension."""
    return [{key: leaf[key] for key in ("name", "datatype", "shape")} for leaf in leaves(schema)]


def leaves(schema: Schema) -> Iterator[dict[str, Any]]:
    """Return the part of a schema that describes each tensor."""
    kind = schema["kind"]
    if kind == "mapping":
        for member in schema["members"].values():
            yield from leaves(member)
    elif kind == "sequence":
        for item in schema["items"]:
            yield from leaves(item)
    elif kind == "dataframe":
        for column in schema["columns"]:
            yield {**column, "shape": [-1]}
    elif kind == "series":
        yield {**schema, "shape": [-1]}
    elif kind == "sparse":
        yield from schema["parts"]
    else:
        yield {"datatype": "BYTES", "shape": [1], **schema}


def _index_names(schema: Schema, prefix: str) -> Iterator[str]:
    kind = schema["kind"]
    if kind in ("mapping", "sequence"):
        for part in schema["members"].values() if kind == "mapping" else schema["items"]:
            yield from _index_names(part, f"{part['name']}.")
    elif kind in ("dataframe", "series"):
        yield f"{prefix}__index__"


def libraries(schema: Schema) -> set[str]:
    """Return the modules that values of a schema need, by their top-level names."""
    kind = schema["kind"]
    if kind in ("mapping", "sequence"):
        parts = schema["members"].values() if kind == "mapping" else schema["items"]
        return set().union(*map(libraries, parts))
    found = {_RICH[kind][1]} if kind in _RICH else set()
    if schema.get("type") == "numpy":
        found.add("numpy")
    columns = [schema, *schema.get("columns", ()), *(schema.get("index") or {}).get("levels", ())]
    return found | {"pyarrow" for column in columns if column.get("family") == "arrow"}
