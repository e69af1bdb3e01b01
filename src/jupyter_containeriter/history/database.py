"""The tables of a history: rows in, rows out. Nothing here knows what to do while the database cannot be used."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.errors import HistoryError
from jupyter_containeriter.types import Event, Iteration, LoadLevel

from .nouns import MOMENTS, Noun, columns_of
from .places import place_of

if TYPE_CHECKING:
    from pandas import DataFrame
    from sqlalchemy import Connection, Engine, Select, Table

    from .places import Place


class Database:
    """The tables in one place, opened on first use, and anew where something else stands there by now.

    All methods may be called from any thread.

    Parameters
    ----------
    location
        The path of a SQLite file, or ``postgresql://user@host/database``.

    Raises
    ------
    HistoryError
        By every method: the place cannot be used. What is there is left as it is.
    """

    def __init__(self, location: Path | str) -> None:
        self._location = location
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._id = ""
        self._stamp: Hashable = None
        self._again = 0.0
        self._failure: HistoryError | None = None

    @property
    def id(self) -> str:
        """The random id of this history, given when it was created."""
        self._opened()
        return self._id

    @functools.cached_property
    def place(self) -> Place:
        """Where the tables are."""
        return place_of(self._location)

    # --- rows in -----------------------------------------------------------------------------------------------------

    def begin(self, iteration: Iteration) -> Iteration:
        """Add an iteration under the next version of its name, and return it with that one."""
        with self._transaction(exclusive=True) as (connection, table):
            version = _next_version(connection, table, iteration.name)
            return _add(connection, table, replace(iteration, version=version))

    def update(self, iteration: Iteration) -> bool:
        """Write all fields of an iteration but its version; return whether it has a row."""
        with self._transaction() as (connection, table):
            return _update(connection, table, iteration)

    def put(self, iteration: Iteration) -> Iteration:
        """Write an iteration that may have a row already; return it with the version that it has there.

        Its version is its own, or the next free one where another iteration has that. A row that has ended is not set
        back to one that runs.
        """
        with self._transaction(exclusive=True) as (connection, table):
            return _put(connection, table, iteration)[0]

    def add(self, nouns: Iterable[Event | LoadLevel]) -> None:
        """Add events and levels of load tests that are not there yet."""
        with self._transaction(exclusive=True) as (connection, _table):
            for noun in nouns:
                _add_once(connection, noun)

    def merge(self, nouns: Iterable[Noun]) -> list[tuple[Noun, bool]]:
        """Write all of them, or none; return each as it is here by now, and whether it was not before.

        Iterations come first: what else there is of one follows it to the version that it has here.
        """
        versions: dict[tuple[str, int], int] = {}
        merged: list[tuple[Noun, bool]] = []
        with self._transaction(exclusive=True) as (connection, table):
            for noun in nouns:
                if isinstance(noun, Iteration):
                    merged.append(_put(connection, table, noun, newer=False))
                    versions[noun.name, noun.version] = merged[-1][0].version
                else:
                    here = _following(noun, versions)
                    merged.append((here, _add_once(connection, here)))
        return merged

    def delete(self, iteration_id: str) -> None:
        """Forget an iteration."""
        with self._transaction() as (connection, table):
            connection.execute(table.delete().where(table.c.id == iteration_id))

    # --- rows out ----------------------------------------------------------------------------------------------------

    def get(self, name: str, version: int) -> Iteration | None:
        """Return one version of a model, or None."""
        with self._transaction() as (connection, table):
            return _first(connection, table.select().where(table.c.name == name, table.c.version == version))

    def latest(self, name: str, statuses: Collection[str], before: int | None) -> Iteration | None:
        """Return the highest version of a model (below ``before``) with an image and one of these statuses, or None."""
        with self._transaction() as (connection, table):
            # Without an image it was deployed by another way, and cannot be run from here.
            where = (table.c.name == name, table.c.status.in_(statuses), table.c.image_digest != "")
            statement = table.select().where(*where)
            if before is not None:
                statement = statement.where(table.c.version < before)
            return _first(connection, statement.order_by(table.c.version.desc()).limit(1))

    def recent(self, name: str, last: int, before: int | None) -> list[Iteration]:
        """Return the highest versions of a model (below ``before``), at most so many, the highest first."""
        with self._transaction() as (connection, table):
            statement = table.select().where(table.c.name == name)
            if before is not None:
                statement = statement.where(table.c.version < before)
            return _all(connection, statement.order_by(table.c.version.desc()).limit(last))

    def counts(self) -> dict[str, int]:
        """Return how many iterations each model has."""
        from sqlalchemy import func, select

        with self._transaction() as (connection, table):
            statement = select(table.c.name, func.count().label("rows")).group_by(table.c.name)
            return {row.name: row.rows for row in connection.execute(statement)}

    def running(self, host: str) -> list[Iteration]:
        """Return the iterations of a host that have not ended, oldest first."""
        with self._transaction() as (connection, table):
            statement = table.select().where(table.c.status == "running", table.c.host == host)
            return _all(connection, statement.order_by(table.c.started_at))

    def by_ids(self, ids: Collection[str]) -> dict[str, Iteration]:
        """Return the iterations with these ids, by id; unknown ids are left out."""
        with self._transaction() as (connection, table):
            found = _all(connection, table.select().where(table.c.id.in_(ids)))
            return {iteration.id: iteration for iteration in found}

    def imaged(self) -> list[Iteration]:
        """Return the iterations for which an image was built, oldest first."""
        with self._transaction() as (connection, table):
            statement = table.select().where(table.c.image_digest != "")
            return _all(connection, statement.order_by(table.c.started_at, table.c.version))

    def all(self, kind: type[Noun], name: str | None = None) -> list[Noun]:
        """Return every row of a kind (of one model), in the order it happened."""
        with self._transaction() as (connection, _table):
            table = table_of(kind)
            statement = table.select().order_by(table.c[MOMENTS[kind]], table.c.version, table.c.id)
            if name is not None:
                statement = statement.where(table.c.name == name)
            return [kind(**row) for row in connection.execute(statement).mappings()]

    def images(self) -> list[tuple[str, str]]:
        """Return digest and engine of every image that was built."""
        with self._transaction() as (connection, table):
            columns = (table.c.image_digest, table.c.engine)
            statement = table.select().with_only_columns(*columns).where(table.c.image_digest != "").distinct()
            return [(row.image_digest, row.engine) for row in connection.execute(statement)]

    def names(self) -> list[str]:
        """Return the names of all models, sorted."""
        with self._transaction() as (connection, table):
            statement = table.select().with_only_columns(table.c.name).distinct()
            return sorted(connection.execute(statement).scalars())

    def pulse(self) -> Hashable:
        """Return what is another value once rows were written; see :meth:`Place.pulse`."""
        return self.place.pulse(self._opened)

    def ping(self) -> None:
        """Make sure that the database answers."""
        with self._transaction() as (connection, table):
            connection.execute(table.select().limit(0))

    def read(self, reader: Callable[[Connection], DataFrame]) -> DataFrame:
        """Return what a reader makes of a connection."""
        with self._transaction() as (connection, _table):
            return reader(connection)

    # --- the connection ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the place. The next use opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _opened(self) -> Engine:
        with self._lock:
            if self._failure is not None and time.monotonic() < self._again:
                raise self._failure.with_traceback(None)
            if self._engine is None or self._stamp != self.place.stamp():
                self._close()
                try:
                    self._engine, self._id = self.place.open()
                except HistoryError as error:
                    self._note(error)
                    raise
                self._stamp = self.place.stamp()
            return self._engine

    def _note(self, error: HistoryError) -> None:
        """Remember for a while that the place cannot be used: each try may take seconds."""
        self._failure, self._again = error, time.monotonic() + self.place.pause_seconds

    @contextmanager
    def _transaction(self, *, exclusive: bool = False) -> Iterator[tuple[Connection, Table]]:
        """Give a connection and the table of iterations; all or nothing of what is done with them is kept."""
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        from .schema import iterations

        engine = self._opened()
        try:
            with engine.begin() as connection:
                if exclusive:
                    self.place.exclusive(connection)
                yield connection, iterations
        except SQLAlchemyError as error:
            told = self.place.explain(error)
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                self._note(told)
            raise told from error


def table_of(kind: type[Noun]) -> Table:
    """Return the table that holds these rows."""
    from . import schema

    return {Iteration: schema.iterations, Event: schema.events, LoadLevel: schema.load_levels}[kind]


def _add(connection: Connection, table: Table, iteration: Iteration) -> Iteration:
    connection.execute(table.insert().values(columns_of(iteration)))
    return iteration


def _put(connection: Connection, table: Table, iteration: Iteration, *, newer: bool = True) -> tuple[Iteration, bool]:
    """Write an iteration that may have a row already; return it as it is there, and whether it is new.

    A row that has ended is never set back to one that runs; where what is given need not be ``newer``, it stays.
    """
    known = table.select().with_only_columns(table.c.version, table.c.status).where(table.c.id == iteration.id)
    row = connection.execute(known).first()
    if row is None:
        return _add(connection, table, _with_free_version(connection, table, iteration)), True
    if row.status == "running" or (newer and iteration.status != "running"):
        _update(connection, table, iteration)
    return replace(iteration, version=row.version), False


def _following(noun: Event | LoadLevel, versions: Mapping[tuple[str, int], int]) -> Event | LoadLevel:
    """Return what happened to a version under the number that it has here."""

    def here(version: int) -> int:
        return versions.get((noun.name, version), version)

    if isinstance(noun, Event):
        previous = None if noun.previous is None else here(noun.previous)
        return replace(noun, version=here(noun.version), previous=previous)
    return replace(noun, version=here(noun.version))


def _add_once(connection: Connection, noun: Event | LoadLevel) -> bool:
    table = table_of(type(noun))
    if connection.execute(table.select().where(table.c.id == noun.id)).first() is not None:
        return False
    connection.execute(table.insert().values(columns_of(noun)))
    return True


def _update(connection: Connection, table: Table, iteration: Iteration) -> bool:
    row = columns_of(iteration)
    del row["version"]  # Its row may have got another one when it was written late.
    return bool(connection.execute(table.update().where(table.c.id == iteration.id).values(row)).rowcount)


def _next_version(connection: Connection, table: Table, name: str) -> int:
    from sqlalchemy import func, select

    highest: int | None = connection.execute(select(func.max(table.c.version)).where(table.c.name == name)).scalar()
    return (highest or 0) + 1


def _with_free_version(connection: Connection, table: Table, iteration: Iteration) -> Iteration:
    taken = table.select().where(table.c.name == iteration.name, table.c.version == iteration.version)
    if connection.execute(taken.with_only_columns(table.c.id)).first() is None:
        return iteration
    return replace(iteration, version=_next_version(connection, table, iteration.name))


def _all(connection: Connection, statement: Select[Any]) -> list[Iteration]:
    return [Iteration(**row) for row in connection.execute(statement).mappings()]


def _first(connection: Connection, statement: Select[Any]) -> Iteration | None:
    row = connection.execute(statement).mappings().first()
    return None if row is None else Iteration(**row)
