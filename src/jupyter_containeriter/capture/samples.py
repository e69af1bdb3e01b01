"""Tables, arrays and lists of a namespace that a model could be proven with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from jupyter_containeriter.capture.telling import Features
from jupyter_containeriter.serving.wire import kind_of

#: Rows of a sample; so many tell a model that works from one that does not.
ROWS = 5
#: More tables are not looked at, nor more columns of one, nor more samples proposed for a model.
_TABLES, _COLUMNS, _PROPOSED = 200, 2000, 8

_TARGETS = frozenset({"y", "ys", "target", "targets", "label", "labels", "pred", "preds", "prediction", "predictions"})
#: Words of names, in the order in which their rows are proposed. Rows that a model has not seen prove more.
_WORDS = (("sample", "samples"), ("test",), ("val", "valid", "validation", "holdout", "eval", "new"), (), ("train",))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that a model may be asked to predict.

    Attributes
    ----------
    expression
        Its first rows: ``X_test[:5]``.
    type
        Its class.
    shape
        The shape of those rows.
    variable
        What the person calls it.
    columns
        The names of its columns, None where it has none.
    texts
        Whether its rows are texts.
    """

    expression: str
    type: str
    shape: tuple[int, ...]
    variable: str = field(repr=False)
    columns: tuple[Any, ...] | None = field(default=None, repr=False)
    texts: bool = field(default=False, repr=False)


def tables_in(variables: Iterable[tuple[str, Any]]) -> list[Table]:
    """Return what holds rows and does not look like the answers, the best first."""
    found: list[Table] = []
    for name, value in variables:
        if len(found) == _TABLES:
            break
        if words(name) & _TARGETS:
            continue
        try:
            table = _table(name, value)
        except Exception:  # noqa: BLE001, S112 (a subclass that makes trouble)
            continue
        if table is not None:
            found.append(table)
    # A single row, such as a message in a list, is seldom what a model was made for.
    return sorted(found, key=lambda table: (_preference(table.variable), table.shape[0] == 1))


def expressions_for(
    tables: list[Table], model: str, features: Features, library: str, *, texts: bool
) -> tuple[str, ...]:
    """Return the expressions of rows that fit a model, the best first.

    Parameters
    ----------
    tables
        What there is.
    model
        The variable of the model.
    features, library
        What it tells of itself.
    texts
        Whether it takes texts.
    """
    ranked = []
    for table in tables:
        if table.texts == texts and _is_taken(table, library):
            ranked += [(0, table.expression)] if texts else _fitting(table, model, features)
    return tuple(expression for _, expression in sorted(ranked, key=lambda pair: pair[0]))[:_PROPOSED]


def _is_taken(table: Table, library: str) -> bool:
    is_tensor = table.type in {"Tensor", "Parameter"}
    return is_tensor if library == "torch" else not is_tensor or library in {"", "keras"}


def _fitting(table: Table, model: str, features: Features) -> list[tuple[int, str]]:
    """Return how well rows fit (0 is best) with their expression; nothing where they do not."""
    names, columns = features.names, table.columns
    if columns is None or names is None:
        counted = features.count is None or (len(table.shape) == 2 and table.shape[1] == features.count)
        return [(0 if names is None else 2, table.expression)] if counted else []
    if columns == names:
        return [(0, table.expression)]
    if features.attribute and len(columns) > len(names) and set(names) <= set(columns):
        rows = table.expression.removeprefix(table.variable)
        return [(1, f"{table.variable}[{model}.{features.attribute}]{rows}")]
    return []


def _table(name: str, value: Any) -> Table | None:
    if type(value) is dict:
        return None
    kind = kind_of(value)
    if kind == "dataframe":
        columns = tuple(value.columns[:_COLUMNS]) if len(value.columns) <= _COLUMNS else ()
        # Slices of rows mean labels where labels are numbers with a fraction.
        rows = f".head({ROWS})" if value.index.dtype.kind == "f" else f"[:{ROWS}]"
        return _made(name, rows, value, value.shape, columns=columns)
    if kind == "series":
        texts = _is_text(value.iloc[:1].tolist())
        return _made(name, f".head({ROWS})", value, value.shape, texts=True) if texts else None
    if kind in {"ndarray", "torch", "jax", "sparse"}:
        shape = tuple(map(int, value.shape))
        texts = len(shape) == 1 and kind == "ndarray" and _is_text(value[:1].tolist())
        return _made(name, f"[:{ROWS}]", value, shape, texts=texts) if len(shape) > 1 or texts else None
    if kind == "list" and value:
        return _list(name, value)
    return None


def _list(name: str, value: list[Any]) -> Table | None:
    first = value[0]
    if isinstance(first, list | tuple) and first and all(type(item) in {int, float, bool, str} for item in first[:8]):
        return _made(name, f"[:{ROWS}]", value, (len(value), len(first)))
    return _made(name, f"[:{ROWS}]", value, (len(value),), texts=True) if _is_text([first]) else None


def _made(name: str, rows: str, value: Any, shape: tuple[int, ...], **more: Any) -> Table | None:
    if not shape[0]:
        return None
    return Table(f"{name}{rows}", type(value).__name__, (min(ROWS, shape[0]), *shape[1:]), name, **more)


def _is_text(first: list[Any]) -> bool:
    return bool(first) and type(first[0]) is str


def _preference(name: str) -> int:
    found = words(name)
    return next((place for place, some in enumerate(_WORDS) if found & set(some)), _WORDS.index(()))


def words(name: str) -> set[str]:
    """Return the words of a variable, with and without numbers behind: ``X_test``, ``xTest`` and ``test2`` hold one."""
    found = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+\d*|[A-Z]+\d*", name)}
    return found | {word.rstrip("0123456789") for word in found}
