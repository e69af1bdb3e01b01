"""The history of iterations, events and load tests: the database, and what waits for it while it cannot be used."""

from __future__ import annotations

import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.errors import HistoryError
from jupyter_containeriter.types import EVENT_COLUMNS, ITERATION_COLUMNS, LOAD_COLUMNS, Event, Iteration, LoadLevel

from .database import Database
from .delivery import Delivery
from .nouns import Noun
from .places import shown_location
from .spool import Forgotten, Spool

if TYPE_CHECKING:
    from pandas import DataFrame

    from .transfer import MergeCounts


class History:
    """Every iteration, one row each, in a file or a database that several kernels may share.

    It is opened on first use. All methods may be called from any thread. With a spool, no row is lost while the
    database cannot be used: it waits, reads tell what waits, and it is written once the database works again.

    Parameters
    ----------
    location
        The path of a SQLite file, created on first use; or ``postgresql://user@host/database``.
    spool
        Directory of what waits; without it, a database that cannot be used is an error.
    owner
        Who begins iterations here: see :class:`~jupyter_containeriter.types.Iteration`.
    known
        Returns the highest version of a name that is known from elsewhere: what a version that is given while the
        database cannot be asked lies above.

    Attributes
    ----------
    shown
        The location as it is called in messages; never with a password.

    Raises
    ------
    HistoryError
        By every method without a spool, and by those that cannot do without the database: it is damaged, newer, not a
        history, cannot be reached or written. It is left as it is, and the error says what to do.
    """

    def __init__(
        self,
        location: Path | str,
        spool: Path | None = None,
        owner: str = "",
        known: Callable[[str], int] = lambda _name: 0,
    ) -> None:
        self.location = location
        self.owner = owner
        self.shown = shown_location(location)
        self._database = Database(location)
        self._spool = Spool(spool, self.shown) if spool is not None else None
        self._delivery = Delivery(self._database, self._spool, known)

    @property
    def id(self) -> str:
        """The random id of this history, given when it was created; while it cannot be asked, as it was known last."""
        return self._delivery.ask(lambda: self._database.id, lambda: self._spool.id if self._spool else "")

    @property
    def ids(self) -> list[str]:
        """The ids under which containers of this history may have been started, the present one first."""
        return [self.id, *(self._spool.former_ids if self._spool else ())]

    def check(self) -> None:
        """Insist that the database can be used now: without it, what is not found may be there all the same."""
        self._delivery.ask(self._database.ping)

    @property
    def is_complete(self) -> bool:
        """Whether the database can be used now."""
        try:
            self.check()
        except HistoryError:
            return False
        return True

    @property
    def waiting(self) -> int:
        """How many rows wait until the database can be used."""
        return len(self._delivery.waiting())

    def remarks(self) -> list[str]:
        """Return what the person should know of the history and was not told yet."""
        return self._delivery.remarks()

    # --- rows in -----------------------------------------------------------------------------------------------------

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
        fields = {"owner": self.owner, **fields}
        return self._delivery.begin(Iteration(uuid.uuid4().hex, name, 0, "running", started_at, **fields))

    def update(self, iteration: Iteration) -> None:
        """Write all fields of an iteration that has begun. Where its row is gone by now, it is written anew."""

        def write() -> None:
            if not self._database.update(iteration):
                self._database.put(iteration)

        self._delivery.write(write, [iteration])

    def record_event(self, event: Event) -> None:
        """Record that a version went into service, or out of it, without a new iteration."""
        self._delivery.write(lambda: self._database.add([event]), [event])

    def record_load(self, levels: Sequence[LoadLevel]) -> None:
        """Record what a load test came to."""
        if levels:
            self._delivery.write(lambda: self._database.add(levels), levels)

    def delete(self, iteration_id: str) -> None:
        """Forget an iteration that turned out to record nothing. Its version may be given again."""
        self._delivery.write(lambda: self._database.delete(iteration_id), [Forgotten(iteration_id)])

    # --- rows out ----------------------------------------------------------------------------------------------------

    def get(self, name: str, version: int) -> Iteration | None:
        """Return one version of a model, or None."""
        found = self._delivery.ask(lambda: self._database.get(name, version), lambda: None)
        waiting = self._rows_waiting()
        if found is None:
            return next((row for row in waiting if (row.name, row.version) == (name, version)), None)
        # A database that is full still answers; what waits is newer, but for the version.
        newer = next((row for row in waiting if row.id == found.id), found)
        return replace(newer, version=found.version)

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
        found = self._delivery.ask(lambda: self._database.latest(name, statuses, before), lambda: None)
        rows = [row for row in self._rows_waiting() if row.name == name and row.status in statuses and row.image_digest]
        rows = [row for row in rows if before is None or row.version < before]
        return max([*rows, *filter(None, [found])], key=lambda row: row.version, default=None)

    def recent(self, name: str, last: int, before: int | None = None) -> list[Iteration]:
        """Return the highest versions of a model (below ``before``), at most ``last``, the highest first."""
        found = self._delivery.ask(lambda: self._database.recent(name, last, before), list[Iteration])
        rows = self._with_waiting(found, lambda row: row.name == name and (before is None or row.version < before))
        return sorted(rows, key=lambda row: row.version, reverse=True)[:last]

    def counts(self) -> dict[str, int]:
        """Return how many iterations each model has, by name."""
        counts = Counter(self._delivery.ask(self._database.counts, dict[str, int]))
        waiting = {row.id: row.name for row in self._rows_waiting()}
        if waiting:
            known = self._delivery.ask(lambda: self._database.by_ids(waiting), dict[str, Iteration])
            counts.update(name for iteration, name in waiting.items() if iteration not in known)
        return dict(sorted(counts.items()))

    def pulse(self) -> Hashable:
        """Return what is another value once anything was recorded, or waits; cheap enough to be asked every second."""
        waiting = self._spool.pulse() if self._spool is not None else None
        try:
            return self._database.pulse(), waiting
        except HistoryError as error:
            return error.message, waiting

    def running(self, host: str, owner: str | None = None) -> list[Iteration]:
        """Return the iterations of this host that have not ended, oldest first.

        Parameters
        ----------
        host
            Where they were begun.
        owner
            Only those that this owner began, and those of earlier versions, which noted none.
        """
        found = self._delivery.ask(lambda: self._database.running(host), list[Iteration])
        rows = self._with_waiting(found, lambda row: row.status == "running" and row.host == host)
        return [row for row in rows if owner is None or row.owner in {owner, ""}]

    def by_ids(self, ids: Iterable[str]) -> dict[str, Iteration]:
        """Return the iterations with these ids, by id; unknown ids are left out."""
        wanted = list(ids)
        found = self._delivery.ask(lambda: self._database.by_ids(wanted), dict[str, Iteration])
        return found | {row.id: row for row in self._rows_waiting() if row.id in wanted}

    def imaged(self) -> list[Iteration]:
        """Return the iterations for which an image was built, oldest first. This takes the database."""
        found = self._delivery.ask(self._database.imaged)
        return self._with_waiting(found, lambda row: row.image_digest != "")

    def images(self) -> list[tuple[str, str]]:
        """Return digest and engine of every image that was built: the little that counting takes."""
        found = self._delivery.ask(self._database.images)
        waiting = [(row.image_digest, row.engine) for row in self._rows_waiting() if row.image_digest]
        return list(dict.fromkeys([*found, *waiting]))

    def names(self) -> list[str]:
        """Return the names of all models, sorted."""
        found = self._delivery.ask(self._database.names, list[str])
        return sorted({*found, *(row.name for row in self._rows_waiting())})

    def frame(
        self, name: str | None = None, last: int | None = None, columns: Sequence[str] | None = None
    ) -> DataFrame:
        """Return the iterations as a DataFrame, oldest first.

        While the database cannot be used, these are the ones that wait for it, and a warning says so; without any, it
        is an error.

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
        return self._frame(Iteration, columns or ITERATION_COLUMNS, name, last)

    def events(self, name: str | None = None) -> DataFrame:
        """Return the events as a DataFrame, oldest first: :data:`~jupyter_containeriter.types.EVENT_COLUMNS`."""
        return self._frame(Event, EVENT_COLUMNS, name)

    def loads(self, name: str | None = None) -> DataFrame:
        """Return the levels of all load tests, oldest first: :data:`~jupyter_containeriter.types.LOAD_COLUMNS`."""
        return self._frame(LoadLevel, LOAD_COLUMNS, name)

    def _frame(self, kind: type[Noun], columns: Sequence[str], name: str | None, last: int | None = None) -> DataFrame:
        from .frame import frame_of, read_frame

        def read() -> DataFrame:
            return self._database.read(lambda connection: read_frame(connection, kind, columns, name, last))

        try:
            frame = self._delivery.ask(read)
            if not self._nouns_waiting(kind, name):
                return frame
            rows = {noun.id: noun for noun in self._delivery.ask(lambda: self._database.all(kind, name))}
        except HistoryError as error:
            # Where iterations are shown, so is nothing of what belongs to them: the report needs all three.
            if not any(self._nouns_waiting(each, name) for each in (kind, Iteration)):
                raise
            warnings.warn(f"Only what waits for the history is shown. {error}", stacklevel=3)
            rows = {}
        for noun in self._nouns_waiting(kind, name):
            rows[noun.id] = replace(noun, version=rows[noun.id].version) if noun.id in rows else noun
        return frame_of(kind, [*rows.values()], columns, last)

    # --- other places ------------------------------------------------------------------------------------------------

    def export(self, path: Path, name: str | None = None) -> int:
        """Write the iterations of one model or of all to ``….parquet`` or ``….csv``; return how many.

        :meth:`merge` brings them back exactly: with their ids, mappings as JSON, times in UTC.
        """
        from .transfer import export

        rows = self._delivery.ask(lambda: self._database.all(Iteration, name))
        return export([row for row in rows if isinstance(row, Iteration)], path)

    def merge(self, source: Path | str) -> MergeCounts:
        """Bring in what another history, or an exported file, holds and this one does not; all of it or nothing.

        Rows are known by their ids, so nothing is there twice, however often it is merged. Where another iteration has
        the version of one that is brought in, that one gets the next free one, and its events and load tests with it.
        """
        from .transfer import MergeCounts, rows_of

        given = rows_of(source)
        merged = self._delivery.ask(lambda: self._database.merge(given))
        added = [noun for noun, new in merged if new]
        moved = [
            (before.name, before.version, after.version)
            for before, (after, new) in zip(given, merged, strict=True)
            if new and isinstance(after, Iteration) and before.version != after.version
        ]
        return MergeCounts(
            sum(isinstance(noun, Iteration) for noun in added),
            sum(isinstance(noun, Event) for noun in added),
            sum(isinstance(noun, LoadLevel) for noun in added),
            sum(isinstance(noun, Iteration) and not new for noun, new in merged),
            tuple(moved),
        )

    def close(self) -> None:
        """Let go of the database. The next use opens it again."""
        self._database.close()

    # --- what waits --------------------------------------------------------------------------------------------------

    def _nouns_waiting(self, kind: type[Noun], name: str | None) -> list[Noun]:
        return [noun for noun in self._delivery.waiting() if isinstance(noun, kind) and name in {None, noun.name}]

    def _rows_waiting(self) -> list[Iteration]:
        return [noun for noun in self._delivery.waiting() if isinstance(noun, Iteration)]

    def _with_waiting(self, found: list[Iteration], wanted: Callable[[Iteration], bool]) -> list[Iteration]:
        """Return what was found with what waits in its place; the latter is newer."""
        waiting = {row.id: row for row in self._rows_waiting()}
        return [*(row for row in found if row.id not in waiting), *filter(wanted, waiting.values())]
