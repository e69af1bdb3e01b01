"""The binary tensor data extension: tensors whose data follow the JSON of a request or a response as bytes.

The header ``Inference-Header-Content-Length`` tells where the JSON ends. Data are little-endian, in row-major order
and without gaps; an element of a BYTES tensor is its length (four bytes) and its bytes. JSON and binary tensors mix. A
BYTES tensor whose JSON form would say ``content_type: base64`` goes as the bytes themselves and says ``content_type:
bytes``.
"""

from __future__ import annotations

import math
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from .tensors import (
    FLOAT_WORDS,
    FLOATS,
    FORMATS,
    ByteStrings,
    Packed,
    Tensor,
    WireError,
    by_name,
    parameters_of,
    shape_of,
)

Buffer = bytes | bytearray
Chunk = bytes | memoryview

#: The header that tells how many bytes of a body are JSON.
JSON_LENGTH = "Inference-Header-Content-Length"

_LENGTH = struct.Struct("<I")
#: Data begin at a multiple of this: arrays of any datatype are then where processors want them.
_ALIGNMENT = 16


# --- read ----------------------------------------------------------------------------------------------------------


def split_body(body: Buffer, json_length: str | None) -> tuple[Buffer, memoryview | None]:
    """Return the JSON of a body, and its binary data; None where the header is missing, and all of it is JSON.

    Raises
    ------
    WireError
        The header is not what it should be.
    """
    if json_length is None:
        return body, None
    if not (json_length.isascii() and json_length.isdecimal() and len(json_length) < 20):
        raise WireError(f"{JSON_LENGTH}: expected a number of bytes, got {json_length!r:.60}")
    length = int(json_length)
    if length > len(body):
        raise WireError(f"{JSON_LENGTH}: {length} bytes are more than the {len(body)} of the body")
    view = memoryview(body)
    return bytes(view[:length]), view[length:]


def attach(tensors: Any, binary: memoryview | None, field: str = "inputs") -> None:
    """Give tensors their binary data, in their order.

    Parameters
    ----------
    tensors
        As parsed from JSON; those that tell a ``binary_data_size`` are changed.
    binary
        What followed the JSON; None if nothing may have.
    field
        What holds the tensors, for messages.

    Raises
    ------
    WireError
        If sizes, shapes and data do not agree. The message names the tensor.
    """
    if binary is None and not _have_parameters(tensors):
        return  # As most requests are.
    left = binary
    for name, tensor in by_name(tensors, field).items():
        parameters = parameters_of(tensor)
        if "shared_memory_region" in parameters:
            raise WireError(f"{name}: shared memory is not supported; send the data")
        if "binary_data_size" in parameters:
            if left is None:
                raise WireError(f"{name}: binary data need the header {JSON_LENGTH}")
            size = _size(tensor, parameters["binary_data_size"], len(left))
            data = tensor["data"] = _read(tensor, left[:size])
            left = left[size:]
            if parameters.get("content_type") == "bytes" and isinstance(data, ByteStrings):
                tensor["data"] = [b64encode(element).decode("ascii") for element in data]
                tensor["parameters"] = {**parameters, "content_type": "base64"}
    if left:
        raise WireError(f"{field}: {len(left)} bytes of binary data follow those of the last tensor")


def _have_parameters(tensors: Any) -> bool:
    return isinstance(tensors, list) and any(type(tensor) is dict and tensor.get("parameters") for tensor in tensors)


def _size(tensor: Tensor, size: Any, left: int) -> int:
    name = tensor["name"]
    if type(size) is not int or size < 0:
        raise WireError(f"{name}: expected binary_data_size to be a number of bytes, got {size!r:.60}")
    if "data" in tensor:
        raise WireError(f"{name}: has both data and binary_data_size")
    if size > left:
        raise WireError(f"{name}: binary_data_size is {size}, but only {left} bytes of binary data are left")
    return size


def _read(tensor: Tensor, view: memoryview) -> Packed | ByteStrings:
    name, datatype, count = tensor["name"], tensor.get("datatype"), math.prod(shape_of(tensor))
    if datatype == "BYTES":
        return _read_strings(name, view, count)
    if not isinstance(datatype, str) or datatype not in FORMATS:
        known = ", ".join((*FORMATS, "BYTES"))
        raise WireError(f"{name}: cannot read binary data of datatype {datatype!r:.60}, only of {known}")
    packed = Packed(datatype, view)
    if len(view) != count * packed.width:
        needed = count * packed.width
        raise WireError(f"{name}: shape {tensor['shape']} of {datatype} needs {needed} bytes, got {len(view)}")
    if datatype == "BOOL" and bytes(view).translate(None, b"\0\1"):
        raise WireError(f"{name}: expected bytes that are 0 or 1 (BOOL)")
    return packed


def _read_strings(name: str, view: memoryview, count: int) -> ByteStrings:
    strings, place, end = ByteStrings(), 0, len(view)
    while len(strings) < count and place + _LENGTH.size <= end:
        start = place + _LENGTH.size
        place = start + _LENGTH.unpack_from(view, place)[0]
        if place > end:
            raise WireError(
                f"{name}: element {len(strings)} has {place - start} bytes, but only {end - start} are left"
            )
        strings.append(bytes(view[start:place]))
    if len(strings) != count or place != end:
        raise WireError(f"{name}: {end} bytes do not hold the {count} elements of its shape")
    return strings


# --- write ---------------------------------------------------------------------------------------------------------


def detach(tensor: Tensor) -> Chunk | None:
    """Take the data out of a tensor that goes as binary data, and return them.

    Parameters
    ----------
    tensor
        As encoded with ``packed=True``. Its data are replaced by the parameter ``binary_data_size``.

    Returns
    -------
    bytes or memoryview
        None where they have no binary form, as a missing value among integers or texts, and the tensor stays as it is.
        A view shows the array that was encoded.
    """
    parameters, data = tensor.get("parameters", {}), tensor["data"]
    if type(data) is not list:
        chunk: Chunk | None = _view(data)
    elif tensor["datatype"] != "BYTES":
        chunk = _write_numbers(tensor["datatype"], data)
    elif parameters.get("content_type") == "base64":
        chunk = _write_strings(data, b64decode)
        parameters = {**parameters, "content_type": "bytes"}
    else:
        chunk = _write_strings(data, str.encode)
    if chunk is not None:
        del tensor["data"]
        tensor["parameters"] = {**parameters, "binary_data_size": len(chunk)}
    return chunk


def padded(text: bytes) -> bytes:
    """Return JSON with spaces after it, so that what follows is aligned."""
    return text + b" " * (-len(text) % _ALIGNMENT)


def _view(array: Any) -> memoryview:
    """Return the bytes of a numpy array, not copied where they are as they must be."""
    import numpy as np

    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1)
    return little.view(np.uint8).data


def _write_numbers(datatype: str, data: list[Any]) -> bytes | None:
    if None in data:
        return None
    if datatype in FLOATS and str in set(map(type, data)):
        data = [FLOAT_WORDS[number] if type(number) is str else number for number in data]
    return struct.pack(f"<{len(data)}{FORMATS[datatype]}", *data)


def _write_strings(data: list[Any], encode: Callable[[str], bytes]) -> bytes | None:
    try:
        strings = [encode(text) for text in data]
    except (TypeError, UnicodeEncodeError):  # None, or half of a surrogate pair
        return None
    return b"".join(part for string in strings for part in (_LENGTH.pack(len(string)), string))
