"""The models that were containerized in this kernel or restored into it, without keeping them alive.

A load test, and whoever tries a model, compares the container with the very object that it serves, where that is here.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from jupyter_containeriter.capture.predictor import Predictor, find_predictor
from jupyter_containeriter.capture.snapshot import CaptureRequest
from jupyter_containeriter.errors import UsageError

_Holder = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class _Remembered:
    iteration: str
    label: str
    model: _Holder
    method: str | None
    function: _Holder | None

    def holds(self, value: Any) -> bool:
        return value is not None and self.model() is value


class KernelModels:
    """Remembers, for each name, what was containerized last, and what was restored last."""

    def __init__(self) -> None:
        self._by_name: dict[str, _Remembered] = {}
        self._restored: dict[str, _Remembered] = {}

    def remember(self, request: CaptureRequest, iteration: str) -> None:
        """Remember the model of an iteration; neither it nor the namespace is kept alive by this."""
        predictor = find_predictor(request.model, request.label, request.predict, request.namespace)
        function = None if predictor.function is None else _held_function(predictor.function)
        self._by_name.pop(request.name, None)  # the last one comes last
        self._by_name[request.name] = _Remembered(
            iteration, request.label, _held(request.model), predictor.method or None, function
        )

    def remember_restored(self, name: str, iteration: str, model: Any, predict: Mapping[str, str]) -> None:
        """Remember the model of an iteration that was brought back; ``predict`` is that member of its snapshot."""
        # A function that came with the model is not the person's own, and would be kept alive for nothing.
        if predict["kind"] != "function":
            self._restored[name] = _Remembered(iteration, name, _held(model), predict.get("method"), None)

    def label(self, name: str) -> str:
        """Return how the person called the model of a name, "" where none was containerized in this kernel."""
        remembered = self._by_name.get(name)
        return remembered.label if remembered else ""

    def name_of(self, variable: str, value: Any) -> str:
        """Return the name under which a variable, or the object it holds, was containerized last; "" where none was.

        What was restored is of the name it was restored from.
        """
        for name, known in reversed(self._by_name.items()):
            if known.label == variable or known.holds(value):
                return name
        return next((name for name, known in self._restored.items() if known.holds(value)), "")

    def find(self, name: str, iteration: str) -> Predictor | None:
        """Return what predicts in this kernel as the iteration was captured; None where the kernel does not hold it."""
        known = (self._by_name.get(name), self._restored.get(name))
        remembered = next((one for one in known if one is not None and one.iteration == iteration), None)
        if remembered is None:
            return None
        model, function = remembered.model(), remembered.function and remembered.function()
        if model is None or (remembered.function and function is None):
            return None
        try:
            return find_predictor(model, remembered.label, function or remembered.method, {})
        except UsageError:  # the object has lost what it had
            return None


def _held(value: Any) -> _Holder:
    """Hold weakly what can be."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


def _held_function(function: Callable[..., Any]) -> _Holder:
    """Hold a function that nobody else does: a lambda of the magic's line, the cell of ``%%containerize``.

    Such a one has a copy of the notebook's namespace, which must not live on; its pickle has what it mentions.
    """
    if not isinstance(function, FunctionType):
        return _held(function)
    module = sys.modules.get(function.__module__)
    if module is not None and vars(module) is function.__globals__:
        return lambda: function
    import cloudpickle

    pickled = cloudpickle.dumps(function)
    return lambda: cloudpickle.loads(pickled)
