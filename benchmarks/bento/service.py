"""BentoML's documented service for a scikit-learn model: one worker; adaptive batching is off unless asked for."""

import platform

import bentoml
import numpy as np

image = bentoml.images.Image(python_version="{}.{}".format(*platform.python_version_tuple()))
image = image.python_packages("scikit-learn")


@bentoml.service(image=image, workers=1)
class Plain:
    """Predicts each request by itself."""

    stored = bentoml.models.BentoModel("bench:latest")

    def __init__(self) -> None:
        self.model = bentoml.sklearn.load_model(self.stored)

    @bentoml.api
    def predict(self, data: np.ndarray) -> np.ndarray:
        """Predict rows."""
        return self.model.predict(data)
