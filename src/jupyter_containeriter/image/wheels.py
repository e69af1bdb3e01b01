"""Compiled packages for the Python of another base: their wheels, chosen and unpacked by ``uv``.

Distributions without compiled files need none: the kernel's own files are what was proven, and they run anywhere. One
that was installed from a file or an address (PEP 610) is not looked for in an index, where its name may be another's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution as Metadata
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from jupyter_containeriter.dist_info import partial_record
from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.base import Base, Target
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.elf import read_elf
from jupyter_containeriter.image.interpreter import Interpreter
from jupyter_containeriter.image.pip_settings import pip_settings, uv_settings
from jupyter_containeriter.progress import Progress
from jupyter_containeriter.types import Distribution

#: OCI's names of architectures in the words of wheels.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

#: Minor versions of glibc 2 that ``uv pip install --python-platform`` knows (``{machine}-manylinux_2_{minor}``).
_GLIBC_MINORS = (17, 28, *range(31, 41))

_COMPILED = (".so", ".pyd", ".dylib", ".dll")
_TOLD = 6


def target_of(interpreter: Interpreter, base: str) -> Target:
    """Return what wheels an interpreter takes.

    Raises
    ------
    BuildError
        Its C library is older than any that wheels are made for.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    machine = _MACHINES[interpreter.architecture]
    if interpreter.glibc is None:
        return Target(python, f"{machine}-unknown-linux-musl", interpreter.architecture, None)
    fitting = [minor for minor in _GLIBC_MINORS if (2, minor) <= interpreter.glibc]
    if not fitting:
        major, minor = interpreter.glibc
        raise BuildError(
            f"{base} has glibc {major}.{minor}; wheels are made for 2.17 and newer.", "Use a newer base image."
        )
    return Target(python, f"{machine}-manylinux_2_{fitting[-1]}", interpreter.architecture, interpreter.glibc)


def fetch_wheels(
    wanted: Iterable[Distribution], target: Target, directory: Path, progress: Progress
) -> dict[str, Path]:
    """Return the directory of the unpacked wheel of every distribution with compiled files, by name.

    Parameters
    ----------
    wanted
        The environment: each at exactly its version. What needs no wheel is passed over.
    target
        What they must run on.
    directory
        Where wheels are kept unpacked, one directory for each of them.
    progress
        Hears of what is fetched.

    Raises
    ------
    BuildError
        ``uv`` is not installed, no index answers, or one of them has no wheel for the target; the message names it.
    """
    wanted = [one for one in wanted if _is_compiled(one) and not _stays(one, target)]
    home = directory / f"cp{target.python.replace('.', '')}-{target.platform}"
    places = {one.name: home / f"{one.name}-{one.version}" for one in wanted}
    missing = [one for one in wanted if not places[one.name].exists()]
    if missing:
        told = ", ".join(one.name for one in missing[:_TOLD]) + (", …" if len(missing) > _TOLD else "")
        progress.note(f"Wheels for {target.platform}: {told}.")
        _fetch(missing, target, places)
    for place in places.values():
        # So that its age tells for how long nothing has needed it.
        os.utime(place)
    return places


def lacking(environment: Iterable[Distribution], base: Base, cache: LayerCache) -> list[str]:
    """Return shared libraries that wheels link to and neither they nor their base provide.

    A base may well work without: packages name libraries of parts that are never used, such as a graphics driver.
    """
    compiled = [one for one in environment if _is_compiled(one)]
    stated = json.dumps([base.name, [(one.name, one.version) for one in compiled]])

    def look() -> dict[str, list[str]]:
        files = [file for one in compiled for file in one.files if is_library(file[0])]
        provided = base.libraries | {name.rpartition("/")[2] for name, _ in files}
        needed = {name for _, path in files if (header := read_elf(path)) for name in header.needed}
        return {"lacking": sorted(needed - provided)}

    return list(cache.memo(f"lacking-{hashlib.sha256(stated.encode()).hexdigest()}", look)["lacking"])


def _stays(distribution: Distribution, target: Target) -> bool:
    """Whether the kernel's own files are taken though they are compiled: they are not from an index, and run there."""
    if not any(name.endswith(".dist-info/direct_url.json") for name, _ in distribution.files):
        return False
    if not target.runs_what_is_compiled_here:
        raise BuildError(
            f"{distribution.name} {distribution.version} was installed from a file or an address, and is compiled for "
            f"this machine and its C library, not for {target.platform}.",
            "Put a wheel of it for that platform into an index or a directory that pip knows (--find-links), and "
            "install it from there; or use --base kernel (without --platform), which takes it as it is here.",
        )
    return True


def _is_compiled(distribution: Distribution) -> bool:
    return any(is_library(name) for name, _ in distribution.files)


def is_library(name: str) -> bool:
    """Whether a file of this name holds code for one kind of machine."""
    file = name.rpartition("/")[2]
    return file.endswith(_COMPILED) or ".so." in file


def _requirement(distribution: Distribution, target: Target) -> str:
    """Return the exact version; a local label (``+cpu``) names a build for this machine's architecture only."""
    version = distribution.version if target.is_this_machine else distribution.version.partition("+")[0]
    return f"{distribution.name}=={version}"


def _fetch(missing: Sequence[Distribution], target: Target, places: dict[str, Path]) -> None:
    home = places[missing[0].name].parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".new-") as temporary:
            together = Path(temporary) / "together"
            _install([_requirement(one, target) for one in missing], target, together)
            installed = {canonicalize_name(one.metadata["Name"]): one for one in distributions(path=[str(together)])}
            for one in missing:
                _set_apart(installed[canonicalize_name(one.name)], Path(temporary) / one.name, places[one.name])
    except OSError as error:
        raise BuildError(f"Wheels cannot be kept in {home}: {error}.") from error


def _set_apart(installed: Metadata, apart: Path, place: Path) -> None:
    """Give a distribution a directory of its own, so that a layer of it does not depend on the others."""
    apart.mkdir()
    moved = set()
    for entry in installed.files or ():
        source = Path(str(entry.locate()))
        # Scripts start another Python, and nothing starts them.
        if entry.parts[0] not in {"..", "bin"} and source.is_file():
            (apart / entry).parent.mkdir(parents=True, exist_ok=True)
            source.rename(apart / entry)
            moved.add(str(entry))
    for record in apart.glob("*.dist-info/RECORD"):
        # The hash of a script is that of this kernel's path. Not written in place: files may be links into uv's cache.
        content = partial_record(record.read_bytes(), moved.__contains__)
        record.unlink()
        record.write_bytes(content)
    try:
        apart.rename(place)
    except OSError:
        # Another kernel was faster; the same wheel gives the same files.
        if not place.exists():
            raise


def _install(requirements: Sequence[str], target: Target, directory: Path) -> None:
    said = uv_settings(pip_settings(), os.environ)
    command = [
        *(_uv(), "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", *said.options),
        *("--python", sys.executable, "--python-version", target.python, "--python-platform", target.platform),
        *("--target", str(directory), *requirements),
    ]
    environment = {**os.environ, **said.variables}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if run.returncode:
        raise _failure(requirements, target, run.stderr.strip())


def _uv() -> str:
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        if found := shutil.which("uv"):
            return found
    raise BuildError(
        "A base from a registry needs uv, which chooses the wheels for it.",
        'Install it: pip install "jupyter_containeriter[registry]"',
    )


def _failure(requirements: Sequence[str], target: Target, said: str) -> BuildError:
    """Tell a wheel that does not exist from an index that does not answer, in uv's own words."""
    named = [one for one in requirements if f"{one} " in said or f"{one.partition('==')[0]} was not found" in said]
    words = "\n".join(f"  | {line}" for line in said.splitlines())
    if not named:
        return BuildError(
            f"uv could not fetch the wheels for {target.platform}:\n{words}",
            "Check that the package index answers: uv uses pip's settings, or its own (UV_DEFAULT_INDEX, …).",
        )
    glibc = "Use a base with glibc (Debian, Ubuntu, Fedora): not every package is made for musl. "
    return BuildError(
        f"There is no wheel of {', '.join(named)} for Python {target.python} on {target.platform}:\n{words}",
        f"{glibc if 'musl' in target.platform else ''}Use --base kernel, which takes the packages as they are here; or "
        "build a wheel for that platform and name its directory (UV_FIND_LINKS); or --exclude the package, if the "
        "model can do without.",
    )
