"""What a variable tells of itself as a model: its library, whether it is fitted, which features it takes.

No code of a class that we do not know is run for it, only that of libraries whose attributes are known to be cheap.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from inspect import getattr_static
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

#: In the order in which a model is said to be of one: XGBoost's classifier is scikit-learn's as well, and a Keras model
#: may be a PyTorch module.
_LIBRARIES = (
    *("xgboost", "lightgbm", "catboost", "transformers", "keras", "tf_keras", "spacy", "statsmodels", "onnxruntime"),
    *("sklearn", "torch"),
)
_KERAS = frozenset({"keras", "tf_keras"})
#: Classes whose objects are models without a ``predict`` that can be seen.
_CALLED = frozenset(
    {
        ("torch.nn.modules.module", "Module"),
        ("transformers.pipelines.base", "Pipeline"),
        ("spacy.language", "Language"),
        ("onnxruntime.capi.onnxruntime_inference_collection", "InferenceSession"),
        ("statsmodels.base.wrapper", "ResultsWrapper"),
    }
)
#: Modules whose classes have a ``predict``, or are PyTorch modules, and are no models all the same.
_NO_MODELS = ("jupyter_containeriter", "torch.nn.modules.loss", "statsmodels.base.model")
_NO_OBJECTS = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)


@dataclass(frozen=True, slots=True)
class Features:
    """What a model takes: names and number of columns (None: it does not tell), and its attribute with the names."""

    names: tuple[str, ...] | None = None
    count: int | None = None
    attribute: str = ""


def library_of(value: Any) -> str | None:
    """Return the library a model is of, "" for one of its own kind, None for what is no model."""
    if isinstance(value, _NO_OBJECTS) or type(value).__module__ == "builtins":
        return None
    lineage = _lineage(value)
    # What statsmodels calls a model is not fitted; what predicts are its results.
    if any(module == no or module.startswith(f"{no}.") for module, _ in lineage for no in _NO_MODELS):
        return None if not _is_results(lineage) else "statsmodels"
    roots = {module.partition(".")[0] for module, _ in lineage}
    library = next((name for name in _LIBRARIES if name in roots), "")
    if library in _KERAS and not any(name == "Model" and module.startswith(library) for module, name in lineage):
        return None  # A layer: with PyTorch as the backend it is a module, too.
    if lineage & _CALLED:
        return library
    found = told(value, "predict") if library else getattr_static(value, "predict", None)
    return library if callable(found) or isinstance(found, staticmethod | classmethod) else None


def told(value: Any, name: str) -> Any:
    """Return an attribute of an object; None where there is none, or only code of an unknown class could tell it."""
    for base in type(value).__mro__:
        if name in vars(base):
            if base.__module__.partition(".")[0] in _LIBRARIES:
                return _asked(value, name)
            break
    return getattr_static(value, name, None)


def fitted(value: Any, library: str) -> bool | None:
    """Return whether a model is fitted; None where that cannot be known, or not cheaply."""
    try:
        return _fitted(value, library)
    except Exception:  # noqa: BLE001 (the model's own code)
        return None


def features_of(value: Any, library: str) -> Features:
    """Return what a model tells of the features it takes."""
    try:
        names, count, attribute = _features(value, library)
        return Features(None if names is None else tuple(names), None if count is None else int(count), attribute)
    except Exception:  # noqa: BLE001 (the model's own code; its features are a help, no condition)
        return Features()


def _lineage(value: Any) -> set[tuple[str, str]]:
    found = ((vars(base).get("__module__"), base.__name__) for base in type(value).__mro__)
    return {(module, name) for module, name in found if isinstance(module, str)}


def _is_results(lineage: set[tuple[str, str]]) -> bool:
    return any(module.startswith("statsmodels") and name.endswith("Results") for module, name in lineage)


def _asked(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 (a property of a library that has nothing to tell yet)
        return None


def _fitted(value: Any, library: str) -> bool | None:
    if ("sklearn.base", "BaseEstimator") in _lineage(value):
        return _passes_the_check(value)
    if library == "catboost":
        return bool(value.is_fitted())
    if library == "xgboost":
        return bool(value.num_boosted_rounds())
    if library == "lightgbm":
        return bool(value.num_trees())
    if library in _KERAS:
        # Weights tell nothing: they may be those a model begins with.
        return None if value.built else False
    return True if library in {"statsmodels", "onnxruntime"} else None


def _passes_the_check(value: Any) -> bool | None:
    """Return what scikit-learn's own check says; it is imported where there is an estimator."""
    validation, exceptions = sys.modules["sklearn.utils.validation"], sys.modules["sklearn.exceptions"]
    try:
        validation.check_is_fitted(value)
    except exceptions.NotFittedError:
        return False
    return True


def _features(value: Any, library: str) -> tuple[Any, Any, str]:
    """Return the names of a model's features, how many there are, and how the model is asked for the names."""
    names, count = told(value, "feature_names_in_"), told(value, "n_features_in_")
    if names is not None:
        return names, len(names), "feature_names_in_"
    if library == "catboost":
        return value.feature_names_, len(value.feature_names_), "feature_names_"
    if count is not None:
        return None, count, ""
    ask = _FEATURES.get(library)
    return ask(value) if ask else (None, None, "")


def _of_keras(value: Any) -> tuple[Any, Any, str]:
    shape = value.input_shape
    return None, shape[1] if len(shape) == 2 else None, ""


def _of_torch(value: Any) -> tuple[Any, Any, str]:
    first = next(module for module in value.modules() if next(module.children(), None) is None)
    return None, told(first, "in_features"), ""


def _of_statsmodels(value: Any) -> tuple[Any, Any, str]:
    # Names of a formula's terms are no columns.
    names = None if hasattr(value.model, "formula") else value.model.exog_names
    return names, names and len(names), "model.exog_names"


_FEATURES: dict[str, Callable[[Any], tuple[Any, Any, str]]] = {
    "keras": _of_keras,
    "lightgbm": lambda value: (value.feature_name(), value.num_feature(), "feature_name()"),
    "statsmodels": _of_statsmodels,
    "tf_keras": _of_keras,
    "torch": _of_torch,
    "xgboost": lambda value: (value.feature_names, value.num_features(), "feature_names"),
}


def takes_texts(library: str, features: Features, *, is_fitted: bool) -> bool:
    """Whether a model takes texts: a fitted one of scikit-learn that counts no features does."""
    return library in {"spacy", "transformers"} or (library == "sklearn" and is_fitted and features.count is None)
