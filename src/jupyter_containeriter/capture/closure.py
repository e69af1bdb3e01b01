"""Find everything a model needs: start from what its pickle refers to, let the proof ask for the rest.

A proof that succeeded is remembered with the environment and code it was for, and runs again only when one of these
changed, in this kernel or any other.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_containeriter._version import __version__
from jupyter_containeriter.capture.code import Needs
from jupyter_containeriter.capture.inventory import Inventory, current_inventory
from jupyter_containeriter.capture.proof import serving_distribution
from jupyter_containeriter.errors import CaptureError, UsageError
from jupyter_containeriter.types import Distribution

#: What the server itself is made of; anything else in the image is there for the model.
SERVER = ("uvicorn", "httptools", "starlette", "uvloop")

Attempt = Callable[[tuple[Distribution, ...], dict[str, Path]], str]
"""Runs the proof; returns the module it missed, or "" where the model predicts the same."""


@dataclass(frozen=True, slots=True)
class Closure:
    """What a model needs: distributions, local files by their path below ``code/``, and the digest of the latter."""

    environment: tuple[Distribution, ...]
    code: dict[str, Path]
    code_digest: str


class ClosureSearch:
    """A growing guess at what is needed.

    Parameters
    ----------
    include, exclude
        Distributions the person added or left out.
    """

    def __init__(self, include: Iterable[str], exclude: Iterable[str]) -> None:
        self._inventory: Inventory = current_inventory()
        self._needs = Needs()
        self._include = self._known("--include", include)
        self._exclude = self._known("--exclude", exclude)
        self._whole: set[str] = set()

    def add(self, modules: Iterable[str]) -> None:
        """Add what provides these modules and, for local files, what those import."""
        self._needs.add(modules, self._inventory)

    def supply(self, module: str) -> bool:
        """Add what provides a module that the proof missed; False where there is nothing (more) to add."""
        before = self._state()
        present = {distribution.name for distribution in self.environment()}
        owners = self._needs.owners(module, self._inventory)
        # Already there, so what is missing is what was left out of it: its tests.
        self._whole.update(owners & present)
        self._needs.add([module], self._inventory)
        return self._state() != before

    def _state(self) -> tuple[int, ...]:
        return len(self._needs.distributions), len(self._needs.code), len(self._whole)

    def environment(self) -> tuple[Distribution, ...]:
        """Return the distributions needed, by name, and the server among them."""
        present = [name for name in SERVER if name in self._inventory]
        reasons = self._inventory.closure(present, frozenset())
        served = dict.fromkeys(reasons, "the inference server needs it")
        used = self._inventory.closure({*self._needs.distributions, *self._include}, self._exclude)
        asked = dict.fromkeys(self._include, "--include")
        captured = [
            self._inventory[name].captured(reason, whole=name in self._whole)
            for name, reason in sorted({**served, **used, **asked}.items())
        ]
        return (*captured, serving_distribution(__version__))

    def result(self) -> Closure:
        """Return the guess as it stands."""
        return Closure(self.environment(), dict(self._needs.code), self._needs.digest())

    def stamp(self) -> str:
        """Identify environment and local code cheaply."""
        installed = [self._inventory[d.name].stamp() for d in self.environment() if d.name in self._inventory]
        parts = [platform.python_version(), __version__, installed, sorted(self._whole), self._needs.digest()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _known(self, option: str, names: Iterable[str]) -> frozenset[str]:
        for name in names:
            if name not in self._inventory:
                raise UsageError(f"{option} {name}: no such package is installed.", "Use a name that pip list shows.")
        return frozenset(self._inventory[name].name for name in names)


def close_over(search: ClosureSearch, key: str, attempt: Attempt, memory: Path) -> Closure:
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

    Raises
    ------
    CaptureError
        The model needs a module that cannot be found, or that was excluded.
    """
    path = memory / f"{hashlib.sha256((key + search.stamp()).encode()).hexdigest()}.json"
    remembered = _read(path)
    for module in remembered.get("missed", ()):
        search.supply(module)
    if remembered and remembered["stamp"] == search.stamp():
        return search.result()
    missed: list[str] = []
    while missing := attempt(search.environment(), search.result().code):
        if not search.supply(missing):
            raise CaptureError(
                f"The model needs the module {missing}, which is not captured.",
                "Import it from an installed package or from a file beside the notebook, or do not --exclude it.",
            )
        missed.append(missing)
    _write(path, {"missed": [*remembered.get("missed", ()), *missed], "stamp": search.stamp()})
    return search.result()


def _read(path: Path) -> dict[str, Any]:
    try:
        remembered = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return remembered if isinstance(remembered, dict) and {"missed", "stamp"} <= remembered.keys() else {}


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
