"""Where a module comes from: asked of the import system's finders, without importing anything.

:func:`importlib.util.find_spec` imports the parents of a dotted name; here the finders of :data:`sys.meta_path` are
asked directly, with the places where the parent looks for its modules.
"""

from __future__ import annotations

import importlib.machinery
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STANDARD = sys.stdlib_module_names | {"__main__", "__mp_main__"}

#: What the ``__init__.py`` of a package in several places calls (PyPA's guide "Packaging namespace packages").
_EXTENDING = (b"extend_path", b"declare_namespace")

Real = Callable[[str], Path]
"""Translates a path of the import system, which may lead into a zip archive, to one of the file system."""


@dataclass(frozen=True, slots=True)
class Found:
    """A module that has a file.

    Attributes
    ----------
    name
        Its dotted name.
    file
        Where it is.
    locations
        Directories its own modules are looked for in; empty for a module that is no package.
    spec
        What the finder says.
    portion
        For a module below a namespace package (PEP 420): name of the topmost one, and its directory that leads here.
    """

    name: str
    file: Path
    locations: tuple[Path, ...]
    spec: importlib.machinery.ModuleSpec
    portion: tuple[str, Path] | None

    @property
    def top(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]


def on_the_way(module: str, real: Real = Path) -> Iterator[Found]:
    """Yield what has a file on the way to a module: its packages, from the top, and itself.

    The standard library is passed over; the way ends early where there is nothing of a name.
    """
    parts = module.split(".")
    if parts[0] in _STANDARD:
        return
    namespace: tuple[str, tuple[Path, ...]] | None = None
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = _find(name)
        if spec is None:
            return
        locations = tuple(real(location) for location in _locations(name, spec))
        if spec.origin and spec.has_location:
            file = real(spec.origin)
            yield Found(name, file, locations, spec, _portion(namespace, file))
        elif namespace is None:
            namespace = name, locations


def inside(module: str, real: Real = Path) -> list[str]:
    """Return the modules in a namespace package, which itself has no file; none of anything else."""
    spec = _find(module)
    if spec is None or spec.has_location:
        return []
    return [name for location in _locations(module, spec) for name in _below(real(location), module)]


def _below(directory: Path, package: str) -> Iterator[str]:
    yield from (name for _, name, _ in pkgutil.iter_modules([str(directory)], f"{package}."))
    for child in sorted(directory.iterdir()) if directory.is_dir() else ():
        if child.is_dir() and child.name.isidentifier() and not (child / "__init__.py").exists():
            yield from _below(child, f"{package}.{child.name}")


def _find(name: str) -> importlib.machinery.ModuleSpec | None:
    loaded = getattr(sys.modules.get(name), "__spec__", None)
    if isinstance(loaded, importlib.machinery.ModuleSpec):
        return loaded
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        above = _find(parent)
        path = list(_locations(parent, above)) if above else []
        if not path:  # no package, so what is imported from it is no module
            return None
    for finder in sys.meta_path:
        # Finders are other people's; one that fails has not found it.
        with suppress(Exception):
            # The one for paths would look for the parent of a namespace package among the imported modules.
            is_for_paths = finder is importlib.machinery.PathFinder
            spec = _on_path(name, sys.path if path is None else path) if is_for_paths else finder.find_spec(name, path)
            if spec is not None:
                return spec
    return None


def _on_path(name: str, entries: Sequence[str]) -> importlib.machinery.ModuleSpec | None:
    """Look into the entries of a path; where only directories of a name are found, they are a namespace package."""
    portions: list[str] = []
    for entry in entries:
        importer = pkgutil.get_importer(entry or str(Path.cwd()))
        spec = importer.find_spec(name) if importer else None
        if spec is not None and spec.loader is not None:
            return spec
        portions += spec.submodule_search_locations or () if spec else ()
    if not portions:
        return None
    namespace = importlib.machinery.ModuleSpec(name, None, is_package=True)
    namespace.submodule_search_locations = portions
    return namespace


def _locations(name: str, spec: importlib.machinery.ModuleSpec) -> Sequence[str]:
    """Return where a package's modules are looked for, as the loaded package says or as importing it would make it."""
    loaded = getattr(sys.modules.get(name), "__path__", None)
    if loaded is not None:
        return list(loaded)
    locations = list(spec.submodule_search_locations or ())
    if locations and spec.origin and spec.has_location and _is_extending(Path(spec.origin)):
        return list(pkgutil.extend_path(locations, name))
    return locations


def _is_extending(init: Path) -> bool:
    try:
        content = init.read_bytes()
    except OSError:
        return False
    return any(word in content for word in _EXTENDING)


def _portion(namespace: tuple[str, tuple[Path, ...]] | None, file: Path) -> tuple[str, Path] | None:
    name, locations = namespace or ("", ())
    return next(((name, location) for location in locations if file.is_relative_to(location)), None)
