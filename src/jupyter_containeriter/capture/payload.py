"""Pickle a model so that equal models give equal bytes, and note every module the pickle refers to."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

import cloudpickle

from jupyter_containeriter.capture.imports import imported_by
from jupyter_containeriter.capture.parts import Parts, in_order
from jupyter_containeriter.errors import CaptureError

#: Code from notebook cells carries a file name with the kernel's process id; it must not make two runs differ.
_NOTEBOOK = "<notebook>"

#: Functions of cloudpickle that make a class anew, and take a random id of it.
_TRACKED = {"_make_skeleton_class", "_make_skeleton_enum"}

#: How deep the object that cannot be pickled is searched for.
_SEARCH_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Payload:
    """A pickled object, but for its parts.

    ``modules`` are the modules it refers to; ``code_digest`` is of the code it carries by value (notebook functions
    and classes), "" where there is none; ``format`` is that of the object where it is a part as a whole, else
    ``cloudpickle``.
    """

    data: bytes
    modules: frozenset[str]
    code_digest: str
    format: str

    @property
    def digest(self) -> str:
        """``sha256:…`` of the bytes."""
        return "sha256:" + hashlib.sha256(self.data).hexdigest()


def pickle_object(value: Any, name: str, parts: Parts) -> Payload:
    """Pickle ``value``; functions and classes of the notebook travel by value (cloudpickle).

    Parameters
    ----------
    name
        How the person calls it, for messages.
    parts
        Takes what its framework saves better.

    Raises
    ------
    CaptureError
        Something inside cannot be pickled: the message names its attribute path, starting with ``name``.
    """
    buffer = io.BytesIO()
    pickler = _Tracer(buffer, parts)
    try:
        pickler.dump(value)
    except Exception as error:  # a model's own __reduce__ may raise anything
        path, culprit = _locate(value, name, 0)
        kind = f"{type(culprit).__module__}.{type(culprit).__qualname__}".removeprefix("builtins.")
        raise CaptureError(
            f"{path} cannot leave the kernel: it is a {kind} ({error}).",
            f"Set {path} to None, or create it when it is first used, then run the cell again.",
        ) from error
    code = "sha256:" + pickler.code.hexdigest() if pickler.has_code else ""
    modules = frozenset(pickler.modules | parts.modules)
    return Payload(buffer.getvalue(), modules, code, parts.format_of(value) or "cloudpickle")


class _Tracer(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, parts: Parts) -> None:
        super().__init__(file, protocol=5)
        # As an attribute: a method would be half as fast again, and it is called for every string and number.
        self.persistent_id = parts.persistent_id
        self.modules: set[str] = set()
        self.code = hashlib.sha256()
        self.has_code = False

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, CodeType):
            return self._reduce_code(obj)
        if isinstance(obj, io.IOBase) and not isinstance(obj, (io.BytesIO, io.StringIO)):
            # cloudpickle would read the file and carry its content, unasked.
            raise pickle.PicklingError("an open file")
        if getattr(obj, "__wrapped__", None) is io.open:
            # IPython's own guard around open(); by value it would bring the whole of IPython along.
            return getattr, (io, "open")
        module = obj.__name__ if isinstance(obj, ModuleType) else getattr(obj, "__module__", None)
        self.modules.update(name for name in (module, type(obj).__module__) if isinstance(name, str))
        reduced = super().reducer_override(obj)
        if isinstance(reduced, tuple) and getattr(reduced[0], "__name__", "") in _TRACKED:
            return self._untracked(reduced)
        return reduced

    def _reduce_code(self, code: CodeType) -> Any:
        self.has_code = True
        self.code.update(code.co_code + repr((code.co_name, code.co_names, code.co_varnames)).encode())
        constants = [in_order(c) if isinstance(c, frozenset) else c for c in code.co_consts]
        self.code.update(repr([c for c in constants if not isinstance(c, CodeType)]).encode())
        self.modules.update(imported_by(code))
        return self.dispatch_table[CodeType](code.replace(co_filename=_NOTEBOOK))

    def _function_getnewargs(self, func: Any) -> tuple[Any, ...]:
        code, names, *rest = super()._function_getnewargs(func)
        # Of the script that defines the function: it tells of this machine, and is not there in the container.
        names.pop("__file__", None)
        return (code, names, *rest)

    def _untracked(self, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
        """Drop cloudpickle's random class id: it would make every pickle of a notebook class different."""
        make, arguments, *rest = reduced
        *kept, _tracker_id, extra = arguments
        return (make, (*kept, None, extra), *rest)


def _locate(value: Any, path: str, depth: int) -> tuple[str, Any]:
    """Follow the first child that cannot be pickled, down to one whose own children all can."""
    if depth < _SEARCH_DEPTH:
        for step, child in _children(value):
            try:
                _Tracer(io.BytesIO(), Parts()).dump(child)
            except Exception:  # noqa: BLE001 (any failure marks the way)
                return _locate(child, path + step, depth + 1)
    return path, value


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", child) for key, child in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{position}]", child) for position, child in enumerate(value))
    elif hasattr(value, "__closure__") and value.__closure__:
        names = value.__code__.co_freevars
        yield from ((f".<closure {n}>", cell.cell_contents) for n, cell in zip(names, value.__closure__, strict=True))
    else:
        yield from ((f".{name}", child) for name, child in getattr(value, "__dict__", {}).items())
