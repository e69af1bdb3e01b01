"""Iterations out of the database as a typed DataFrame, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Connection, DateTime, Select, func, select, type_coerce

from jupyter_containeriter.types import ITERATION_COLUMNS

from .schema import UtcDateTime, iterations

_CATEGORIES = frozenset({"name", "status", "engine", "method", "base", "parity", "user", "host"})
_TIMES = frozenset({"started_at", "finished_at"})
_INTEGERS = frozenset({"version", "image_size_bytes", "sent_bytes", "execution_count"})
_MAPPINGS = frozenset({"params", "metrics", "tags"})


def read_frame(connection: Connection, name: str | None, last: int | None) -> pd.DataFrame:
    """Read the iterations of one model or of all, oldest first; only the latest ``last`` if given."""
    rows = connection.execute(_statement(name, last)).all()
    rows = rows[::-1]  # The statement asks for the newest first, so that its limit keeps the newest.
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(ITERATION_COLUMNS)
    return pd.DataFrame(
        {column: _series(column, values) for column, values in zip(ITERATION_COLUMNS, columns, strict=True)}
    )


def _statement(name: str | None, last: int | None) -> Select[Any]:
    table = iterations.c
    # pandas says "UTC" for a whole column at once; our own type would do it row by row.
    columns = [
        type_coerce(table[column], DateTime()) if isinstance(table[column].type, UtcDateTime) else table[column]
        for column in ITERATION_COLUMNS
    ]
    # An iteration starts where the one before of its name ended, so only ends tell the order across names.
    ended = func.coalesce(table.finished_at, table.started_at)
    statement = select(*columns).order_by(ended.desc(), table.version.desc(), table.id.desc())
    if name is not None:
        statement = statement.where(table.name == name)
    return statement if last is None else statement.limit(last)


def _series(column: str, values: Sequence[Any]) -> pd.Series[Any]:
    """Return the values with the column's own type, which does not depend on what they are."""
    if column in _TIMES:
        return pd.Series(values, dtype="datetime64[us]").dt.tz_localize("UTC")
    if column in _CATEGORIES:
        return pd.Series(pd.Categorical(pd.array(values, dtype="string")))
    return pd.Series(values, dtype=_dtype(column))


def _dtype(column: str) -> str:
    if column.endswith("_seconds") or column == "max_abs_difference":
        return "float64"
    if column in _INTEGERS:
        return "Int64"
    if column in _MAPPINGS:
        return "object"
    return "bool" if column == "hot" else "string"
