"""Choose iterations by an expression over columns, metrics and params."""

from __future__ import annotations

import ast
import re
from typing import Any

import pandas as pd

from jupyter_containeriter.errors import UsageError

_QUOTED = re.compile(r"`([^`]+)`")
_EXAMPLE = "For example --where \"accuracy > 0.9 and status == 'verified'\"; names with spaces go between backticks."


def where(frame: pd.DataFrame, expression: str) -> pd.DataFrame:
    """Return the iterations for which an expression is true.

    Parameters
    ----------
    frame
        Iterations, as the history gives them.
    expression
        As ``DataFrame.query`` takes it, over columns, metrics and params by their names. A column hides a metric of the
        same name, a metric a param. What an iteration does not have is not a number: no comparison with it is true but
        ``!=``.

    Raises
    ------
    UsageError
        There is no such name (what there is, is listed), or it is no such expression.
    """
    metrics, params = _names(frame["metrics"]), _names(frame["params"])
    wanted = _mentioned(expression)
    known = dict.fromkeys([*frame.columns, *metrics, *params])
    if unknown := [name for name in wanted if name not in known]:
        lists = {"columns": [*frame.columns], "metrics": metrics, "params": params}
        there = "; ".join(f"{kind}: {', '.join(names) or 'none'}" for kind, names in lists.items())
        raise UsageError(f"--where {expression}: there is no {', '.join(unknown)}.", f"There are {there}.")
    table = frame[[name for name in wanted if name in frame.columns]].copy()
    for name in (name for name in wanted if name not in frame.columns):
        source = frame["metrics"] if name in metrics else frame["params"]
        table[name] = _values(source, name)
    return frame[_mask(table, expression)]


def _names(column: pd.Series[Any]) -> list[str]:
    return list(dict.fromkeys(name for found in column if isinstance(found, dict) for name in found))


def _values(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    found = [values.get(name) if isinstance(values, dict) else None for values in column]
    values = pd.Series(found, index=column.index, dtype="object")
    numbers = all(value is None or isinstance(value, (bool, int, float)) for value in found)
    return values.astype("float64") if numbers else values


def _mentioned(expression: str) -> list[str]:
    """Return the names in an expression, in their order; names of functions that are called are not among them."""
    quoted = _QUOTED.findall(expression)
    placeholders = {f"_quoted_{number}": name for number, name in enumerate(quoted)}
    plain = iter(placeholders)
    try:
        tree = ast.parse(_QUOTED.sub(lambda _: next(plain), expression).strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"--where {expression}: this is no expression ({error}).", _EXAMPLE) from error
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    return list(dict.fromkeys(placeholders.get(name, name) for name in names))


def _mask(table: pd.DataFrame, expression: str) -> pd.Series[bool]:
    try:
        found = table.eval(expression.strip(), engine="python")
    except Exception as error:  # an expression of a person's own may raise anything
        raise UsageError(f"--where {expression} raised {type(error).__name__}: {error}", _EXAMPLE) from error
    if isinstance(found, bool):
        return pd.Series(found, index=table.index)
    if not isinstance(found, pd.Series) or not pd.api.types.is_bool_dtype(found.dtype):
        raise UsageError(f"--where {expression}: this is neither true nor false for an iteration.", _EXAMPLE)
    return found.fillna(value=False).astype(bool)
