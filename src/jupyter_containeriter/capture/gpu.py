"""Distributions that only serve GPUs: shared libraries without any Python code, which speak to a GPU's driver.

There is no metadata that says so. What says so are the files: a CUDA, ROCm or Level Zero runtime is loaded by the
extension modules of another distribution, and itself names its driver's library.
"""

from __future__ import annotations

import ast
import importlib.machinery
import mmap
from collections.abc import Iterable
from pathlib import Path

from jupyter_containeriter.capture.records import Entry
from jupyter_containeriter.capture.remember import by_status

#: The user-mode part of a GPU's driver, which comes with the driver and not from a package: NVIDIA, AMD, Intel.
_DRIVERS = (b"libcuda.so", b"libhsa-runtime64.so", b"libze_loader.so")

_EXTENSIONS = tuple(suffix for suffix in importlib.machinery.EXTENSION_SUFFIXES if suffix != ".so")


def serves_gpus_only(entries: Iterable[Entry]) -> bool:
    """Tell whether the files of a distribution are of use only where there is a GPU."""
    files = list(entries)
    libraries = [Path(path) for name, path in files if name.endswith(".so") or ".so." in name]
    if not libraries or any(name.endswith(_EXTENSIONS) for name, _ in files):
        return False
    sources = [Path(path) for name, path in files if name.endswith(".py")]
    return not any(map(_does_something, sources)) and any(map(_names_driver, libraries))


@by_status
def _does_something(source: Path) -> bool:
    """Tell whether a Python file has more in it than text and comments."""
    try:
        body = ast.parse(source.read_bytes()).body
    except (SyntaxError, ValueError):
        return True
    return any(not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)) for part in body)


@by_status
def _names_driver(library: Path) -> bool:
    with library.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return any(content.find(name) >= 0 for name in _DRIVERS)
        except ValueError:  # an empty file
            return False
