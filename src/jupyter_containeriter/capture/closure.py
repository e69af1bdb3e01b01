"""Find everything a model needs: start from what its pickle refers to, let the proof ask for the rest.

A proof that succeeded is remembered with the environment and code it was for, and runs again only when one of these
changed, in this kernel or any other. The values in the model are no part of that: they are checked by the container
that serves them, and where there will be none by a proof of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_containeriter.capture.search import ClosureSearch
from jupyter_containeriter.errors import CaptureError, ContainerIterError
from jupyter_containeriter.types import Distribution


@dataclass(frozen=True, slots=True)
class Trial:
    """What a proof found.

    Attributes
    ----------
    missing
        The module it could not import; "" where that is not what failed.
    failure
        What is wrong otherwise; None where the model predicts the same.
    imported
        Top-level names of what it imported.
    sought
        Modules it looked for in vain.
    libraries
        Shared libraries it had loaded that no distribution holds.
    file
        The path it could not open; "" where that is not what failed.
    """

    missing: str = ""
    failure: ContainerIterError | None = None
    imported: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    libraries: tuple[Path, ...] = ()
    file: str = ""


Attempt = Callable[[tuple[Distribution, ...], dict[str, Path]], Trial]
"""Runs the proof with these distributions and local files."""


@dataclass(frozen=True, slots=True)
class Closure:
    """What a model needs.

    Attributes
    ----------
    environment
        The distributions, each with the reason it is in.
    left_out
        Distributions that are required but of no use to it, each with the reason.
    code
        Local files by their path below ``code/``.
    code_digest
        ``sha256:…`` of these.
    libraries
        Shared libraries that no distribution holds and that the proof had loaded.
    remembered
        Whether no proof ran, because an earlier one was for the same.
    """

    environment: tuple[Distribution, ...]
    left_out: tuple[Distribution, ...]
    code: dict[str, Path]
    code_digest: str
    libraries: tuple[Path, ...] = ()
    remembered: bool = False


def close_over(search: ClosureSearch, key: str, attempt: Attempt, memory: Path, *, afresh: bool = False) -> Closure:
    """Run the proof until nothing is missing.

    Parameters
    ----------
    search
        The first guess.
    key
        Identifies everything but environment and local code that the proof depends on.
    attempt
        The proof.
    memory
        Directory where successful proofs are remembered.
    afresh
        Run the proof also where one is remembered, and forget that one if it fails now.

    Raises
    ------
    CaptureError
        The model needs a module that cannot be found, or that was excluded.
    ContainerIterError
        The proof failed otherwise, and nothing that the search could add changes that.
    """
    path = memory / f"{hashlib.sha256((key + search.stamp()).encode()).hexdigest()}.json"
    remembered = _read(path)
    if remembered:
        search.replay(remembered["added"])
        if remembered["stamp"] == search.stamp() and not afresh:
            closure = _result(search, remembered["imported"], map(Path, remembered["libraries"]))
            return replace(closure, remembered=True)
    try:
        trial = _prove(search, attempt)
    except ContainerIterError:
        with suppress(OSError):
            path.unlink()
        raise
    libraries = [str(library) for library in trial.libraries]
    found = {"added": search.added, "imported": trial.imported, "libraries": libraries}
    _write(path, {**found, "stamp": search.stamp()})
    return _result(search, trial.imported, trial.libraries)


def _prove(search: ClosureSearch, attempt: Attempt) -> Trial:
    """Run the proof until it succeeds, with what the search adds each time."""
    while True:
        trial = attempt(search.environment(), search.code)
        if trial.missing:
            if not search.supply(trial.missing):
                raise _missing(search, trial.missing)
        elif trial.failure is None:
            return trial
        elif not search.reconsider(trial.sought, trial.file):
            raise trial.failure


def _result(search: ClosureSearch, imported: Iterable[str], libraries: Iterable[Path]) -> Closure:
    environment, left_out = search.environment(imported), search.left_out()
    return Closure(environment, left_out, dict(search.code), search.code_digest(), tuple(libraries))


def _missing(search: ClosureSearch, module: str) -> CaptureError:
    if excluded := search.excluded(module):
        return CaptureError(
            f"The model needs the module {module}, which is not captured: --exclude {excluded} leaves it out.",
            f"Do not --exclude {excluded}.",
        )
    return CaptureError(
        f"The model needs the module {module}, which is not captured: no installed package and no file has it.",
        "Import it from an installed package or from a file beside the notebook.",
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        remembered = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    wanted = {"added", "stamp", "imported", "libraries"}
    if not isinstance(remembered, dict) or not wanted <= remembered.keys():
        return {}
    # A library that was updated has another file: the proof tells which.
    return remembered if all(Path(library).exists() for library in remembered["libraries"]) else {}


def _write(path: Path, remembered: dict[str, Any]) -> None:
    """Remember a proof; where there is no room for it, it runs again next time."""
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(remembered))
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
