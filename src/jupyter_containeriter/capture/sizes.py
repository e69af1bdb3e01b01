"""How large things in memory are, found out quickly: from their own word, or from their first items."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain, islice
from types import BuiltinFunctionType
from typing import Any

#: Types of values that hold nothing further.
ATOMS = frozenset({int, float, bool, complex, type(None), type(...), type(NotImplemented), BuiltinFunctionType, slice})

_BULK = ATOMS | {str, bytes}
_ROWS = frozenset({list, tuple, set, frozenset})
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


def estimate(value: Any, depth: int = 3) -> int:
    """Estimate the size of a container from its first items."""
    size = max(sys.getsizeof(value), array_bytes(value) if hasattr(type(value), "nbytes") else 0)
    if depth and isinstance(value, (dict, list, tuple, set, frozenset)):
        for items in (value.keys(), value.values()) if isinstance(value, dict) else (value,):
            sample = list(islice(items, _SAMPLE))
            size += sum(estimate(item, depth - 1) for item in sample) * len(items) // max(len(sample), 1)
    return size


def is_bulk(items: Iterable[Any]) -> bool:
    """Whether items are numbers and texts only, or rows of these."""
    kinds = set(map(type, items))
    if kinds <= _ROWS:
        kinds = set(map(type, chain.from_iterable(items)))
    return kinds <= _BULK
