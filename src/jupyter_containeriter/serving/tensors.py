"""Tensors of the Open Inference Protocol v2 in their JSON form: what every value is made of on the wire.

JSON has no NaN and no infinities. Among the data of a floating-point tensor they are the strings ``"NaN"``,
``"Infinity"`` and ``"-Infinity"``; on input ``null`` is read as NaN too. A BYTES tensor whose parameters say
``content_type: json`` carries JSON text (see ``texts.py``); one that says ``content_type: base64`` carries bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from struct import calcsize, unpack
from typing import Any, NamedTuple, NoReturn

Tensor = dict[str, Any]

FLOATS = frozenset({"FP16", "FP32", "FP64"})

#: Every integer datatype with its smallest and largest value.
INTEGERS = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}

#: How elements are packed in binary data (see ``struct``).
FORMATS = {
    "BOOL": "?",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
    **{f"INT{bits}": code for bits, code in zip((8, 16, 32, 64), "bhiq", strict=True)},
    **{f"UINT{bits}": code for bits, code in zip((8, 16, 32, 64), "BHIQ", strict=True)},
}

#: numpy has no more dimensions, and no client needs them.
_MOST_DIMENSIONS = 32

JSON_CONTENT = {"content_type": "json"}

FLOAT_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Codec(NamedTuple):
    """How the values of a kind are described, and written and read as tensors.

    ``infer(value, name, prefix)`` returns a schema, ``encode(value, schema, prefix, cast=)`` tensors, and
    ``decode(tensors by name, schema, prefix)`` the value; see ``wire.py``.
    """

    infer: Callable[[Any, str, str], dict[str, Any]]
    encode: Callable[..., list[Tensor]]
    decode: Callable[[dict[str, Tensor], dict[str, Any], str], Any]


class WireError(ValueError):
    """A value that cannot be carried, or tensors that are not what the schema says. The message names the field."""


class Packed:
    """Data of a tensor of fixed-size elements as they came in a body (see ``binary.py``), checked but not yet read.

    Parameters
    ----------
    datatype
        Any but BYTES.
    view
        The bytes, little-endian and without gaps.
    """

    __slots__ = ("_code", "_view", "width")

    def __init__(self, datatype: str, view: memoryview) -> None:
        self._code = FORMATS[datatype]
        self._view = view
        self.width = calcsize(f"<{self._code}")

    def __len__(self) -> int:
        return len(self._view) // self.width

    def numbers(self) -> list[Any]:
        """Return the elements as Python's own."""
        return list(unpack(f"<{len(self)}{self._code}", self._view))

    def array(self) -> Any:
        """Return a writable numpy array, of the bytes themselves where they can be written and are aligned."""
        import numpy as np

        array = np.frombuffer(self._view, dtype=f"<{self._code}")
        return array if array.flags.writeable and array.flags.aligned else array.copy()


class ByteStrings(list[bytes]):
    """Data of a BYTES tensor as they came in a body."""

    def texts(self, name: str) -> list[Any]:
        """Return the elements as JSON would have them."""
        try:
            return [element.decode() for element in self]
        except UnicodeDecodeError as error:
            raise WireError(f"{name}: expected texts in UTF-8: {error}") from None


def arrow_types(described: Any) -> set[str]:
    """Return the Arrow types in a description, each as Arrow's own message.

    Descriptions also come in requests. Reading such a message can run code (CVE-2023-47248, pyarrow before 14.0.1), so
    that only those of the signature are ever read.
    """
    found: set[str] = set()
    left = [described]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            found.update(type_ for type_ in [part.get("arrow")] if isinstance(type_, str))
            left += part.values()
        elif isinstance(part, list):
            left += part
    return found


def make_tensor(
    name: str, shape: Iterable[int], datatype: str, data: list[Any], parameters: dict[str, Any] | None = None
) -> Tensor:
    """Put a tensor together; empty parameters are left out."""
    tensor: Tensor = {"name": name, "shape": list(shape), "datatype": datatype, "data": data}
    if parameters:
        tensor["parameters"] = parameters
    return tensor


def by_name(tensors: Any, field: str = "inputs") -> dict[str, Tensor]:
    """Index tensors by name, refusing whatever is not a list of uniquely named tensors."""
    if not isinstance(tensors, list):
        raise WireError(f"{field}: expected a list of tensors, got {type_name(tensors)}")
    named: dict[str, Tensor] = {}
    for position, tensor in enumerate(tensors):
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str):
            raise WireError(f"{field}[{position}]: expected a tensor object with a name")
        if name in named:
            raise WireError(f"{name}: given twice")
        named[name] = tensor
    return named


def read_tensor(tensor: Tensor, datatype: str, *, packed: bool = False) -> tuple[list[int], Any]:
    """Check a tensor's envelope.

    Parameters
    ----------
    tensor
        A tensor with a name; its data may be flat or nested like its shape, or have come as binary data.
    datatype
        The datatype it must have.
    packed
        Whether the caller takes binary data as they are.

    Returns
    -------
    shape, data
        The data flat, in row-major order, its elements still unchecked: a list as JSON gives it, or if ``packed``
        :class:`Packed` or :class:`ByteStrings`.

    Raises
    ------
    WireError
        If datatype, shape or number of elements are not what they should be. Correct the tensor it names.
    """
    name, data = tensor["name"], tensor.get("data")
    if tensor.get("datatype") != datatype:
        raise WireError(f"{name}: expected datatype {datatype}, got {tensor.get('datatype')!r}")
    shape = shape_of(tensor)
    if type(data) is not list and isinstance(data, (Packed, ByteStrings)):
        return shape, data if packed else plain_data(name, data)
    if not isinstance(data, list):
        raise WireError(f"{name}: expected data to be a list, got {type_name(data)}")
    if data and isinstance(data[0], list):
        nested, data = flatten(data, name)
        if nested != shape:
            raise WireError(f"{name}: expected nested data of shape {shape}, got {nested}")
    if len(data) != math.prod(shape):
        raise WireError(f"{name}: shape {shape} needs {math.prod(shape)} elements, got {len(data)}")
    return shape, data


def shape_of(tensor: Tensor) -> list[int]:
    """Return a tensor's shape, which must be one that an array can have."""
    name, shape = tensor["name"], tensor.get("shape")
    if not isinstance(shape, list) or any(type(size) is not int or size < 0 for size in shape):
        raise WireError(f"{name}: expected a shape of non-negative integers, got {shape!r:.200}")
    if len(shape) > _MOST_DIMENSIONS:
        raise WireError(f"{name}: expected a shape of at most {_MOST_DIMENSIONS} dimensions, got {len(shape)}")
    return shape


def plain_data(name: str, data: Packed | ByteStrings) -> list[Any]:
    """Return binary data as JSON would have them."""
    return data.texts(name) if isinstance(data, ByteStrings) else data.numbers()


def parameters_of(tensor: Tensor) -> dict[str, Any]:
    """Return a tensor's parameters, which must be an object if there are any."""
    parameters = tensor.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise WireError(f"{tensor['name']}: expected parameters to be an object, got {type_name(parameters)}")
    return parameters


def is_json(described: Tensor) -> bool:
    """Tell whether the data of a tensor of ours are JSON texts."""
    return bool(described.get("parameters", {}).get("content_type") == "json")


def flatten(data: list[Any], name: str) -> tuple[list[int], list[Any]]:
    """Return the shape and the elements of a rectangular nested list."""
    shape = [len(data)]
    while data and isinstance(data[0], list):
        width = len(data[0])
        if any(not isinstance(row, list) or len(row) != width for row in data):
            raise WireError(f"{name}: expected rows of equal length")
        shape.append(width)
        data = [element for row in data for element in row]
    return shape, data


def nest(shape: list[int], data: list[Any]) -> Any:
    """Undo :func:`flatten`; an empty shape gives the one element itself."""
    if not shape:
        return data[0]
    for width in reversed(shape[1:]):
        rows = len(data) // width if width else math.prod(shape[:-1])
        data = [data[row * width : (row + 1) * width] for row in range(rows)]
    return data


def elements(name: str, datatype: str, data: list[Any], *, nulls: bool = False) -> list[Any]:
    """Check the elements of a tensor and return them as Python values of its datatype.

    Parameters
    ----------
    name
        Of the tensor, for the message.
    datatype
        What the elements must be.
    data
        The flat elements as JSON gave them.
    nulls
        Keep ``null`` as None; otherwise it is NaN in a floating-point tensor and refused in any other.

    Raises
    ------
    WireError
        If an element is of another type or out of range. The message says which one.
    """
    if datatype in FLOATS:
        return _floats(name, datatype, data, nulls=nulls)
    if datatype in INTEGERS:
        return _integers(name, datatype, data, nulls=nulls)
    wanted = bool if datatype == "BOOL" else str
    if set(map(type, data)) <= {wanted}:
        return data
    for position, element in enumerate(data):
        if type(element) is not wanted and not (nulls and element is None):
            _refuse(name, datatype, position, element)
    return data


def _integers(name: str, datatype: str, data: list[Any], *, nulls: bool) -> list[Any]:
    low, high = INTEGERS[datatype]
    if set(map(type, data)) <= {int} and (not data or (min(data) >= low and max(data) <= high)):
        return data
    checked: list[Any] = []
    for position, element in enumerate(data):
        # Clients that know only one kind of number write 3 as 3.0.
        number = int(element) if type(element) is float and element.is_integer() else element
        if not (nulls and number is None) and (type(number) is not int or not low <= number <= high):
            _refuse(name, datatype, position, element)
        checked.append(number)
    return checked


def _floats(name: str, datatype: str, data: list[Any], *, nulls: bool) -> list[Any]:
    if set(map(type, data)) <= {float}:
        return data
    checked: list[Any] = []
    for position, element in enumerate(data):
        if type(element) is float:
            checked.append(element)
        elif type(element) is int and abs(element) < 2**1024:
            checked.append(float(element))
        elif element is None:
            checked.append(None if nulls else math.nan)
        elif isinstance(element, str) and element in FLOAT_WORDS:
            checked.append(FLOAT_WORDS[element])
        else:
            _refuse(name, datatype, position, element)
    return checked


_EXPECTED = {"BYTES": "a string", "BOOL": "true or false"}


def _refuse(name: str, datatype: str, position: int, element: Any) -> NoReturn:
    expected = _EXPECTED.get(datatype, "a number")
    if datatype in INTEGERS:
        expected = "an integer from {} to {}".format(*INTEGERS[datatype])
    shown = json.dumps(element)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    raise WireError(f"{name}: expected {expected} at element {position} ({datatype}), got {shown}")


def float_word(number: float) -> float | str:
    """Return a float as JSON can carry it."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def is_numpy_scalar(value: Any) -> bool:
    """Tell numpy's scalars from other values without importing numpy."""
    return type(value).__module__ == "numpy" and hasattr(value, "dtype") and not hasattr(value, "__array_finalize__")


def type_name(value: Any) -> str:
    """Name a value's type as a person would: built-in types without their module."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
