"""The ``kernel`` base: this very interpreter, its standard library and exactly the shared libraries it needs.

Relocated to a neutral prefix, so that no path or user name of this machine enters the image.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image import elf
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.members import LayerSpec, Member
from jupyter_containeriter.standard_library import LEFT_OUT
from jupyter_containeriter.types import CONTAINER_ROOT, Layer

PREFIX = f"{CONTAINER_ROOT}/python"
USER_ID = 65532

_LEFT_OUT = LEFT_OUT | {"site-packages", "dist-packages"}
_SYSTEM_PREFIXES = {"/usr", "/usr/local"}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

#: dlopen-ed by glibc itself when a thread ends, hence named in no ELF header.
_LOADED_BY_NAME = ("libgcc_s.so.1",)


@dataclass(frozen=True, slots=True)
class Base:
    """What an image is built on.

    Attributes
    ----------
    name
        As in the history's column ``base``: ``kernel``.
    layers
        Bottom up.
    libraries
        Names of the shared libraries it provides.
    interpreter
        Path of the Python interpreter in the image.
    architecture
        In OCI's words: ``amd64``, ``arm64``.
    """

    name: str
    layers: tuple[Layer, ...]
    libraries: frozenset[str]
    interpreter: str
    architecture: str


def kernel_base(cache: LayerCache) -> Base:
    """Assemble (or find in the cache) the base made of the running interpreter.

    Raises
    ------
    BuildError
        Not on Linux, or an interpreter without a standard library on disk.
    """
    if not sys.platform.startswith("linux"):
        raise BuildError("The kernel base needs Linux.", "Run the kernel on Linux (a container or a virtual machine).")
    interpreter = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    target = f"{PREFIX}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    members = (*_root_files(), _binary(target, interpreter), *_standard_library())
    key = LayerSpec("base", "", members).key()
    libraries = cache.memo(f"libraries-{key}", lambda: _libraries(interpreter, members))
    linked = tuple(_binary(name, Path(path)) for name, path in libraries["members"].items())
    comment = f"CPython {platform.python_version()}"
    layer = cache.layer(LayerSpec("base", comment, (*members, *linked), compile_python=True))
    return Base("kernel", (layer,), frozenset(libraries["names"]), target, architecture())


def architecture() -> str:
    """Return this machine's architecture in OCI's words."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _root_files() -> tuple[Member, ...]:
    user = f"containeriter:x:{USER_ID}:{USER_ID}::/tmp:/sbin/nologin\n"
    return (
        Member("etc/passwd", data=f"root:x:0:0::/root:/sbin/nologin\n{user}".encode()),
        Member("etc/group", data=f"root:x:0:\ncontaineriter:x:{USER_ID}:\n".encode()),
        Member("etc/nsswitch.conf", data=b"passwd: files\ngroup: files\nhosts: files dns\n"),
        Member("tmp/", mode=0o1777),
        *(Member(name, mode=0o755) for name in ("dev/", "proc/", "sys/", "run/")),
    )


def _standard_library() -> Iterator[Member]:
    stdlib = Path(sysconfig.get_path("stdlib"))
    if not (stdlib / "os.py").exists():
        raise BuildError(
            f"The standard library is not on disk below {stdlib}.", "Use an interpreter installed as files."
        )
    target = f"{PREFIX}/lib/python{sys.version_info.major}.{sys.version_info.minor}"
    for path in _walk(stdlib):
        name = f"{target}/{path.relative_to(stdlib).as_posix()}".lstrip("/")
        rewritten = path.name.startswith("_sysconfigdata") or path.suffix == ".so"
        yield Member(
            name, path, mode=0o755 if path.suffix == ".so" else 0o644, replace=_neutral() if rewritten else None
        )


def _walk(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.is_dir():
            if path.name not in _LEFT_OUT and path.name != "__pycache__" and not path.name.startswith("config-"):
                yield from _walk(path)
        elif not _is_left_out(path) and path.is_file():
            yield path


def _is_left_out(file: Path) -> bool:
    module = file.name.partition(".")[0]
    return file.suffix in {".a", ".o", ".exe"} or module == "_tkinter" or ("test" in module and file.suffix == ".so")


def _libraries(interpreter: Path, members: tuple[Member, ...]) -> dict[str, object]:
    modules = [member.source for member in members if member.source and member.source.suffix == ".so"]
    found = elf.closure([interpreter, *modules])
    for name in _LOADED_BY_NAME:
        if path := elf.find_library(name):
            found.setdefault(name, path)
    header = elf.read_elf(interpreter)
    linker = header.interpreter if header else None
    targets = {f"{PREFIX}/lib/{name}": str(path) for name, path in found.items() if not linker or name != linker.name}
    if linker:
        targets[str(linker)] = str(linker)
    return {"members": targets, "names": sorted(found)}


def _binary(name: str, source: Path) -> Member:
    return Member(name.lstrip("/"), source.resolve(), mode=0o755, replace=_neutral(), strip=True)


def _neutral() -> tuple[bytes, bytes] | None:
    prefix = sys.base_prefix
    return None if prefix in _SYSTEM_PREFIXES else (prefix.encode(), PREFIX.encode())
