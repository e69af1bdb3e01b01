"""How a model is called: by a method, as a callable, or through a function of the notebook."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_containeriter.errors import CaptureError, UsageError
from jupyter_containeriter.serving.calls import CALLS, call_of


@dataclass(frozen=True, slots=True)
class Predictor:
    """The call that turns data into predictions.

    ``kind`` is ``method`` (``model.<method>(data)``), ``callable`` (``model(data)``), ``function``
    (``function(model, data)``) or one of :data:`~jupyter_containeriter.serving.calls.CALLS`, as in the ``predict``
    member of ``snapshot.json``.
    """

    kind: str
    call: Callable[[Any], Any]
    method: str = ""
    function: Callable[[Any, Any], Any] | None = None

    @property
    def function_name(self) -> str:
        """How the person calls the function."""
        return getattr(self.function, "__name__", "predict")

    def describe(self) -> dict[str, str]:
        """Return the ``predict`` member of ``snapshot.json``, but for where a function is."""
        return {"kind": self.kind, **({"method": self.method} if self.method else {})}

    def __call__(self, data: Any) -> Any:
        """Predict, in the kernel.

        Raises
        ------
        CaptureError
            The model itself raised: give a sample it accepts, or fit it first.
        """
        try:
            return self.call(data)
        except Exception as error:
            raise CaptureError(
                f"Predicting the sample in the notebook raised {type(error).__name__}: {error}",
                "Give a --sample that the model accepts (and fit the model first); try the same call in a cell.",
            ) from error


def find_predictor(
    model: Any, name: str, predict: str | Callable[[Any, Any], Any] | None, namespace: Mapping[str, Any]
) -> Predictor:
    """Decide how ``model`` is called.

    Parameters
    ----------
    predict
        Name of a method of the model, or of a function ``f(model, data)`` in the namespace, or such a method or
        function; None for ``model.predict`` or else ``model(data)``.

    Raises
    ------
    UsageError
        There is nothing to call: name a method or function with ``--predict``. Or the function takes something else
        than ``(model, data)``.
    """
    if isinstance(model, type):
        raise UsageError(f"{name} is a class, not a model.", f"Give an instance: fit {name}() first.")
    if predict is None:
        return _default(model, name)
    if callable(predict):
        if getattr(predict, "__self__", None) is model:
            return Predictor("method", getattr(model, predict.__name__), method=predict.__name__)
        return _through(predict, model)
    if callable(method := getattr(model, predict, None)):
        return Predictor("method", method, method=predict)
    if callable(function := namespace.get(predict)):
        return _through(function, model)
    raise UsageError(
        f"--predict {predict}: {name} has no such method, and the notebook has no such function.",
        "Name a method of the model, or a function f(model, data) defined in the notebook.",
    )


def _default(model: Any, name: str) -> Predictor:
    if callable(method := getattr(model, "predict", None)):
        return Predictor("method", method, method="predict")
    if callable(model):
        return Predictor("callable", model)
    if call := call_of(type(model)):
        return Predictor(call, _bound(call, model, name))
    raise UsageError(
        f"{name} is a {type(model).__qualname__}: it has no predict method and cannot be called.",
        "Name the method or a function f(model, data) to call with --predict.",
    )


def _bound(call: str, model: Any, name: str) -> Callable[[Any], Any]:
    try:
        return CALLS[call](model)
    except ImportError as error:
        raise UsageError(
            f"{name} is a {type(model).__qualname__}, and what predicts with one cannot be imported: {error}",
            f"Install it: pip install {error.name}.",
        ) from error


def _insist_on_two_parameters(function: Callable[[Any, Any], Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # one of C that does not tell its parameters
        return
    try:
        signature.bind("model", "data")
    except TypeError as error:
        called = getattr(function, "__name__", type(function).__name__)
        raise UsageError(
            f"{called}{signature} cannot be called with the model and the data: {error}.",
            f"Define {called}(model, data)." if called.isidentifier() else "Give a function f(model, data).",
        ) from error


def training_notes(model: Any, name: str) -> Iterator[str]:
    """Tell which modules are in training mode, as torch calls it: with dropout, no two predictions are the same.

    Parameters
    ----------
    model
        A model that contradicts itself; it and what its attributes hold are looked at.
    name
        How the person calls it.
    """
    held = {f"{name}.{key}": value for key, value in getattr(model, "__dict__", {}).items()}
    for path, value in {name: model, **held}.items():
        if getattr(value, "training", None) is True:
            yield f"{path}.training is True, and no two predictions are the same: call {path}.eval() first."


def _through(function: Callable[[Any, Any], Any], model: Any) -> Predictor:
    _insist_on_two_parameters(function)
    return Predictor("function", lambda data: function(model, data), function=function)
