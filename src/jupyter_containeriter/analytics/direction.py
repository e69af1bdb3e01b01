"""Whether more of a metric is better, or less."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

#: Words in the names of metrics of which less is better.
_LOWER = frozenset(
    {"error", "err", "loss", "logloss", "rmse", "mae", "mse", "msle", "rmsle", "mape", "smape", "wape", "brier"}
    | {"deviance", "perplexity", "wer", "cer", "fid", "fpr", "fnr", "latency", "seconds", "time", "cost", "regret"}
    | {"bias", "hinge", "entropy", "crossentropy", "nll", "eer", "ece", "misclassified"}
)


def lower_is_better(metric: str) -> bool:
    """Tell from a metric's name whether less of it is better: ``log_loss``, ``RMSE``, ``test-error``; not ``neg_…``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", metric).lower()
    found = set(re.split(r"[^a-z]+", words))
    return not found & {"neg", "negative"} and bool(found & _LOWER)


def best(metric: str, values: Iterable[float | None]) -> float | None:
    """Return the best value of a metric, None where there are not two different ones to choose from."""
    found = {value for value in values if value is not None and math.isfinite(value)}
    if len(found) < 2:
        return None
    return min(found) if lower_is_better(metric) else max(found)
