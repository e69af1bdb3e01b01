"""What changed from one mapping of params or metrics to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what is not the same in both, each with its value before and after.

    Where a name is in only one of them, None stands for the value in the other: a param that is None is the same as
    none. Those of ``after`` come first, in its order; NaN is the same as NaN.
    """
    names = dict.fromkeys([*after, *before])
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if not _is_same(*pair)}


def _is_same(one: Any, other: Any) -> bool:
    # 1 and True are equal to Python, and not the same parameter.
    kinds = isinstance(one, bool) == isinstance(other, bool)
    return kinds and bool(one == other or (one != one and other != other))  # noqa: PLR0124 (NaN)
