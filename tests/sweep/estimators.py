"""Every estimator of scikit-learn, fitted on data that its own tags ask for.

Estimators, inner estimators and small parameters come from scikit-learn's own test helpers; what to fit them on is read
from the tags of each. None is known by its name here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, issparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LogisticRegression
from sklearn.utils import all_estimators, get_tags
from sklearn.utils._test_common.instance_generator import _construct_instances
from sklearn.utils.estimator_checks import _enforce_estimator_tags_X, _enforce_estimator_tags_y

ROWS = 60
FEATURES = 3

#: Rows that are predicted.
SAMPLE_ROWS = 6

#: What may be called, in this order; each takes data like the data it was fitted on.
CALLS = ("predict", "transform", "score_samples", "mahalanobis", "kneighbors")

#: Ways to give the same table: ``plain`` is an array, or the texts, dicts or images that an estimator takes instead.
FORMS = ("plain", "frame", "sparse", "targets")

_WORDS = ("red", "green", "blue", "round", "flat", "heavy", "light")


class NotFittedError(Exception):
    """Nothing here fits the estimator; the message says why."""


class _SilentError(Exception):
    """What is fitted can be asked nothing."""


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator, rows like those it was fitted on, and the method to call."""

    model: Any
    sample: Any
    call: str


def estimator_classes() -> list[type]:
    """Return every estimator of scikit-learn, the experimental ones too, by name."""
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401

    return [kind for _, kind in all_estimators()]


def takes(kind: type, form: str) -> bool:
    """Tell whether an estimator can be asked something and says that it takes a form; all take the plain one."""
    try:
        tags = get_tags(_instances(kind)[0])
    except NotFittedError:
        return form == "plain"
    table = tags.input_tags.two_d_array and not (tags.input_tags.string or tags.input_tags.dict)
    several = tags.target_tags.multi_output or (tags.classifier_tags and tags.classifier_tags.multi_label)
    return {
        "plain": True,
        "frame": table and not tags.input_tags.pairwise,
        "sparse": table and tags.input_tags.sparse,
        "targets": bool(several),
    }[form] and (form == "plain" or any(hasattr(kind, name) for name in CALLS))


def fit(kind: type, form: str) -> Fitted:
    """Construct an estimator and fit it on the first data of a form that it takes.

    Raises
    ------
    NotFittedError
        It cannot be constructed or fitted here, or can say nothing about new data.
    """
    reason = ""
    for estimator in _instances(kind):
        for data, target in _examples(estimator, form):
            try:
                return _fit(estimator, data, target)
            except _SilentError:
                raise NotFittedError(f"says nothing about new data: it has none of {', '.join(CALLS)}") from None
            except Exception as error:  # noqa: BLE001 (whatever it is, the next data may fit)
                reason = reason or f"{type(error).__name__}: {error}"
    raise NotFittedError(reason)


def _instances(kind: type) -> list[Any]:
    try:
        return list(_construct_instances(kind))
    except Exception as error:
        # What scikit-learn's own tests skip may still wrap an estimator that is fitted.
        needed = [p.name for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
        if needed != ["estimator"]:
            raise NotFittedError(f"scikit-learn's own tests skip it: {error}") from error
        return [kind(_classifier())]


def _classifier() -> Any:
    return LogisticRegression().fit(*_table())


def _fit(estimator: Any, data: Any, target: Any) -> Fitted:
    model = clone(estimator)
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=0)
    model.fit(data) if target is None else model.fit(data, target)
    call = next((name for name in CALLS if hasattr(model, name)), None)
    if call is None:
        raise _SilentError
    sample = data[:SAMPLE_ROWS]
    answer = getattr(model, call)(sample)
    if isinstance(data, pd.DataFrame) and hasattr(model, "set_output") and not issparse(answer):
        model.set_output(transform="pandas")
    return Fitted(model, sample, call)


# --- data ----------------------------------------------------------------------------------------------------------


def _examples(estimator: Any, form: str) -> Iterator[tuple[Any, Any]]:
    """Yield data and targets that the tags allow, likeliest first."""
    for data in _inputs(estimator):
        for target in _targets(estimator, form):
            if form == "sparse":
                yield csr_matrix(data * (data > 0)), target
            elif form == "frame":
                rows = pd.Index([f"r{row}" for row in range(len(data))], name="id")
                yield pd.DataFrame(data, rows, [f"x{column}" for column in range(data.shape[1])]), target
            else:
                yield data, target


def _table() -> tuple[Any, Any]:
    return make_classification(ROWS, FEATURES, n_informative=FEATURES, n_redundant=0, n_classes=3, random_state=0)


def _inputs(estimator: Any) -> Iterator[Any]:
    tags = get_tags(estimator).input_tags
    random = np.random.RandomState(0)
    table, _ = _table()
    if tags.string:
        yield [" ".join(random.choice(_WORDS, size=4)) for _ in range(ROWS)]
    if tags.dict:
        yield [dict(zip(_WORDS, row, strict=False)) for row in table.tolist()]
    if tags.three_d_array:
        yield random.rand(ROWS, 20, 20)
    if tags.one_d_array or tags.two_d_array:
        yield _enforce_estimator_tags_X(estimator, table)
    if not tags.two_d_array:
        yield random.choice(["ham", "spam", "tofu"], size=ROWS)
        yield [tuple(random.choice(_WORDS, size=2, replace=False).tolist()) for _ in range(ROWS)]


def _targets(estimator: Any, form: str) -> Iterator[Any]:
    tags = get_tags(estimator)
    _, classes = _table()
    _, numbers = make_regression(ROWS, FEATURES, n_targets=2, random_state=0)
    labels = np.column_stack([classes == 0, classes == 1]).astype(int)
    if form != "targets":
        if not tags.target_tags.required:
            yield None
        if tags.estimator_type == "regressor":
            yield _enforce_estimator_tags_y(estimator, numbers[:, 0])
        yield _enforce_estimator_tags_y(estimator, classes)
    yield numbers if tags.estimator_type == "regressor" else labels
    yield numbers
