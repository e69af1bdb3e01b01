"""The Python of a base image, found and understood without running it: it may be for another architecture."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.rootfs import RootFiles

#: ``e_machine`` of ELF headers (``man 5 elf``) in OCI's words, for the machines that wheels are made for.
_MACHINES = {62: "amd64", 183: "arm64"}

_PYTHON = re.compile(r"(?:.+/)?bin/python3\.(?P<minor>\d+)")

#: The banner that glibc writes when it is executed, in any distribution's words.
_GLIBC_BANNER = re.compile(rb"stable release version (\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python in an image.

    Attributes
    ----------
    path
        Absolute path of the executable, links followed.
    architecture
        In OCI's words, as its ELF header says.
    glibc
        Major and minor version of the GNU C library it runs on; None where that is musl.
    """

    path: str
    architecture: str
    glibc: tuple[int, int] | None


def find_interpreter(files: RootFiles, search: Sequence[str], base: str) -> Interpreter:
    """Return the Python of a base that has the kernel's minor version.

    Pickles hold byte code, and compiled packages fit one minor version only.

    Parameters
    ----------
    files
        The base's files.
    search
        Its ``PATH``: of several such Pythons the first one there is taken.
    base
        Name of the base, for messages.

    Raises
    ------
    BuildError
        There is no such Python, or it is one that cannot import compiled packages.
    """
    minor = sys.version_info.minor
    found = dict(_pythons(files))
    fitting = [path for path, version in found.items() if version == minor]
    if not fitting:
        raise _misfit(base, sorted(set(found.values())), minor)
    fitting.sort(key=lambda path: (_position(path, search), path))
    path = fitting[0]
    prefix = path.rpartition("/bin/")[0]
    # Debian's python3-minimal leaves out asyncio, which the server needs; Fedora and its kin say lib64.
    if not any(files.resolve(f"{prefix}/{lib}/python3.{minor}/asyncio/__init__.py") for lib in ("lib", "lib64")):
        raise BuildError(
            f"The Python 3.{minor} in {base} has only a part of the standard library.",
            f"Install all of it (Debian and Ubuntu: python3 instead of python3-minimal), or use {suggestion(minor)}.",
        )
    return _examined(files, path, base)


def suggestion(minor: int) -> str:
    """Return the name of a base that fits."""
    return f"--base python:3.{minor}-slim"


def _pythons(files: RootFiles) -> Iterator[tuple[str, int]]:
    """Yield the executables named ``python3.N``, links followed, with N."""
    for name in files:
        if not (named := _PYTHON.fullmatch(name)):
            continue
        real = files.resolve(name)
        if real and (match := _PYTHON.fullmatch(real)) and match["minor"] == named["minor"]:
            yield f"/{real}", int(match["minor"])


def _position(path: str, search: Sequence[str]) -> int:
    directory = path.rpartition("/")[0]
    return search.index(directory) if directory in search else len(search)


def _misfit(base: str, minors: Iterable[int], minor: int) -> BuildError:
    has = ", ".join(f"3.{one}" for one in minors)
    message = f"{base} has Python {has}, the kernel has 3.{minor}." if has else f"There is no Python in {base}."
    return BuildError(
        message,
        f"Use a base with Python 3.{minor}, for example {suggestion(minor)}"
        + (", or a kernel with the base's Python." if has else "."),
    )


# --- ELF -----------------------------------------------------------------------------------------------------------


def _examined(files: RootFiles, path: str, base: str) -> Interpreter:
    content = files.read(path) or b""
    machine, linker = _header(content)
    architecture = _MACHINES.get(machine)
    if architecture is None or not linker:
        raise BuildError(
            f"{path} in {base} is no Python that can import compiled packages on amd64 or arm64.",
            f"Use another base, for example {suggestion(sys.version_info.minor)}.",
        )
    if "musl" in linker:
        return Interpreter(path, architecture, None)
    return Interpreter(path, architecture, _glibc(files, machine, base))


def _header(content: bytes) -> tuple[int, str]:
    """Return ``e_machine`` and the dynamic linker of an executable; 0 and "" where it is none."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    try:
        elf = ELFFile(BytesIO(content))
        linker = next((s.get_interp_name() for s in elf.iter_segments() if isinstance(s, InterpSegment)), "")
    except ELFError:
        return 0, ""
    return int.from_bytes(content[18:20], "little"), str(linker)


def _glibc(files: RootFiles, machine: int, base: str) -> tuple[int, int]:
    for name in sorted(files):
        if name.endswith("/libc.so.6"):
            content = files.read(name) or b""
            banner = _GLIBC_BANNER.search(content)
            if banner and int.from_bytes(content[18:20], "little") == machine:
                return int(banner[1]), int(banner[2])
    raise BuildError(
        f"{base} has no C library that is known: neither glibc nor musl.",
        f"Use another base, for example {suggestion(sys.version_info.minor)}.",
    )
