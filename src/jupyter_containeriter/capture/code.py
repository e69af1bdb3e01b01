"""Local modules: code the model uses that no installed distribution holds (a file or package beside the notebook)."""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_containeriter.capture.inventory import Inventory

_LEFT_OUT_DIRECTORIES = {"__pycache__", "node_modules"}
_LEFT_OUT_SUFFIXES = {".pyc", ".ipynb"}
_STANDARD = sys.stdlib_module_names | {"__main__", "__mp_main__"}


@dataclass
class Needs:
    """What a set of modules turned out to need: distributions by name, local files by their path below ``code/``."""

    distributions: set[str] = field(default_factory=set)
    code: dict[str, Path] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def add(self, modules: Iterable[str], inventory: Inventory) -> None:
        """Follow modules to the distribution or the local files they come from, and local files to their imports."""
        queue = [module for module in modules if module]
        while queue:
            module = queue.pop()
            name, file = _locate(module)
            if name in self.seen or file is None:
                continue
            self.seen.add(name)
            owners = inventory.owners(name, file)
            self.distributions.update(owners)
            queue += () if owners else self._add_local(name.partition(".")[0])

    def owners(self, module: str, inventory: Inventory) -> set[str]:
        """Names of the distributions that hold a module, none for a local or unknown one."""
        name, file = _locate(module)
        return set(inventory.owners(name, file)) if file else set()

    def _add_local(self, top: str) -> Iterator[str]:
        files = dict(_local_files(top))
        fresh = {name: path for name, path in files.items() if name not in self.code}
        self.code |= fresh
        for name, path in fresh.items():
            if name.endswith(".py"):
                yield from imported_modules(path)

    def digest(self) -> str:
        """``sha256:…`` of the local code: names and content; "" where there is none."""
        if not self.code:
            return ""
        hasher = hashlib.sha256()
        for name, path in sorted(self.code.items()):
            hasher.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
        return "sha256:" + hasher.hexdigest()


def imported_modules(path: Path) -> set[str]:
    """Return the modules a Python file imports anywhere in it, absolute imports only; none if it does not parse."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return found


def _locate(module: str) -> tuple[str, Path | None]:
    """Return the first part of a dotted name that has a file (namespace packages have none), and that file.

    Only names below loaded packages are looked up: looking below others would import them.
    """
    parts = module.split(".")
    if parts[0] in _STANDARD:
        return module, None
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        if depth > 1 and parts[0] not in sys.modules:
            break
        spec = getattr(sys.modules.get(name), "__spec__", None) or _find_spec(name)
        if spec is not None and spec.origin and spec.has_location:
            return name, Path(spec.origin)
    return module, None


def _find_spec(module: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None


def _local_files(top: str) -> Iterator[tuple[str, Path]]:
    loaded = sys.modules.get(top)
    spec = getattr(loaded, "__spec__", None) or _find_spec(top)
    if spec is None:
        return
    if spec.submodule_search_locations is not None:
        for directory in map(Path, spec.submodule_search_locations):
            yield from ((f"{top}/{path.relative_to(directory).as_posix()}", path) for path in _package_files(directory))
    elif spec.origin and spec.has_location:
        path = Path(spec.origin)
        yield path.name, path


def _package_files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            # A link may lead in circles, or out of the package.
            if path.is_symlink():
                continue
            if path.name not in _LEFT_OUT_DIRECTORIES:
                yield from _package_files(path)
        elif path.suffix not in _LEFT_OUT_SUFFIXES and path.is_file():
            yield path
