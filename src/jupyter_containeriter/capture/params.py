"""Parameters that a model tells by itself, as scalars for the history. What is costly or uncertain is left out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

_MOST = 200
_TEXT = 200
_ITEMS = 16


def model_params(model: Any) -> dict[str, Any]:
    """Return the parameters of a model by name; {} where it tells none.

    Estimators with scikit-learn's ``get_params`` (pipelines with their steps' prefixes; XGBoost, LightGBM and CatBoost
    have it, too) tell all of them. A PyTorch module or Keras model is told by its class and number of parameters.
    """
    if isinstance(model, type):
        return {}
    try:
        told = _told(model)
    except Exception:  # noqa: BLE001 (the model's own code; parameters are a help, no condition)
        return {}
    found: dict[str, Any] = {}
    for name, value in told.items():
        known, plain = _plain(value)
        if known and len(found) < _MOST:
            found[str(name)] = plain
    return found


def _told(model: Any) -> Mapping[Any, Any]:
    get_params = getattr(model, "get_params", None)
    if callable(get_params):
        try:
            told = get_params(deep=True)
        except TypeError:
            told = get_params()
        return told if isinstance(told, Mapping) else {}
    for module, kind, tell in _FRAMEWORKS:
        cls = getattr(sys.modules.get(module), kind, None)
        if isinstance(cls, type) and isinstance(model, cls):
            return tell(model)
    return {}


def _torch(model: Any) -> dict[str, Any]:
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    trainable = sum(count for count, trained in counts if trained)
    return {"class": type(model).__name__, "parameters": sum(count for count, _ in counts), "trainable": trainable}


def _keras(model: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"class": type(model).__name__}
    if model.built:
        told["parameters"] = model.count_params()
    optimizer = getattr(model, "optimizer", None)
    return told if optimizer is None else {**told, "optimizer": type(optimizer).__name__}


def _lightgbm(model: Any) -> Mapping[Any, Any]:
    told: Mapping[Any, Any] = model.params
    return told


_FRAMEWORKS: tuple[tuple[str, str, Callable[[Any], Mapping[Any, Any]]], ...] = (
    # With PyTorch as its backend, a Keras model is a module as well.
    ("keras", "Model", _keras),
    ("torch.nn", "Module", _torch),
    ("lightgbm", "Booster", _lightgbm),
)


def _plain(value: Any) -> tuple[bool, Any]:
    """Return whether a value can be told in short, and what is told."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, bool | int | float):
        return True, value
    if isinstance(value, list | tuple | set | frozenset | dict):
        return _few(value)
    text = value if isinstance(value, str) else _name(value)
    return text is not None, None if text is None else _short(text)


def _name(value: Any) -> str | None:
    """Return the name of a class or function, and the class of an estimator, whose parameters follow by themselves."""
    if hasattr(value, "get_params") and not isinstance(value, type):
        return type(value).__name__
    name = getattr(value, "__name__", None) if callable(value) else None
    return name if isinstance(name, str) else None


def _few(values: Any) -> tuple[bool, Any]:
    """Return the text of a small collection of scalars; others are structure, or data."""
    inside = [*values.keys(), *values.values()] if isinstance(values, dict) else list(values)[: _ITEMS + 1]
    if len(inside) > _ITEMS or not all(item is None or isinstance(item, bool | int | float | str) for item in inside):
        return False, None
    return True, _short(repr(sorted(values, key=repr) if isinstance(values, set | frozenset) else values))


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
