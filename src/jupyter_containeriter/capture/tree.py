"""Walk a directory of Python code, past what is no part of the code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_LEFT_OUT_DIRECTORIES = {"__pycache__", "node_modules"}

#: A directory that holds one of these is an environment of its own: venv, virtualenv, conda.
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")


def walk(directory: Path) -> Iterator[tuple[Path, int]]:
    """Yield the files below a directory, in order, with their size in bytes.

    Hidden files and directories, byte code caches, ``node_modules`` and virtual environments are left out. Links to
    directories are followed, as an import follows them, unless they lead in circles.
    """
    yield from _walk(directory, frozenset({os.path.realpath(directory)}))


def _walk(directory: Path, above: frozenset[str]) -> Iterator[tuple[Path, int]]:
    try:
        with os.scandir(directory) as scan:
            children = sorted(scan, key=lambda child: child.name)
    except PermissionError:  # what the person may not read, the notebook has not read
        return
    for child in children:
        if child.name.startswith("."):
            continue
        if child.is_dir():
            real = os.path.realpath(child.path)
            if real not in above and not _is_left_out(child):
                yield from _walk(Path(child.path), above | {real})
        elif child.is_file():
            yield Path(child.path), child.stat().st_size


def _is_left_out(directory: os.DirEntry[str]) -> bool:
    if directory.name in _LEFT_OUT_DIRECTORIES:
        return True
    return any(os.path.exists(f"{directory.path}/{mark}") for mark in _ENVIRONMENT_MARKS)  # noqa: PTH110 (faster)
