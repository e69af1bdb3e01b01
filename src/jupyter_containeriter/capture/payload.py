"""Pickle a model so that equal models give equal bytes, and note every module the pickle refers to."""

from __future__ import annotations

import functools
import hashlib
import io
import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import cloudpickle

from jupyter_containeriter.capture.imports import imported_by
from jupyter_containeriter.capture.parts import Parts, in_order
from jupyter_containeriter.errors import CaptureError

#: Code from notebook cells carries a file name with the kernel's process id; it must not make two runs differ.
_NOTEBOOK = "<notebook>"

#: Functions of cloudpickle that make a class anew, and take a random id of it.
_TRACKED = {"_make_skeleton_class", "_make_skeleton_enum"}

#: The type of functions with a cache.
_Cached = type(functools.cache(len))

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
        way = _way(value, name)
        path, culprit, _ = next(step for step in reversed(way) if step[2])
        kind = f"{type(culprit).__module__}.{type(culprit).__qualname__}".removeprefix("builtins.")
        inside = f"at {way[-1][0]}: {error}" if way[-1][0] != path else str(error)
        remedy = _remedy(name, path, culprit, way[-1][0])
        raise CaptureError(f"{path} cannot leave the kernel: it is a {kind} ({inside}).", remedy) from error
    code = "sha256:" + pickler.code.hexdigest() if pickler.has_code else ""
    modules = frozenset(pickler.modules | parts.modules)
    return Payload(buffer.getvalue(), modules, code, parts.format_of(value) or "cloudpickle")


def _remedy(name: str, path: str, culprit: Any, end: str) -> str:
    """Say what to do about a culprit at a path, where the way to what cannot be pickled has this end."""
    step = path.rpartition(".")[2]
    if isinstance(culprit, (FunctionType, type)):
        return f"Put what {path} is into a module beside the notebook, and import it from there."
    if step.startswith(("<global ", "<closure ")):
        return f"Create {step.split()[1].rstrip('>')} inside the function when it is first used ({path})."
    if path == name:
        return f"Put something that can be pickled in place of {end}, or create it in a function when it is first used."
    return f"Set {path} to None and create it when it is first used, or leave it out in __getstate__ of its class."


class _Anew:
    """Stands in a pickle for what a call returns that is made again when the pickle is read."""

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self.reduced = make, arguments

    def __call__(self, *_: Any) -> None:
        """Let a pickler take it for the function that the call returns."""


def _made_anew(obj: Any) -> Any:
    """Reduce what functools makes around a function of the notebook to that function; None for anything else."""
    if isinstance(obj, _Anew):
        return obj.reduced
    if isinstance(obj, functools.cached_property):
        # Up to Python 3.11 it holds a lock.
        return type(obj), (obj.func,), {name: value for name, value in vars(obj).items() if name != "lock"}
    if not isinstance(obj, _Cached) or obj.__module__ != "__main__":
        return None
    # What is in the cache stays here.
    parameters = obj.cache_parameters()
    decorator = _Anew(functools.lru_cache, parameters["maxsize"], parameters["typed"])
    attributes = {name: value for name, value in vars(obj).items() if name not in {"__wrapped__", "cache_parameters"}}
    return decorator, (obj.__wrapped__,), attributes


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
        if anew := _made_anew(obj):
            return anew
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


def _way(value: Any, path: str) -> list[tuple[str, Any, bool]]:
    """Follow the first child that cannot be pickled, down to one whose own children all can.

    Returns the path and the value of each step, and whether it is in the person's own hands: an attribute of an object
    of a package is not.
    """
    way, own = [(path, value, True)], True
    for _ in range(_SEARCH_DEPTH):
        own = own if isinstance(value, _CONTAINERS) else _is_own(value)
        for step, child in _children(value):
            try:
                _Tracer(io.BytesIO(), Parts()).dump(child)
            except Exception:  # noqa: BLE001 (any failure marks the way)
                path, value = path + step, child
                way.append((path, value, own))
                break
        else:
            break
    return way


_CONTAINERS = (dict, list, tuple, set, frozenset)


def _is_own(value: Any) -> bool:
    """Tell whether a function, or else the class of an object, is the person's: of the notebook, or not installed."""
    if isinstance(value, FunctionType):
        module = value.__globals__.get("__name__")  # its __module__ is that of the function it wraps, if it does
    else:
        module = value.__module__ if isinstance(value, type) else type(value).__module__
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if module == "__main__" or file is None:
        return module == "__main__"
    installed = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    return not any(Path(file).is_relative_to(path) for path in installed)


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", child) for key, child in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{position}]", child) for position, child in enumerate(value))
    elif isinstance(value, (FunctionType, type)):
        yield from _held_by_code(value)
    elif isinstance(value, MethodType):
        yield from ((".__self__", value.__self__), (".__func__", value.__func__))
    else:
        yield from ((f".{name}", child) for name, child in getattr(value, "__dict__", {}).items())
        if not isinstance(value, ModuleType):
            yield f".<class {type(value).__name__}>", type(value)


def _held_by_code(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a function or a class takes along, where it travels by value."""
    reduced = cloudpickle.Pickler(io.BytesIO(), protocol=5).reducer_override(value)
    if not isinstance(reduced, tuple) or len(reduced) < 3:
        return
    if isinstance(value, type):
        yield from ((f".{name}", child) for name, child in reduced[2][0].items())
        return
    yield from ((f".<global {name}>", child) for name, child in reduced[2][1]["__globals__"].items())
    cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
    yield from ((f".<closure {name}>", cell.cell_contents) for name, cell in cells)
