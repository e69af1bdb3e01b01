"""Where a history is kept: a file or a database server."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jupyter_containeriter.addresses import shown_address
from jupyter_containeriter.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.exc import SQLAlchemyError

    from jupyter_containeriter.errors import HistoryError


class Place(Protocol):
    """A file or a database that holds a history.

    Attributes
    ----------
    shown
        How it is called in messages; never with a password.
    pause_seconds
        Once it could not be used: how long not to try again.
    """

    shown: str
    pause_seconds: float

    def open(self) -> tuple[Engine, str]:
        """Open the history, created if there is none and migrated if it is older; return its engine and its id.

        Raises
        ------
        HistoryError
            It cannot be used. It is left as it is.
        """

    def stamp(self) -> Hashable:
        """Return what changes when something else stands in its place."""

    def pulse(self, opened: Callable[[], Engine]) -> Hashable:
        """Return what is another value once rows were written, by whomever; cheap enough to be asked every second.

        Parameters
        ----------
        opened
            Returns the engine of the place, for one that has to ask.
        """

    def exclusive(self, connection: Connection) -> None:
        """Let no other process add rows until the transaction of the connection ends."""

    def explain(self, error: SQLAlchemyError) -> HistoryError:
        """Return what a database error means for the person, with a remedy."""


def place_of(location: Path | str) -> Place:
    """Return the place for the path of a file, or for an address ``postgresql://user@host/database``.

    Raises
    ------
    UsageError
        It is neither.
    """
    if isinstance(location, Path):
        from .sqlite import SqliteFile

        return SqliteFile(location.expanduser().absolute())
    from .postgres import SCHEMES, PostgresDatabase

    if location.partition("://")[0] in SCHEMES:
        return PostgresDatabase(location)
    raise UsageError(
        f"{shown_address(location)} is no address of a history that is known here.",
        "Give postgresql://user@host/database, or nothing for a file in the data directory.",
    )


def shown_location(location: Path | str) -> str:
    """Return how a location is called in messages: as :attr:`Place.shown`, but without opening anything."""
    return str(location.expanduser().absolute()) if isinstance(location, Path) else place_of(location).shown
