"""The files of an installed distribution: from its ``RECORD``, or found where nothing was recorded.

Formats: PyPA's "Recording installed projects" (``RECORD``), setuptools' ``installed-files.txt`` and ``top_level.txt``.
Debian's packages record nothing beside the package; ``dpkg`` knows their files.
"""

from __future__ import annotations

import csv
import importlib.metadata
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from jupyter_containeriter.capture.tree import walk

Entry = tuple[str, str]
"""A file: its name below ``site-packages`` and its place on disk (a text: there are ten thousands)."""

#: Where Debian's packages put modules, and where ``dpkg`` lists their files.
_DEBIAN = Path("/usr/lib")
_DPKG = Path("/var/lib/dpkg/info")


def recorded(distribution: importlib.metadata.Distribution, metadata: Path) -> tuple[Entry, ...]:
    """Return the files of a distribution below its ``site-packages``, without scripts and byte code.

    What is recorded need not be there.

    Parameters
    ----------
    distribution
        Read for its text files.
    metadata
        Its ``.dist-info`` or ``.egg-info``.
    """
    root = metadata.parent
    if (record := distribution.read_text("RECORD")) is not None:
        return tuple(_rows(record, root))
    if (listed := distribution.read_text("installed-files.txt")) is not None:
        return tuple(_listed(listed, metadata))
    names = (distribution.read_text("top_level.txt") or "").split() or _names_of_dpkg(metadata) or _guess(distribution)
    return (*_metadata(metadata), *(entry for name in names for entry in _importable(root, name)))


def _rows(record: str, root: Path) -> Iterator[Entry]:
    for row in csv.reader(record.splitlines()):
        if not row or row[0].startswith(("../", "/")) or "__pycache__/" in row[0]:
            continue
        yield row[0], f"{root}/{row[0]}"


def _listed(listed: str, metadata: Path) -> Iterator[Entry]:
    for line in listed.splitlines():
        path = Path(os.path.normpath(metadata / line))
        if path.is_relative_to(metadata.parent) and "__pycache__" not in path.parts and path.is_file():
            yield path.relative_to(metadata.parent).as_posix(), str(path)


def _importable(root: Path, name: str) -> Iterator[Entry]:
    """Yield the files of a package, or those of a module: source or extension."""
    if (root / name).is_dir():
        yield from _below(root / name, root)
    for path in (*root.glob(f"{name}.py"), *root.glob(f"{name}.*.so"), *root.glob(f"{name}.so")):
        yield path.relative_to(root).as_posix(), str(path)


def _metadata(metadata: Path) -> Iterator[Entry]:
    """Yield the files that tell of it; an egg's ``EGG-INFO`` under the name it has outside of an egg."""
    for name, path in _below(metadata, metadata.parent):
        yield name.replace("EGG-INFO", f"{metadata.parent.stem}.egg-info", 1), path


def _below(path: Path, root: Path) -> Iterator[Entry]:
    files = (file for file, _ in walk(path)) if path.is_dir() else (path,)
    return ((file.relative_to(root).as_posix(), str(file)) for file in files)


@lru_cache(maxsize=256)
def _names_of_dpkg(metadata: Path) -> tuple[str, ...]:
    """Return the top-level names of the Debian package that brought a distribution; none where it was not Debian."""
    if not metadata.is_relative_to(_DEBIAN):
        return ()
    for listing in sorted(_DPKG.glob("*.list")):
        lines = listing.read_text(errors="replace").splitlines()
        if str(metadata) in lines:
            below = {Path(line).relative_to(metadata.parent).parts[0] for line in lines if _is_inside(line, metadata)}
            return tuple(sorted(name.partition(".")[0] for name in below if name != metadata.name))
    return ()


def _is_inside(line: str, metadata: Path) -> bool:
    return line.startswith(f"{metadata.parent}/")


def _guess(distribution: importlib.metadata.Distribution) -> tuple[str, ...]:
    return (distribution.metadata["Name"].replace("-", "_"),)
