"""The shared libraries that ELF files need, resolved as the dynamic linker would (``man 8 ld.so``)."""

from __future__ import annotations

import functools
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF"
_DEFAULT_DIRECTORIES = (Path("/lib64"), Path("/usr/lib64"), Path("/lib"), Path("/usr/lib"))


@dataclass(frozen=True, slots=True)
class ElfFile:
    """What the dynamic linker reads of a file: its interpreter, the names it needs, and where it says to look.

    ``rpath`` (``DT_RPATH``) counts before ``LD_LIBRARY_PATH`` and for whatever the file loads, too; ``runpath``
    (``DT_RUNPATH``) counts after it and for the file alone. A file that has the latter has no ``rpath`` here: the
    linker ignores it.
    """

    path: Path
    interpreter: Path | None
    needed: tuple[str, ...]
    rpath: tuple[Path, ...] = ()
    runpath: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """Where a process looks for libraries, apart from what the file that needs them says.

    Attributes
    ----------
    inherited
        ``DT_RPATH`` of the executable and of the libraries it starts with.
    variable
        ``LD_LIBRARY_PATH``.
    """

    inherited: tuple[Path, ...] = ()
    variable: tuple[Path, ...] = ()

    def directories(self, elf: ElfFile, loaders: tuple[Path, ...] = ()) -> tuple[Path, ...]:
        """Return where libraries that ``elf`` needs are looked for, before the linker's cache and default directories.

        ``loaders`` are the ``DT_RPATH`` of what loaded it.
        """
        if elf.runpath:
            return (*self.variable, *elf.runpath)
        return (*elf.rpath, *loaders, *self.inherited, *self.variable)


def read_elf(path: Path) -> ElfFile | None:
    """Read a file's dynamic segment; None for a file that is no dynamic ELF object."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            return None
        try:
            segments = list(ELFFile(file).iter_segments())
            dynamic = next((s for s in segments if isinstance(s, DynamicSegment)), None)
            if dynamic is None:
                return None
            tags = list(dynamic.iter_tags())
            interpreter = next((Path(s.get_interp_name()) for s in segments if isinstance(s, InterpSegment)), None)
        except ELFError:
            return None
        needed = tuple(_values(tags, "needed"))
        rpath, runpath = (_expand(_values(tags, kind), path.parent) for kind in ("rpath", "runpath"))
    return ElfFile(path, interpreter, needed, () if runpath else rpath, runpath)


def _values(tags: Iterable[object], kind: str) -> list[str]:
    return [getattr(tag, kind) for tag in tags if hasattr(tag, kind)]


def process_search(executable: Path, variable: str = "") -> Search:
    """Return where a process looks for libraries that its modules need.

    Parameters
    ----------
    executable
        What it runs.
    variable
        Its ``LD_LIBRARY_PATH``.
    """
    own = Search(variable=tuple(Path(entry) for entry in variable.split(":") if entry))
    elf = read_elf(executable)
    if elf is None:
        return own
    started = [read_elf(path) for path in closure([executable], search=own).values()]
    rpaths = [*elf.rpath, *(directory for library in started if library for directory in library.rpath)]
    return Search(tuple(dict.fromkeys(rpaths)), own.variable)


def closure(files: Iterable[Path], known: Iterable[str] = (), search: Search | None = None) -> dict[str, Path]:
    """Return the shared libraries that ``files`` need, directly or not, by the name they are looked up under.

    Parameters
    ----------
    files
        Executables, libraries and extension modules; other files are passed over.
    known
        Names that are provided already (by the base): neither they nor what only they need is returned.
    search
        Where the process looks that loads them; by default, one that says nothing.

    Notes
    -----
    Libraries that are among ``files`` (wheels bundle theirs so) travel as such and are left out. A name that cannot be
    found is left out too: extension modules may name libraries of an optional back end.
    """
    search = search or Search()
    start = {path.resolve() for path in files}
    found: dict[str, Path] = {}
    queue: list[tuple[ElfFile, tuple[Path, ...]]] = [(elf, ()) for path in sorted(start) if (elf := read_elf(path))]
    provided = set(known)
    while queue:
        elf, loaders = queue.pop()
        for name in elf.needed:
            if name in found or name in provided:
                continue
            path = find_library(name, search.directories(elf, loaders))
            if path is None or path.resolve() in start:
                continue
            found[name] = path
            if needed := read_elf(path):
                queue.append((needed, (*elf.rpath, *loaders)))
    return found


def find_library(name: str, directories: Iterable[Path] = ()) -> Path | None:
    """Return the file a library name resolves to: ``directories`` first, then where the linker looks by itself."""
    candidates = (directory / name for directory in directories)
    return next((path for path in candidates if path.exists()), None) or find_system_library(name)


def find_system_library(name: str) -> Path | None:
    """Return the file a library name resolves to for everybody: in the linker's cache or its default directories."""
    candidates = [directory / name for directory in _DEFAULT_DIRECTORIES]
    if name in (cached := _linker_cache()):
        candidates.insert(0, cached[name])
    return next((path for path in candidates if path.exists()), None)


def without_debug(content: bytes) -> bytes:
    """Leave out what the dynamic linker never reads (debug information, the static symbol table), as ``strip`` does.

    Only where that is simple and safe: little-endian 64-bit files whose loaded sections all come first and which end
    with their section headers. Others are returned as they are.
    """
    if content[:6] != _MAGIC + b"\x02\x01":
        return content
    offset, size, count, names = struct.unpack_from("<40xQ10xHHH", content)
    if size != _SECTION.size or offset + size * count != len(content):
        return content
    sections = [_SECTION.unpack_from(content, offset + size * index) for index in range(count)]
    kept = [section for section in sections if section[_TYPE] == 0 or section[_FLAGS] & _SHF_ALLOC]
    if not kept or kept != sections[: len(kept)]:
        return content
    end = max(section[_OFFSET] + section[_SIZE] for section in kept if section[_TYPE] != _SHT_NOBITS)
    table = sections[names]
    strings = content[table[_OFFSET] : table[_OFFSET] + table[_SIZE]]
    moved = (*table[:_OFFSET], end, *table[_OFFSET + 1 :])
    padding = bytes(-(end + len(strings)) % 8)
    header = bytearray(content[:end])
    struct.pack_into("<Q", header, 40, end + len(strings) + len(padding))
    struct.pack_into("<HH", header, 60, len(kept) + 1, len(kept))
    return bytes(header) + strings + padding + b"".join(_SECTION.pack(*section) for section in (*kept, moved))


#: ``Elf64_Shdr`` (``man 5 elf``): name, type, flags, address, offset, size, link, info, alignment, entry size.
_SECTION = struct.Struct("<IIQQQQIIQQ")
_TYPE, _FLAGS, _OFFSET, _SIZE = 1, 2, 4, 5
_SHF_ALLOC, _SHT_NOBITS = 2, 8


def _expand(values: Iterable[str], origin: Path) -> tuple[Path, ...]:
    entries = [entry for value in values for entry in value.split(":") if entry]
    return tuple(Path(e.replace("$ORIGIN", str(origin)).replace("${ORIGIN}", str(origin))) for e in entries)


def in_system_directory(path: Path) -> bool:
    """Whether a library lies where the dynamic linker looks by itself, in its cache or its default directories."""
    return path.parent in _system_directories()


@functools.cache
def _system_directories() -> frozenset[Path]:
    return frozenset({*_DEFAULT_DIRECTORIES, *(path.parent for path in _linker_cache().values())})


@functools.cache
def _linker_cache() -> dict[str, Path]:
    """Return what ``ldconfig -p`` lists for this machine's own architecture (its first entry of a name wins)."""
    for command in ("ldconfig", "/sbin/ldconfig", "/usr/sbin/ldconfig"):
        try:
            listed = subprocess.run([command, "-p"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        entries = (line.split(" => ") for line in listed.splitlines() if " => " in line)
        found: dict[str, Path] = {}
        for left, right in entries:
            name, _, kind = left.strip().partition(" ")
            if "x32" not in kind and ("64" in kind or "," not in kind):
                found.setdefault(name, Path(right.strip()))
        return found
    return {}
