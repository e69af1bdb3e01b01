"""Rows that wait until their history can be used again, a small file each, and what is remembered of it meanwhile.

Nothing here imports SQLAlchemy, and nothing asks the database.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from jupyter_containeriter.types import Event, Iteration, LoadLevel

from .nouns import columns_of, moment
from .plain import plain_mapping

_NEW = ".new-"
_ROW = ".json"
_VERSION = ".version"
_LOCK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An iteration that is to have no row."""

    id: str


#: What may wait.
Waiting = Iteration | Event | LoadLevel | Forgotten
_KINDS: dict[str, type[Waiting]] = {kind.__name__: kind for kind in (Iteration, Event, LoadLevel, Forgotten)}
_TIMES = frozenset({"started_at", "finished_at", "happened_at", "measured_at"})


class Spool:
    """What waits for one history, and what is remembered of it, in a directory of its own.

    Where not even the directory can be written, rows wait in memory: they are there for as long as the process.

    Parameters
    ----------
    directory
        Of all spools.
    location
        Of the history; never with a password.
    """

    def __init__(self, directory: Path, location: str) -> None:
        self.directory = directory / hashlib.sha256(location.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._location = location
        self._memory: dict[str, Waiting] = {}
        self._id = ""
        self._lock = threading.RLock()

    # --- what waits --------------------------------------------------------------------------------------------------

    def keep(self, noun: Waiting) -> bool:
        """Let a row wait, instead of what waited of it before; return whether it is on the disk."""
        content = {"kind": type(noun).__name__, "fields": _plain(noun)}
        try:
            # In this order: who delivers holds the spool, and looks into it.
            with self.held(), self._lock:
                self._write(f"{noun.id}{_ROW}", json.dumps(content), sync=True)
                self._memory.pop(noun.id, None)
                return True
        except (OSError, Timeout):
            with self._lock:
                self._memory[noun.id] = noun
            return False

    def forget(self, noun_id: str) -> None:
        """Let a row wait no longer: it is written."""
        with self._lock:
            self._memory.pop(noun_id, None)
            with suppress(OSError):
                (self.directory / f"{noun_id}{_ROW}").unlink(missing_ok=True)

    def waiting(self) -> list[Waiting]:
        """Return what waits, in the order it happened. What cannot be read is left out, and left alone."""
        with self._lock:
            found = {noun.id: noun for path in self._paths() if (noun := _read(path)) is not None}
            return sorted((found | self._memory).values(), key=_moment)

    def pulse(self) -> int:
        """Return what is another number once a row waits, or waits no longer."""
        try:
            return self.directory.stat().st_mtime_ns
        except OSError:
            return 0

    @contextmanager
    def held(self, seconds: float = _LOCK_SECONDS) -> Iterator[None]:
        """Hold the spool against other processes.

        Raises
        ------
        Timeout
            Another one held it for longer.
        OSError
            It cannot be written.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self.directory / "lock", timeout=seconds):
            yield

    def _paths(self) -> list[Path]:
        try:
            with os.scandir(self.directory) as entries:
                return [Path(entry.path) for entry in entries if entry.name.endswith(_ROW)]
        except OSError:
            return []

    # --- what is remembered ------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The id of the history as it was known last; one that is made up where it was never known."""
        with self._lock:
            if not self._id:
                self._id = self._text("id") or uuid.uuid4().hex
                self._save("id", self._id)
            return self._id

    def remember(self, history_id: str) -> None:
        """Remember the id of the history. The one before stays known as a former one, where rows wait by now."""
        with self._lock:
            if history_id == self._id:
                return
            before = self._id or self._text("id")
            if before not in {"", history_id} and self.waiting():
                self._save("former", "\n".join([*self.former_ids, before]))
            self._id = history_id
            self._save("id", history_id)

    @property
    def former_ids(self) -> list[str]:
        """Other ids under which iterations of this history were begun."""
        return self._text("former").split()

    def highest(self, name: str) -> int:
        """Return the highest version of a name that this machine knows of; 0 without one."""
        text = self._text(f"{name}{_VERSION}")
        waiting = [noun.version for noun in self.waiting() if isinstance(noun, Iteration) and noun.name == name]
        return max([int(text) if text.isdecimal() else 0, *waiting])

    def note_version(self, name: str, version: int) -> None:
        """Remember a version that was given. Whoever calls holds the name."""
        # Not as a whole or not at all: half of it would only be read as nothing, and this is done for every iteration.
        with suppress(OSError):
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.directory / f"{name}{_VERSION}").write_text(str(version))

    # --- files -------------------------------------------------------------------------------------------------------

    def _text(self, name: str) -> str:
        with suppress(OSError):
            return (self.directory / name).read_text()
        return ""

    def _save(self, name: str, text: str) -> None:
        """Write what helps, and need not be there."""
        with suppress(OSError):
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write(name, text)

    def _write(self, name: str, text: str, *, sync: bool = False) -> None:
        """Write a file as a whole or not at all; with ``sync``, it is there after a power cut as well."""
        handle, temporary = tempfile.mkstemp(dir=self.directory, prefix=_NEW)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            Path(temporary).replace(self.directory / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        if sync and os.name == "posix":
            directory = os.open(self.directory, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


def _plain(noun: Waiting) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in columns_of(noun).items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return plain_mapping(value) if isinstance(value, Mapping) else value


def _read(path: Path) -> Waiting | None:
    """Return what a file holds; None where it is gone by now, damaged, or of a newer version."""
    try:
        content = json.loads(path.read_text())
        values = content["fields"]
        for name in _TIMES & set(values):
            values[name] = values[name] and datetime.fromisoformat(values[name])
        return _KINDS[content["kind"]](**values)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _moment(noun: Waiting) -> tuple[float, int]:
    """Return what tells the order: the time, and where that is the same, the version."""
    if isinstance(noun, Forgotten):
        return (0.0, 0)
    return (moment(noun).timestamp(), noun.version)
