"""Parts: leaves of an object graph that their own framework saves, and sets in an order of their own.

:mod:`jupyter_containeriter.serving.parts` says how a pickle refers to them, and loads them in the container.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jupyter_containeriter.capture.formats import TENSORS, Format, Native, format_of
from jupyter_containeriter.serving.parts import PersistentId, tree_digest


@dataclass(frozen=True, slots=True)
class Part:
    """A part as it goes into the image: ``files`` by their path below the image's root."""

    path: str
    format: str
    files: Mapping[str, bytes]

    def describe(self) -> dict[str, str]:
        """Return its entry in ``snapshot.json``."""
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        below = {name.removeprefix(f"{self.path}/"): digest for name, digest in digests.items()}
        digest = f"sha256:{digests[self.path]}" if self.path in self.files else tree_digest(below)
        return {"path": self.path, "format": self.format, "digest": digest}


class Parts:
    """Finds parts while an object is pickled.

    Parameters
    ----------
    refused
        Formats not to use: what is of them is pickled like anything else.

    Attributes
    ----------
    modules
        Modules that loading the parts needs.
    """

    def __init__(self, refused: frozenset[str] = frozenset()) -> None:
        self.modules: set[str] = set()
        self._refused = refused
        self._keepers = _Keepers(self)
        self._written: list[tuple[Format, Native | None]] = []
        # With the object itself, so that nothing else gets its id meanwhile.
        self._known: dict[int, tuple[Any, PersistentId | None]] = {}
        self._sets = 0
        self._tensors: list[Any] = []
        self._tensors_number = 0

    @cached_property
    def persistent_id(self) -> Callable[[Any], PersistentId | None]:
        """The function for the attribute of this name of a pickler, which calls it for every single object."""
        keepers = self._keepers

        def persistent_id(obj: Any) -> PersistentId | None:
            keep = keepers[type(obj)]
            return None if keep is None else keep(obj)

        return persistent_id

    def format_of(self, obj: Any) -> str:
        """Return the format of an object that is a part as a whole, "" where it is none."""
        _, known = self._known.get(id(obj), (None, None))
        return self._written[known[1]][0].name if known and known[0] in ("part", "item") else ""

    @property
    def formats(self) -> frozenset[str]:
        """The formats of the parts found so far."""
        return frozenset(form.name for form, _ in self._written)

    def finish(self) -> tuple[Part, ...]:
        """Return the parts in the order of their numbers."""
        return tuple(self._part(number, *written) for number, written in enumerate(self._written))

    def _part(self, number: int, form: Format, native: Native | None) -> Part:
        path = f"model/parts/{number}{form.suffix}"
        files = (native or form.save(self._tensors)).files
        return Part(path, form.name, {f"{path}/{name}" if name else path: data for name, data in files.items()})

    def keeper_of(self, kind: type) -> Callable[[Any], PersistentId | None] | None:
        """Return what takes objects of a type out of the pickle, None where they are pickled."""
        if kind is set or kind is frozenset:
            return self._once(self._keep_set)
        form = format_of(kind)
        if form is None or form.name in self._refused:
            return None
        return self._once(self._keep_tensor if form is TENSORS else lambda obj: self._keep_leaf(form, obj))

    def _once(self, keep: Callable[[Any], PersistentId | None]) -> Callable[[Any], PersistentId | None]:
        """Give the same object the same persistent id."""

        def again(obj: Any) -> PersistentId | None:
            if id(obj) not in self._known:
                self._known[id(obj)] = obj, keep(obj)
            return self._known[id(obj)][1]

        return again

    def _keep_leaf(self, form: Format, obj: Any) -> PersistentId | None:
        try:
            native = form.save(obj)
        except Exception:  # noqa: BLE001 (not fitted, modified, …: what its framework cannot save may yet be pickled)
            return None
        self._written.append((form, native))
        self._note_modules(type(obj))
        self.modules |= native.modules
        return "part", len(self._written) - 1, native.options

    def _keep_tensor(self, tensor: Any) -> PersistentId | None:
        """Keep a tensor for the one part that holds them all, so that tensors that share memory still do."""
        if str(tensor.layout) != "torch.strided" or tensor.is_quantized or tensor.is_meta:
            return None
        if not self._tensors:
            self._tensors_number = len(self._written)
            self._written.append((TENSORS, None))
            self._note_modules(type(tensor))
        self._tensors.append(tensor)
        return "item", self._tensors_number, len(self._tensors) - 1

    def _note_modules(self, kind: type) -> None:
        self.modules.update(base.__module__ for base in kind.__mro__)

    def _keep_set(self, items: Any) -> PersistentId | None:
        """Give a set an order of its own: Python's differs between processes (``PYTHONHASHSEED``)."""
        ordered = in_order(items)
        if ordered is None or len(items) < 2:
            return None
        self._sets += 1
        return type(items).__name__, self._sets, ordered


class _Keepers(dict[type, Callable[[Any], PersistentId | None] | None]):
    """What keeps objects of a type, looked up once."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts

    def __missing__(self, kind: type) -> Callable[[Any], PersistentId | None] | None:
        self[kind] = self._parts.keeper_of(kind)
        return self[kind]


def in_order(items: set[Any] | frozenset[Any]) -> list[Any] | None:
    """Return the items of a set in the order they have in every process, None where they have none."""
    try:
        return sorted(items) if {type(item) for item in items} == {str} else sorted(items, key=_order)
    except _NoOrderError:
        return None


class _NoOrderError(Exception):
    pass


_PLAIN = (str, bytes, int, float, complex, bool, type(None))


def _order(item: Any) -> str:
    """Return text that sorts an item of a set the same way in every process."""
    kind = type(item)
    if kind in _PLAIN:
        return f"{kind.__name__} {item!r}"
    if kind is tuple or kind is frozenset:
        parts = [_order(part) for part in item]
        return repr(parts if kind is tuple else sorted(parts))
    if isinstance(item, enum.Enum):
        return f"{_order(kind)} {item.name}"
    # A class of the notebook may refer back to the set.
    if isinstance(item, type) and item.__module__ != "__main__":
        return f"type {item.__module__} {item.__qualname__}"
    raise _NoOrderError
