"""numpy arrays as tensors. Imported only where a value or a schema needs numpy."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .tensors import (
    ByteStrings,
    Codec,
    Packed,
    Tensor,
    WireError,
    elements,
    float_word,
    make_tensor,
    parameters_of,
    plain_data,
    read_tensor,
)
from .texts import complex_text, object_data, object_values

Array = np.ndarray[Any, np.dtype[Any]]
Column = dict[str, Any]

#: Beginnings of the dtypes of texts and of bytes.
_ANY_WIDTH = ("<U", ">U", "|S")

#: As much as texts of one length take that fill the largest request.
_MOST_BYTES = 4 * 64 * 1024**2

_NAT = np.iinfo(np.int64).min


def describe_dtype(dtype: np.dtype[Any], where: str) -> Column:
    """Return ``{"dtype", "datatype"}`` of a numpy dtype, or raise :class:`WireError` if it cannot be carried."""
    if (described := _described(dtype)) is None:
        raise WireError(f"{where}: cannot carry the dtype {dtype}; convert it to numbers, strings or dates")
    return dict(zip(("dtype", "datatype"), described, strict=True))


@lru_cache(256)  # Asking a dtype for its name takes longer than all else.
def _described(dtype: np.dtype[Any]) -> tuple[str, str] | None:
    kind = dtype.kind
    if kind == "b":
        datatype = "BOOL"
    elif kind in "iu":
        datatype = f"{'U' if kind == 'u' else ''}INT{8 * dtype.itemsize}"
    elif kind == "f" and dtype.itemsize <= 8:
        datatype = f"FP{8 * dtype.itemsize}"
    elif kind in "USO" or (kind == "c" and dtype.itemsize <= 16) or (kind == "M" and dtype != np.dtype("M8")):
        datatype = "BYTES"
    elif kind == "m" and dtype != np.dtype("m8"):
        datatype = "INT64"
    else:
        return None
    # The name says the same on every machine; byte order and the width of strings are only in the other form.
    return (dtype.name if dtype.isnative and kind not in "US" else dtype.str), datatype


def to_data(array: Array, where: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the data and parameters of a one-dimensional array."""
    kind = array.dtype.kind
    if kind == "O":
        return object_data(array.tolist(), where)
    if kind in "Mm":
        array = array.astype(
            array.dtype.newbyteorder("=")
        )  # numpy reads foreign bytes of dates as if they were its own
    if kind == "M":
        missing = np.isnat(array)
        texts = np.datetime_as_string(array).tolist()
        return [None if gone else text for text, gone in zip(texts, missing.tolist(), strict=True)], {}
    if kind == "m":
        counts = array.view(np.int64).tolist()
        return [None if count == _NAT else count for count in counts], {}
    data = array.tolist()
    if kind == "S":
        return [b64encode(content).decode("ascii") for content in data], {"content_type": "base64"}
    if kind == "c":
        return [complex_text(number) for number in data], {}
    if kind == "f" and not np.isfinite(array).all():
        data = [float_word(number) for number in data]
    return data, {}


def packed_data(array: Array, where: str) -> tuple[Any, dict[str, Any]]:
    """Return the data and parameters of a one-dimensional array; numbers stay an array, which ``wire.encode`` reads."""
    return (array, {}) if array.dtype.kind in "biuf" else to_data(array, where)


def from_data(name: str, data: Any, column: Column, parameters: dict[str, Any]) -> Array:
    """Return the one-dimensional array of data whose envelope was checked."""
    dtype = np.dtype(column["dtype"])
    if dtype.kind == "V":  # Descriptions come in requests, too: this one could take any amount of memory.
        raise WireError(f"{name}: cannot carry the dtype {dtype}")
    if type(data) is not list:
        if (array := _from_binary(name, data, dtype, parameters)) is not None:
            return array
        data = plain_data(name, data)
    if dtype.kind == "O":
        return np.fromiter(object_values(name, data, parameters), dtype=object, count=len(data))
    values = elements(name, column["datatype"], data, nulls=dtype.kind in "Mm")
    if dtype.kind == "S":
        values = _read_each(name, values, lambda text: b64decode(text, validate=True), "base64")
    if dtype.kind in "US":
        return _fixed_width(name, values, dtype)
    if dtype.kind == "c":
        return np.array(_read_each(name, values, complex, "complex numbers such as 1+2j"), dtype=dtype)
    if dtype.kind in "Mm":
        return _dates(name, values, dtype) if dtype.kind == "M" else _durations(values, dtype)
    return np.array(values, dtype=dtype)


def _from_binary(
    name: str, data: Packed | ByteStrings, dtype: np.dtype[Any], parameters: dict[str, Any]
) -> Array | None:
    """Return the array of binary data; None where it is that of the texts that JSON would have."""
    if isinstance(data, Packed) and dtype.kind in "biufm":
        array: Array = data.array()
        array = array.view(dtype.newbyteorder("<")) if dtype.kind == "m" else array
        return array.astype(dtype, copy=False)
    if isinstance(data, ByteStrings) and dtype.kind == "S" and "content_type" not in parameters:
        return _fixed_width(name, list(data), dtype)
    return None


def _fixed_width(name: str, values: Sequence[str | bytes], dtype: np.dtype[Any]) -> Array:
    """Return texts or bytes as the dtype says; a later one may be longer than the sample's: it is never cut."""
    width = max(map(len, values), default=0) * (4 if dtype.kind == "U" else 1)
    if width * len(values) > _MOST_BYTES:
        # Every element takes as much as the longest one: few bytes of a request could take all memory there is.
        needed = width * len(values)
        raise WireError(
            f"{name}: texts of such different lengths take {needed} bytes as an array; send fewer at a time"
        )
    array = np.array(values, dtype=dtype.kind)
    fits = array.dtype.itemsize <= dtype.itemsize and dtype.itemsize * len(values) <= _MOST_BYTES
    return array.astype(dtype) if fits else array


def _read_each(name: str, texts: list[str], read: Callable[[str], Any], expected: str) -> list[Any]:
    try:
        return [read(text) for text in texts]
    except ValueError as error:
        raise WireError(f"{name}: expected {expected}: {error}") from None


def _durations(counts: list[Any], dtype: np.dtype[Any]) -> Array:
    filled = np.array([_NAT if count is None else count for count in counts], dtype=np.int64)
    return filled.view(dtype.newbyteorder("=")).astype(dtype)


def _dates(name: str, values: list[Any], dtype: np.dtype[Any]) -> Array:
    try:
        return np.array(["NaT" if text is None else text for text in values], dtype=dtype)
    except ValueError as error:
        raise WireError(f"{name}: expected ISO 8601 dates for {dtype}: {error}") from None


def infer_array(value: Array, name: str) -> dict[str, Any]:
    """Return the schema of an array."""
    shape = [-1, *value.shape[1:]] if value.ndim else []
    return {"kind": "ndarray", "name": name, **describe_dtype(value.dtype, name), "shape": shape}


def encode_array(value: Array, schema: dict[str, Any], *, cast: bool) -> Tensor:
    """Return the tensor of an array that fits the schema."""
    name = schema["name"]
    if not _same_shape(value.shape, schema["shape"]):
        raise WireError(f"{name}: expected shape {schema['shape']}, got {list(value.shape)}")
    if not same_dtype(describe_dtype(value.dtype, name), schema):
        if not cast:
            raise WireError(f"{name}: expected dtype {schema['dtype']}, got {value.dtype}")
        value = _convert(value, np.dtype(schema["dtype"]), name)
    data, parameters = packed_data(value.ravel(), name)
    return make_tensor(name, value.shape, schema["datatype"], data, parameters)


def decode_array(tensor: Tensor, schema: dict[str, Any]) -> Array:
    """Return the array of a tensor."""
    name = schema["name"]
    shape, data = read_tensor(tensor, schema["datatype"], packed=True)
    if not _same_shape(shape, schema["shape"]):
        raise WireError(f"{name}: expected shape {schema['shape']}, got {shape}")
    array = from_data(name, data, schema, parameters_of(tensor))
    try:
        return array.reshape(shape)
    except (OverflowError, ValueError) as error:  # an empty array of a size that none can have
        raise WireError(f"{name}: cannot have the shape {shape}: {error}") from None


def same_dtype(actual: Column, wanted: Column) -> bool:
    """Tell whether two descriptions are of one dtype; strings may have any width."""
    dtypes = str(actual["dtype"]), str(wanted["dtype"])
    return dtypes[0] == dtypes[1] or any(
        all(dtype.startswith(width) for dtype in dtypes) for width in ("<U", ">U", "|S")
    )


def _same_shape(shape: Any, wanted: list[int]) -> bool:
    return len(shape) == len(wanted) and all(size in (-1, actual) for actual, size in zip(shape, wanted, strict=True))


def _convert(value: Array, dtype: np.dtype[Any], name: str) -> Array:
    if value.dtype.kind in "biuf" and dtype.kind in "iuf":
        with np.errstate(all="ignore"):
            converted = value.astype(dtype)
        if np.can_cast(value.dtype, dtype) or np.array_equal(converted, value):
            return converted
    elif value.dtype.kind in "UO" and dtype.kind in "UO" and all(type(text) is str for text in value.ravel().tolist()):
        return value.astype(str if dtype.kind == "U" else object)
    raise WireError(f"{name}: expected dtype {dtype}, got {value.dtype}, which cannot be converted without loss")


CODECS = {
    "ndarray": Codec(
        lambda value, name, _prefix: infer_array(value, name),
        lambda value, schema, _prefix, *, cast: [encode_array(value, schema, cast=cast)],
        lambda tensors, schema, _prefix: decode_array(tensors[schema["name"]], schema),
    )
}
