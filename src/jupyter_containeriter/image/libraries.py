"""Where shared libraries go in an image, so that each one is found there as it was found on this machine.

The dynamic linker looks at ``DT_RPATH``, ``LD_LIBRARY_PATH``, ``DT_RUNPATH``, its cache, its default directories, in
this order (``man 8 ld.so``). In the image, too, what a package bundles is found by its own run path. The libraries of
this machine's system go to the linker's default directory, where nothing is hidden by them. What was found in between
(the prefix of the interpreter, as conda's; ``LD_LIBRARY_PATH``) is in directories that the image's ``LD_LIBRARY_PATH``
names.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_containeriter.image import elf
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.members import Member, Replacements


@dataclass(frozen=True, slots=True)
class Places:
    """Directories of an image: of libraries from this machine's system, and of those from anywhere else."""

    system: str
    other: str

    def of(self, name: str, path: Path, bundled: Collection[str]) -> str:
        """Return the directory of a library. One whose name a package bundles must not hide that package's own."""
        return self.system if name in bundled or elf.in_system_directory(path) else self.other


#: They come with NVIDIA's driver, and its container runtime shows those of the machine to every container with a GPU.
_OF_DRIVER = ("libcuda.so", "libnvidia-")


def loaded(libraries: Iterable[Path], files: Iterable[Path], known: Iterable[str]) -> dict[str, Path]:
    """Return libraries that a process had loaded under the names it may have asked for: those of links beside them.

    Parameters
    ----------
    libraries
        What was loaded, links followed.
    files
        What goes into the image anyway.
    known
        Names that the base provides.
    """
    # A file has one inode: only the few that share one with a library are followed to where they really are.
    inodes, provided = {path: inode for path in libraries if (inode := _inode(path))}, set(known)
    wanted = set(inodes.values())
    own = {path.resolve() for path in files if _inode(path) in wanted}
    names_in = functools.cache(_names_in)
    found: dict[str, Path] = {}
    for path, inode in inodes.items():
        if path not in own and not path.name.startswith(_OF_DRIVER) and path.name not in provided:
            stem = re.split("[-.]", path.name)[0]
            beside = [path.with_name(name) for name in names_in(path.parent) if name.startswith(stem)]
            names = {link.name for link in beside if _inode(link) == inode and link.resolve() == path}
            found |= dict.fromkeys(sorted(names), path) if provided.isdisjoint(names) else {}
    return found


def linked(
    files: Iterable[Path],
    known: Iterable[str],
    search: elf.Search,
    cache: LayerCache,
    named: Mapping[str, Path],
) -> dict[str, Path]:
    """Return what :func:`elf.closure` finds, remembered until a file, or a library that was found, changes.

    Parameters
    ----------
    files, known, search
        As of :func:`elf.closure`.
    cache
        Remembers.
    named
        Libraries that the process loads by name, which no ELF header has to name. They count before others of the name.
    """
    files, known = list(files), sorted(known)
    asked = [[str(path), _status(path)] for path in files]
    places = [[str(path) for path in part] for part in (search.inherited, search.variable)]
    key = hashlib.sha256(json.dumps([asked, known, places, sorted(map(str, named.items()))]).encode()).hexdigest()

    def compute() -> dict[str, Any]:
        found = {**elf.closure([*files, *named.values()], known, search), **named}
        return {name: [str(path), _status(path)] for name, path in sorted(found.items())}

    def valid(kept: Mapping[str, Any]) -> bool:
        return all(_status(Path(path)) == status for path, status in kept.values())

    return {name: Path(path) for name, (path, _) in cache.memo(f"libraries-{key}", compute, valid).items()}


def library_members(
    found: Mapping[str, Path],
    places: Places,
    replace: Replacements,
    *,
    bundled: Collection[str] = (),
    strip: bool = False,
) -> list[Member]:
    """Return the members that bring libraries into an image.

    One library may have several names (conda's ``libblas.so.3`` and ``liblapack.so.3`` are links to one OpenBLAS). In
    the image they are links, too: the linker loads equal files under different names as often as there are names.
    """
    members: list[Member] = []
    first: dict[tuple[str, Path], str] = {}
    for name, path in sorted(found.items()):
        directory, source = places.of(name, path, bundled).lstrip("/"), path.resolve()
        target = first.setdefault((directory, source), name)
        if target == name:
            members.append(Member(f"{directory}/{name}", source, mode=0o755, replace=replace, strip=strip))
        else:
            members.append(Member(f"{directory}/{name}", link=target))
    return members


def _names_in(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 (names are all that is needed of thousands)
    except OSError:
        return []


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 (once for every binary of the environment)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _status(path: Path) -> list[int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 (once for every binary of the environment)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino]
