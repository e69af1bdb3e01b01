"""The store of iterations. SQLAlchemy and pandas are imported on first use, not with this module."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.errors import HistoryError
from jupyter_containeriter.types import EVENT_COLUMNS, ITERATION_COLUMNS, LOAD_COLUMNS, Event, Iteration, LoadLevel

if TYPE_CHECKING:
    from pandas import DataFrame
    from sqlalchemy import Connection, Engine, Select, Table


class History:
    """Every iteration, one row each, in one SQLite file that several kernels may share.

    The file is opened on first use, and opened anew when it was moved away meanwhile. All methods may be called from
    any thread.

    Parameters
    ----------
    path
        The file. It and its directory are created on first use.

    Raises
    ------
    HistoryError
        By every method: the file is damaged, newer, not a history or cannot be written. It is left as it is, and the
        error says what to do.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._id = ""
        self._file: tuple[int, int] | None = None

    @property
    def id(self) -> str:
        """The random id of this history, given when it was created."""
        self._opened()
        return self._id

    def begin(self, name: str, *, started_at: datetime, **fields: Any) -> Iteration:
        """Record that an iteration has started, under the next version of its name.

        Parameters
        ----------
        name
            The model's name.
        started_at
            When the iteration began.
        **fields
            Other fields of :class:`~jupyter_containeriter.types.Iteration` known by now.
        """
        from .schema import next_version

        iteration = Iteration(uuid.uuid4().hex, name, 0, "running", started_at, **fields)
        with self._transaction() as (connection, table):
            # One statement finds the version and takes it, so that no other process can come between.
            connection.execute(table.insert().values({**_row(iteration), "version": next_version(name)}))
            own = table.select().with_only_columns(table.c.version).where(table.c.id == iteration.id)
            return replace(iteration, version=connection.execute(own).scalar_one())

    def update(self, iteration: Iteration) -> None:
        """Write all fields of an iteration that has begun.

        Raises
        ------
        HistoryError
            There is no row with its id: begin it first.
        """
        with self._transaction() as (connection, table):
            result = connection.execute(table.update().where(table.c.id == iteration.id).values(_row(iteration)))
            if result.rowcount == 0:
                raise HistoryError(
                    f"The history {self.path} has no row for {iteration.name}:{iteration.version} any more.",
                    "Run the cell again: a new iteration is recorded.",
                )

    def delete(self, iteration_id: str) -> None:
        """Forget an iteration that turned out to record nothing. Its version may be given again."""
        with self._transaction() as (connection, table):
            connection.execute(table.delete().where(table.c.id == iteration_id))

    def get(self, name: str, version: int) -> Iteration | None:
        """Return one version of a model, or None."""
        with self._transaction() as (connection, table):
            where = table.select().where(table.c.name == name, table.c.version == version)
            return _first(connection, where)

    def latest(self, name: str, statuses: Collection[str], before: int | None = None) -> Iteration | None:
        """Return the highest version of a model with an image and one of these statuses, or None.

        Parameters
        ----------
        name
            The model's name.
        statuses
            The statuses that count.
        before
            Look only at versions below this one.
        """
        with self._transaction() as (connection, table):
            # Without an image it was deployed by another way, and cannot be run from here.
            where = (table.c.name == name, table.c.status.in_(statuses), table.c.image_digest != "")
            statement = table.select().where(*where)
            if before is not None:
                statement = statement.where(table.c.version < before)
            return _first(connection, statement.order_by(table.c.version.desc()).limit(1))

    def running(self, host: str) -> list[Iteration]:
        """Return the iterations of this host that have not ended, oldest first."""
        with self._transaction() as (connection, table):
            statement = table.select().where(table.c.status == "running", table.c.host == host)
            return _all(connection, statement.order_by(table.c.started_at))

    def by_ids(self, ids: Iterable[str]) -> dict[str, Iteration]:
        """Return the iterations with these ids, by id; unknown ids are left out."""
        with self._transaction() as (connection, table):
            found = _all(connection, table.select().where(table.c.id.in_(list(ids))))
            return {iteration.id: iteration for iteration in found}

    def imaged(self) -> list[Iteration]:
        """Return the iterations for which an image was built, oldest first."""
        with self._transaction() as (connection, table):
            statement = table.select().where(table.c.image_digest != "")
            return _all(connection, statement.order_by(table.c.started_at, table.c.version))

    def images(self) -> list[tuple[str, str]]:
        """Return digest and engine of every image that was built: the little that counting takes."""
        with self._transaction() as (connection, table):
            columns = (table.c.image_digest, table.c.engine)
            statement = table.select().with_only_columns(*columns).where(table.c.image_digest != "").distinct()
            return [(row.image_digest, row.engine) for row in connection.execute(statement)]

    def names(self) -> list[str]:
        """Return the names of all models, sorted."""
        with self._transaction() as (connection, table):
            statement = table.select().with_only_columns(table.c.name).distinct().order_by(table.c.name)
            return list(connection.execute(statement).scalars())

    def record_event(self, event: Event) -> None:
        """Record that a version went into service, or out of it, without a new iteration."""
        from .schema import events

        with self._transaction() as (connection, _table):
            connection.execute(events.insert().values(_row(event)))

    def record_load(self, levels: Sequence[LoadLevel]) -> None:
        """Record what a load test came to."""
        from .schema import load_levels

        if levels:
            with self._transaction() as (connection, _table):
                connection.execute(load_levels.insert(), [_row(level) for level in levels])

    def frame(
        self, name: str | None = None, last: int | None = None, columns: Sequence[str] | None = None
    ) -> DataFrame:
        """Return the iterations as a DataFrame, oldest first.

        Parameters
        ----------
        name
            Only this model's; all without it.
        last
            Only the latest so many.
        columns
            Only these of :data:`~jupyter_containeriter.types.ITERATION_COLUMNS`, in this order; all without it. What is
            left out is not read.

        Returns
        -------
        DataFrame
            Each column has its own type, also when the frame is empty.
        """
        from .frame import read_iterations

        with self._transaction() as (connection, _table):
            return read_iterations(connection, columns or ITERATION_COLUMNS, name, last)

    def events(self, name: str | None = None) -> DataFrame:
        """Return the events as a DataFrame, oldest first: :data:`~jupyter_containeriter.types.EVENT_COLUMNS`."""
        from .frame import read_events

        with self._transaction() as (connection, _table):
            return read_events(connection, EVENT_COLUMNS, name)

    def loads(self, name: str | None = None) -> DataFrame:
        """Return the levels of all load tests, oldest first: :data:`~jupyter_containeriter.types.LOAD_COLUMNS`."""
        from .frame import read_loads

        with self._transaction() as (connection, _table):
            return read_loads(connection, LOAD_COLUMNS, name)

    def close(self) -> None:
        """Let go of the file. The next use opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _opened(self) -> Engine:
        with self._lock:
            # SQLite would go on writing into a file that was moved away; what the person sees is the path.
            if self._engine is None or self._file != _identity(self.path):
                from .sqlite import open_history

                self._close()
                self._engine, self._id = open_history(self.path)
                self._file = _identity(self.path)
            return self._engine

    @contextmanager
    def _transaction(self) -> Iterator[tuple[Connection, Table]]:
        """Give a connection and the table; all or nothing of what is done with them is kept."""
        from sqlalchemy.exc import SQLAlchemyError

        from .schema import iterations
        from .sqlite import explain

        engine = self._opened()
        try:
            with engine.begin() as connection:
                yield connection, iterations
        except SQLAlchemyError as error:
            raise explain(error, self.path) from error


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this file from another one at the same path, or None without a file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _row(noun: Iteration | Event | LoadLevel) -> dict[str, Any]:
    return {field.name: getattr(noun, field.name) for field in fields(noun)}


def _all(connection: Connection, statement: Select[Any]) -> list[Iteration]:
    return [Iteration(**row) for row in connection.execute(statement).mappings()]


def _first(connection: Connection, statement: Select[Any]) -> Iteration | None:
    row = connection.execute(statement).mappings().first()
    return None if row is None else Iteration(**row)
