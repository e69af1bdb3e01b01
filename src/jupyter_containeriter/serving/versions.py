"""The versions of the model in memory: one is live, the ones before it are kept, the next one may be a candidate.

Each has a thread of its own, so that a candidate loads and predicts beside the live one, and what a version was asked
is answered by that version. Only the event loop's thread may call these.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from .batcher import Batcher
from .description import Usage
from .memory import Reference
from .model import LoadedModel
from .worker import Worker

#: How many versions before the live one stay in memory.
KEPT = 2
#: A candidate is verified right after it was loaded. Whoever has not switched to it by then never will.
_CANDIDATE_SECONDS = 900.0


@dataclass(slots=True, eq=False)
class Version:
    """One version in memory.

    Attributes
    ----------
    number
        As in paths: ``"3"``.
    model
        Loaded and warm.
    worker
        The thread that predicts with it.
    load_seconds
        How long it took to load.
    size_bytes
        Of its files, which is about what it takes in memory.
    candidate
        Not yet known to anybody but the manager.
    since
        When it was loaded, by :func:`time.monotonic`.
    usage
        How often it was asked.
    batcher
        The queue before the thread.
    """

    number: str
    model: LoadedModel
    worker: Worker
    load_seconds: float = 0.0
    size_bytes: int = 0
    candidate: bool = False
    since: float = field(default_factory=time.monotonic)
    usage: Usage = field(default_factory=Usage)
    batcher: Batcher = field(init=False)

    def __post_init__(self) -> None:
        self.batcher = Batcher(self.model, self.worker)


class Versions:
    """What is in memory, oldest first; the newest that is no candidate need not be the live one.

    Attributes
    ----------
    gone
        References to what was let go, for :mod:`.memory`.
    """

    def __init__(self) -> None:
        self._held: dict[str, Version] = {}
        self._live: Version | None = None
        self.gone: list[Reference | None] = []

    @property
    def live(self) -> Version | None:
        """The version that unversioned paths mean; None until one is loaded."""
        return self._live

    def __iter__(self) -> Iterator[Version]:
        return iter(self._held.values())

    def state(self, version: Version) -> str:
        """Say what a version is here: ``candidate``, ``live`` or ``kept``."""
        return "candidate" if version.candidate else "live" if version is self._live else "kept"

    def get(self, number: str) -> Version | None:
        """Return a version, None where it is not held."""
        return self._held.get(number)

    def add(self, version: Version) -> None:
        """Hold one more version."""
        self._held[version.number] = version

    def switch(self, number: str) -> list[Version]:
        """Make a held version the live one, at once, and let go of those beyond :data:`KEPT`.

        Returns
        -------
        list of Version
            Those that were let go, which still answer what they were asked.

        Raises
        ------
        KeyError
            It is not held.
        """
        version = self._held.pop(number)
        version.candidate = False
        # The order is that of use: what was live last goes last.
        if self._live is not None and self._live is not version:
            self._held[self._live.number] = self._held.pop(self._live.number)
        self._held[number] = self._live = version
        surplus = [other.number for other in self if not other.candidate][: -(KEPT + 1)]
        return [self.drop(other) for other in surplus]

    def drop(self, number: str) -> Version:
        """Let go of a version that is not live."""
        version = self._held.pop(number)
        version.batcher.close()
        self.gone.append(version.model.reference)
        return version

    def drop_candidates(self) -> list[Version]:
        """Let go of versions that were loaded and never promoted: whoever did so has gone."""
        return [self.drop(version.number) for version in list(self) if version.candidate]

    def expire(self, now: float) -> list[Version]:
        """Let go of candidates that nobody will switch to any more."""
        stale = [version for version in self if version.candidate and now - version.since > _CANDIDATE_SECONDS]
        return [self.drop(version.number) for version in stale]
