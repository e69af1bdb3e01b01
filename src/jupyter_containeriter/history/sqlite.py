"""All that is SQLite's own: opening a file without ever harming it, and what its errors mean for a person."""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Hashable
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection as SQLiteConnection
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from jupyter_containeriter.errors import HistoryError

from .migrations import known_version, migrate
from .schema import SCHEMA_VERSION, meta, metadata

_HEADER = b"SQLite format 3\0"
_BUSY_SECONDS = 10
_CHECKED_BYTES = 64 * 1024**2

_ASIDE = "Move the file aside (with its -wal and -shm neighbours) and run again: a new history is started."
_ELSEWHERE = "Make the place writable for you, or choose another place for the history."

#: SQLite's error names, by their beginning: what to say and what to do.
_EXPLANATIONS = {
    "SQLITE_FULL": ("The disk is full: the history {path} cannot grow.", "Free disk space, then run the cell again."),
    "SQLITE_BUSY": (
        "Another process has been writing to the history {path} for too long.",
        "Run the cell again; if it stays so, find the process that holds the file.",
    ),
    "SQLITE_READONLY": ("The history {path} cannot be written.", _ELSEWHERE),
    "SQLITE_PERM": ("The history {path} cannot be written.", _ELSEWHERE),
    "SQLITE_CANTOPEN": ("The history {path} cannot be opened.", _ELSEWHERE),
    "SQLITE_NOTADB": ("The file {path} is not a history.", _ASIDE),
    "SQLITE_CORRUPT": ("The history {path} is damaged. It was left as it is.", _ASIDE),
    "SQLITE_IOERR": (
        "The disk failed, or is full: the history {path} could not be used.",
        "Free disk space or check the disk, then run the cell again.",
    ),
}


class SqliteFile:
    """A file that holds a history.

    Parameters
    ----------
    path
        The file. It and its directory are created when it is opened.
    """

    #: To look at a file again costs little, and what was wrong may be put right between two cells.
    pause_seconds = 0.0

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shown = str(path)

    def open(self) -> tuple[Engine, str]:
        """Open the history; see :class:`~jupyter_containeriter.history.places.Place`."""
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_header(path)
        except OSError as error:
            raise HistoryError(f"The history {path} cannot be opened: {error.strerror}.", _ELSEWHERE) from error
        url = URL.create("sqlite", database=str(path))
        engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
        event.listen(engine, "connect", _set_pragmas)
        try:
            return engine, _identify(engine, path)
        except (SQLAlchemyError, sqlite3.Error) as error:
            engine.dispose()
            raise self.explain(error) from error
        except OSError as error:
            engine.dispose()
            raise HistoryError(f"The history {path} cannot be used: {error.strerror}.", _ELSEWHERE) from error
        except HistoryError:
            engine.dispose()
            raise

    def stamp(self) -> Hashable:
        """Return what tells this file from another one at the same path, or None without a file.

        SQLite would go on writing into a file that was moved away; what the person sees is the path.
        """
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def pulse(self, opened: Callable[[], Engine]) -> Hashable:
        """Return size and time of the file, and of what was written beside it and is not in it yet."""
        return tuple(_written(Path(f"{self._path}{suffix}")) for suffix in ("", "-wal"))

    def exclusive(self, connection: Connection) -> None:
        """Let no other process write until the transaction ends."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def explain(self, error: SQLAlchemyError | sqlite3.Error) -> HistoryError:
        """Return what a database error means for the person, with the path and a remedy."""
        cause = getattr(error, "orig", None) or error
        name = getattr(cause, "sqlite_errorname", "")
        for beginning, (message, remedy) in _EXPLANATIONS.items():
            if name.startswith(beginning):
                return HistoryError(message.format(path=self._path), remedy)
        return HistoryError(f"The history {self._path} cannot be used: {cause}.")


def _check_header(path: Path) -> None:
    """Refuse a file that is no database before SQLite touches it. A missing or empty file will be filled."""
    if not path.exists():
        return
    with path.open("rb") as file:
        header = file.read(len(_HEADER))
    if header not in (b"", _HEADER):
        raise HistoryError(f"The file {path} is not a history.", _ASIDE)


def _written(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written, or replaced; None without a file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _set_pragmas(connection: SQLiteConnection, _record: Any) -> None:
    # What was written is on the disk, also after a power cut.
    connection.execute("PRAGMA synchronous=FULL")


def _identify(engine: Engine, path: Path) -> str:
    """Check that this is a sound history of a known format, or make an empty file one; return its id."""
    # A quick check reads the whole file: worth it while that takes a moment only.
    if path.exists() and path.stat().st_size <= _CHECKED_BYTES:
        with engine.connect() as connection:
            if connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
                raise _damaged(path)
    tables = set(inspect(engine).get_table_names())
    if tables - set(metadata.tables) and meta.name not in tables:
        raise HistoryError(f"The file {path} is a database of something else.", _ASIDE)
    values = _read_meta(engine) if meta.name in tables else {}
    if not values:
        _create(engine)
        values = _read_meta(engine)
    version = known_version(values, str(path))
    if version is None:
        raise _damaged(path)
    if version < SCHEMA_VERSION:
        _migrate(engine, path)
    return values["id"]


def _read_meta(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row.key: row.value for row in connection.execute(meta.select())}


def _create(engine: Engine) -> None:
    """Create the tables. Every step may have been done already by another process, or by one that was killed."""
    _use_write_ahead_log(engine)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
    values = {"schema_version": str(SCHEMA_VERSION), "id": uuid.uuid4().hex}
    try:
        with engine.begin() as connection:
            connection.execute(meta.insert(), [{"key": key, "value": value} for key, value in values.items()])
    except IntegrityError:
        return  # Another process was first: its id holds.


def _migrate(engine: Engine, path: Path) -> None:
    """Bring the file to the present format, after a copy of it was made beside it."""
    with engine.connect() as connection:
        # By hand, so that the whole step is one transaction: Python's sqlite3 begins none before a change of tables.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            version = int(connection.execute(meta.select().where(meta.c.key == "schema_version")).one().value)
            if version < SCHEMA_VERSION:  # else another process was first
                _back_up(path, version)
                migrate(connection, version)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise


def _back_up(path: Path, version: int) -> None:
    """Copy the file, with what is still in its log, to a neighbour that is never overwritten."""
    copy = path.with_name(f"{path.name}.format-{version}")
    if not copy.exists():
        part = copy.with_name(f"{copy.name}.part")
        part.unlink(missing_ok=True)  # of a process that was killed
        try:
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as target:
                source.backup(target)
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)


def _use_write_ahead_log(engine: Engine) -> None:
    """Let readers and the one writer work at the same time. The file remembers it."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            return
        except OperationalError:
            # For this switch SQLite does not wait by itself while another process creates the same file.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _damaged(path: Path) -> HistoryError:
    message, remedy = _EXPLANATIONS["SQLITE_CORRUPT"]
    return HistoryError(message.format(path=path), remedy)
