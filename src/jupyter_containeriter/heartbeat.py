"""The last sign of life of whoever works on a name: how far its iteration was, should its kernel be killed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

#: What the files of these notes end with.
SUFFIX = ".beat"

#: The note is always this long, so that nothing of a longer one stays behind.
_BYTES = 512


@dataclass(frozen=True, slots=True)
class LastSign:
    """How far an iteration was.

    Attributes
    ----------
    at
        When that was (UTC).
    seconds
        Seconds of each phase so far; the last one had just begun (again).
    """

    at: datetime
    seconds: Mapping[str, float]

    @property
    def phase(self) -> str:
        """The phase that had begun last, "" before the first one."""
        return next(reversed(list(self.seconds)), "")


class Heartbeat:
    """The note beside a name's lock. It is a help, no record: what cannot be written or read is done without.

    Parameters
    ----------
    directory
        Where the locks are.
    name
        The model's name.
    """

    def __init__(self, directory: Path, name: str) -> None:
        #: The file of the note.
        self.path = directory / f"{name}{SUFFIX}"

    def beat(self, iteration: str, seconds: Mapping[str, float]) -> None:
        """Note how far an iteration is. Nothing is waited for: this is about killed kernels, not about lost power."""
        text = json.dumps([iteration, time.time(), dict(seconds)]).ljust(_BYTES)
        with suppress(OSError):
            # Written over: some file systems wait for the disk where a file was emptied before.
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.write(file, text.encode("ascii"))
            finally:
                os.close(file)

    def last(self, iteration: str) -> LastSign | None:
        """Return what was noted last of an iteration, if anything was."""
        try:
            noted, at, seconds = json.loads(self.path.read_bytes())
            if noted == iteration:
                return LastSign(datetime.fromtimestamp(at, UTC), {str(k): float(v) for k, v in seconds.items()})
        except (OSError, ValueError, TypeError, AttributeError, OverflowError):
            pass
        return None
