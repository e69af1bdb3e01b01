"""What modules need: distributions, and local code (files that no installed distribution holds) with all it imports."""

from __future__ import annotations

import hashlib
import importlib.machinery
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from jupyter_containeriter.bytesize import size_text
from jupyter_containeriter.capture.archives import Archives
from jupyter_containeriter.capture.imports import imported_modules
from jupyter_containeriter.capture.inventory import Inventory
from jupyter_containeriter.capture.remember import by_status
from jupyter_containeriter.capture.specs import Found, inside, on_the_way
from jupyter_containeriter.capture.tree import walk
from jupyter_containeriter.errors import CaptureError

#: Local code travels with every version; a package that holds more than this holds data that is no part of it.
MAX_CODE_BYTES = 256 * 1024**2
MAX_CODE_FILES = 10_000

_LEFT_OUT_SUFFIXES = {".ipynb"}
_EXTENSIONS = tuple(importlib.machinery.EXTENSION_SUFFIXES)

Reason = Callable[[str], str]
"""Says why a module is needed."""


class Needs:
    """What a growing set of modules turned out to need.

    Parameters
    ----------
    inventory
        What is installed.
    archives
        Where modules in archives really are.

    Attributes
    ----------
    distributions
        Names, each with the reason it is needed.
    code
        Local files by their path below ``code/``.
    """

    def __init__(self, inventory: Inventory, archives: Archives) -> None:
        self._inventory = inventory
        self._archives = archives
        self._asked: set[str] = set()
        self._seen: set[str] = set()
        self.distributions: dict[str, str] = {}
        self.code: dict[str, Path] = {}
        self._files: set[Path] = set()
        self._size = 0

    def add(self, modules: Iterable[str], reason: Reason) -> None:
        """Follow modules to the distributions or local files they come from, and local files to their imports.

        Raises
        ------
        CaptureError
            The local code is too much to be code.
        """
        queue = deque((module, reason(module)) for module in sorted(set(modules)) if module)
        while queue:
            module, why = queue.popleft()
            if module in self._asked:
                continue
            self._asked.add(module)
            for found in on_the_way(module, self._archives.real):
                if found.name not in self._seen:
                    self._seen.add(found.name)
                    queue.extend(self._take(found, why))

    def add_inside(self, module: str, reason: Reason) -> None:
        """Follow every module of a namespace package: of the package itself nothing but its name is known."""
        self.add(inside(module, self._archives.real), reason)

    def owners(self, module: str) -> set[str]:
        """Return names of the distributions that hold a module, none for a local or unknown one."""
        found = list(on_the_way(module, self._archives.real))
        return {owner.name for f in found[-1:] for owner in self._inventory.owners(f.name, f.file)}

    def digest(self) -> str:
        """``sha256:…`` of the local code: names and content; "" where there is none."""
        if not self.code:
            return ""
        hasher = hashlib.sha256()
        for name, path in sorted(self.code.items()):
            hasher.update(f"{name}\0".encode() + _content_digest(path))
        return "sha256:" + hasher.hexdigest()

    def _take(self, found: Found, why: str) -> Iterator[tuple[str, str]]:
        owners = self._inventory.owners(found.name, found.file)
        self._inventory.prefer(owners)
        for owner in owners:
            self.distributions.setdefault(owner.name, why)
        if not owners:
            yield from self._take_local(found, why)

    def _take_local(self, found: Found, why: str) -> Iterator[tuple[str, str]]:
        if not found.file.is_file():
            raise CaptureError(
                f"{found.name} was imported from {found.file}, which is no longer there.",
                "Put the file back, or restart the kernel and import the module from where it is now.",
            )
        # Most came with their package already.
        fresh = {} if found.file in self._files else dict(self._fresh(found))
        if (developed := self._inventory.developed(found.name, found.file)) and developed.project:
            self.distributions.setdefault(developed.name, f"{why} (an editable installation)")
            fresh |= {name: Path(path) for name, path in developed.project.code if name not in self.code}
        self.code |= fresh
        self._files.update(fresh.values())
        for name, path in fresh.items():
            if name.endswith(".py"):
                package = name.rpartition("/")[0].replace("/", ".")
                imports = f"local module {name} imports it"
                yield from ((module, imports) for module in sorted(imported_modules(path, package)))

    def _fresh(self, found: Found) -> Iterator[tuple[str, Path]]:
        """Yield the files that come with a local module and are not there yet."""
        files: list[tuple[str, Path, int]] = []
        for name, path, size in islice(_files(found), MAX_CODE_FILES + 1):
            if name not in self.code and not self._inventory.owners(found.top, path):
                files.append((name, path, size))
        self._size += sum(size for _, _, size in files)
        if self._size > MAX_CODE_BYTES or len(self.code) + len(files) > MAX_CODE_FILES:
            raise _too_much(found, files)
        return ((name, path) for name, path, _ in files)


def _files(found: Found) -> Iterator[tuple[str, Path, int]]:
    """Yield the files of a local module: its portion of a namespace package, its package, or the file alone."""
    place = found.name.replace(".", "/")
    if found.portion is not None:
        name, directory = found.portion
        yield from _walked(directory, name.replace(".", "/"))
    elif any(location.is_dir() for location in found.locations):
        for location in found.locations:
            if location.is_dir():
                yield from _walked(location, place)
    elif found.locations:
        yield from _resources(found.spec, place)
    else:
        parent = place.rpartition("/")[0]
        for path in (found.file, *_linked(found.file)):
            yield f"{parent}/{path.name}".lstrip("/"), path, path.stat().st_size


def _walked(directory: Path, place: str) -> Iterator[tuple[str, Path, int]]:
    for path, size in walk(directory):
        if path.suffix not in _LEFT_OUT_SUFFIXES:
            yield f"{place}/{path.relative_to(directory).as_posix()}", path, size


def _resources(spec: importlib.machinery.ModuleSpec, place: str) -> Iterator[tuple[str, Path, int]]:
    """Yield the files of a package that is no one directory (meson-python's editable installations) by its loader."""
    reader: Any = getattr(spec.loader, "get_resource_reader", lambda _name: None)(spec.name)
    queue = deque([(place, reader.files())] if hasattr(reader, "files") else ())
    while queue:
        parent, resource = queue.popleft()
        for child in resource.iterdir():
            name = f"{parent}/{child.name}"
            if child.is_dir() and child.name != "__pycache__":
                queue.append((name, child))
            elif isinstance(child, Path) and child.is_file():
                yield name, child, child.stat().st_size


def _linked(extension: Path) -> list[Path]:
    """Return the shared libraries beside an extension module that it links to, directly or not.

    The names of the libraries that a binary needs stand in it as text that ends with a zero byte.
    """
    if not extension.name.endswith(_EXTENSIONS):
        return []
    beside = [path for path in sorted(extension.parent.glob("*.so*")) if path != extension and path.is_file()]
    found = [extension]
    for binary in found:  # grows on the way
        content = binary.read_bytes() if beside else b""
        found += [path for path in beside if path not in found and f"{path.name}\0".encode() in content]
    return found[1:]


def _too_much(found: Found, files: list[tuple[str, Path, int]]) -> CaptureError:
    biggest = sorted(files, key=lambda entry: -entry[2])[:3]
    named = ", ".join(f"{name} ({size_text(size)})" for name, _, size in biggest)
    total = sum(size for _, _, size in files)
    count = f"more than {MAX_CODE_FILES:,}" if len(files) > MAX_CODE_FILES else f"{len(files):,}"
    directory = found.portion[1] if found.portion else found.file.parent
    return CaptureError(
        f"The local package {found.top} has {count} files of {size_text(total)}, too much to be code. "
        f"The biggest: {named}.",
        f"Move what the model does not read out of {directory}, or install the package "
        f"(pip install {directory.parent}): installed packages may be of any size.",
    )


@by_status
def _content_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise CaptureError(
            f"{path}, a part of the local code, cannot be read: {(error.strerror or str(error)).lower()}.",
            "Make it readable, or move it out of the package if the model does not need it.",
        ) from error
