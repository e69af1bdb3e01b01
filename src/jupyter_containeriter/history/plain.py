"""Values of any library as what JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any


def dumps(mapping: Mapping[str, Any]) -> str:
    """Return a mapping as JSON, with values that JSON does not know as text."""
    return json.dumps(plain_mapping(mapping))


def plain_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with the nearest values that JSON can hold."""
    try:
        return {plain_text(str(key)): _plain(value) for key, value in mapping.items()}
    except RecursionError:  # A value that contains itself still has a text.
        return {plain_text(str(key)): plain_text(str(value)) for key, value in mapping.items()}


def plain_text(text: str) -> str:
    """Return a text as files and messages can hold it: lone surrogates become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {plain_text(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> bool | int | float | str | None:
    """Return a plain Python value: numbers, also those of NumPy, stay numbers; odd objects become their text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # numpy.bool_, a tensor of one number
        return _scalar(value.item())
    return plain_text(str(value))
