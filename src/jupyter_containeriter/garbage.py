"""Gives disk back: old versions leave the layer cache and the engines, oldest first, until a budget is met.

A version leaves the engines first and then the cache: its manifest before its layers, so that one killed midway leaves
no image that looks whole. A blob goes only when no version that stays needs it, and not if somebody used it since
(every use of a blob sets its time, see :meth:`LayerCache.use`).
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from jupyter_containeriter.capture.archives import UNPACKING
from jupyter_containeriter.capture.proof import PROOF
from jupyter_containeriter.disk import discard, size_of, touched
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import BuildError, BusyError, ContainerIterError, HistoryError
from jupyter_containeriter.history import History
from jupyter_containeriter.image.build import described_image
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.keeping import kept_versions
from jupyter_containeriter.progress import Progress
from jupyter_containeriter.show.garbage import Collected, Place
from jupyter_containeriter.types import Image, Iteration

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

#: What nobody refers to may be work in progress until it is so old.
_OLD_SECONDS = 6 * 3600
#: What only saves work is forgotten when it was made so long ago.
_STALE_SECONDS = 90 * 24 * 3600
#: No iteration is at work for so long; a row that says so is of a kernel that was killed.
_LONGEST_SECONDS = 24 * 3600


class Usage:
    """What the layer cache and the engines hold, counted without asking any engine.

    Parameters
    ----------
    cache, history
        Whose blobs and images are counted.
    """

    def __init__(self, cache: LayerCache, history: History) -> None:
        self._cache = cache
        self._history = history
        #: A manifest never changes, so each one is read once.
        self._layers: dict[str, Mapping[str, int]] = {}
        #: Nor does an unpacked wheel.
        self._wheels: dict[str, int] = {}

    def bytes(self) -> tuple[int, int]:
        """Return the bytes of the layer cache with unpacked wheels and, estimated, of the same layers in engines."""
        blobs = self._cache.sizes()
        engines: dict[str, dict[str, int]] = {}
        for digest, engine in self._history.images():
            if digest in blobs:
                engines.setdefault(engine, {}).update(self._layers_of(digest))
        own = sum(blobs.values()) + sum(self.wheels().values())
        return own, sum(sum(held.values()) for held in engines.values())

    def wheels(self) -> dict[str, int]:
        """Return the bytes of every unpacked wheel, by its directory."""
        found = map(str, self._cache.unpacked())
        self._wheels = {path: self._wheels.get(path) or size_of(Path(path)) for path in found}
        return self._wheels

    def _layers_of(self, digest: str) -> Mapping[str, int]:
        if digest not in self._layers:
            image = described_image(digest, "", self._cache)
            self._layers[digest] = {layer.digest: layer.size_bytes for layer in image.layers} if image else {}
        return self._layers[digest]


@dataclass(frozen=True, eq=False)
class _Version:
    """Equal content: the versions that have it, and their image as the newest of them calls it."""

    rows: tuple[Iteration, ...]
    image: Image

    @property
    def label(self) -> str:
        return ", ".join(f"{row.name}:{row.version}" for row in self.rows)

    @property
    def blobs(self) -> tuple[str, ...]:
        """What it needs in the cache; the manifest first, for nothing is whole without it."""
        return (self.image.digest, self.image.config_digest, *self.layers)

    @property
    def images(self) -> Iterator[Image]:
        """The image under the reference of each version."""
        return (replace(self.image, reference=row.image_reference) for row in self.rows)

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(layer.digest for layer in self.image.layers)


class _Shelf:
    """A place where pieces of versions are kept, each piece once: the cache, or one engine."""

    def __init__(
        self,
        name: str,
        sizes: Mapping[str, int],
        needs: Iterable[Collection[str]],
        versions: Collection[_Version] = (),
    ) -> None:
        self.name = name
        self.versions = versions
        self.sizes = sizes
        self.users = Counter(digest for need in needs for digest in set(need))
        self.before = self.after = sum(sizes.values())

    def take(self, need: Collection[str]) -> list[str]:
        """Count a version out; return the pieces that nobody needs any more, in the order of ``need``."""
        self.users.subtract(set(need))
        free = [digest for digest in dict.fromkeys(need) if self.users[digest] == 0 and digest in self.sizes]
        self.after -= sum(self.sizes[digest] for digest in free)
        return free


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked for; blobs used since ``quiet`` stay, unknown things stay unless older than ``old`` (seconds)."""

    budget: int | None
    dry_run: bool
    quiet: float
    old: float


class GarbageCollector:
    """Keeps one session's disk under its budget.

    Parameters
    ----------
    session
        Whose history, cache and engines.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._settled = 0

    @functools.cached_property
    def usage(self) -> Usage:
        """Counts what is in use, in a few milliseconds."""
        return Usage(self._session.cache, self._session.history)

    def tidy(self, progress: Progress) -> None:
        """Give disk back where more than the budget is in use; what goes wrong is told and harms nothing."""
        try:
            budget = self._session.settings.budget_bytes
            if not self._session.history.is_complete:
                return  # That was told already. What it needs is not known.
            if not budget or sum(self.usage.bytes()) <= max(budget, self._settled):
                return
            found = self.collect(budget)
        except BusyError:
            return
        except (ContainerIterError, OSError, KeyboardInterrupt) as error:
            told = error.message if isinstance(error, ContainerIterError) else str(error) or "interrupted"
            progress.note(f"The disk was not tidied: {told}")
            return
        if found.removed:
            progress.note(found.summary)
        # Where nothing more can go, asking again is of no use until a good deal was added.
        self._settled = found.after + budget // 20 if found.after > budget else 0

    def collect(self, budget: int | None, *, dry_run: bool = False) -> Collected:
        """Remove leftovers of killed processes, and old versions until the budget is met.

        Parameters
        ----------
        budget
            Bytes for the layer cache and the images in engines together; None to remove leftovers only.
        dry_run
            Only tell what would go.

        Raises
        ------
        BusyError
            Another kernel is giving disk back.
        """
        session = self._session
        session.reconciler.reconcile()
        with self._exclusively():
            now = time.time()
            quiet = max(min([now, *self._running_since()]), now - _LONGEST_SECONDS)
            order = _Order(budget, dry_run, quiet, min(quiet, now - _OLD_SECONDS))
            rows = session.history.imaged()
            versions = _versions(rows, session.cache)
            others = self._needed_by_others()
            engines = session.engines()
            reasons = kept_versions(session, rows, engines)
            kept = {version: why for version in versions if (why := _reason(version, reasons, others))}
            shelf = _Shelf("layer cache", session.cache.sizes(), [*(version.blobs for version in versions), others])
            shelves = {engine: _engine_shelf(engine, versions) for engine in engines}
            wheels = _Shelf("unpacked wheels", self.usage.wheels(), ())
            leftovers = self._remove_leftovers(shelf, shelves, order)
            leftovers += self._remove_wheels(wheels, (shelf, *shelves.values()), order)
            rest = replace(order, budget=None if budget is None else budget - wheels.after)
            removed = self._remove_versions([v for v in versions if v not in kept], shelf, shelves, rest)
        places = [Place(one.name, one.before, one.after) for one in (shelf, wheels, *shelves.values()) if one.before]
        return Collected(
            tuple((version.label, size) for version, size in removed),
            tuple((version.label, why) for version, why in kept.items()),
            tuple(places),
            leftovers,
            budget,
            dry_run,
        )

    # --- versions ------------------------------------------------------------------------------------------------

    def _remove_versions(
        self, versions: Iterable[_Version], shelf: _Shelf, shelves: Mapping[Engine, _Shelf], order: _Order
    ) -> list[tuple[_Version, int]]:
        """Remove versions, in this order, until the budget is met; return each with the bytes it gave back."""
        removed = []
        for version in versions:
            before = sum(one.after for one in (shelf, *shelves.values()))
            if order.budget is None or before <= order.budget:
                break
            for engine, held in shelves.items():
                if version in held.versions:
                    held.take(version.layers)
                    self._remove_image(engine, version, held, order)
            self._remove_blobs(shelf.take(version.blobs), order)
            removed.append((version, before - sum(one.after for one in (shelf, *shelves.values()))))
        return removed

    def _remove_image(self, engine: Engine, version: _Version, held: _Shelf, order: _Order) -> None:
        if order.dry_run:
            return
        # What another kernel has just used for an image of its own must not go from under it.
        keep = {digest for digest in version.layers if held.users[digest] > 0 or self._used_since(digest, order)}
        for image in version.images:
            engine.remove_image(image, keep)

    def _remove_blobs(self, digests: Iterable[str], order: _Order) -> None:
        for digest in digests:
            if not order.dry_run and not self._used_since(digest, order):
                self._session.cache.discard(digest)

    def _used_since(self, digest: str, order: _Order) -> bool:
        return touched(self._session.cache.blob(digest)) >= order.quiet

    # --- leftovers -----------------------------------------------------------------------------------------------

    def _remove_leftovers(self, shelf: _Shelf, engines: Collection[Engine], order: _Order) -> int:
        """Remove what nothing refers to, if it is old enough; return its bytes."""
        cache = self._session.cache
        unknown = {cache.blob(digest): digest for digest in shelf.sizes if digest not in shelf.users}
        stale = time.time() - _STALE_SECONDS
        old = [path for path in (*unknown, *self._leftovers(shelf.users, engines)) if touched(path) < order.old]
        old += [path for path in (*cache.memos(), *self._remembered()) if touched(path) < stale]
        old = list(dict.fromkeys(old))
        size = sum(size_of(path) for path in old)
        for path in old:
            if path in unknown:
                shelf.after -= shelf.sizes[unknown[path]]
            if not order.dry_run:
                discard(path)
        return size

    def _leftovers(self, known: Collection[str], engines: Collection[Engine]) -> Iterator[Path]:
        session = self._session
        yield from session.cache.leftovers()
        yield from session.workspace.glob(f"{PROOF}*")
        yield from session.workspace.glob(f"*/{UNPACKING}*")
        for engine in engines:
            yield from engine.leftovers(known)
        containers = [container for _, container in session.standing.containers(engines)]
        asked = {engine.describe().endpoint for engine in engines}
        yield from session.handles.unused({c.id for c in containers}, {c.name for c in containers}, asked)

    def _remove_wheels(self, wheels: _Shelf, others: Iterable[_Shelf], order: _Order) -> int:
        """Remove wheels that were not used for long, above the budget also for a short while; return their bytes.

        They go before versions do: they can be fetched again.
        """
        room = None if order.budget is None else order.budget - sum(one.after for one in others)
        stale = time.time() - _STALE_SECONDS
        for path in sorted(map(Path, wheels.sizes), key=touched):
            if touched(path) >= (stale if room is None or wheels.after <= room else order.old):
                break
            wheels.after -= wheels.sizes[str(path)]
            if not order.dry_run:
                discard(path)
        return wheels.before - wheels.after

    def _remembered(self) -> Iterator[Path]:
        """Yield what captures keep to save work: earlier proofs, unpacked archives, files known to be clean."""
        return (path for path in self._session.workspace.glob("*/*") if not path.parent.name.startswith(PROOF))

    # --- others --------------------------------------------------------------------------------------------------

    def _running_since(self) -> Iterator[float]:
        """Yield when the iterations began that kernels are at work on: what they used since then must stay."""
        session = self._session
        # Only of our own the locks tell whether their kernels are still at work.
        ours = {"", session.locks.owner}
        rows = session.history.running(session.host)
        rows = [row for row in rows if row.owner not in ours or session.locks.is_busy(row.name)]
        rows += self._of_others(lambda history: history.running(session.host))
        yield from (row.started_at.timestamp() for row in rows)

    def _needed_by_others(self) -> set[str]:
        """Return every blob that images of other histories need: when they go is for those to say."""
        cache = self._session.cache
        rows = self._of_others(History.imaged)
        return {digest for version in _versions(rows, cache) for digest in version.blobs}

    def _of_others(self, question: Callable[[History], list[Iteration]]) -> list[Iteration]:
        """Return what the other histories answer that build on this cache, and other directories of rows that wait."""
        own, rows = self._session.history, list[Iteration]()
        for note, tenant in self._session.cache.tenants().items():
            place = own.location if tenant.location == own.shown else tenant.place
            if place != own.location or tenant.owner not in {"", self._session.locks.owner}:
                history = History(place, Path(tenant.spool) if tenant.spool else None)
                try:
                    history.check()
                    rows += question(history)
                except HistoryError as error:
                    raise HistoryError(
                        f"Another history that builds on this cache cannot be asked what it needs: {error.message}",
                        f"{error.remedy} If it is no more, remove {note}.",
                    ) from error
                finally:
                    history.close()
        return rows

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        directory = self._session.cache.directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = FileLock(directory / "garbage.lock")
            lock.acquire(timeout=0)
        except Timeout as error:
            raise BusyError("Another kernel is giving disk back right now.", "Wait until it is done.") from error
        except OSError as error:
            raise BuildError(f"Nothing can be removed in {directory}: {error}.", "Make it writable.") from error
        try:
            yield
        finally:
            lock.release()


def _versions(rows: Iterable[Iteration], cache: LayerCache) -> list[_Version]:
    """Return what was built and is still described in the cache, each content once, the longest unused first."""
    by_digest: dict[str, list[Iteration]] = {}
    for row in rows:
        # Taken out and put in again: where a content comes is up to the newest version that has it.
        by_digest[row.image_digest] = [*by_digest.pop(row.image_digest, ()), row]
    described = ((described_image(d, found[-1].image_reference, cache), found) for d, found in by_digest.items())
    return [_Version(tuple(found), image) for image, found in described if image is not None]


def _reason(version: _Version, reasons: Mapping[tuple[str, int], str], others: Collection[str]) -> str:
    told = next((reasons[row.name, row.version] for row in version.rows if (row.name, row.version) in reasons), "")
    return told or ("another history has it, too" if version.image.digest in others else "")


def _engine_shelf(engine: Engine, versions: Iterable[_Version]) -> _Shelf:
    held = [version for version in versions if any(engine.holds(image) for image in version.images)]
    sizes = {layer.digest: layer.size_bytes for version in held for layer in version.image.layers}
    # The sandbox and plain processes share one directory, so the name of either would mislead.
    name = "unpacked layers" if engine.describe().store == "directory" else engine.name
    return _Shelf(name, sizes, [version.layers for version in held], held)
