"""Remember what was computed from a file for as long as its status (time, size, inode) stays the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: A file that was changed a moment ago may change again without its time changing: clocks of file systems are coarse.
_SETTLED_NANOSECONDS = 2_000_000_000


def by_status(function: Callable[[Path], T]) -> Callable[[Path], T]:
    """Decorate a function of a file so that an unchanged file is not read again."""

    @lru_cache(maxsize=20_000)
    def remembered(path: Path, _status: tuple[int, ...]) -> T:
        return function(path)

    def call(path: Path) -> T:
        status = path.stat()
        if time.time_ns() - status.st_mtime_ns < _SETTLED_NANOSECONDS:
            return function(path)
        return remembered(path, (status.st_mtime_ns, status.st_size, status.st_ino))

    return call
