"""The same service with adaptive batching."""

import bentoml
import numpy as np


@bentoml.service(workers=1)
class Batching:
    """Predicts the requests that wait together."""

    stored = bentoml.models.BentoModel("bench:latest")

    def __init__(self) -> None:
        self.model = bentoml.sklearn.load_model(self.stored)

    @bentoml.api(batchable=True)
    def predict(self, data: np.ndarray) -> np.ndarray:
        """Predict rows, of one request or many."""
        return self.model.predict(data)
