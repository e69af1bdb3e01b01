"""Which variables of a namespace can be containerized, with what they may be called and proven with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jupyter_containeriter.capture.samples import Table, expressions_for, tables_in, words
from jupyter_containeriter.capture.telling import features_of, fitted, library_of, takes_texts
from jupyter_containeriter.names import name_from

#: More of a kind nobody chooses from; those defined last come first.
_MOST = 50

_METRICS = frozenset(
    (
        *("acc", "accuracy", "ap", "auc", "auroc", "bleu", "brier", "error", "f1", "fbeta", "gini", "iou", "kappa"),
        *("logloss", "loss", "mae", "mape", "mcc", "mse", "perplexity", "pinball", "precision", "r2", "recall"),
        *("rmse", "rmsle", "roc", "rouge", "score", "sensitivity", "smape", "specificity", "wer"),
    )
)


#: Tells under which name a variable and its value were containerized, "" where they were not.
NameOf = Callable[[str, Any], str]


@dataclass(frozen=True, slots=True)
class Model:
    """A variable that holds a model.

    Attributes
    ----------
    variable
        What the person calls it.
    type
        Its class.
    library
        What it is of: ``sklearn``; "" where that is no library we know.
    fitted
        Whether it is fitted, None where that cannot be known.
    name
        What it is called, where it was containerized before, or could be.
    samples
        Expressions of rows that it takes, the best first.
    """

    variable: str
    type: str
    library: str
    fitted: bool | None
    name: str
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that looks like what a model is judged by."""

    expression: str
    value: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a namespace holds for an iteration."""

    models: tuple[Model, ...]
    samples: tuple[Table, ...]
    metrics: tuple[Metric, ...]


def find_candidates(namespace: Mapping[str, Any], name_of: NameOf = lambda *_: "") -> Candidates:
    """Look through the variables of a namespace: models that were containerized come first, then those defined last.

    Objects are judged by their classes, and nothing of their values is read but a few shapes and names: thousands of
    variables and tables of any size cost milliseconds, and what objects do when they are asked breaks nothing.
    """
    variables = [(name, value) for name, value in reversed(list(namespace.items())) if name.isidentifier()]
    tables = tables_in(variables)
    names = {name: name_of(name, value) for name, value in variables}
    variables.sort(key=lambda pair: not names[pair[0]])
    models = [replace(model, name=names[model.variable] or model.name) for model in _models(variables, tables)]
    models.sort(key=lambda model: (model.fitted is False, not names[model.variable], model.fitted is None))
    return Candidates(tuple(models), tuple(tables[:_MOST]), tuple(_metrics(variables))[:_MOST])


def _models(variables: Iterable[tuple[str, Any]], tables: list[Table]) -> list[Model]:
    found: list[Model] = []
    for variable, value in variables:
        if len(found) == _MOST:
            break
        try:
            library = library_of(value)
        except Exception:  # noqa: BLE001, S112 (a class that makes trouble when it is looked at is not what is looked for)
            continue
        if library is not None:
            state = fitted(value, library)
            features = features_of(value, library)
            texts = takes_texts(library, features, is_fitted=state is True)
            samples = expressions_for(tables, variable, features, library, texts=texts)
            found.append(Model(variable, type(value).__name__, library, state, name_from(variable), samples))
    return found


def _metrics(variables: Iterable[tuple[str, Any]]) -> Iterable[Metric]:
    for variable, value in variables:
        if _is_float(type(value)) and _METRICS & words(variable):
            number = float(value)
            if math.isfinite(number):
                yield Metric(variable, number)


def _is_float(kind: type) -> bool:
    return kind is float or (kind.__module__ == "numpy" and kind.__name__ in {"float64", "float32", "float16"})
