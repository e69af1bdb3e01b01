"""Which variables of a notebook are models, and what they could be proven with."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import jupyter_containeriter
from jupyter_containeriter.capture.candidates import Model, find_candidates

FRAME = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "b": [1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 3.0]})
TARGET = pd.Series([0, 1, 0, 1, 0, 1, 1])


def models(**namespace: Any) -> dict[str, Model]:
    """Return the models among variables."""
    return {model.variable: model for model in find_candidates(namespace).models}


def model(value: Any, **others: Any) -> Model:
    """Return what is found out about one model."""
    return models(**others, it=value)["it"]


def fitted_forest() -> Any:
    """Fit a small model of scikit-learn."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(2, random_state=0).fit(FRAME, TARGET)


class Mean:
    """A model of nobody's library."""

    def predict(self, rows: Any) -> Any:
        """Predict."""
        return [sum(row) for row in rows]


class Hostile:
    """Whatever is asked of it, it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class Costly:
    """Tells of a method only by code of its own."""

    asked = 0

    def __getattr__(self, name: str) -> Any:
        type(self).asked += 1
        return lambda data: data

    @property
    def predict(self) -> Any:
        """Count that it was asked."""
        type(self).asked += 1
        return lambda data: data


def test_any_object_with_a_method_predict_is_a_model() -> None:
    """Nothing is known of its library, nor whether it is fitted."""
    assert model(Mean()) == Model("it", "Mean", "", None, "it", ())


@pytest.mark.parametrize("value", [Mean, jupyter_containeriter, len, Mean().predict, {"predict": 1}, "text", None, 3])
def test_classes_modules_and_functions_are_no_models(value: Any) -> None:
    """Also where they have something that is called predict."""
    assert not models(it=value)


def test_transformers_and_estimators_without_predictions_are_no_models() -> None:
    """A pipeline is one as long as its last step is."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    found = models(scaler=scaler, steps=make_pipeline(scaler), it=make_pipeline(scaler, LogisticRegression()))
    assert list(found) == ["it"]


def _xgboost() -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=1)


def _lightgbm() -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=1, verbose=-1)


def _catboost() -> Any:
    import catboost

    return catboost.CatBoostClassifier(iterations=1, verbose=0, allow_writing_files=False)


def _sklearn() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


@pytest.mark.parametrize("make", [_sklearn, _xgboost, _lightgbm, _catboost])
def test_estimators_tell_whether_they_are_fitted(make: Callable[[], Any]) -> None:
    """Each under the name of its own library, and with rows of its columns alone."""
    estimator = make()
    assert (model(estimator).library, model(estimator).fitted) == (make.__name__.strip("_"), False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(FRAME, TARGET)
    found = model(estimator, X=FRAME, other=FRAME.assign(c=1)[["a", "c"]])
    assert (found.fitted, found.samples) == (True, ("X[:5]",))


def test_boosters_are_models() -> None:
    """They are what those libraries train themselves, and know their columns."""
    for estimator in (_xgboost(), _lightgbm()):
        estimator.fit(FRAME, TARGET)
        booster = estimator.get_booster() if hasattr(estimator, "get_booster") else estimator.booster_
        found = model(booster, X=FRAME)
        assert (found.type, found.fitted, found.samples) == ("Booster", True, ("X[:5]",))


def test_pytorch_modules_take_tensors() -> None:
    """A loss is a module as well, but no model."""
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(2, 1))
    found = models(it=net, loss=torch.nn.MSELoss(), X=FRAME, rows=torch.zeros(3, 2), images=torch.zeros(3, 5))
    assert list(found) == ["it"]
    assert (found["it"].library, found["it"].fitted, found["it"].samples) == ("torch", None, ("rows[:5]",))


def test_results_of_statsmodels_are_models() -> None:
    """What it calls a model predicts nothing yet."""
    import statsmodels.api as sm

    least_squares = sm.OLS(TARGET, FRAME)
    found = models(least_squares=least_squares, it=least_squares.fit(), X=FRAME)
    assert list(found) == ["it"]
    assert (found["it"].library, found["it"].fitted, found["it"].samples) == ("statsmodels", True, ("X[:5]",))


def test_pipelines_of_spacy_take_texts() -> None:
    """Tables are of no use to them."""
    import spacy

    found = model(spacy.blank("en"), X=FRAME, texts=["one", "two"])
    assert (found.library, found.samples) == ("spacy", ("texts[:5]",))


def made_up(*lineage: tuple[str, str]) -> Any:
    """Make an object of a class with these bases, each told by module and name; the first one is its own."""
    kind: type = object
    for module, name in reversed(lineage):
        kind = type(name, (kind,), {"__module__": module})
    return kind()


_TORCH = ("torch.nn.modules.module", "Module")


@pytest.mark.parametrize(
    ("lineage", "library"),
    [
        ([("__main__", "Net"), _TORCH], "torch"),
        ([("keras.src.models.sequential", "Sequential"), ("keras.src.models.model", "Model"), _TORCH], "keras"),
        ([("spacy.lang.en", "English"), ("spacy.language", "Language")], "spacy"),
        ([("transformers.pipelines.text", "Texts"), ("transformers.pipelines.base", "Pipeline")], "transformers"),
        ([("onnxruntime.capi.onnxruntime_inference_collection", "InferenceSession")], "onnxruntime"),
    ],
)
def test_what_is_called_as_models_are_is_one(lineage: list[tuple[str, str]], library: str) -> None:
    """Told by the lineage of its class, without a ``predict``."""
    assert model(made_up(*lineage)).library == library


def test_layers_of_keras_are_no_models() -> None:
    """With PyTorch as the backend they are modules."""
    assert not models(
        layer=made_up(("keras.src.layers.core.dense", "Dense"), ("keras.src.layers.layer", "Layer"), _TORCH)
    )


def test_a_fitted_pipeline_of_texts_takes_texts() -> None:
    """It counts no features, as it begins with words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    texts = pd.Series(["good day", "bad night", "good one"])
    pipeline = make_pipeline(TfidfVectorizer(), _sklearn()).fit(texts, [1, 0, 1])
    assert model(pipeline, X=FRAME, texts=texts).samples == ("texts.head(5)",)


def test_handles_of_deployments_are_no_models() -> None:
    """They predict, but over HTTP."""
    from jupyter_containeriter.deployment import Deployment

    assert not models(it=object.__new__(Deployment))


def test_fitted_models_come_first_and_among_them_the_last_one() -> None:
    """That is most probably what a person wants to containerize."""
    found = models(first=fitted_forest(), raw=_sklearn(), own=Mean(), last=fitted_forest())
    assert list(found) == ["last", "first", "own", "raw"]


def test_rows_that_the_model_has_not_seen_come_first() -> None:
    """The answers are no rows, whatever they are called with."""
    found = model(fitted_forest(), X=FRAME, X_train=FRAME, X_test=FRAME, y_test=FRAME, labels=FRAME)
    assert found.samples == ("X_test[:5]", "X[:5]", "X_train[:5]")


def test_of_a_table_with_more_columns_those_of_the_model_are_taken() -> None:
    """The expression says so; it stands behind tables that fit as they are."""
    forest = fitted_forest()
    found = model(forest, data=FRAME.assign(target=1), X_train=FRAME)
    assert found.samples == ("X_train[:5]", "data[it.feature_names_in_][:5]")
    namespace = {"it": forest, "data": FRAME.assign(target=1)}
    assert list(eval(found.samples[1], namespace).columns) == ["a", "b"]


def test_arrays_fit_by_their_width() -> None:
    """Lists of rows as well."""
    forest = fitted_forest()
    del forest.feature_names_in_
    found = model(forest, narrow=np.zeros((4, 1)), cube=np.zeros((4, 2, 2)), rows=[[1.0, 2.0]], X_test=np.zeros((9, 2)))
    assert found.samples == ("X_test[:5]", "rows[:5]")


def test_rows_are_taken_by_position() -> None:
    """Where labels are numbers with a fraction, a slice would mean labels."""
    frame = FRAME.set_index(pd.Index(np.arange(7) + 0.5))
    (table,) = find_candidates({"X": frame}).samples
    assert (table.expression, table.type, table.shape) == ("X.head(5)", "DataFrame", (5, 2))


def test_samples_tell_the_shape_of_their_rows() -> None:
    """There may be fewer than five; what holds none is no sample."""
    found = find_candidates({"X": FRAME.iloc[:3], "empty": FRAME.iloc[:0], "texts": ["a"], "numbers": [1, 2]})
    assert [(table.expression, table.shape) for table in found.samples] == [("X[:5]", (3, 2)), ("texts[:5]", (1,))]


def test_metrics_are_finite_numbers_with_the_name_of_one() -> None:
    """Other numbers are parameters of the notebook."""
    numbers = {"test_size": 0.2, "acc": 0.9, "roc_auc": np.float64(0.8), "f1": 1, "valLoss2": 0.1, "mse": float("nan")}
    found = find_candidates(numbers).metrics
    assert [(metric.expression, metric.value) for metric in found] == [
        ("valLoss2", 0.1),
        ("roc_auc", 0.8),
        ("acc", 0.9),
    ]


def test_objects_that_raise_break_nothing() -> None:
    """What cannot be looked at is no model; the others are found."""
    assert list(models(hostile=Hostile(), it=Mean())) == ["it"]


def test_code_of_unknown_classes_is_not_run() -> None:
    """Neither their ``__getattr__`` nor their properties, which may cost anything."""
    assert not models(costly=Costly())
    assert Costly.asked == 0


def test_a_model_whose_check_raises_is_still_offered() -> None:
    """Only whether it is fitted is not known then."""
    from sklearn.base import BaseEstimator

    class Odd(BaseEstimator):  # type: ignore[misc]
        def fit(self, data: Any) -> Any:
            raise NotImplementedError

        def predict(self, data: Any) -> Any:
            raise NotImplementedError

        def __sklearn_is_fitted__(self) -> bool:
            raise ValueError("no")

    assert model(Odd()).fitted is None


def test_models_that_were_containerized_come_first_under_their_names() -> None:
    """So that nobody begins a second model by accident; one that is no longer fitted cannot be meant."""
    forest, mean = fitted_forest(), Mean()
    names = {"mean": "fair", "unfit": "trees"}
    found = find_candidates(
        {"unfit": type(forest)(), "mean": mean, "forest": forest}, lambda variable, _: names.get(variable, "")
    )
    assert [(model.variable, model.name) for model in found.models] == [
        ("mean", "fair"),
        ("forest", "forest"),
        ("unfit", "trees"),
    ]


def test_a_list_of_one_text_is_proposed_after_those_with_more() -> None:
    """Errors and names are kept in lists, too; what is called a sample is one, however short."""
    found = find_candidates({"docs": ["good day", "bad night"], "errors": ["no"]}).samples
    assert [sample.variable for sample in found] == ["docs", "errors"]
    found = find_candidates({"docs": ["good day", "bad night"], "sample": ["no"]}).samples
    assert [sample.variable for sample in found] == ["sample", "docs"]
