"""Local modules whose file was edited after the kernel imported it: the notebook runs one thing, the image another.

A module does not tell what it was loaded from, so that is concluded from what it left: its functions, its byte code
file (written by the import, with the time and size of the source), and what an earlier look at it found.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import marshal
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from jupyter_containeriter.capture.remember import by_status

#: Other loaders may well run something else than what the source says.
_LOADER = importlib.machinery.SourceFileLoader


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look at a module found.

    ``spec`` is another object after a reload. ``loaded`` is the digest of the source it was loaded from, None where
    that is no longer known.
    """

    spec: importlib.machinery.ModuleSpec
    status: tuple[int, int]
    loaded: bytes | None
    edited: bool


_looks: dict[str, _Look] = {}


def edited_modules(files: Iterable[Path]) -> list[str]:
    """Return the names of loaded modules, of these files, that are not (any more) what their file says."""
    wanted = {str(path) for path in files if path.suffix == ".py"}
    return sorted(name for name, module in _loaded(wanted) if _is_edited(name, module))


def edited_note(*names: str) -> str:
    """Return what to tell of edited modules."""
    several = len(names) > 1
    return (
        f"{', '.join(names)} {'were' if several else 'was'} edited after the notebook imported "
        f"{'them' if several else 'it'}: the image gets the file as it is now, the notebook runs it as it was. "
        f"Reload (importlib.reload) or restart the kernel, then run the cell again."
    )


def _loaded(files: set[str]) -> Iterator[tuple[str, ModuleType]]:
    for name, module in list(sys.modules.items()) if files else ():
        spec = getattr(module, "__spec__", None)
        if isinstance(spec, importlib.machinery.ModuleSpec) and type(spec.loader) is _LOADER and spec.origin in files:
            yield name, module


def _is_edited(name: str, module: ModuleType) -> bool:
    spec = module.__spec__
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin)
    try:
        status = path.stat().st_mtime_ns, path.stat().st_size
        look = _looks.get(name)
        known = look is not None and look.spec is spec
        if look is not None and known and look.status == status:
            return look.edited
        source = hashlib.sha256(path.read_bytes()).digest()
        loaded = look.loaded if look is not None and known else None
        edited = _left_otherwise(module, spec, path) if loaded is None else source != loaded
    except (OSError, SyntaxError, ValueError):
        return False
    _looks[name] = _Look(spec, status, loaded if edited else source, edited)
    return edited


def _left_otherwise(module: ModuleType, spec: importlib.machinery.ModuleSpec, path: Path) -> bool:
    """Tell whether what the import left is not what the file would give now."""
    compiled = _compiled(path)
    written = _bytecode(spec, path)
    if written is not None and _shape(written) != _shape(compiled):
        return True
    known = {_shape(code) for code in _codes(compiled)}
    return any(_shape(function.__code__) not in known for function in _functions(module, str(path)))


@by_status
def _compiled(path: Path) -> CodeType:
    return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def _bytecode(spec: importlib.machinery.ModuleSpec, path: Path) -> CodeType | None:
    """Return the byte code of another state of the source (PEP 3147, PEP 552); None where there is none.

    Whatever was imported last wrote it: were it older than this kernel's import, that would have replaced it.
    """
    if sys.dont_write_bytecode or not spec.cached or not os.access(spec.cached, os.W_OK):
        return None
    content = Path(spec.cached).read_bytes()
    magic, flags, time, size = struct.unpack_from("<4sIII", content)
    status = path.stat()
    is_current = (time, size) == (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    if magic != importlib.util.MAGIC_NUMBER or flags or is_current:
        return None
    code: CodeType = marshal.loads(content[16:])  # noqa: S302 (the interpreter's own cache)
    return code


def _functions(module: ModuleType, file: str) -> Iterator[FunctionType]:
    """Yield the functions of a module and of its classes that were defined in its file."""
    own = [value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__]
    members = [member for value in own if isinstance(value, type) for member in vars(value).values()]
    for value in (*own, *members):
        for function in _unwrapped(value):
            if function.__code__.co_filename == file:
                yield function


def _unwrapped(value: Any) -> Iterator[FunctionType]:
    if isinstance(value, property):
        wrapped = [value.fget, value.fset, value.fdel]
    elif isinstance(value, (staticmethod, classmethod)):
        wrapped = [value.__func__]
    elif isinstance(value, cached_property):
        wrapped = [value.func]
    else:
        wrapped = [value, getattr(value, "__wrapped__", None)] if isinstance(value, FunctionType) else []
    yield from (function for function in wrapped if isinstance(function, FunctionType))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _shape(code: CodeType) -> tuple[object, ...]:
    """Return what code does, without where it stands."""
    # From Python 3.13 on the body of a class sets the number of its line.
    line = code.co_firstlineno if "__firstlineno__" in code.co_names else None
    kept = (c for c in code.co_consts if line is None or c != line)
    constants = tuple(_shape(c) if isinstance(c, CodeType) else _plain(c) for c in kept)
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_qualname, code.co_argcount, code.co_kwonlyargcount, code.co_flags, code.co_code, names, constants


def _plain(constant: object) -> str:
    return repr(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)
