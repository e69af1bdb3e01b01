"""The models that are compared; also used by rivals' own kernels, so scikit-learn and numpy are all they need."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

#: Gives a pickle of about one megabyte.
TREES = 17
SAMPLE_ROWS = 5


def forest(seed: int) -> tuple[Any, np.ndarray]:
    """Fit a forest; each seed gives another one of the same size. Returns it with a few rows to predict."""
    x, y = load_digits(return_X_y=True)
    return RandomForestClassifier(TREES, random_state=seed).fit(x, y), x[:SAMPLE_ROWS]


def pipeline() -> tuple[Any, np.ndarray]:
    """Fit scaling and a logistic regression to the iris flowers. Returns it with a few rows to predict."""
    x, y = load_iris(return_X_y=True)
    # Every thirtieth: of all three kinds.
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y), x[::30]
