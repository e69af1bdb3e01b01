"""How much memory is left in this container, and giving back what is no longer needed."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

_V2 = Path("/sys/fs/cgroup")
_V1 = Path("/sys/fs/cgroup/memory")
#: cgroup v1 writes this and more for "no limit".
_UNLIMITED = 1 << 60


def room() -> int | None:
    """Return how many bytes are left below the container's limit (man 7 cgroups); None where none is set."""
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


def give_back() -> None:
    """Collect garbage and return free memory to the system, which the allocator would keep for itself."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):  # musl has no such function
        return
