"""What a model answers, as values of plain types: a client knows none of the classes that a notebook defines.

========================================  ==================================
an answer of                              arrives as
========================================  ==================================
dataclass, named tuple, pydantic model    ``dict`` of its fields
``Enum``                                  the member's value
subclass of ``dict`` or another mapping   ``dict``
subclass of any other plain type          that type
========================================  ==================================

The rule holds within dicts, lists and tuples, too. Everything else is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from .tensors import WireError

#: Types without parts that are what they seem; most answers hold nothing else.
_LEAVES = frozenset({bool, int, float, complex, str, bytes, type(None)})

_PLAIN: tuple[type[Any], ...] = (str, bytes, int, float, list, tuple)


def plain_answer(value: Any) -> Any:
    """Return an answer, its parts of the model's own classes turned into plain ones.

    Parameters
    ----------
    value
        What a model returned. It is not changed.

    Returns
    -------
    object
        The value itself where there is nothing to turn.

    Raises
    ------
    WireError
        If it is nested too deeply, or within itself.
    """
    try:
        return _plain(value)
    except RecursionError:
        raise WireError("the answer is nested too deeply") from None


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in (list, tuple):
        return value if set(map(type, value)) <= _LEAVES else kind(map(_plain, value))
    if kind is dict:
        return {_plain(key): _plain(item) for key, item in value.items()}
    built_on = _built_on(value)
    return value if built_on is value else _plain(built_on)


def _built_on(value: Any) -> Any:
    """Return the plain value that one of a class of somebody's own stands for, or the value itself."""
    if type(value) in _LEAVES or type(value).__module__ == "numpy" or isinstance(value, type):
        return value
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    for method in ("_asdict", "model_dump"):  # of named tuples, and of pydantic
        if callable(convert := getattr(value, method, None)):
            return convert()
    if isinstance(value, Mapping):
        return dict(value)
    return next((plain(value) for plain in _PLAIN if isinstance(value, plain)), value)
