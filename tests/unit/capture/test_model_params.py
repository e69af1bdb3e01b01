"""Parameters that models tell by themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from jupyter_containeriter.capture.params import model_params


class _Tells:
    """A model that tells what it is given."""

    def __init__(self, told: Any) -> None:
        self._told = told

    def get_params(self, deep: bool = True) -> Any:
        if isinstance(self._told, Exception):
            raise self._told
        return self._told


def test_an_estimator_tells_its_parameters() -> None:
    """Scalars are taken as they are."""
    params = model_params(RandomForestClassifier(50, max_depth=np.int64(3), min_impurity_decrease=np.float64(0.5)))
    assert (params["n_estimators"], params["max_depth"], params["min_impurity_decrease"]) == (50, 3, 0.5)
    assert type(params["max_depth"]) is int
    assert params["class_weight"] is None
    assert params["bootstrap"] is True


def test_pipelines_tell_their_steps() -> None:
    """Steps have prefixes, nested estimators and functions their names; structure is left out."""
    columns = ColumnTransformer([("scale", StandardScaler(), ["a"])])
    params = model_params(make_pipeline(columns, FunctionTransformer(np.log1p), LogisticRegression(C=0.5)))
    assert params["logisticregression__C"] == 0.5
    assert params["logisticregression"] == "LogisticRegression"
    assert params["functiontransformer__func"] == "log1p"
    assert "steps" not in params
    assert "0x" not in str(params)


def test_a_search_tells_its_grid() -> None:
    """Small collections of scalars are told as text, larger structure is not."""
    params = model_params(GridSearchCV(LogisticRegression(), {"C": [1]}, cv=3))
    assert (params["cv"], params["estimator"], params["estimator__C"]) == (3, "LogisticRegression", 1.0)
    assert model_params(_Tells({"a": (1, None), "b": {"x": 2}, "c": [object()], "d": list(range(99))})) == {
        "a": "(1, None)",
        "b": "{'x': 2}",
    }


def test_odd_values() -> None:
    """NaN stays what it is, long texts are cut, arrays and objects are left out, names become texts."""
    told = {"missing": math.nan, "text": "x" * 999, "array": np.zeros(3), "object": object(), 3: int, "f": lambda: 0}
    params = model_params(_Tells(told))
    assert math.isnan(params.pop("missing"))
    assert len(params.pop("text")) == 200
    assert params == {"3": "int", "f": "<lambda>"}


def test_there_are_not_too_many() -> None:
    """The first 200 are told."""
    assert list(model_params(_Tells({str(i): i for i in range(999)}))) == [str(i) for i in range(200)]


@pytest.mark.parametrize(
    "model", [_Tells(ValueError("no")), _Tells(None), object(), max, LogisticRegression, lambda rows: rows]
)
def test_models_that_tell_nothing(model: Any) -> None:
    """What raises, and what has no parameters, tells none."""
    assert model_params(model) == {}


def test_boosted_trees_tell_their_parameters() -> None:
    """XGBoost, LightGBM and CatBoost tell as scikit-learn does; LightGBM's booster tells what it was trained with."""
    import catboost
    import lightgbm
    import xgboost

    assert model_params(xgboost.XGBRegressor(max_depth=3))["max_depth"] == 3
    assert model_params(lightgbm.LGBMRegressor(num_leaves=7))["num_leaves"] == 7
    assert model_params(catboost.CatBoostRegressor(depth=4))["depth"] == 4
    data = lightgbm.Dataset(np.arange(40.0).reshape(20, 2), np.arange(20.0))
    booster = lightgbm.train({"verbose": -1, "num_leaves": 5, "min_data_in_leaf": 1}, data, 1)
    assert model_params(booster)["num_leaves"] == 5


def test_torch_modules_tell_what_is_certain() -> None:
    """The class, and how many parameters there are and are trained."""
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(3, 2)
    module.bias.requires_grad_(False)
    assert model_params(module) == {"class": "Linear", "parameters": 8, "trainable": 6}
