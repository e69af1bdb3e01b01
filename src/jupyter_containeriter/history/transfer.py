"""Iterations out to a file, and other histories in: by ids, which are the same wherever a row is copied to."""

from __future__ import annotations

import csv
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.errors import HistoryError, UsageError
from jupyter_containeriter.types import Event, Iteration, LoadLevel

from .database import Database
from .nouns import Noun

if TYPE_CHECKING:
    from sqlalchemy import Column

FORMATS = (".parquet", ".csv")
_COLUMNS = tuple(field.name for field in fields(Iteration))
_PLACES = "Give a history (history.sqlite or postgresql://…), or what was exported from one (….parquet, ….csv)."


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """What a merge came to.

    Attributes
    ----------
    iterations, events, load_levels
        How many were added.
    known
        How many iterations were there already.
    renumbered
        Those whose version another iteration had here: name, version there, version here.
    """

    iterations: int
    events: int
    load_levels: int
    known: int
    renumbered: tuple[tuple[str, int, int], ...] = ()


def export(rows: Iterable[Iteration], path: Path) -> int:
    """Write iterations to a file, ``….parquet`` or ``….csv``, in place of what it holds; return how many.

    Raises
    ------
    UsageError
        The name ends otherwise, the file cannot be written, or pyarrow is missing for Parquet.
    """
    columns = _columns()
    table = [[_flat(getattr(row, column.name)) for column in columns] for row in rows]
    part = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".parquet":
            _write_parquet(columns, table, part)
        elif path.suffix == ".csv":
            with part.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([[column.name for column in columns], *table])
        else:
            raise UsageError(f"{path.name} ends with neither .parquet nor .csv.", "Name the file by what it shall be.")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.", "Choose another place.") from error
    finally:
        part.unlink(missing_ok=True)
    return len(table)


def rows_of(source: Path | str) -> list[Noun]:
    """Return all that another history, or an exported file, holds; it is not changed.

    Raises
    ------
    UsageError
        There is no such file, or it is none of these.
    HistoryError
        It cannot be read.
    """
    if isinstance(source, str):
        return _rows_of_database(source)
    if not source.is_file():
        raise UsageError(f"There is no file {source}.", _PLACES)
    try:
        if source.suffix == ".parquet":
            table = _parquet().read_table(source)
            _check_columns(table.column_names)
            rows = table.to_pylist()
        elif source.suffix == ".csv":
            with source.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                _check_columns(reader.fieldnames or ())
                rows = list(reader)
        else:
            return _rows_of_file(source)
        return [_iteration(row) for row in rows]
    except (ValueError, TypeError, OSError) as error:  # those of pyarrow are among them
        why = str(error).rstrip(".")
        raise UsageError(f"{source} cannot be read as an exported history: {why}.", _PLACES) from error


def _check_columns(found: Sequence[str]) -> None:
    """Raise ValueError where a file was cut off, or never was an export: without rows nothing else would tell."""
    if missing := [column for column in _COLUMNS if column not in found]:
        raise ValueError(f"it has no column {missing[0]}")


def _rows_of_file(path: Path) -> list[Noun]:
    """Read a copy: the file itself may be of an older format, and is not ours to change."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "history.sqlite"
        try:
            address = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
                if target.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    raise sqlite3.DatabaseError("it is damaged")
        except sqlite3.Error as error:
            raise HistoryError(f"{path} cannot be read as a history: {error}.", _PLACES) from error
        try:
            return _rows_of_database(copy)
        except HistoryError as error:
            raise HistoryError(error.message.replace(str(copy), str(path)), error.remedy) from error


def _rows_of_database(location: Path | str) -> list[Noun]:
    database = Database(location)
    try:
        return [noun for kind in (Iteration, Event, LoadLevel) for noun in database.all(kind)]
    finally:
        database.close()


# --- values --------------------------------------------------------------------------------------------------------


def _columns() -> list[Column[Any]]:
    from .schema import iterations

    return [iterations.c[name] for name in _COLUMNS]


def _flat(value: Any) -> Any:
    """Return a value as a table holds it: mappings as JSON, times with their zone."""
    return json.dumps(value) if isinstance(value, Mapping) else value


def _iteration(row: Mapping[str, Any]) -> Iteration:
    return Iteration(**{column.name: _value(column, row[column.name]) for column in _columns()})


def _value(column: Column[Any], value: Any) -> Any:
    """Return a value as an iteration holds it; CSV has nothing but text."""
    from .schema import JsonText, UtcDateTime

    if isinstance(column.type, JsonText):
        return json.loads(value)
    if value is None or (value == "" and column.nullable):
        return None
    if isinstance(column.type, UtcDateTime):
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.astimezone(UTC)
    kind = _kind(column)
    return value in {True, "True"} if kind is bool else kind(value)


def _kind(column: Column[Any]) -> type:
    """Return the Python type of a column's values as the database has them."""
    from sqlalchemy import TypeDecorator

    kind: type = (column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type).python_type
    return kind


# --- Parquet -------------------------------------------------------------------------------------------------------


def _parquet() -> Any:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise UsageError(
            f"Parquet needs pyarrow, which cannot be imported: {error}.",
            "Install it: pip install 'jupyter_containeriter[parquet]', or choose .csv",
        ) from error
    return pyarrow.parquet


def _write_parquet(columns: Sequence[Column[Any]], table: Sequence[Sequence[Any]], path: Path) -> None:
    parquet = _parquet()
    import pyarrow as pa

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    kinds[datetime] = pa.timestamp("us", "UTC")
    schema = pa.schema([(column.name, kinds[_kind(column)]) for column in columns])
    values = list(zip(*table, strict=True)) if table else [()] * len(columns)
    arrays = [pa.array(found, kind) for found, kind in zip(values, schema.types, strict=True)]
    parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), path)
