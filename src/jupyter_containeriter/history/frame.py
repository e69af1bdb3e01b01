"""Rows out of the database as a typed DataFrame, column by column."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    Integer,
    func,
    select,
)

from jupyter_containeriter.types import Event, Iteration, LoadLevel

from .database import table_of
from .nouns import Noun, moment
from .schema import JsonText, UtcDateTime, events, iterations, load_levels

#: Texts of which there are few different ones.
_CATEGORIES = frozenset({"name", "status", "engine", "method", "base", "parity", "user", "host", "kind"})

_i, _e, _l = iterations.c, events.c, load_levels.c
#: What tells the order of rows. An iteration starts where the one before of its name ended, so only ends tell the order
#: across names.
_ORDERS: dict[type[Noun], tuple[ColumnElement[Any], ...]] = {
    Iteration: (func.coalesce(_i.finished_at, _i.started_at), _i.version, _i.id),
    Event: (_e.happened_at, _e.id),
    LoadLevel: (_l.measured_at, _l.test, _l.connections),
}


def read_frame(
    connection: Connection, kind: type[Noun], columns: Sequence[str], name: str | None, last: int | None
) -> pd.DataFrame:
    """Read these columns of one model's rows or of all, oldest first; only the latest ``last`` if given."""
    table = table_of(kind)
    chosen = [table.c[column] for column in columns]
    # The newest first where a limit is to keep the newest.
    order = [column if last is None else column.desc() for column in _ORDERS[kind]]
    statement = select(*chosen).order_by(*order).limit(last)
    if name is not None:
        statement = statement.where(table.c.name == name)
    # Past SQLAlchemy, as the driver has them: what is done for whole columns takes a fraction of what rows would take.
    cursor = connection.execute(statement).cursor
    assert cursor is not None
    with _no_collection():
        rows = cursor.fetchall()
        return _frame(chosen, rows if last is None else rows[::-1])


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles in millions of new values again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def frame_of(kind: type[Noun], nouns: Sequence[Noun], columns: Sequence[str], last: int | None) -> pd.DataFrame:
    """Return a frame as :func:`read_frame` does, of what is at hand in the order it happened."""
    nouns = sorted(nouns, key=lambda noun: (isinstance(noun, Iteration) and noun.finished_at) or moment(noun))
    table = table_of(kind)
    frame = _frame([table.c[column] for column in columns], [[_plain(noun, c) for c in columns] for noun in nouns])
    return frame if last is None else frame.tail(last).reset_index(drop=True)


def _plain(noun: Noun, column: str) -> Any:
    value = getattr(noun, column)
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _frame(columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    values: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pd.DataFrame({column.name: _series(column, found) for column, found in zip(columns, values, strict=True)})


def _series(column: Column[Any], values: Sequence[Any]) -> pd.Series[Any]:
    """Return the values with the column's own type, which does not depend on what they are."""
    if isinstance(column.type, UtcDateTime):
        # Naive UTC, as text where the database has no type for times.
        return pd.Series(np.array(values, dtype="datetime64[us]")).dt.tz_localize("UTC")
    if isinstance(column.type, JsonText):
        return pd.Series(_decoded(values), dtype="object")
    if column.name in _CATEGORIES:
        return pd.Series(pd.Categorical(pd.array(values, dtype="string")))
    return pd.Series(values, dtype=_dtype(column))


def _decoded(values: Sequence[Any]) -> list[Any]:
    """Return mappings for their JSON; those at hand are mappings already."""
    # Most rows of most columns have nothing.
    return [{} if value == "{}" else json.loads(value) if isinstance(value, str) else value for value in values]


def _dtype(column: Column[Any]) -> str:
    """Return the type in pandas of a column that is neither a time nor a category."""
    kinds = {Boolean: "bool", Double: "float64", Integer: "Int64"}
    return next((dtype for kind, dtype in kinds.items() if isinstance(column.type, kind)), "string")
