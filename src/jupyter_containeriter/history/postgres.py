"""All that is PostgreSQL's own: the address, opening, and what its errors mean for a person."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from jupyter_containeriter.addresses import shown_address
from jupyter_containeriter.errors import HistoryError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.exc import SQLAlchemyError

SCHEMES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})

#: A server that is gone is noticed within seconds, also in the middle of a statement.
_PATIENCE = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "application_name": "jupyter_containeriter",
}
#: Two keys of advisory locks: ours, and what for.
_OURS = 0x636974
_TABLES, _ROWS = 1, 2

_AGAIN = "Once it is well again, what waits is written by itself."
_SERVER = "Start the server, or correct the address (CONTAINERITER_HISTORY, c.ContainerIter.history)."
_ADDRESS = "Correct the address: postgresql://user@host:port/database (CONTAINERITER_HISTORY, c.ContainerIter.history)."
_LOGIN = "Correct user and password in the address, or keep the password in ~/.pgpass or PGPASSWORD."
_RIGHTS = "Let its owner grant them: GRANT USAGE, CREATE ON SCHEMA public TO the user; and all rights on our tables."

#: Codes of SQLSTATE, by their beginning: what to say and what to do.
_CODES = {
    "28": ("{place} refused the user or the password.", _LOGIN),
    "3D": ("There is no such database: {place}.", "Create it (createdb NAME), or correct the address."),
    "42501": ("The rights of this user do not suffice for {place}.", _RIGHTS),
    "25006": ("{place} takes no changes now.", "Give the address of the primary server, not of a standby."),
    "53100": ("The disk of {place} is full.", f"Free space there. {_AGAIN}"),
    "53": ("{place} has no room for another connection.", f"End some, or allow more (max_connections). {_AGAIN}"),
    "57P": ("{place} was shut down.", f"Start the server again. {_AGAIN}"),
    "08": ("The connection to {place} broke.", f"Check the server and the network. {_AGAIN}"),
}
#: A connection that fails has no code, only the words of the library.
_WORDS = (
    (r"authentication failed|no password supplied|role .* does not exist|no pg_hba\.conf entry", _CODES["28"]),
    (r"database .* does not exist", _CODES["3D"]),
    (r"remaining connection slots|too many clients|too many connections", _CODES["53"]),
    (r"starting up|shutting down|recovery mode", ("{place} is just starting or stopping.", f"Wait a moment. {_AGAIN}")),
    (r"terminating connection|closed the connection|connection is closed|lost|broken", _CODES["08"]),
    (r"refused|No such file|timeout|timed out|resolve|translate host|unreachable|is the server running", (
        "The database server of {place} cannot be reached.", f"{_SERVER} {_AGAIN}",
    )),
)  # fmt: skip


class PostgresDatabase:
    """A database of a PostgreSQL server that holds a history.

    Parameters
    ----------
    address
        ``postgresql://user:password@host:port/database``; what is left out is as for ``psql``. Options of the client
        library may follow (``?sslmode=require``).

    Raises
    ------
    UsageError
        The address cannot be read.
    """

    #: A server that does not answer costs seconds each time it is asked.
    pause_seconds = 10.0

    def __init__(self, address: str) -> None:
        self._parts = _Parts(address)
        self.shown = self._parts.shown

    def open(self) -> tuple[Engine, str]:
        """Open the history; see :class:`~jupyter_containeriter.history.places.Place`."""
        from sqlalchemy import create_engine
        from sqlalchemy.exc import SQLAlchemyError

        try:
            engine = create_engine(self._parts.url(), pool_pre_ping=True, pool_size=1, max_overflow=7)
        except ModuleNotFoundError as error:
            raise HistoryError(
                f"The history {self.shown} needs psycopg, which cannot be imported: {error}.",
                "Install it: pip install 'jupyter_containeriter[postgres]'",
            ) from error
        try:
            with engine.begin() as connection:
                return engine, self._identify(connection)
        except SQLAlchemyError as error:
            engine.dispose()
            raise self.explain(error) from error
        except HistoryError:
            engine.dispose()
            raise

    def stamp(self) -> Hashable:
        """Return always the same: a server is asked by its address each time."""
        return None

    def pulse(self, opened: Callable[[], Engine]) -> Hashable:
        """Return the number of the server's next transaction that will write something, in whichever database.

        To count rows would cost more the more there are, and would not see that one has changed.
        """
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with opened().connect() as connection:
                return str(connection.exec_driver_sql("SELECT txid_snapshot_xmax(txid_current_snapshot())").scalar())
        except SQLAlchemyError as error:
            raise self.explain(error) from error

    def exclusive(self, connection: Connection) -> None:
        """Let no other process add rows until the transaction ends."""
        _lock(connection, _ROWS)

    def explain(self, error: SQLAlchemyError) -> HistoryError:
        """Return what a database error means for the person, with a remedy."""
        cause = getattr(error, "orig", None) or error
        code = getattr(cause, "sqlstate", None) or ""
        said = self._parts.without_password(str(cause))
        found = next((words for beginning, words in _CODES.items() if code.startswith(beginning)), None)
        found = found or next((words for pattern, words in _WORDS if re.search(pattern, said)), None)
        if found is not None:
            return HistoryError(found[0].format(place=self.shown), found[1])
        line = next(iter(said.splitlines()), "")
        return HistoryError(f"The history {self.shown} cannot be used: {line}.", "Look at the log of the server.")

    def _identify(self, connection: Connection) -> str:
        """Check that this is a history of a known format, or make it one; return its id."""
        from sqlalchemy import inspect

        from .migrations import known_version
        from .schema import meta, metadata

        tables = set(inspect(connection).get_table_names())
        if not tables & set(metadata.tables):
            _lock(connection, _TABLES)
            metadata.create_all(connection)
            self._fill_meta(connection)
        elif meta.name not in tables:
            raise self._something_else()
        values = self._read_meta(connection)
        version = known_version(values, self.shown)
        if version is None:
            raise self._something_else()
        self._migrate(connection, version)
        return values["id"]

    def _something_else(self) -> HistoryError:
        return HistoryError(
            f"{self.shown} holds tables of something else that are called as ours.",
            "Give the address of a database of its own.",
        )

    def _fill_meta(self, connection: Connection) -> None:
        from .schema import SCHEMA_VERSION, meta

        if not self._read_meta(connection):
            values = {"schema_version": str(SCHEMA_VERSION), "id": uuid.uuid4().hex}
            connection.execute(meta.insert(), [{"key": key, "value": value} for key, value in values.items()])

    def _read_meta(self, connection: Connection) -> dict[str, str]:
        from .schema import meta

        return {row.key: row.value for row in connection.execute(meta.select())}

    def _migrate(self, connection: Connection, version: int) -> None:
        """Bring the tables to the present format, after copies of them were made; all of it or nothing."""
        from .migrations import known_version, migrate
        from .schema import SCHEMA_VERSION

        if version < SCHEMA_VERSION:
            _lock(connection, _TABLES)
            now = known_version(self._read_meta(connection), self.shown)
            if now is not None and now < SCHEMA_VERSION:  # else another process was first
                _back_up(connection, now)
                migrate(connection, now)


class _Parts:
    """An address taken apart. User and password end at the last ``@``, so that no part of a password is elsewhere."""

    def __init__(self, address: str) -> None:
        rest = address.partition("://")[2]
        # A password may hold "/" and "?", which an address should not: what is before the last "@" is never shown.
        login, _, place = rest.rpartition("@")
        self.user, _, self._password = (unquote(part) for part in login.partition(":"))
        try:
            split = urlsplit(f"postgresql://{place}")
            self._host, self._port = unquote(split.hostname or ""), split.port
        except ValueError:
            raise UsageError("The address of the history cannot be read.", _ADDRESS) from None
        self._database = unquote(split.path.lstrip("/"))
        self._query = dict(parse_qsl(split.query))
        self._password = self._query.pop("password", self._password)
        self.shown = shown_address(address)

    def url(self) -> URL:
        """Return the address for SQLAlchemy."""
        from sqlalchemy import URL

        return URL.create(
            "postgresql+psycopg",
            self.user or None,
            self._password or None,
            self._host or None,
            self._port,
            self._database or None,
            {**_PATIENCE, **self._query},
        )

    def without_password(self, text: str) -> str:
        """Return the text without the password, should it be quoted."""
        return text.replace(self._password, "***") if self._password else text


def _lock(connection: Connection, what: int) -> None:
    """Take an advisory lock that goes with the transaction."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_OURS}, {what})")


def _back_up(connection: Connection, version: int) -> None:
    """Copy every table to a neighbour that is never overwritten."""
    from sqlalchemy import inspect

    from .schema import metadata

    tables = set(inspect(connection).get_table_names())
    for table in tables & set(metadata.tables):
        copy = f"{table}_format_{version}"
        if copy not in tables:
            connection.exec_driver_sql(f'CREATE TABLE "{copy}" AS TABLE "{table}"')
