"""What conda says of its prefix: which package a file is of, and which data belong to it.

Each package has a record ``conda-meta/NAME-VERSION-BUILD.json`` whose ``files`` are its files, relative to the prefix
(https://docs.conda.io/projects/conda/en/stable/dev-guide/specs/prefix-record.html).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

#: Where packages keep data that their libraries read.
_DATA = ("share", "etc", "ssl")

#: Data that only people and compilers read, and what the shell runs when it activates the prefix.
_LEFT_OUT = {
    *("doc", "docs", "man", "info", "licenses", "locale", "aclocal", "pkgconfig", "cmake", "gtk-doc"),
    *("bash-completion", "zsh", "fish", "applications", "icons", "jupyter", "conda"),
}


def data_directories(prefix: Path) -> list[Path]:
    """Return where packages of a prefix keep data; none where conda did not make the prefix."""
    directories = [prefix / name for name in _DATA] if (prefix / "conda-meta").is_dir() else []
    return [directory for directory in directories if directory.is_dir()]


def data_files(prefix: Path, libraries: Collection[Path]) -> dict[str, Path]:
    """Return the data of the packages that some libraries are of.

    Parameters
    ----------
    prefix
        Of the environment; one without ``conda-meta`` has no data.
    libraries
        Files on this machine, links followed.

    Returns
    -------
    dict
        Files by their path relative to the prefix.
    """
    real = prefix.resolve()
    wanted = {path.relative_to(real).as_posix() for path in libraries if path.is_relative_to(real)}
    found: dict[str, Path] = {}
    for files in _packages(prefix):
        if not wanted.isdisjoint(files):
            found |= {name: prefix / name for name in files if _is_data(PurePosixPath(name))}
    return {name: path for name, path in sorted(found.items()) if path.is_file()}


def variables(prefix: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name the prefix or data in it, as conda's activation sets them.

    Returns
    -------
    dict
        Paths relative to the prefix ("." for itself) by variable; none where conda did not make the prefix.
    """
    if not (prefix / "conda-meta").is_dir():
        return {}
    named = {name: Path(value) for name, value in sorted(environment.items()) if value.startswith(str(prefix))}
    below = {name: path.relative_to(prefix) for name, path in named.items() if path.is_relative_to(prefix)}
    return {name: str(path) for name, path in below.items() if not path.parts or path.parts[0] in _DATA}


def _packages(prefix: Path) -> Iterator[list[str]]:
    for record in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            yield [str(name) for name in json.loads(record.read_bytes())["files"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _is_data(name: PurePosixPath) -> bool:
    return name.parts[0] in _DATA and _LEFT_OUT.isdisjoint(name.parts)
