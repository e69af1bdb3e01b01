"""A rival's notebook kernel: fits models, and saves them as the rival documents it, when it is told to.

Runs in the rival's own environment; reads one JSON object a line, answers with one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import models


def save_mlflow(model: Any, sample: Any, place: str) -> None:
    """Save into a new directory; as a pickle, as all others do, for its own default refuses to load trees."""
    import mlflow

    mlflow.sklearn.save_model(model, place, input_example=sample, serialization_format="cloudpickle")


def save_bentoml(model: Any, sample: Any, place: str) -> None:
    """Save under a name."""
    import bentoml

    bentoml.sklearn.save_model(place, model)


def answer(job: dict[str, Any], save: Callable[[Any, Any, str], None], held: list[Any]) -> dict[str, Any]:
    """Fit or save."""
    if job["do"] == "save":
        save(*held, job["place"])
        return {}
    model, sample = held[:] = models.forest(job["seed"]) if job["do"] == "forest" else models.pipeline()
    return {"sample": sample.tolist(), "predictions": model.predict(sample).tolist()}


def main() -> None:
    """Answer until nobody asks any more."""
    rival = sys.argv[1]
    __import__(rival)
    save = {"mlflow": save_mlflow, "bentoml": save_bentoml}[rival]
    # What libraries print is not an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    held: list[Any] = []
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), save, held)), file=answers, flush=True)


if __name__ == "__main__":
    main()
