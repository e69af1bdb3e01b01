"""How large things are where they go: tables and arrays by their own word, containers as they are pickled."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable
from itertools import chain
from types import BuiltinFunctionType
from typing import Any

#: Types of values that hold nothing further.
ATOMS = frozenset({int, float, bool, complex, type(None), type(...), type(NotImplemented), BuiltinFunctionType, slice})

#: Size from which a thing that hangs on code is noted, in bytes.
NOTED_BYTES = 100_000

_BULK = ATOMS | {str, bytes}
_ROWS = frozenset({list, tuple, set, frozenset})
_CONTAINERS = (dict, *_ROWS)
_SAMPLE = 20


def table_bytes(table: Any) -> int:
    """Return the size of a table; columns of Python objects are estimated from the first rows."""
    try:
        if hasattr(table, "memory_usage"):  # pandas
            head = table.head(_SAMPLE)
            deep, flat = (int(head.memory_usage(deep=deep).sum()) for deep in (True, False))
            return int(table.memory_usage().sum()) + (deep - flat) * len(table) // max(len(head), 1)
        size = table.estimated_size() if hasattr(table, "estimated_size") else table.nbytes  # Polars, Arrow
        return int(size)
    except Exception:  # noqa: BLE001 (a table that cannot tell its size is still a table)
        return sys.getsizeof(table)


def array_bytes(array: Any) -> int:
    """Return the size of bytes, or what an array or tensor says of itself (``nbytes``)."""
    if isinstance(array, (bytes, bytearray)):
        return len(array)
    try:
        return int(array.nbytes)
    except Exception:  # noqa: BLE001 (a library's own property may raise anything)
        return 0


def pickled_bytes(container: dict[Any, Any] | Iterable[Any]) -> int:
    """Return what the items of a container take in a pickle; objects and large arrays are weighed by themselves.

    What is in memory says little: a text takes 50 bytes there more than in a pickle, a number 20.
    """
    counter = _Counter()
    plain = dict(container) if isinstance(container, dict) else list(container)
    _PlainPickler(counter).dump(plain)
    return counter.size


class _Counter:
    """A file that only counts."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, content: bytes | memoryview) -> int:
        self.size += memoryview(content).nbytes
        return len(content)


class _PlainPickler(pickle.Pickler):
    """Pickles numbers, texts and containers, and for anything else a mark: so it never fails. Arrays are counted."""

    def __init__(self, counter: _Counter) -> None:
        super().__init__(counter, protocol=5)
        self._counter = counter

    def persistent_id(self, obj: Any) -> int | None:
        kind = type(obj)
        if kind in _BULK or kind is bytearray or isinstance(obj, _CONTAINERS):
            return None
        if hasattr(kind, "nbytes") and (size := array_bytes(obj)) < NOTED_BYTES:
            self._counter.size += size
        return 0


def is_bulk(items: Iterable[Any]) -> bool:
    """Whether items are numbers and texts only, or rows of these."""
    kinds = set(map(type, items))
    if kinds <= _ROWS:
        kinds = set(map(type, chain.from_iterable(items)))
    return kinds <= _BULK
