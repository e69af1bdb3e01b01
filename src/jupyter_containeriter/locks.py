"""Who may work on a name: one kernel at a time, and in it one call."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from jupyter_containeriter.errors import BusyError, EngineError
from jupyter_containeriter.heartbeat import Heartbeat

_PATIENCE_SECONDS = 10
#: Who only looks whether a name is free holds it for less.
_GLANCE_SECONDS = 0.2


class NameLocks:
    """Locks on names, held against other kernels; a lock goes with its process.

    Parameters
    ----------
    directory
        Created on first use.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._locks: dict[str, FileLock] = {}

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold a name.

        Raises
        ------
        BusyError
            Another kernel or server holds it, or this one does already.
        EngineError
            The directory cannot be written, so neither could the deployment's token be kept.
        """
        with self._held(name, _GLANCE_SECONDS):
            yield

    @contextmanager
    def _held(self, name: str, seconds: float) -> Iterator[None]:
        try:
            lock = self._lock(name)
            if lock.is_locked:
                raise BusyError(
                    f"This kernel is working on {name} right now.", "Do it after that has ended, or use another name."
                )
            lock.acquire(timeout=seconds, poll_interval=0.01)
        except Timeout as error:
            raise BusyError(
                f"Somebody else is working on {name} right now: a kernel, or JupyterLab's panel."
            ) from error
        except OSError as error:
            raise EngineError(
                f"The state of deployments cannot be kept in {self.directory}: {error}.",
                "Make the place writable, or point CONTAINERITER_DATA_DIR to another one.",
            ) from error
        try:
            yield
        finally:
            lock.release()

    @functools.cached_property
    def owner(self) -> str:
        """The random id of these locks: whoever has it can see who holds a name.

        Where the directory cannot be written, it holds for this process.
        """
        path = self.directory / "owner"
        with suppress(OSError, Timeout):
            self.directory.mkdir(parents=True, exist_ok=True)
            with FileLock(self.directory / ".owner.lock", timeout=_PATIENCE_SECONDS):
                if not path.exists():
                    part = path.with_suffix(".part")
                    part.write_text(uuid.uuid4().hex)
                    part.replace(path)
                return path.read_text()
        return uuid.uuid4().hex

    def is_busy(self, name: str) -> bool:
        """Whether some kernel holds the name now."""
        try:
            with self._held(name, 0):
                return False
        except BusyError:
            return True

    def heartbeat(self, name: str) -> Heartbeat:
        """Return the note that whoever holds the name leaves beside the lock."""
        return Heartbeat(self.directory, name)

    def _lock(self, name: str) -> FileLock:
        if name not in self._locks:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._locks[name] = FileLock(self.directory / f"{name}.lock")
        return self._locks[name]
