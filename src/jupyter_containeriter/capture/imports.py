"""What Python code imports, read from a file's syntax or from a function's byte code, whether or not it runs.

Also inside functions, and by name where the name is a constant: ``importlib.import_module("helpers.x")``.
"""

from __future__ import annotations

import ast
import dis
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

from jupyter_containeriter.capture.remember import by_status

_IMPORTERS = ("import_module", "__import__")


def imported_modules(path: Path, package: str = "") -> set[str]:
    """Return the dotted names a file may import; none if it does not parse.

    Parameters
    ----------
    path
        The file.
    package
        The package it is in, to which its relative imports refer.

    Notes
    -----
    ``from a import b`` gives ``a`` and ``a.b``, which may be a module or not.
    """
    return {_absolute(name, package) for name in _written(path)} - {""}


def imported_by(code: CodeType) -> set[str]:
    """Return the dotted names that a function's own code may import; of functions within it, they say themselves.

    ``from a import b`` gives ``a`` and ``a.b``, as for a file.
    """
    found: set[str] = set()
    module, named = "", False
    for instruction in dis.get_instructions(code):
        value = instruction.argval
        if instruction.opname == "IMPORT_NAME":
            module = value
            found.add(module)
        elif instruction.opname == "IMPORT_FROM":
            found.add(f"{module}.{value}")
        elif instruction.opname == "LOAD_CONST" and named and isinstance(value, str):
            found.add(value)
        named = value in _IMPORTERS or (named and instruction.opname != "LOAD_CONST")
    return found


@by_status
def _written(path: Path) -> frozenset[str]:
    """Return the names as they are written: relative ones with their dots."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, OSError):
        return frozenset()
    return frozenset(name for node in ast.walk(tree) for name in _names(node))


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        yield module
        yield from (f"{module}.{alias.name}" if node.module else f"{module}{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and _is_import(node.func) and node.args:
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield name.value


def _is_import(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _IMPORTERS


def _absolute(name: str, package: str) -> str:
    """Return the dotted name that a relative one means; "" where it leads out of the package."""
    level = len(name) - len(name.lstrip("."))
    parts = package.split(".") if package else []
    if not level or len(parts) < level:
        return "" if level else name
    return ".".join(filter(None, [*parts[: len(parts) - level + 1], name[level:]]))
