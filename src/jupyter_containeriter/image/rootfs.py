"""What the layers of an image hold together, read without unpacking them.

How a layer changes those below it: OCI Image Format Specification, "Applying Changesets" and "Whiteouts".
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jupyter_containeriter.errors import BuildError

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"

#: As in Linux: so many links in one path are a circle.
_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class Entry:
    """One name: a file with its place in its layer's tar, a directory, a link with its target, or something else."""

    kind: Literal["file", "directory", "link", "other"]
    layer: Path
    offset: int = 0
    size: int = 0
    target: str = ""


class RootFiles:
    """The names of a root file system, without a leading slash, as a container would see them.

    Parameters
    ----------
    layers
        Uncompressed tars, bottom up.

    Raises
    ------
    BuildError
        A layer is no tar.
    """

    def __init__(self, layers: Iterable[Path]) -> None:
        self._entries: dict[str, Entry] = {}
        for layer in layers:
            self._apply(layer)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def resolve(self, path: str) -> str | None:
        """Return the name that a path leads to, links followed inside the root; None where it leads nowhere."""
        todo = _parts(path)[::-1]
        found: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                found = found[:-1]
                continue
            entry = self._entries.get("/".join([*found, part]))
            if entry is None or entry.kind != "link":
                found.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                return None
            found = [] if entry.target.startswith("/") else found
            todo += _parts(entry.target)[::-1]
        name = "/".join(found)
        return name if name in self._entries else None

    def read(self, path: str) -> bytes | None:
        """Return the content of the file that a path leads to; None where that is no file."""
        name = self.resolve(path)
        entry = self._entries[name] if name is not None else None
        if entry is None or entry.kind != "file":
            return None
        with entry.layer.open("rb") as file:
            file.seek(entry.offset)
            return file.read(entry.size)

    def _apply(self, layer: Path) -> None:
        try:
            with tarfile.open(layer, "r:") as archive:
                members = [(parts, member) for member in archive if (parts := _parts(member.name))]
        except (OSError, tarfile.TarError) as error:
            raise BuildError(f"A layer of the base cannot be read: {error}.") from error
        self._hide(members)
        for parts, member in members:
            if not parts[-1].startswith(WHITEOUT):
                name = "/".join(parts)
                self._entries[name] = self._entry(layer, member)
                for depth in range(1, len(parts)):
                    self._hold_directory("/".join(parts[:depth]), layer)

    def _hold_directory(self, name: str, layer: Path) -> None:
        """Make a name that others are below of a directory, also where a lower layer has a link to one."""
        if name not in self._entries or self._entries[name].kind != "directory":
            self._entries[name] = Entry("directory", layer)

    def _hide(self, members: list[tuple[list[str], tarfile.TarInfo]]) -> None:
        """Forget what the layer hides of those below it, whatever the order of its members."""
        gone, emptied = set(), set()
        for parts, member in members:
            *parents, last = parts
            if last == OPAQUE:
                emptied.add("/".join(parents))
            elif last.startswith(WHITEOUT):
                gone.add("/".join([*parents, last.removeprefix(WHITEOUT)]))
            elif not member.isdir():
                gone.add("/".join(parts))
        below = gone | emptied
        hidden = [name for name in self._entries if name in gone or not below.isdisjoint(_ancestors(name))]
        for name in hidden:
            del self._entries[name]

    def _entry(self, layer: Path, member: tarfile.TarInfo) -> Entry:
        if member.isdir():
            return Entry("directory", layer)
        if member.issym():
            return Entry("link", layer, target=member.linkname)
        if member.islnk():
            return self._entries.get("/".join(_parts(member.linkname)), Entry("other", layer))
        if member.isreg():
            return Entry("file", layer, member.offset_data, member.size)
        return Entry("other", layer)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def _ancestors(name: str) -> Iterator[str]:
    yield ""
    position = name.find("/")
    while position != -1:
        yield name[:position]
        position = name.find("/", position + 1)
