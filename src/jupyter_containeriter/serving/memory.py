"""How much memory is left in this container, and giving back what is no longer needed."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

_V2 = Path("/sys/fs/cgroup")
_V1 = Path("/sys/fs/cgroup/memory")
_one_at_a_time = threading.Lock()

#: To the model of a version.
Reference = weakref.ref[Any]

#: cgroup v1 writes this and more for "no limit".
_UNLIMITED = 1 << 60
#: Memory goes back a while after a version has gone: looking for it stops every thread for some milliseconds.
_TIDY_SECONDS = 1.0


def room() -> int | None:
    """Return how many bytes are left below the container's limit; None where none is set.

    The kernel holds it (man 7 cgroups), or the engine, which watches the server's processes from outside.
    """
    left = [bytes_left for bytes_left in (_below_cgroup(), _below_engine()) if bytes_left is not None]
    return min(left, default=None)


def _below_engine() -> int | None:
    limit = os.environ.get("CONTAINERITER_MEMORY_BYTES", "")
    return int(limit) - _resident_bytes(os.getpid()) if limit.isdecimal() else None


def _resident_bytes(pid: int) -> int:
    """Add up what a process and those below it have in memory, as the supervisor of the sandbox does."""
    total = 0
    with suppress(OSError):  # It has ended.
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                total += sum(_resident_bytes(int(child)) for child in (task / "children").read_text().split())
    return total


def _below_cgroup() -> int | None:
    found = _usage(_V2, "memory.max", "memory.current", "inactive_file")
    if found is None:
        found = _usage(_V1, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return found


def _usage(directory: Path, limit_name: str, usage_name: str, cache_name: str) -> int | None:
    try:
        limit = (directory / limit_name).read_text().strip()
        used = int((directory / usage_name).read_text())
        statistics = (directory / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    if not limit.isdecimal() or int(limit) >= _UNLIMITED:
        return None
    # The kernel takes back what it only caches when it needs room.
    cached = next((int(line.split()[1]) for line in statistics if line.startswith(f"{cache_name} ")), 0)
    return int(limit) - used + cached


def give_back_later(gone: list[Reference | None]) -> None:
    """Give back what is no longer needed, in a moment and in another thread than the event loop's."""
    loop = asyncio.get_running_loop()
    loop.call_later(_TIDY_SECONDS, lambda: loop.run_in_executor(None, give_back, gone))


def give_back(gone: list[Reference | None], *, thoroughly: bool = False) -> None:
    """Collect what was let go, and return free memory to the system, which the allocator would keep for itself.

    Collecting takes as long as there are many objects, and nothing else runs meanwhile.

    Parameters
    ----------
    gone
        References to models that were let go; those that have left memory leave the list.
    thoroughly
        Whether to look at everything, also at what was frozen. Else that is done only for a model that is still there:
        it refers to itself.
    """
    with _one_at_a_time:
        if gone:
            gc.collect()
        if thoroughly or any(one is None or one() is not None for one in gone):
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        for one in list(gone):
            if one is None or one() is None:
                gone.remove(one)
    _trim()


def _trim() -> None:
    import ctypes

    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):  # musl has no such function
        return
