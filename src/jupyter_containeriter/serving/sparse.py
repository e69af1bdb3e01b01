"""scipy's sparse matrices and arrays as tensors. Imported only where a value or a schema needs scipy.

The compressed formats go as what they are made of (``data``, ``indices``, ``indptr``), so that the order of their
entries, on which the last bit of a product depends, is kept; every other format as coordinates (``data``, ``row``,
``col``). One more tensor, ``shape``, says how large the whole is.
"""

from __future__ import annotations

from typing import Any

from scipy import sparse

from .arrays import decode_array, describe_dtype, encode_array, infer_array
from .tensors import Codec, Tensor, WireError, make_tensor, read_tensor

_COMPRESSED = ("csr", "csc", "bsr")
_BY_COORDINATES = ("coo", "dia", "dok", "lil")
_ENTRIES = ("data", "indices", "indptr")
_COORDINATES = ("data", "row", "col")


def _infer(value: Any, name: str, _prefix: str) -> dict[str, Any]:
    """Return the schema of a sparse matrix or array of two dimensions."""
    if value.ndim != 2:
        raise WireError(f"{name}: cannot carry a sparse array of {value.ndim} dimensions; give its toarray()")
    parts = []
    for part, array in _parts(value).items():
        described = infer_array(array, f"{name}.{part}")
        parts.append({**described, "shape": [-1] * array.ndim})
    return {
        "kind": "sparse",
        "name": name,
        "container": "matrix" if sparse.isspmatrix(value) else "array",
        "format": value.format,
        **describe_dtype(value.dtype, name),
        "shape": [-1, value.shape[1]],
        "parts": [*parts, {"name": f"{name}.shape", "datatype": "INT64", "shape": [2]}],
    }


def _parts(value: Any) -> dict[str, Any]:
    if value.format in _COMPRESSED:
        return {part: getattr(value, part) for part in _ENTRIES}
    coordinates = value.tocoo()
    return {part: getattr(coordinates, part) for part in _COORDINATES}


def _encode(value: Any, schema: dict[str, Any], _prefix: str, *, cast: bool) -> list[Tensor]:
    """Return the tensors of a sparse matrix that fits the schema."""
    name = schema["name"]
    if cast:
        value = _converted(value, schema)
    actual = _infer(value, name, "")
    for member in ("container", "format"):
        if actual[member] != schema[member]:
            raise WireError(f"{name}: expected a sparse {schema[member]}, got {actual[member]}")
    if actual["shape"] != schema["shape"]:
        raise WireError(f"{name}: expected {schema['shape'][1]} columns, got {value.shape[1]}")
    *parts, shape = schema["parts"]
    arrays = _parts(value).values()
    tensors = [encode_array(array, part, cast=cast) for array, part in zip(arrays, parts, strict=True)]
    return [*tensors, make_tensor(shape["name"], [2], "INT64", list(value.shape))]


def _converted(value: Any, schema: dict[str, Any]) -> Any:
    """Return the same entries in the format that the schema asks for; other containers are meant to be the same."""
    kind = _type(schema["format"], schema["container"])
    return value if type(value) is kind else kind(value)


def _type(form: str, container: str) -> Any:
    """Return scipy's class; a schema may come with a request, so no other name of scipy's is looked up."""
    if form not in (*_COMPRESSED, *_BY_COORDINATES) or container not in ("matrix", "array"):
        raise WireError(f"a sparse {container} of format {form!r}: unknown")
    return getattr(sparse, f"{form}_{container}")


def _decode(tensors: dict[str, Tensor], schema: dict[str, Any], _prefix: str) -> Any:
    """Return the sparse matrix of tensors indexed by name."""
    name, form = schema["name"], schema["format"]
    *parts, last = schema["parts"]
    first, second, third = (decode_array(tensors[part["name"]], part) for part in parts)
    _, shape = read_tensor(tensors[last["name"]], "INT64")
    if len(shape) != 2 or any(type(size) is not int or size < 0 for size in shape):
        raise WireError(f"{last['name']}: expected two sizes, got {shape}")
    if shape[1] != schema["shape"][1]:
        raise WireError(f"{last['name']}: expected {schema['shape'][1]} columns, got {shape[1]}")
    kind = _type(form, schema["container"])
    try:
        if form not in _COMPRESSED:
            coordinates = _type("coo", schema["container"])
            return kind(coordinates((first, (second, third)), shape=tuple(shape)))
        matrix = kind((first, second, third), shape=tuple(shape))
        # scipy may have chosen smaller integers; and it trusts indices that a request may have made up.
        matrix.indices, matrix.indptr = second, third
        matrix.check_format(full_check=True)
    except (TypeError, ValueError) as error:
        raise WireError(f"{name}: expected the parts of a {form} matrix: {error}") from None
    return matrix


CODECS = {"sparse": Codec(_infer, _encode, _decode)}
