"""Files and directories as things that take room: how much, since when, and how they go in one piece."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

#: Begins the name of a directory that is being removed: whoever finds one may go on removing it.
REMOVING = ".old-"


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a directory; 0 for what is gone."""
    total = 0
    with suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        for directory, _, names in os.walk(path):
            for name in names:
                with suppress(OSError):
                    total += os.lstat(os.path.join(directory, name)).st_size  # noqa: PTH118 (many files)
    return total


def touched(path: Path) -> float:
    """Return when a file or directory changed last, in seconds since the epoch; 0 for what is gone."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def discard(path: Path) -> None:
    """Remove a file or directory; one that is gone, or may not be removed, is left as it is.

    A directory loses its name first, so that nobody takes what is left of it for the whole.
    """
    with suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            return
        if not path.name.startswith(REMOVING):
            path = path.rename(path.with_name(f"{REMOVING}{path.name}.{os.getpid()}"))
        shutil.rmtree(path, ignore_errors=True)
