"""Between a history and its database: what happens while the database cannot be used, and once it can be again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from filelock import Timeout

from jupyter_containeriter.errors import HistoryError
from jupyter_containeriter.types import Iteration

from .database import Database
from .spool import Forgotten, Spool, Waiting

T = TypeVar("T")


class Delivery:
    """Asks the database, lets rows wait that it cannot take now, and writes them before it is asked the next time.

    Parameters
    ----------
    database
        What is asked.
    spool
        Where rows wait; without one, every failure is an error.
    known
        Returns the highest version of a name that is known from elsewhere.
    """

    def __init__(self, database: Database, spool: Spool | None, known: Callable[[str], int]) -> None:
        self._database = database
        self._spool = spool
        self._known = known
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._out = False
        self._remarks: list[str] = []

    def remarks(self) -> list[str]:
        """Return what the person should know and was not told yet."""
        with self._lock:
            remarks, self._remarks = self._remarks, []
        return remarks

    def waiting(self) -> list[Waiting]:
        """Return what waits, in the order it happened."""
        return self._spool.waiting() if self._spool is not None else []

    def ask(self, question: Callable[[], T], otherwise: Callable[[], T] | None = None) -> T:
        """Return the answer of the database, or where it gives none, what is known otherwise.

        Raises
        ------
        HistoryError
            The database cannot be used, and there is no spool or nothing else to answer with.
        """
        try:
            self._settle()
            return question()
        except HistoryError as error:
            if self._spool is None or otherwise is None:
                raise
            self._tell_outage(error)
            return otherwise()

    def begin(self, iteration: Iteration) -> Iteration:
        """Add an iteration under the next version of its name, or under one that seems free."""
        begun = self.ask(lambda: self._database.begin(iteration), lambda: self._begin_waiting(iteration))
        if self._spool is not None:
            self._spool.note_version(begun.name, begun.version)
        return begun

    def write(self, write: Callable[[], object], nouns: Sequence[Waiting]) -> None:
        """Write rows; where the database does not take them now, they wait."""
        try:
            self._settle()
            write()
        except HistoryError as error:
            if self._spool is None:
                raise
            self._tell_outage(error)
            self._keep(nouns)
            return
        if self._spool is not None:
            for noun in nouns:
                self._spool.forget(noun.id)

    # --- while it cannot be used -------------------------------------------------------------------------------------

    def _begin_waiting(self, iteration: Iteration) -> Iteration:
        assert self._spool is not None
        highest = max(self._spool.highest(iteration.name), self._known(iteration.name))
        begun = replace(iteration, version=highest + 1)
        self._keep([begun])
        return begun

    def _keep(self, nouns: Sequence[Waiting]) -> None:
        assert self._spool is not None
        kept = [self._spool.keep(noun) for noun in nouns]
        if not all(kept):
            self._tell_once(
                f"Nor can {self._spool.directory} be written: what happened is kept in memory until this process ends."
            )

    def _tell_outage(self, error: HistoryError) -> None:
        if not self._out:
            self._out = True
            self._tell_once(f"{error.message} What happens meanwhile is written to it later. {error.remedy}")

    def _all_is_well(self) -> None:
        """Forget what was told: it is over."""
        self._out = False
        self._told.clear()

    def _tell_once(self, remark: str) -> None:
        with self._lock:
            if remark not in self._told:
                self._told.add(remark)
                self._remarks.append(remark)

    # --- once it can be used -----------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Write what waits.

        Raises
        ------
        HistoryError
            The database cannot be used.
        """
        if self._spool is None:
            return
        self._spool.remember(self._database.id)
        if not self._spool.waiting():
            self._all_is_well()
        else:
            try:
                with self._spool.held():
                    self._deliver(self._spool)
            except Timeout:
                return  # Another kernel is at it.
            except OSError:
                self._deliver(self._spool)  # What waits in memory needs no directory.

    def _deliver(self, spool: Spool) -> None:
        waiting = spool.waiting()
        written = sum(self._written(spool, noun) for noun in waiting)
        if written == len(waiting):
            self._all_is_well()
        if written:
            rows = "1 row that waited for it is" if written == 1 else f"{written} rows that waited for it are"
            with self._lock:
                self._remarks.append(f"The history {self._database.place.shown} works again: {rows} written now.")

    def _written(self, spool: Spool, noun: Waiting) -> bool:
        """Write one row, or leave it where the database works but does not take this one."""
        try:
            self._write(noun)
        except HistoryError as error:
            self._database.ping()
            self._tell_once(f"A row still waits for the history in {spool.directory}: {error.message}")
            return False
        spool.forget(noun.id)
        return True

    def _write(self, noun: Waiting) -> None:
        if isinstance(noun, Forgotten):
            self._database.delete(noun.id)
        elif isinstance(noun, Iteration):
            row = self._database.put(noun)
            if row.version != noun.version:
                self._tell_once(
                    f"{noun.name}:{noun.version} is {row.name}:{row.version} in the history: "
                    "another iteration got that version meanwhile."
                )
        else:
            self._database.add([noun])
