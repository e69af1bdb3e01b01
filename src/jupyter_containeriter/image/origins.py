"""Which package of the operating system a library in an image came from.

A library is known by its build id (the note ``NT_GNU_BUILD_ID``; ``man ld``, ``--build-id``), which survives that debug
information and paths were taken out; so nothing is claimed of a library that was updated since.
"""

from __future__ import annotations

import io
import platform
import shutil
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_containeriter.image.elf import find_system_library

_SECONDS = 30


@dataclass(frozen=True, slots=True)
class SystemPackage:
    """A Debian package: ``distribution`` is the ``ID`` of ``os-release`` (debian, ubuntu)."""

    distribution: str
    name: str
    version: str
    architecture: str


def system_packages(libraries: Mapping[str, bytes]) -> dict[str, SystemPackage]:
    """Return the package of each library, by the library's name; those of no package are left out.

    Parameters
    ----------
    libraries
        Content by name (``libssl.so.3``).
    """
    if shutil.which("dpkg-query") is None:
        return {}
    places = {name: spellings for name, content in libraries.items() if (spellings := _same_here(name, content))}
    owners = _owners({path for spellings in places.values() for path in spellings})
    owned = {name: owners[path] for name, spellings in places.items() for path in spellings if path in owners}
    packages = _packages(set(owned.values()))
    return {name: packages[owner] for name, owner in owned.items() if owner in packages}


def _same_here(name: str, content: bytes) -> set[str]:
    """Return the paths under which dpkg may know this machine's library, if it is the same; none otherwise."""
    path = find_system_library(name)
    if path is None or not (wanted := build_id(content)) or build_id(path.read_bytes()) != wanted:
        return set()
    spellings = {str(path), str(path.resolve())}
    # Where /lib is a link to /usr/lib, dpkg knows a file under the one or the other.
    return spellings | {one.removeprefix("/usr") for one in spellings} | {f"/usr{one}" for one in spellings}


def build_id(content: bytes) -> str:
    """Return the build id of an ELF file, "" where it has none."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        segments: Any = ELFFile(io.BytesIO(content)).iter_segments("PT_NOTE")
        notes = (note for segment in segments for note in segment.iter_notes())
        return next((str(note["n_desc"]) for note in notes if note["n_type"] == "NT_GNU_BUILD_ID"), "")
    except ELFError:
        return ""


def _owners(paths: Collection[str]) -> dict[str, str]:
    """Return the package of each file; the answer has lines such as ``libc6:amd64: /lib/…/libc.so.6``."""
    lines = _query("--search", *sorted(paths)) if paths else []
    found = (line.rpartition(": ") for line in lines if not line.startswith("diversion "))
    return {path: packages.partition(", ")[0] for packages, _, path in found}


def _packages(names: Collection[str]) -> dict[str, SystemPackage]:
    form = "${binary:Package}\t${Package}\t${Version}\t${Architecture}\n"
    lines = _query("--show", f"--showformat={form}", *sorted(names)) if names else []
    distribution = _distribution()
    rows = (line.split("\t") for line in lines)
    return {name: SystemPackage(distribution, *fields) for name, *fields in rows}


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["ID"]
    except OSError:
        return "debian"


def _query(*arguments: str) -> list[str]:
    command = [str(Path(shutil.which("dpkg-query") or "dpkg-query")), *arguments]
    try:
        # It ends with 1 where it does not know one of the files, and tells of the others all the same.
        run = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return run.stdout.splitlines()
