"""What is installed: which distribution a module belongs to, its exact files, and what it requires."""

from __future__ import annotations

import importlib.metadata
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jupyter_containeriter.capture.editable import Project, read_project
from jupyter_containeriter.capture.gpu import serves_gpus_only
from jupyter_containeriter.capture.records import Entry, recorded
from jupyter_containeriter.dist_info import is_of_one_installation, is_record
from jupyter_containeriter.types import Distribution

#: Directories that no installed package needs to predict. The proof puts a distribution's back where one does.
_TEST_DIRECTORIES = frozenset({"tests", "test", "testing_data", "conftest.py"})
_SOURCES = frozenset(
    {".h", ".hpp", ".c", ".cpp", ".cc", ".cu", ".pyx", ".pxd", ".f", ".f90", ".a", ".la", ".o", ".lib"}
)

Wanted = tuple[str, frozenset[str]]
"""A requirement: the name of a distribution and the extras asked of it."""


class Installed:
    """One installed distribution.

    Parameters
    ----------
    metadata
        Its ``.dist-info`` or ``.egg-info``.
    """

    def __init__(self, metadata: Path) -> None:
        self._metadata = metadata
        self._distribution = importlib.metadata.Distribution.at(metadata)
        self.name: str = canonicalize_name(self._distribution.metadata["Name"] or "")
        self.version = self._distribution.metadata["Version"] or ""
        self._wanted: dict[frozenset[str], tuple[Wanted, ...]] = {}

    @cached_property
    def _entries(self) -> tuple[Entry, ...]:
        return recorded(self._distribution, self._metadata)

    @cached_property
    def project(self) -> Project | None:
        """Where it is developed, for an editable installation."""
        return read_project(self._distribution, self._metadata, self._entries)

    @cached_property
    def _record(self) -> tuple[Entry, ...]:
        """What goes into ``site-packages``: of an editable installation only what tells that it is installed."""
        if self.project is None:
            return self._entries
        told = [entry for entry in self._entries if entry[0].startswith(f"{self._metadata.name}/")]
        # These two list files that are elsewhere.
        return tuple(entry for entry in told if not entry[0].endswith(("/RECORD", "/SOURCES.txt")))

    @cached_property
    def modules(self) -> set[str]:
        """Top-level names that can be imported from it; none of an editable installation."""
        found = set()
        for name, _ in self._record:
            first, _, rest = name.partition("/")
            if rest and "." not in first:
                found.add(first)
            elif not rest and first.endswith((".py", ".so", ".pyd")):
                found.add(first.partition(".")[0])
        return found

    def holds(self, file: Path) -> bool:
        """Tell whether a file is one of its own, also where the path leads over linked directories."""
        if str(file) in self._files:
            return True
        below = os.path.relpath(os.path.realpath(file.parent), os.path.realpath(self._metadata.parent))
        return os.path.normpath(self._metadata.parent / below / file.name) in self._files

    @cached_property
    def _files(self) -> frozenset[str]:
        return frozenset(path for _, path in self._record)

    def requirements(self, extras: frozenset[str]) -> tuple[Wanted, ...]:
        """Return what it requires on this machine, when these of its extras are asked for."""
        if extras not in self._wanted:
            self._wanted[extras] = tuple(_wanted(self._distribution.requires or (), extras))
        return self._wanted[extras]

    @cached_property
    def extras(self) -> frozenset[str]:
        """Names of its extras."""
        return frozenset(canonicalize_name(e) for e in self._distribution.metadata.get_all("Provides-Extra") or ())

    def captured(self, reason: str, *, whole: bool) -> Distribution:
        """Return it as it goes into the image; ``whole`` keeps tests and sources too."""
        size, files = self._present(whole=whole)
        return Distribution(self.name, self.version, reason, size, files)

    def _present(self, *, whole: bool) -> tuple[int, tuple[tuple[str, Path], ...]]:
        return self._whole if whole else self._without_tests

    @cached_property
    def _whole(self) -> tuple[int, tuple[tuple[str, Path], ...]]:
        return _sized(self._record)

    @cached_property
    def _without_tests(self) -> tuple[int, tuple[tuple[str, Path], ...]]:
        return _sized(entry for entry in self._record if not _is_left_out(PurePosixPath(entry[0])))

    @cached_property
    def serves_gpus_only(self) -> bool:
        """Whether it is of use only where there is a GPU."""
        return serves_gpus_only(self._record)

    def stamp(self, *, whole: bool) -> list[object]:
        """Identify the installation cheaply: an upgrade writes its metadata anew, slimming leaves fewer files."""
        size, files = self._present(whole=whole)
        identity: list[object] = [self.name, self.version, size, len(files)]
        record = self._metadata / "RECORD"
        try:
            status = (record if record.exists() else self._metadata).stat()
        except OSError:
            return identity
        return [*identity, status.st_mtime_ns, status.st_size]


class Inventory:
    """All distributions of a search path; the first of a name wins, as it does for :mod:`importlib.metadata`.

    Parameters
    ----------
    installed
        The distributions, in the order of the path.
    """

    def __init__(self, installed: Iterable[Installed]) -> None:
        self._all = tuple(installed)
        self._by_name: dict[str, Installed] = {}
        for one in self._all:
            self._by_name.setdefault(one.name, one)

    def __getitem__(self, name: str) -> Installed:
        return self._by_name[canonicalize_name(name)]

    def __contains__(self, name: str) -> bool:
        return canonicalize_name(name) in self._by_name

    @cached_property
    def _owners(self) -> dict[str, list[Installed]]:
        owners: dict[str, list[Installed]] = {}
        for installed in self._all:
            for module in installed.modules:
                owners.setdefault(module, []).append(installed)
        return owners

    def owners(self, module: str, file: Path) -> list[Installed]:
        """Return the distributions that hold the file of a module: mostly one, or none where it is local code."""
        candidates = self._owners.get(module.partition(".")[0], [])
        return [candidate for candidate in candidates if candidate.holds(file)]

    def developed(self, module: str, file: Path) -> Installed | None:
        """Return the editable installation that a local file belongs to; the innermost of nested ones."""
        top = module.partition(".")[0]
        holding = [(len(p.directory), one) for one in self._all if (p := one.project) and p.holds(top, file)]
        return max(holding, key=lambda pair: pair[0])[1] if holding else None

    def prefer(self, owners: Iterable[Installed]) -> None:
        """Take these for their names: the kernel runs their files, though others of the name may come first."""
        chosen = list(owners)
        for one in chosen:
            if self._by_name[one.name] not in chosen:
                self._by_name[one.name] = one

    def closure(
        self,
        seeds: Mapping[str, str],
        excluded: frozenset[str] = frozenset(),
        extras: Mapping[str, frozenset[str]] | None = None,
    ) -> dict[str, str]:
        """Follow requirements, also those of extras.

        Parameters
        ----------
        seeds
            Names to start with, each with the reason it is in.
        excluded
            Names that stay out.
        extras
            Extras asked of a seed.

        Returns
        -------
        dict
            Names of the seeds and all they require, each with its reason.
        """
        reasons = {name: reason for name, reason in sorted(seeds.items()) if name not in excluded}
        queue = [(name, (extras or {}).get(name, frozenset[str]())) for name in reasons]
        followed = set(queue)
        for current, asked in queue:
            for name, more in self[current].requirements(asked):
                if name not in self or name in excluded:
                    continue
                reasons.setdefault(name, f"{current} requires it")
                if (name, more) not in followed:
                    followed.add((name, more))
                    queue.append((name, more))
        return reasons


def current_inventory(real: Callable[[str], Path] = Path) -> Inventory:
    """Return what is installed for the running interpreter now; only changed directories are read again.

    Parameters
    ----------
    real
        Returns the directory of an entry of ``sys.path``, which may be an archive.
    """
    directories = [real(path or str(Path.cwd())) for path in sys.path]
    found = (_installed_in(d.absolute(), d.stat().st_mtime_ns) for d in dict.fromkeys(directories) if d.is_dir())
    return Inventory(installed for part in found for installed in part)


@lru_cache(maxsize=64)
def _installed_in(directory: Path, _changed: int) -> tuple[Installed, ...]:
    # pip renames what it is about to remove, and may be stopped before it did: "~umpy-2.0.dist-info".
    entries = [path for path in sorted(directory.iterdir()) if not path.name.startswith("~")]
    places = [path for path in entries if path.suffix in {".dist-info", ".egg-info"}]
    if (egg := directory / "EGG-INFO").is_dir():
        places.append(egg)
    return tuple(installed for installed in map(Installed, places) if installed.name)


def counterpart(distribution: Distribution, directory: Path) -> Distribution:
    """Return the same distribution as it is installed in another directory, for another platform.

    The same parts of it as in ``distribution``: with tests and sources only where the proof asked for them.
    """
    (metadata,) = directory.glob("*.dist-info")
    whole = any(_is_left_out(PurePosixPath(name)) for name, _ in distribution.files)
    return Installed(metadata).captured(distribution.reason, whole=whole)


def _wanted(texts: Iterable[str], extras: frozenset[str]) -> Iterator[Wanted]:
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(requirement.name), frozenset(map(canonicalize_name, requirement.extras))


def _sized(entries: Iterable[Entry]) -> tuple[int, tuple[tuple[str, Path], ...]]:
    """Return the files that are there (who slims an environment leaves its ``RECORD`` as it was), and their size.

    Only what goes into the image as it is counts: equal packages have equal sizes, whatever installed them.
    """
    size = 0
    files = []
    for name, path in entries:
        try:
            status = os.stat(path)  # noqa: PTH116 (there are thousands)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            files.append((name, Path(path)))
            size += 0 if is_of_one_installation(name) or is_record(name) else status.st_size
    return size, tuple(files)


def _is_left_out(name: PurePosixPath) -> bool:
    return name.suffix in _SOURCES or not _TEST_DIRECTORIES.isdisjoint(name.parts)
