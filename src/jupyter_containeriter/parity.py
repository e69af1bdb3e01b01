"""Compare predictions: the container's, or the clean process's, against the notebook's own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jupyter_containeriter.types import Comparison, Parity

#: The defaults of ``numpy.allclose``: |actual - expected| <= ATOL + RTOL * |expected|.
RTOL = 1e-5
ATOL = 1e-8

#: A failed comparison shows this many rows.
SHOWN_ROWS = 5


@dataclass(frozen=True, slots=True)
class _Difference:
    place: str
    expected: Any
    actual: Any
    distance: float | None = None
    structural: bool = False

    def told(self, sides: tuple[str, str]) -> str:
        return f"{self.place}: {sides[0]} {_short(self.expected)}, {sides[1]} {_short(self.actual)}"


def compare(
    expected: Any, actual: Any, *, deterministic: bool = True, sides: tuple[str, str] = ("notebook", "container")
) -> Comparison:
    """Compare two predictions of the same sample.

    Parameters
    ----------
    expected
        What the notebook predicted: an array, a sparse matrix, a DataFrame or Series (their indexes and labels are
        compared, too), a list or a mapping of these, or a scalar.
    actual
        What came back, of the same kind.
    deterministic
        False where the model contradicts itself in the kernel: then only kind, shape, type and range are compared.
    sides
        What the two are called in the lines that tell of differences.

    Returns
    -------
    Comparison
        ``exact`` (all values equal, NaN equals NaN), ``close`` (floats within ``ATOL + RTOL * |expected|``, the rule of
        ``numpy.allclose``), ``failed``, or ``nondeterministic``.
    """
    if not deterministic:
        return _compare_loosely(expected, actual, sides)
    differences = list(_differences("", expected, actual))
    if not differences:
        return Comparison("exact", 0.0)
    distances = [d.distance for d in differences]
    known = [distance for distance in distances if distance is not None]
    largest = max(known, default=None)
    if len(known) == len(differences) and all(_is_close(d) for d in differences):
        return Comparison("close", largest)
    outside = [d for d in differences if d.distance is None or not _is_close(d)]
    return Comparison("failed", largest, _describe(outside, sides))


def _compare_loosely(expected: Any, actual: Any, sides: tuple[str, str]) -> Comparison:
    differences = [d for d in _differences("", expected, actual) if d.structural]
    outcome: Parity = "failed" if differences else "nondeterministic"
    if not differences and _leaves_range(expected, actual):
        told = f"range: {sides[0]} predicted finite numbers, {sides[1]} did not"
        return Comparison("failed", None, (told,))
    return Comparison(outcome, None, _describe(differences, sides))


def _leaves_range(expected: Any, actual: Any) -> bool:
    """Tell whether finite numbers turned into infinite or missing ones: values may differ, their nature may not."""
    before, after = _numbers(expected), _numbers(actual)
    return all(map(math.isfinite, before)) and not all(map(math.isfinite, after))


def _numbers(value: Any) -> list[float]:
    return [leaf for _, leaf in _leaves("", value) if isinstance(leaf, float)]


def _describe(differences: Sequence[_Difference], sides: tuple[str, str]) -> tuple[str, ...]:
    shown = tuple(difference.told(sides) for difference in differences[:SHOWN_ROWS])
    more = len(differences) - len(shown)
    return (*shown, f"… and {more} more") if more > 0 else shown


# --- differences ---------------------------------------------------------------------------------------------------


def _differences(place: str, expected: Any, actual: Any) -> Iterator[_Difference]:
    for name, of in _PROPERTIES.items():
        if of(expected) != of(actual):
            yield _Difference(f"{place} {name}".strip(), of(expected), of(actual), structural=True)
            return
    if isinstance(expected, Mapping):
        if set(expected) != set(actual):
            names = sorted(map(str, expected)), sorted(map(str, actual))
            yield _Difference(f"{place} keys".strip(), *names, structural=True)
            return
        for key in expected:
            yield from _differences(f"{place} {key}".strip(), expected[key], actual[key])
        return
    if isinstance(expected, (list, tuple)) and any(map(_is_table, expected)):
        for position, (before, after) in enumerate(zip(expected, actual, strict=True)):
            yield from _differences(f"{place} output {position}".strip(), before, after)
        return
    yield from _leaf_differences(place, expected, actual)


def _leaf_differences(place: str, expected: Any, actual: Any) -> Iterator[_Difference]:
    # What a sparse matrix does not hold is zero.
    absent = expected.dtype.type(0).item() if _kind(expected) == "sparse matrix" else "nothing"
    before, after = dict(_leaves(place, expected)), dict(_leaves(place, actual))
    for where in {**before, **after}:
        leaf, other = before.get(where, absent), after.get(where, absent)
        if not _equal(leaf, other):
            yield _Difference(where, leaf, other, _distance(leaf, other))


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Walk a value down to its scalars and empty parts, each with the row (and column) it stands in."""
    kind = _kind(value)
    if kind in ("DataFrame", "Series"):
        yield from _nested(f"{place} index".strip(), value.index.tolist(), ())
    if kind == "DataFrame":
        for position, column in enumerate(value.columns.tolist()):
            for row, leaf in enumerate(value.iloc[:, position].tolist()):
                yield f"{place} row {row}, column {column!r}".strip(), leaf
    elif kind == "sparse matrix":
        entries = value.tocoo()
        for row, column, leaf in zip(entries.row.tolist(), entries.col.tolist(), entries.data.tolist(), strict=True):
            yield f"{place} row {row}[{column}]".strip(), leaf
    else:
        yield from _nested(place, value, ())


def _nested(place: str, value: Any, index: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    if _is_table(value):
        value = value.tolist()
    if isinstance(value, (list, tuple, Mapping)) and value:
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _nested(place, item, (*index, key))
    else:
        row = f"row {index[0]}" if index else "value"
        rest = "".join(f"[{step!r}]" for step in index[1:])
        # Whatever was a tuple in the notebook may be a list once it has crossed HTTP.
        yield f"{place} {row}{rest}".strip(), list(value) if isinstance(value, tuple) else value


# --- properties ----------------------------------------------------------------------------------------------------


def _kind(value: Any) -> str:
    if hasattr(value, "iloc"):
        return "DataFrame" if hasattr(value, "columns") else "Series"
    if hasattr(value, "dtype") and hasattr(value, "tocoo"):
        return "sparse matrix"
    if hasattr(value, "dtype"):
        package = type(value).__module__.partition(".")[0]
        return "array" if package == "numpy" else f"array of {package}"
    if isinstance(value, (list, tuple)):
        return "list"
    return "mapping" if isinstance(value, Mapping) else "scalar"


def _is_table(value: Any) -> bool:
    return _kind(value) not in ("list", "mapping", "scalar")


def _shape(value: Any) -> Any:
    if hasattr(value, "shape"):
        return tuple(value.shape)
    return (len(value),) if isinstance(value, (list, tuple)) else None


def _format(value: Any) -> Any:
    return value.format if _kind(value) == "sparse matrix" else None


def _columns(value: Any) -> Any:
    return [str(column) for column in value.columns] if _kind(value) == "DataFrame" else None


def _labels(value: Any) -> Any:
    return _form(value.columns) if _kind(value) == "DataFrame" else None


def _index(value: Any) -> Any:
    return _form(value.index) if _kind(value) in ("DataFrame", "Series") else None


def _form(index: Any) -> str:
    """Return all of an index but its values: the dtype and the name of each level."""
    levels = [index.get_level_values(level) for level in range(index.nlevels)]
    return ", ".join(f"{level.dtype} named {level.name!r}" for level in levels)


def _name(value: Any) -> Any:
    return value.name if _kind(value) == "Series" else None


def _dtypes(value: Any) -> Any:
    if _kind(value) == "DataFrame":
        return [str(dtype) for dtype in value.dtypes]
    dtype = getattr(value, "dtype", None)
    # Fixed-width text grows with its longest value; the width is no property of the prediction.
    return None if dtype is None or getattr(dtype, "kind", "") in ("U", "S") else str(dtype)


#: What must be the same before values are looked at, and how a difference in it is called.
_PROPERTIES = {
    "kind": _kind,
    "shape": _shape,
    "format": _format,
    "columns": _columns,
    "column labels": _labels,
    "index": _index,
    "name": _name,
    "type": _dtypes,
}


# --- scalars -------------------------------------------------------------------------------------------------------


def _equal(expected: Any, actual: Any) -> bool:
    expected, actual = _plain(expected), _plain(actual)
    if _is_missing(expected) or _is_missing(actual):
        return _is_missing(expected) and _is_missing(actual)
    return type(expected) is type(actual) and bool(expected == actual)


def _is_missing(value: Any) -> bool:
    if isinstance(value, (float, complex, Decimal)):
        return value != value  # noqa: PLR0124 (NaN, of any kind of number)
    return value is None or type(value).__name__ in {"NAType", "NaTType"}


def _plain(value: Any) -> Any:
    """Return Python's own scalar for one of numpy's: an array of objects holds these, JSON brings back those."""
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def _distance(expected: Any, actual: Any) -> float | None:
    expected, actual = _plain(expected), _plain(actual)
    if isinstance(expected, (float, complex)) and type(expected) is type(actual):
        distance = abs(expected - actual)
        return distance if math.isfinite(distance) else None
    return None


def _is_close(difference: _Difference) -> bool:
    return difference.distance is not None and difference.distance <= ATOL + RTOL * abs(difference.expected)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
