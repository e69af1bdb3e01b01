"""How a kernel stands against what a snapshot was captured in: Python, packages, local modules, variables."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jupyter_containeriter.capture.proof import THE_SERVER
from jupyter_containeriter.capture.search import FOR_THE_SERVER


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How this kernel differs.

    Attributes
    ----------
    python
        Python's version then and now, None where it is the same.
    missing
        Distributions that this kernel lacks, with their version then. What only the server needs is no matter.
    others
        Distributions of another version, then and now.
    lacking, differing
        Local modules, by the first part of their names, that this kernel lacks or has with other content.
    unset, variables
        Variables that frameworks read: those that are not set here, and those with another value (then and now).
    """

    python: tuple[str, str] | None
    missing: Mapping[str, str]
    others: Mapping[str, tuple[str, str]]
    lacking: tuple[str, ...]
    differing: tuple[str, ...]
    unset: Mapping[str, str]
    variables: Mapping[str, tuple[str, str]]

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        differences = (self.missing, self.others, self.lacking, self.differing, self.unset, self.variables)
        return self.python is None and not any(differences)

    def sentences(self) -> Iterator[str]:
        """Say what differs, one kind at a time."""
        if self.python:
            yield f"It was made with Python {self.python[0]}; this is {self.python[1]}."
        if self.others:
            told = (f"{name} {here} (was {then})" for name, (then, here) in self.others.items())
            yield f"Other versions here: {', '.join(told)}."
        if self.missing:
            yield f"Not installed here: {', '.join(f'{name} {then}' for name, then in self.missing.items())}."
        if self.differing:
            yield f"Local code differs here, and this kernel's is used: {', '.join(self.differing)}."
        for name, (then, here) in self.variables.items():
            yield f"{name} is {here!r} here; it was {then!r}."


def surroundings(document: Mapping[str, Any], code: Path) -> Surroundings:
    """Compare this kernel with a ``snapshot.json`` and a directory with the local code that belongs to it."""
    missing: dict[str, str] = {}
    others: dict[str, tuple[str, str]] = {}
    for name, then in _distributions(document):
        try:
            here = version(name)
        except PackageNotFoundError:
            missing[name] = then
        else:
            if here != then:
                others[name] = then, here
    lacking, differing = _local_modules(code)
    pythons = str(document["python"]), platform.python_version()
    environ: Mapping[str, str] = document.get("environ", {})
    return Surroundings(
        python=pythons if pythons[0] != pythons[1] else None,
        missing=missing,
        others=others,
        lacking=lacking,
        differing=differing,
        unset={name: value for name, value in environ.items() if name not in os.environ},
        variables={
            name: (value, os.environ[name]) for name, value in environ.items() if os.environ.get(name, value) != value
        },
    )


def _distributions(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and version of the distributions that a model needs; early snapshots tell nothing more of them."""
    told = document["distributions"]
    if isinstance(told, Mapping):
        yield from told.items()
        return
    server = {FOR_THE_SERVER, THE_SERVER}
    yield from ((one["name"], one["version"]) for one in told if one.get("reason") not in server)


def _local_modules(code: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    lacking: dict[str, None] = {}
    differing: dict[str, None] = {}
    for file in sorted(path for path in code.rglob("*") if path.is_file()):
        below = file.relative_to(code)
        top = below.parts[0].partition(".")[0]
        roots = _roots(top)
        if roots is None:
            lacking[top] = None
        elif not any(_is_same(root / below, file) for root in roots):
            differing[top] = None
    return tuple(lacking), tuple(differing)


def _roots(module: str) -> list[Path] | None:
    """Return the directories that a top-level module is found in, None where there is no such module."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # a module that something made up has no specification
        return []
    if spec is None:
        return None
    if spec.submodule_search_locations is not None:
        return [Path(location).parent for location in spec.submodule_search_locations]
    return [Path(spec.origin).parent] if spec.origin else []


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False
