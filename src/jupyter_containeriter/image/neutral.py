"""Paths of this machine that files hold, and what stands for them in an image."""

from __future__ import annotations

import functools
import importlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from jupyter_containeriter.image.members import Replacements
from jupyter_containeriter.types import CONTAINER_ROOT

PREFIX = f"{CONTAINER_ROOT}/python"
"""Of the interpreter in the image: its ``sys.prefix``."""

#: These are on every machine, and tell nothing of this one.
_EVERYWHERE = {"", "/", "/usr", "/usr/local", "/opt", "/root"}


@functools.cache
def neutral() -> Replacements:
    """Return what to replace in files of the interpreter and of packages, the longest path first.

    These are the prefixes of interpreter and environment, as they are written and with links followed; the prefix that
    the interpreter was configured with (it may have moved since); and the home directory.
    """
    paths = {spelled for path in _paths() for spelled in (path, str(Path(path).resolve()))} - _EVERYWHERE
    return tuple((path.encode(), PREFIX.encode()) for path in sorted(paths, key=lambda path: (-len(path), path)))


def _paths() -> Iterator[str]:
    yield from (sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix)
    yield from _configured_prefixes()
    yield str(Path.home())


def _configured_prefixes() -> Iterator[str]:
    """Read the prefixes as they were configured: ``sysconfig`` itself tells where they are now."""
    name = sysconfig._get_sysconfigdata_name()  # type: ignore[attr-defined]  # noqa: SLF001 (no public way)
    try:
        variables = importlib.import_module(name).build_time_vars
    except ImportError:  # an interpreter that was not configured: no prefix to hide
        return
    yield from (str(variables[key]) for key in ("prefix", "exec_prefix") if variables.get(key, "").startswith("/"))
