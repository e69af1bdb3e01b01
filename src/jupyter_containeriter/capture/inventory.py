"""What is installed: which distribution a module belongs to, its exact files, and what it requires."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jupyter_containeriter.types import Distribution

#: Directories that no installed package needs to predict. The proof puts a distribution's back where one does.
_TEST_DIRECTORIES = frozenset({"tests", "test", "testing_data", "conftest.py"})
_SOURCES = frozenset(
    {".h", ".hpp", ".c", ".cpp", ".cc", ".cu", ".pyx", ".pxd", ".f", ".f90", ".a", ".la", ".o", ".lib"}
)


class Installed:
    """One installed distribution, read from its own ``RECORD``."""

    def __init__(self, distribution: importlib.metadata.Distribution) -> None:
        self._distribution = distribution
        self.name: str = canonicalize_name(distribution.metadata["Name"])
        self.version = distribution.version

    @cached_property
    def _record(self) -> tuple[tuple[str, Path, int], ...]:
        """Files below ``site-packages``: name, place on disk, size in bytes. Scripts and byte code are left out."""
        found = []
        for entry in self._distribution.files or ():
            name = entry.as_posix()
            if name.startswith("../") or name.endswith((".pyc", ".pyo")) or entry.is_absolute():
                continue
            path = Path(os.fspath(entry.locate()))
            size = entry.size if entry.size is not None else _size(path)
            if size is not None:
                found.append((name, path, size))
        return tuple(found)

    @cached_property
    def modules(self) -> set[str]:
        """Top-level names that can be imported from it."""
        found = set()
        for name, _, _ in self._record:
            first, _, rest = name.partition("/")
            if rest and "." not in first:
                found.add(first)
            elif not rest and first.endswith((".py", ".so", ".pyd")):
                found.add(first.partition(".")[0])
        return found

    @cached_property
    def files(self) -> frozenset[Path]:
        """Its files on disk."""
        return frozenset(path for _, path, _ in self._record)

    @cached_property
    def requirements(self) -> tuple[str, ...]:
        """Names it requires on this machine, without extras."""
        return tuple(self._requirements())

    def _requirements(self) -> Iterator[str]:
        for text in self._distribution.requires or ():
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield canonicalize_name(requirement.name)

    def captured(self, reason: str, *, whole: bool) -> Distribution:
        """Return it as it goes into the image; ``whole`` keeps tests and sources too."""
        kept = self._record if whole else self._without_tests
        files = tuple((name, path) for name, path, _ in kept)
        return Distribution(self.name, self.version, reason, sum(size for _, _, size in kept), files)

    @cached_property
    def _without_tests(self) -> tuple[tuple[str, Path, int], ...]:
        return tuple(entry for entry in self._record if not _is_left_out(PurePosixPath(entry[0])))

    def stamp(self) -> list[object]:
        """Identify the installation cheaply: a reinstall or upgrade rewrites ``RECORD``."""
        record = next((path for name, path, _ in self._record if name.endswith(".dist-info/RECORD")), None)
        status = record.stat() if record and record.exists() else None
        return [self.name, self.version, status.st_mtime_ns if status else 0, status.st_size if status else 0]


class Inventory:
    """All distributions of a search path; the first of a name wins, as it does for an import.

    Parameters
    ----------
    installed
        The distributions, in the order of the path.
    """

    def __init__(self, installed: Iterable[Installed]) -> None:
        self._by_name: dict[str, Installed] = {}
        for one in installed:
            self._by_name.setdefault(one.name, one)

    def __getitem__(self, name: str) -> Installed:
        return self._by_name[canonicalize_name(name)]

    def __contains__(self, name: str) -> bool:
        return canonicalize_name(name) in self._by_name

    @cached_property
    def _owners(self) -> dict[str, list[Installed]]:
        owners: dict[str, list[Installed]] = {}
        for installed in self._by_name.values():
            for module in installed.modules:
                owners.setdefault(module, []).append(installed)
        return owners

    def owners(self, module: str, file: Path) -> list[str]:
        """Names of the distributions that hold the file of a module: one, or none where it is local code."""
        candidates = self._owners.get(module.partition(".")[0], [])
        return [candidate.name for candidate in candidates if file in candidate.files]

    def closure(self, seeds: Iterable[str], excluded: frozenset[str]) -> dict[str, str]:
        """Names of the seeds and all they require, each with the reason it is in."""
        names = {str(canonicalize_name(seed)) for seed in seeds} - excluded
        reasons = dict.fromkeys(sorted(names), "the model uses it")
        queue = list(reasons)
        while queue:
            current = queue.pop()
            for name in self[current].requirements:
                if name in self and name not in reasons and name not in excluded:
                    reasons[name] = f"{current} requires it"
                    queue.append(name)
        return reasons


def current_inventory() -> Inventory:
    """Return what is installed for the running interpreter now; only changed directories are read again."""
    directories = [Path(path) for path in sys.path if path and Path(path).is_dir()]
    found = (_installed_in(directory, directory.stat().st_mtime_ns) for directory in directories)
    return Inventory(installed for part in found for installed in part)


@lru_cache(maxsize=64)
def _installed_in(directory: Path, _changed: int) -> tuple[Installed, ...]:
    distributions = importlib.metadata.distributions(path=[str(directory)])
    return tuple(Installed(distribution) for distribution in distributions if distribution.metadata["Name"])


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _is_left_out(name: PurePosixPath) -> bool:
    return name.suffix in _SOURCES or not _TEST_DIRECTORIES.isdisjoint(name.parts)
