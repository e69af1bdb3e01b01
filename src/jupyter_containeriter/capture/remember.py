"""Remember what was computed from a file for as long as its status (time, size, inode) stays the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

#: A file that was changed a moment ago may change again without its time changing: clocks of file systems are coarse.
_SETTLED_NANOSECONDS = 2_000_000_000


def by_status(function: Callable[Concatenate[Path, P], T]) -> Callable[Concatenate[Path, P], T]:
    """Decorate a function of a file (and of hashable arguments) so that an unchanged file is not read again."""

    @lru_cache(maxsize=20_000)
    def remembered(_status: tuple[int, ...], path: Path, *arguments: Any) -> T:
        return function(path, *arguments)

    @wraps(function)
    def call(path: Path, *arguments: P.args, **_none: P.kwargs) -> T:
        status = path.stat()
        if time.time_ns() - status.st_mtime_ns < _SETTLED_NANOSECONDS:
            return function(path, *arguments)
        return remembered((status.st_mtime_ns, status.st_size, status.st_ino), path, *arguments)

    return call
