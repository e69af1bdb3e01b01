"""A growing guess at what a model needs: what it refers to, what that requires, and what its proof asked for."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jupyter_containeriter.capture.archives import Archives
from jupyter_containeriter.capture.code import Needs
from jupyter_containeriter.capture.inventory import Inventory, current_inventory
from jupyter_containeriter.capture.proof import serving_distribution
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.serving._version import __version__
from jupyter_containeriter.types import Distribution

#: What the server itself is made of; anything else in the image is there for the model.
SERVER = ("uvicorn", "httptools", "starlette", "uvloop")

#: Marks, among the modules a proof asked for, that it also needs what serves GPUs only.
_GPU = "*gpu*"

#: Why distributions are in that no model needs.
FOR_THE_SERVER = "the inference server needs it"


class ClosureSearch:
    """A guess at what is needed, which the proof makes grow.

    Parameters
    ----------
    include, exclude
        Distributions the person added (``NAME`` or ``NAME[EXTRA]``) or left out.
    cache
        Directory for what has to be unpacked.
    gpus
        Whether the model may use GPUs: else what serves only these is tried to be left out.

    Attributes
    ----------
    added
        What the proof asked for, in order, to be replayed for the same guess.
    """

    def __init__(self, include: Iterable[str], exclude: Iterable[str], cache: Path, *, gpus: bool = True) -> None:
        archives = Archives(cache)
        self._inventory: Inventory = current_inventory(archives.directory)
        self._needs = Needs(self._inventory, archives)
        self._include = dict(self._asked(text) for text in include)
        self._exclude = frozenset(self._known("--exclude", name) for name in exclude)
        self._whole: set[str] = set()
        self._gpus = gpus
        self.added: list[str] = []

    def add(self, modules: Iterable[str], reason: Callable[[str], str]) -> None:
        """Add what provides these modules and, for local files, what those import."""
        self._needs.add(modules, reason)

    # --- what the proof asks for -------------------------------------------------------------------------------------

    def replay(self, added: Iterable[str]) -> None:
        """Add what an earlier proof of the same guess asked for."""
        for module in added:
            if module == _GPU:
                self._keep_gpus()
            else:
                self.supply(module)

    def supply(self, module: str) -> bool:
        """Add what provides a module (or the distribution of that name) that the proof missed.

        Returns
        -------
        bool
            False where there is nothing (more) to add.
        """
        before = self._state()
        present = set(self._kept(self._served(), self._required()))
        # Already there, so what is missing is what was left out of it: its tests.
        self._whole.update(self._needs.owners(module) & present)
        self._needs.add([module], "the proof imported {}".format)
        if self._state() == before:
            self._needs.add_inside(module, "the proof imported {}".format)
        if self._state() == before and module in self._inventory:
            # importlib.metadata reports a distribution that is not there as a module that is not found.
            self._needs.distributions.setdefault(self._inventory[module].name, "the proof asked for its metadata")
        if self._state() == before:
            return False
        self.added.append(module)
        return True

    def reconsider(self, sought: Iterable[str], file: str) -> bool:
        """After a proof that failed for whatever reason, add what may be why.

        That is the rest of a distribution that did not find a file of its own; what serves GPUs only; or else the
        optional modules that were looked for and that the kernel has.
        """
        if self._complete(file) or self._keep_gpus():
            return True
        supplied = [self.supply(module) for module in sought if sys.modules.get(module) is not None]
        return any(supplied)

    def _complete(self, file: str) -> bool:
        """Take all of a distribution that lacks one of its files, such as source code it compiles when it is used."""
        _, inside, name = file.rpartition("/site-packages/")
        module = name.partition("/")[0]
        owners = self._needs.owners(module) if inside else set()
        held = any(name in dict(self._inventory[owner].captured("", whole=True).files) for owner in owners)
        return held and self.supply(module)

    def _keep_gpus(self) -> bool:
        if self._gpus or not self.left_out():
            return False
        self._gpus = True
        self.added.append(_GPU)
        return True

    def _state(self) -> tuple[int, ...]:
        return len(self._needs.distributions), len(self._needs.code), len(self._whole)

    # --- the guess as it stands --------------------------------------------------------------------------------------

    @property
    def code(self) -> dict[str, Path]:
        """Local files by their path below ``code/``."""
        return self._needs.code

    def code_digest(self) -> str:
        """``sha256:…`` of the local files."""
        return self._needs.digest()

    def environment(self, imported: Iterable[str] = ()) -> tuple[Distribution, ...]:
        """Return the distributions needed, by name, and the server among them.

        Parameters
        ----------
        imported
            Top-level names of what the proof imported, to say so.
        """
        served, required = self._served(), self._required()
        merely_required = required.keys() - self._seeds().keys()
        reasons = {**served, **required}
        modules = set(imported)
        captured = []
        for name in self._kept(served, required):
            installed = self._inventory[name]
            used = name in merely_required and not modules.isdisjoint(installed.modules)
            reason = f"{reasons[name]}; the proof imported it" if used else reasons[name]
            one = installed.captured(reason, whole=name in self._whole)
            captured.append(replace(one, server=name in served))
        return (*captured, serving_distribution(__version__))

    def left_out(self) -> tuple[Distribution, ...]:
        """Return the distributions that are required but left out, each with the reason."""
        required = self._required()
        reason = "it only serves GPUs, and the model predicts without it (--gpus or --include brings it)"
        found = [self._inventory[name].captured("", whole=False) for name in self._useless(required)]
        return tuple(replace(one, reason=f"{required[one.name]}; {reason}") for one in found)

    def stamp(self) -> str:
        """Identify environment and local code cheaply."""
        kept = self._kept(self._served(), self._required())
        installed = [self._inventory[name].stamp(whole=name in self._whole) for name in kept]
        left_out = [distribution.name for distribution in self.left_out()]
        whole = sorted(self._whole)
        parts = [platform.python_version(), __version__, installed, left_out, whole, self._needs.digest()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def excluded(self, module: str) -> str:
        """Return the name of the excluded distribution that a module is of; "" where it is of none."""
        return next(iter(sorted(self._needs.owners(module) & self._exclude)), "")

    def _seeds(self) -> dict[str, str]:
        return {**self._needs.distributions, **dict.fromkeys(self._include, "--include")}

    def _served(self) -> dict[str, str]:
        present = dict.fromkeys((name for name in SERVER if name in self._inventory), "")
        return dict.fromkeys(self._inventory.closure(present), FOR_THE_SERVER)

    def _kept(self, served: dict[str, str], required: dict[str, str]) -> list[str]:
        return sorted({*served, *required} - {*self._useless(required)})

    def _required(self) -> dict[str, str]:
        return self._inventory.closure(self._seeds(), self._exclude, self._include)

    def _useless(self, required: dict[str, str]) -> list[str]:
        """Name what serves only GPUs, where these are not asked for and nothing but a requirement speaks for it."""
        if self._gpus:
            return []
        seeds = self._seeds()
        return sorted(name for name in required if name not in seeds and self._inventory[name].serves_gpus_only)

    # --- options -----------------------------------------------------------------------------------------------------

    def _asked(self, text: str) -> tuple[str, frozenset[str]]:
        """Read ``NAME`` or ``NAME[EXTRA]`` of ``--include``."""
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise UsageError(f"--include {text}: not a package.", "Give NAME or NAME[EXTRA].") from error
        name = self._known("--include", requirement.name)
        installed = self._inventory[name]
        extras = frozenset(map(canonicalize_name, requirement.extras))
        if unknown := sorted(extras - installed.extras):
            raise UsageError(
                f"--include {text}: {name} has no extra {unknown[0]}.",
                f"It has: {', '.join(sorted(installed.extras)) or 'none'}.",
            )
        more = {*installed.requirements(extras)} - {*installed.requirements(frozenset())}
        if absent := sorted(required for required, _ in more if required not in self._inventory):
            raise UsageError(
                f"--include {text}: it requires {', '.join(absent)}, which is not installed.",
                f"Install it: pip install '{text}'.",
            )
        return name, extras

    def _known(self, option: str, name: str) -> str:
        if name not in self._inventory:
            raise UsageError(f"{option} {name}: no such package is installed.", "Use a name that pip list shows.")
        return self._inventory[name].name
