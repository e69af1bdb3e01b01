"""Rows out of the database as a typed DataFrame, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Double,
    Integer,
    Select,
    Table,
    func,
    select,
    type_coerce,
)

from .schema import JsonText, UtcDateTime, events, iterations, load_levels

#: Texts of which there are few different ones.
_CATEGORIES = frozenset({"name", "status", "engine", "method", "base", "parity", "user", "host", "kind"})


def read_iterations(
    connection: Connection, columns: Sequence[str], name: str | None = None, last: int | None = None
) -> pd.DataFrame:
    """Read these columns of one model's iterations or of all, oldest first; only the latest ``last`` if given."""
    table = iterations.c
    # An iteration starts where the one before of its name ended, so only ends tell the order across names.
    ended = func.coalesce(table.finished_at, table.started_at)
    return _read(connection, _select(iterations, columns, name), (ended, table.version, table.id), last)


def read_events(connection: Connection, columns: Sequence[str], name: str | None = None) -> pd.DataFrame:
    """Read these columns of one model's events or of all, oldest first."""
    return _read(connection, _select(events, columns, name), (events.c.happened_at, events.c.id))


def read_loads(connection: Connection, columns: Sequence[str], name: str | None = None) -> pd.DataFrame:
    """Read these columns of the load tests of one model or of all, oldest first."""
    table = load_levels.c
    order = (table.measured_at, table.test, table.connections)
    return _read(connection, _select(load_levels, columns, name), order)


def _select(table: Table, columns: Sequence[str], name: str | None) -> Select[Any]:
    statement = select(*(table.c[column] for column in columns))
    return statement if name is None else statement.where(table.c.name == name)


def _read(
    connection: Connection, statement: Select[Any], order: Sequence[ColumnElement[Any]], last: int | None = None
) -> pd.DataFrame:
    """Run the statement with its rows in this order; of the ``last`` ones only."""
    chosen = [column for column in statement.selected_columns if isinstance(column, Column)]
    # pandas says "UTC" for a whole column at once; our own type would do it row by row.
    plain = [type_coerce(column, DateTime()) if _is_time(column) else column for column in chosen]
    # The newest first, so that a limit keeps the newest.
    statement = statement.with_only_columns(*plain).order_by(*(column.desc() for column in order)).limit(last)
    rows = connection.execute(statement).all()[::-1]
    values: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(chosen)
    return pd.DataFrame({column.name: _series(column, found) for column, found in zip(chosen, values, strict=True)})


def _is_time(column: Column[Any]) -> bool:
    return isinstance(column.type, UtcDateTime)


def _series(column: Column[Any], values: Sequence[Any]) -> pd.Series[Any]:
    """Return the values with the column's own type, which does not depend on what they are."""
    if _is_time(column):
        return pd.Series(values, dtype="datetime64[us]").dt.tz_localize("UTC")
    if column.name in _CATEGORIES:
        return pd.Series(pd.Categorical(pd.array(values, dtype="string")))
    return pd.Series(values, dtype=_dtype(column))


def _dtype(column: Column[Any]) -> str:
    """Return the type in pandas of a column that is neither a time nor a category."""
    kinds = {Boolean: "bool", Double: "float64", Integer: "Int64", JsonText: "object"}
    return next((dtype for kind, dtype in kinds.items() if isinstance(column.type, kind)), "string")
