"""Walk what a pickle will carry, and say by which reference each thing comes along.

A notebook function that mentions ``df`` takes the whole table with it; an estimator may hold the frame it was fitted
on. What travels by value is cloudpickle's decision, and its own answer is asked for.
"""

from __future__ import annotations

import copyreg
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import cloudpickle

from jupyter_containeriter.capture.sizes import ATOMS, NOTED_BYTES, array_bytes, is_bulk, pickled_bytes, table_bytes

#: Objects looked at, at most: a walk must cost little beside the pickling.
MOST_OBJECTS = 100_000

#: A plain container with more items is data (a vocabulary), not configuration.
_MANY = 1000
#: Texts that are shorter hold no secret worth the name.
_SHORTEST_TEXT = 6
#: Bytes that are longer are data, not a password or key.
_LONGEST_KEY = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found: the way from the model, step by step."""

    step: str
    before: Place | None = None

    def __str__(self) -> str:
        steps = []
        place: Place | None = self
        while place is not None:
            steps.append(place.step)
            place = place.before
        return "".join(reversed(steps))


@dataclass(frozen=True, slots=True)
class Data:
    """Data that comes along; ``on_code`` where a function or class holds it, else a table in an attribute."""

    place: Place
    kind: str
    size_bytes: int
    on_code: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A text or bytes that come along, and the name (variable, attribute, key) that holds them, "" without one."""

    place: Place
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Function:
    """The code of a function that travels by value."""

    place: Place
    code: CodeType


@dataclass
class Reach:
    """Everything that was found. ``complete`` is False where the walk ended early, at :data:`MOST_OBJECTS`."""

    data: list[Data] = field(default_factory=list)
    texts: dict[tuple[str, str], Text] = field(default_factory=dict)
    functions: list[Function] = field(default_factory=list)
    complete: bool = True


def reach(roots: Iterable[tuple[str, Any]], *, exact: bool = False) -> Reach:
    """Walk from named objects to everything their pickles will carry.

    Parameters
    ----------
    roots
        Names for messages, and the objects.
    exact
        Ask objects for the state they pickle instead of looking at their attributes. Dearer, as some serialize
        themselves to answer, so it is for confirming what a quick walk found.
    """
    walk = _Walk(exact)
    for name, root in roots:
        walk.follow(root, Place(name))
    return walk.found


class _Kind:
    """What there is to know of a type, found out once for each."""

    def __init__(self, kind: type) -> None:
        self.type = kind
        self.atom = kind in ATOMS or issubclass(kind, (ModuleType, io.IOBase))
        self.table = hasattr(kind, "columns") and (
            hasattr(kind, "__dataframe__") or hasattr(kind, "__arrow_c_stream__")
        )
        self.array = hasattr(kind, "nbytes")
        self.mapping = issubclass(kind, dict)
        self.items = issubclass(kind, (list, tuple, set, frozenset, deque))
        self.code = issubclass(kind, (FunctionType, type))
        #: Plain containers, functions and classes have no attributes worth a look.
        self.plain = kind in {dict, list, tuple, set, frozenset} or self.code

    @cached_property
    def slots(self) -> tuple[str, ...]:
        found: list[str] = []
        for base in self.type.__mro__:
            slots = base.__dict__.get("__slots__", ())
            found += (slots,) if isinstance(slots, str) else tuple(slots)
        return tuple(name for name in found if name not in {"__dict__", "__weakref__"})

    @cached_property
    def reduces(self) -> bool:
        """Whether it decides itself what is pickled."""
        own = ("__reduce_ex__", "__reduce__", "__getstate__")
        return self.type in copyreg.dispatch_table or any(
            getattr(self.type, name, None) is not getattr(object, name, None) for name in own
        )


class _Walk:
    def __init__(self, exact: bool) -> None:
        self.found = Reach()
        self._exact = exact
        self._seen: dict[int, Any] = {}  # the values keep what was made on the way alive, so that no id comes twice
        self._kinds: dict[type, _Kind] = {}
        self._pickler = cloudpickle.Pickler(io.BytesIO(), protocol=5)
        self._queue: list[tuple[Any, Place, bool]] = []

    def follow(self, root: Any, place: Place) -> None:
        self._meet(root, "", place, on_code=False)
        while self._queue:
            value, place, on_code = self._queue.pop()
            if id(value) in self._seen:
                continue
            if len(self._seen) >= MOST_OBJECTS:
                self.found.complete = False
                return
            self._seen[id(value)] = value
            self._look(value, place, on_code)

    def _kind(self, kind: type) -> _Kind:
        try:
            return self._kinds[kind]
        except KeyError:
            return self._kinds.setdefault(kind, _Kind(kind))

    def _meet(self, value: Any, name: str, place: Place, *, on_code: bool) -> None:
        if type(value) is str:
            if len(value) >= _SHORTEST_TEXT:
                self.found.texts.setdefault((name, value), Text(place, name, value))
                self._weigh(value, place, len(value), on_code)
        elif type(value) is bytes and len(value) <= _LONGEST_KEY:
            text = value.decode(errors="surrogateescape")
            self.found.texts.setdefault((name, text), Text(place, name, text))
        else:
            self._queue.append((value, place, on_code))

    def _meet_all(self, named: Iterable[tuple[str, Any]], before: Place, form: str, *, on_code: bool) -> None:
        for name, value in named:
            if type(value) not in ATOMS:
                self._meet(value, name, Place(form.format(name), before), on_code=on_code)

    # --- kinds -------------------------------------------------------------------------------------------------------

    def _look(self, value: Any, place: Place, on_code: bool) -> None:
        kind = self._kind(type(value))
        if kind.atom:
            return
        if kind.table:
            self.found.data.append(Data(place, type(value).__name__, table_bytes(value), on_code))
        elif kind.array or isinstance(value, (bytes, bytearray)):
            self._look_at_array(value, place, on_code)
        elif kind.code:
            self._look_at_code(value, place)
        elif isinstance(value, (partial, MethodType, staticmethod, classmethod, property)):
            self._look_at_wrapper(value, place)
        else:
            if kind.mapping or kind.items:
                self._look_into(value, kind, place, on_code)
            if not kind.plain:
                self._look_at_state(value, kind, place)

    def _look_at_array(self, array: Any, place: Place, on_code: bool) -> None:
        if getattr(getattr(array, "dtype", None), "hasobject", False):
            # Boosted trees keep their estimators in one.
            self._queue.append((array.tolist(), place, on_code))
        else:
            self._weigh(array, place, array_bytes(array), on_code)

    def _weigh(self, value: Any, place: Place, size: int, on_code: bool) -> None:
        if on_code and size >= NOTED_BYTES:
            self.found.data.append(Data(place, type(value).__name__, size, on_code=True))

    def _look_into(self, value: Any, kind: _Kind, place: Place, on_code: bool) -> None:
        """Look at the items of a container; of a large one only at those that may hold more."""
        items = value.values() if kind.mapping else value
        if len(value) > _MANY:
            if on_code:
                self._weigh(value, place, pickled_bytes(value), on_code)
            if is_bulk(items):
                return
            room = MOST_OBJECTS - len(self._seen)
            self.found.complete &= len(value) <= room
            keys = value if kind.mapping else range(len(value))
            named = ((key, item) for key, item in islice(zip(keys, items, strict=False), room) if type(item) is not str)
        else:
            named = ((key, item) for key, item in (value.items() if kind.mapping else enumerate(items)))
        for name, item in named:
            if type(item) not in ATOMS:
                label = name if isinstance(name, str) else ""
                self._meet(item, label, Place(f"[{_short(name)}]", place), on_code=on_code)

    def _look_at_state(self, value: Any, kind: _Kind, place: Place) -> None:
        self._meet(type(value), "", place, on_code=False)
        for state in self._states(value, kind):
            if isinstance(state, dict):
                # The attributes of an object are its own affair: arrays in there are the model.
                self._meet_all(state.items(), place, ".{}", on_code=False)
            elif type(state) not in ATOMS:
                self._meet(state, "", place, on_code=False)

    def _states(self, value: Any, kind: _Kind) -> Iterator[Any]:
        if self._exact and kind.reduces:
            yield from _pickled_state(value)
            return
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            yield attributes
        if kind.slots:
            yield {name: getattr(value, name, None) for name in kind.slots}

    # --- code --------------------------------------------------------------------------------------------------------

    def _look_at_code(self, value: Any, place: Place) -> None:
        try:
            reduced = self._pickler.reducer_override(value)
        except Exception:  # noqa: BLE001 (pickling it has worked; a second opinion is not needed)
            return
        if not isinstance(reduced, tuple) or len(reduced) < 3:  # by reference: a name, and nothing else, travels
            return
        if isinstance(value, FunctionType):
            self._look_at_function(value, reduced[2][1]["__globals__"], place)
        else:
            members, _ = reduced[2]
            own = Place(f".<class {value.__name__}>", place)
            self._meet_all(members.items(), own, ".{}", on_code=True)
            self._meet_all((("", base) for base in value.__bases__), own, "", on_code=False)

    def _look_at_function(self, function: FunctionType, used: Mapping[str, Any], place: Place) -> None:
        self.found.functions.append(Function(place, function.__code__))
        self._meet_all(used.items(), place, ".<global {}>", on_code=True)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
        self._meet_all(((name, _content(cell)) for name, cell in cells), place, ".<closure {}>", on_code=True)
        defaults = function.__defaults__ or ()
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        positional = zip(names[len(names) - len(defaults) :], defaults, strict=False)
        self._meet_all(positional, place, ".<default {}>", on_code=True)
        self._meet_all((function.__kwdefaults__ or {}).items(), place, ".<default {}>", on_code=True)
        self._meet_all(vars(function).items(), place, ".{}", on_code=True)

    def _look_at_wrapper(self, value: Any, place: Place) -> None:
        if isinstance(value, partial):
            self._meet_all((("func", value.func),), place, ".{}", on_code=False)
            self._meet_all(((str(i), v) for i, v in enumerate(value.args)), place, ".args[{}]", on_code=True)
            self._meet_all(value.keywords.items(), place, ".<keyword {}>", on_code=True)
        elif isinstance(value, MethodType):
            self._meet_all((("__self__", value.__self__), ("__func__", value.__func__)), place, ".{}", on_code=False)
        elif isinstance(value, property):
            self._meet_all((("", f) for f in (value.fget, value.fset, value.fdel)), place, "", on_code=False)
        else:
            self._meet_all((("", value.__func__),), place, "", on_code=False)


def _pickled_state(value: Any) -> Iterator[Any]:
    """Return what an object hands over to be pickled: arguments to make it anew, and its state."""
    try:
        registered: Callable[[Any], Any] | None = copyreg.dispatch_table.get(type(value))
        reduced = registered(value) if registered else value.__reduce_ex__(5)
    except Exception:  # noqa: BLE001 (pickling it has worked; whatever hinders here does not hide anything)
        yield getattr(value, "__dict__", None)
        return
    if isinstance(reduced, tuple):  # else the name of a global
        _, arguments, *rest = reduced
        state = rest[0] if rest else None
        yield from arguments
        yield from state if isinstance(state, tuple) and len(state) == 2 else (state,)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _short(key: Any) -> str:
    text = repr(key) if isinstance(key, (str, int, float, tuple)) else type(key).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."
