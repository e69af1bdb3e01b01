"""What the clean process may see of this machine: the interpreter, system libraries, what was captured. Nothing else.

No file of the person: a container has none either. It has a network, though, and so has the proof: a model may ask a
server for features.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import zoneinfo
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from jupyter_containeriter.bubblewrap import NAMESPACES, bwrap
from jupyter_containeriter.conda import data_directories
from jupyter_containeriter.types import Distribution

#: Where systems keep shared libraries.
_LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/nix/store")
_OWN_CONFIGURATION = Path("/etc/ld.so.conf.d")

#: How hosts are found by name; engines give their containers the same.
_NAMES = (Path("/etc/hosts"), Path("/etc/resolv.conf"))


def confined(command: Sequence[str], room: Path, readable: Sequence[Path], shown: Iterable[str]) -> list[str]:
    """Return the command line that runs a command in confinement.

    Parameters
    ----------
    command
        Begins with the path of the interpreter, free of links.
    room
        The one directory it may write to, seen at its own path; ``room/root`` in it is read-only. Files of
        ``room/system`` are seen below ``/``.
    readable
        Directories to be seen at their own paths.
    shown
        Paths of the files in ``room/system``.
    """
    libraries = [path for path in _library_directories() if path.is_dir()]
    tools = [
        Path(command[0]),
        Path("/etc/ld.so.cache"),
        *_NAMES,
        *_time_zones(),
        *data_directories(Path(sys.base_prefix)),
    ]
    places = [
        *("--tmpfs", "/tmp", "--proc", "/proc"),  # noqa: S108 (the process's own)
        # GPUs are devices; only shared memory holds what belongs to a person.
        *("--dev-bind", "/dev", "/dev", "--tmpfs", "/dev/shm"),  # noqa: S108
        *_bound(libraries),
        *_bound(tool for tool in tools if tool.exists()),
        # Packages lie within these, and only the captured ones may be seen.
        *(word for path in _package_directories(libraries) for word in ("--tmpfs", str(path))),
        *_bound(readable),
        *("--bind", str(room), str(room), *_bound([room / "root"])),
        *(word for path in shown for word in ("--ro-bind", str(room / "system" / path), f"/{path}")),
    ]
    return [bwrap(), *NAMESPACES, *places, "--remount-ro", "/", "--chdir", "/tmp", "--", *command]  # noqa: S108


def site_directory(distribution: Distribution) -> Path | None:
    """Return the directory a distribution is installed in; None where it has none of its own."""
    for name, path in distribution.files:
        if ".dist-info/" in name or ".egg-info" in name:
            return below(name, path)
    return None


def below(name: str, path: Path) -> Path | None:
    """Return the directory below which ``path`` has this name; None where it has another one."""
    text = str(path)
    return Path(text[: -len(name) - 1]) if text.endswith(f"/{name}") else None


def stores(distribution: Distribution, site: Path) -> Iterator[Path]:
    """Return the directory where the files really are, if an installer only linked them into the site directory."""
    sample = next(((name, path) for name, path in distribution.files if name.endswith((".py", ".so"))), None)
    if sample is None:
        return
    real = Path(os.path.realpath(sample[1]))
    if not real.is_relative_to(os.path.realpath(site)):
        yield below(sample[0], real) or real.parent


def _bound(paths: Iterable[Path]) -> list[str]:
    return [word for path in paths for word in ("--ro-bind", str(path), str(path))]


def _library_directories() -> list[Path]:
    """Return where libraries are looked for: of the system, as configured, of the interpreter, of the environment."""
    found = list(map(Path, _LIBRARIES))
    for file in sorted(_OWN_CONFIGURATION.glob("*.conf")):
        found += [Path(line.strip()) for line in file.read_text().splitlines() if line.startswith("/")]
    prefix = Path(sys.base_prefix)
    standard = Path(sysconfig.get_path("stdlib")).parent
    found += [standard, Path(os.path.realpath(standard)), prefix / "lib", Path(os.path.realpath(prefix)) / "lib"]
    found += [Path(part) for part in os.environ.get("LD_LIBRARY_PATH", "").split(":") if part.startswith("/")]
    return list(dict.fromkeys(found))


def _package_directories(libraries: Iterable[Path]) -> Iterator[Path]:
    for directory in libraries:
        for kind in ("site-packages", "dist-packages"):
            yield from directory.glob(f"python3*/{kind}")


def _time_zones() -> Iterator[Path]:
    """Return what of the time zones an image holds: the first directory there is."""
    yield from [path for path in map(Path, zoneinfo.TZPATH) if path.is_dir()][:1]
