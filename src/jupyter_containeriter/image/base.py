"""The ``kernel`` base: this very interpreter, its standard library and exactly the shared libraries it needs.

Relocated to a neutral prefix, so that no path or user name of this machine enters the image.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
import sysconfig
import zoneinfo
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from jupyter_containeriter import accounts, conda
from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image import elf
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.libraries import Places, library_members, linked
from jupyter_containeriter.image.members import LayerSpec, Member, Replacements
from jupyter_containeriter.image.neutral import PREFIX, neutral
from jupyter_containeriter.standard_library import LEFT_OUT, running_interpreter
from jupyter_containeriter.types import Layer

#: And what else is beside it: packages, byte code, what an administrator lets interpreters start with.
_LEFT_OUT = LEFT_OUT | {"site-packages", "dist-packages", "__pycache__", "sitecustomize.py", "usercustomize.py"}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

#: dlopen-ed by glibc itself when a thread ends, hence named in no ELF header.
_LOADED_BY_NAME = ("libgcc_s.so.1",)


@dataclass(frozen=True, slots=True)
class Target:
    """What the compiled packages of an image must be made for, where that is not this very interpreter.

    Attributes
    ----------
    python
        A minor version: ``3.12``.
    platform
        One of those that ``uv pip install --python-platform`` knows.
    architecture
        In OCI's words.
    glibc
        Major and minor version of the GNU C library there, which may be newer than any platform says; None for musl.
    """

    python: str
    platform: str
    architecture: str
    glibc: tuple[int, int] | None

    @property
    def is_this_machine(self) -> bool:
        """Whether it is for the kernel's kind of machine, though perhaps another C library."""
        return self.architecture == architecture() and sys.platform == "linux"

    @property
    def runs_what_is_compiled_here(self) -> bool:
        """Whether its C library, too, is this machine's or a newer one of the same kind."""
        own = glibc()
        if own is None or self.glibc is None:
            return self.is_this_machine and own == self.glibc
        return self.is_this_machine and own <= self.glibc


@dataclass(frozen=True, slots=True)
class Base:
    """What an image is built on.

    Attributes
    ----------
    name
        As in the history's column ``base``: ``kernel``, or an image with its digest.
    layers
        Bottom up.
    libraries
        Names of the shared libraries it provides.
    interpreter
        Path of the Python interpreter in the image.
    architecture
        In OCI's words: ``amd64``, ``arm64``.
    system_libraries
        Directory for libraries of this machine's system that packages link to and the base lacks. In the kernel base
        the linker looks there last, so they hide nothing.
    variant
        Of the architecture: ``v8``, or "".
    environment
        Variables that belong to it, as ``NAME=value``.
    target
        What compiled packages must be made for; None for the kernel base, which takes them as they are here.
    """

    name: str
    layers: tuple[Layer, ...]
    libraries: frozenset[str]
    interpreter: str
    architecture: str
    system_libraries: str = f"{PREFIX}/lib"
    variant: str = ""
    environment: tuple[str, ...] = ()
    target: Target | None = None


def kernel_base(cache: LayerCache) -> Base:
    """Assemble (or find in the cache) the base made of the running interpreter.

    Raises
    ------
    BuildError
        Not on Linux, or an interpreter without a standard library on disk.
    """
    if not sys.platform.startswith("linux"):
        raise BuildError("The kernel base needs Linux.", "Run the kernel on Linux (a container or a virtual machine).")
    interpreter = running_interpreter()
    linker = _linker(interpreter)
    target = f"{PREFIX}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    data = (*_root_files(), *_time_zones(), *_locale())
    members = (*data, _binary(target, interpreter), *_standard_library())
    modules = [member.source for member in members if member.source and member.source.suffix == ".so"]
    search = kernel_search()
    everywhere = search.inherited + search.variable
    named = {name: path for name in _LOADED_BY_NAME if (path := elf.find_library(name, everywhere))}
    found = linked([interpreter, *modules], (), search, cache, named)
    places = Places(_directory_of_c_library(found), f"{PREFIX}/lib")
    ordinary = {name: path for name, path in found.items() if not linker or name != linker.name}
    libraries = library_members(ordinary, places, neutral(), strip=True)
    own_linker = (_binary(str(linker), linker),) if linker else ()
    comment = f"CPython {platform.python_version()}"
    layer = cache.layer(LayerSpec("base", comment, (*members, *libraries, *own_linker), compile_python=True))
    activated = conda.variables(Path(sys.base_prefix), os.environ)
    own = {"PATH": "bin", "LD_LIBRARY_PATH": "lib"}
    variables = tuple(f"{name}={Path(PREFIX, path)}" for name, path in {**activated, **own}.items())
    return Base("kernel", (layer,), frozenset(found), target, architecture(), places.system, environment=variables)


@functools.cache
def _linker(interpreter: Path) -> Path | None:
    header = elf.read_elf(interpreter)
    return header.interpreter if header else None


@functools.cache
def kernel_search() -> elf.Search:
    """Return where this process looks for libraries that its modules need."""
    return elf.process_search(running_interpreter(), os.environ.get("LD_LIBRARY_PATH", ""))


def architecture() -> str:
    """Return this machine's architecture in OCI's words."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def glibc() -> tuple[int, int] | None:
    """Return major and minor version of this machine's GNU C library, None where it has another one."""
    library, version = platform.libc_ver()
    if library != "glibc":
        return None
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _root_files() -> tuple[Member, ...]:
    return (
        *(Member(name, data=data) for name, data in accounts.FILES.items()),
        Member("tmp/", mode=0o1777),
        *(Member(name, mode=0o755) for name in ("dev/", "proc/", "sys/", "run/")),
    )


def _standard_library() -> tuple[Member, ...]:
    stdlib = Path(sysconfig.get_path("stdlib"))
    if not (stdlib / "os.py").exists():
        raise BuildError(
            f"The standard library is not on disk below {stdlib}.", "Use an interpreter installed as files."
        )
    return _modules(stdlib, sys.base_prefix, neutral())


# The lists of files below are made once for a process: what an interpreter consists of stays as it is while it runs.
# The files themselves are looked at for every image.


@functools.cache
def _modules(stdlib: Path, prefix: str, replace: Replacements) -> tuple[Member, ...]:
    # Where the interpreter looks for it, seen from its prefix; "lib64" on some systems.
    below = stdlib.relative_to(prefix) if stdlib.is_relative_to(prefix) else Path("lib", stdlib.name)
    members = []
    for path in _walk(stdlib):
        name = f"{PREFIX}/{below.as_posix()}/{path.relative_to(stdlib).as_posix()}".lstrip("/")
        rewritten = path.suffix != ".py" or path.name.startswith("_sysconfigdata")
        mode = 0o755 if path.suffix == ".so" else 0o644
        members.append(Member(name, path, mode=mode, replace=replace if rewritten else ()))
    return tuple(members)


def _time_zones() -> tuple[Member, ...]:
    """Bring the time zones of :mod:`zoneinfo` along; packages with their own (``tzdata``) are asked after these."""
    directory = next((path for path in map(Path, zoneinfo.TZPATH) if path.is_dir()), None)
    return _zones(directory, neutral()) if directory else ()


@functools.cache
def _zones(directory: Path, replace: Replacements) -> tuple[Member, ...]:
    own = directory.resolve()
    target = str(directory)
    for old, new in replace:
        target = target.replace(old.decode(), new.decode())
    # Left out are twice the same zones, with and without leap seconds; and a link to the zone of this machine.
    return tuple(
        Member(f"{target}/{path.relative_to(directory).as_posix()}".lstrip("/"), path)
        for path in _walk(directory, _LEFT_OUT | {str(directory / "posix"), str(directory / "right")})
        if path.resolve().is_relative_to(own)
    )


@functools.cache
def _locale() -> tuple[Member, ...]:
    """Bring the C library's ``C.UTF-8`` along, the locale of the container, which since glibc 2.35 is a few files."""
    directory = Path("/usr/lib/locale/C.utf8")
    return tuple(Member(str(path).lstrip("/"), path) for path in _walk(directory)) if directory.is_dir() else ()


def _walk(directory: Path, left_out: Container[str] = _LEFT_OUT) -> Iterator[Path]:
    """Yield the files below a directory but those that are left out, by name or by path."""
    for path in sorted(directory.iterdir()):
        if path.name in left_out or str(path) in left_out:
            continue
        if path.is_dir():
            if not path.name.startswith("config-"):
                yield from _walk(path, left_out)
        elif not _is_left_out(path) and path.is_file():
            yield path


def _is_left_out(file: Path) -> bool:
    module = file.name.partition(".")[0]
    return file.suffix in {".a", ".o", ".exe"} or module == "_tkinter" or ("test" in module and file.suffix == ".so")


def _directory_of_c_library(found: dict[str, Path]) -> str:
    """Return a directory in which the dynamic linker looks in any case."""
    return next((str(path.parent) for name, path in found.items() if name.startswith("libc.")), f"{PREFIX}/lib")


def _binary(name: str, source: Path) -> Member:
    return Member(name.lstrip("/"), source.resolve(), mode=0o755, replace=neutral(), strip=True)
