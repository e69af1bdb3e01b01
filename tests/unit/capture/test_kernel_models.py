"""What the kernel remembers of the models it containerized."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_containeriter.capture.kernel import KernelModels
from jupyter_containeriter.capture.snapshot import CaptureRequest


class _Scaler:
    def predict(self, rows: list[float]) -> list[float]:
        return [2 * row for row in rows]

    def twice(self, rows: list[float]) -> list[float]:
        return [4 * row for row in rows]


class _Slotted:
    __slots__ = ()

    def predict(self, rows: list[float]) -> list[float]:
        return rows


def _request(model: Any, predict: Any = None, **namespace: Any) -> CaptureRequest:
    return CaptureRequest("churn", model, "model", namespace, predict=predict)


@pytest.fixture
def notebook() -> Iterator[types.ModuleType]:
    """Give a module that stands for the notebook's namespace."""
    module = types.ModuleType("notebook_of_a_test")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def _defined(source: str, namespace: dict[str, Any]) -> Any:
    exec(source, namespace)
    return namespace["f"]


@pytest.mark.parametrize(("predict", "expected"), [(None, [2.0]), ("twice", [4.0])])
def test_the_call_is_that_of_the_capture(predict: str | None, expected: list[float]) -> None:
    """The same object, called by the same method."""
    models, model = KernelModels(), _Scaler()
    models.remember(_request(model, predict), "one")
    found = models.find("churn", "one")
    assert found is not None
    assert found([1.0]) == expected


def test_a_bound_method_is_one_of_the_model() -> None:
    """``--predict model.twice`` does not keep the model alive either."""
    models, model = KernelModels(), _Scaler()
    models.remember(_request(model, model.twice), "one")
    found = models.find("churn", "one")
    assert found is not None
    assert found([1.0]) == [4.0]
    gone = weakref.ref(model)
    del model, found
    gc.collect()
    assert gone() is None
    assert models.find("churn", "one") is None


def test_only_the_iteration_that_was_containerized_last_is_known() -> None:
    """Not another version, and not another name."""
    models, first, second = KernelModels(), _Scaler(), _Scaler()
    models.remember(_request(first), "one")
    models.remember(_request(second), "two")
    assert models.find("churn", "one") is None
    assert models.find("fraud", "two") is None
    assert models.find("churn", "two") is not None


def test_what_cannot_be_held_weakly_is_held() -> None:
    """An object with slots has no place for a weak reference."""
    models = KernelModels()
    models.remember(_request(_Slotted()), "one")
    found = models.find("churn", "one")
    assert found is not None
    assert found([1.0]) == [1.0]


def test_a_function_of_the_notebook_is_held_itself(notebook: types.ModuleType) -> None:
    """It sees the notebook as it is now."""
    namespace = vars(notebook)
    namespace["factor"] = 3
    function = _defined("def f(model, rows): return [factor * row for row in rows]", namespace)
    models, model = KernelModels(), _Scaler()
    models.remember(_request(model, function), "one")
    found = models.find("churn", "one")
    assert found is not None
    assert found.function is function


def test_a_function_with_a_namespace_of_its_own_keeps_only_what_it_mentions(notebook: types.ModuleType) -> None:
    """A lambda of the magic's line has a copy of the whole notebook: what else is in it must not live on."""
    copied = {**vars(notebook), "factor": 3, "data": _Scaler()}
    data = weakref.ref(copied["data"])
    models, model = KernelModels(), _Scaler()
    models.remember(_request(model, _defined("f = lambda model, rows: [factor * row for row in rows]", copied)), "one")
    del copied
    gc.collect()
    assert data() is None
    found = models.find("churn", "one")
    assert found is not None
    assert found([1.0]) == [3.0]


def test_the_name_of_a_variable_is_the_one_it_was_containerized_under_last() -> None:
    """A model that was fitted anew is still called so, and so is the same object in another variable."""
    models, model = KernelModels(), _Scaler()
    for name in ("churn", "other", "churn"):
        models.remember(CaptureRequest(name, model, "model", {}), "one")
    assert models.name_of("model", _Scaler()) == "churn"
    assert models.name_of("copy", model) == "churn"
    assert models.name_of("another", _Scaler()) == ""


def test_the_name_of_a_restored_model_is_its_models() -> None:
    """Whatever the variable is called; one that is gone is nobody's."""
    models, model = KernelModels(), _Scaler()
    models.remember_restored("churn", "one", model, {"kind": "method", "method": "predict"})
    assert models.name_of("old", model) == "churn"
    assert models.name_of("churn", _Scaler()) == ""
    del model
    gc.collect()
    assert models.name_of("nothing", None) == ""
