"""Models of every kind go from a notebook to a container that predicts the same, each stored in its own format."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import model_cells as cells
import pytest
from notebook_bench import WAIT_SECONDS, Lab, Notebook

from jupyter_containeriter.types import CONTAINER_ROOT

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

#: What runs in each kernel, one after the other.
KERNELS = {
    "sklearn": [cells.DATA, cells.SKLEARN],
    "boosting": [cells.DATA, cells.BOOSTING],
    "torch": [cells.DATA, cells.TORCH, cells.TRANSFORMERS],
    "jax": [cells.DATA, cells.JAX, cells.KERAS],
    "onnx": [cells.DATA, cells.ONNX],
    "spacy": [cells.DATA, cells.SPACY],
}

_CLASSIFIED = """%%containerize toned --name {name} --sample texts[:6]
def predict(model, texts):
    cleaned = [text.lower().strip() for text in texts]
    return [{"tone": tone, "sure": bool(p > 0.6)} for tone, p in
            zip(model.predict(cleaned), model.predict_proba(cleaned).max(axis=1))]
"""


@dataclass(frozen=True)
class Kind:
    """A kind of model: its kernel, the call, what is recorded as its format and parts, and how it compares."""

    title: str
    kernel: str
    call: str
    format: str = "cloudpickle"
    parts: tuple[str, ...] = ()
    parity: str = "exact"


KINDS = [
    Kind("pipeline with a function", "sklearn", "piped --sample A[:6]"),
    Kind("column transformer on a DataFrame", "sklearn", "tabular --sample frame[:6]"),
    Kind("stacking in a grid search", "sklearn", "stacked --sample A[:6]"),
    Kind("estimator of the notebook", "sklearn", "own --sample A[:6]"),
    Kind("estimator of a local package", "sklearn", "local --sample A[:6]"),
    Kind("several outputs", "sklearn", "several --sample A[:6]"),
    Kind("probabilities", "sklearn", "piped --sample A[:6] --predict predict_proba"),
    Kind("texts", "sklearn", "toned --sample texts[:6]"),
    Kind("pictures", "sklearn", "bright --sample pictures[:6]"),
    Kind("function", "sklearn", "total --sample A[:6].tolist()"),
    Kind("closure", "sklearn", "closure --sample [1.0,2.5]"),
    Kind("object with predict", "sklearn", "nested --sample texts[:6]"),
    Kind("cell around a model", "sklearn", _CLASSIFIED),
    Kind("XGBoost in a pipeline", "boosting", "booster --sample A[:6] --predict predict_proba", parts=("xgboost",)),
    Kind("XGBoost itself", "boosting", "raw --sample A[:6] --predict by_matrix", "xgboost", ("xgboost",)),
    Kind("LightGBM", "boosting", "lights --sample A[:6] --predict predict_proba", parts=("lightgbm",)),
    Kind(
        "CatBoost",
        "boosting",
        "cats --sample frame[['a','b','town']].fillna('?')[:6] --predict predict_proba",
        "catboost",
        ("catboost",),
    ),
    Kind("statsmodels formula", "boosting", "trend --sample frame.dropna()[:6]"),
    Kind("torch module", "torch", "net --sample A[:6] --predict without_gradients", parts=("torch",)),
    Kind("Transformers pipeline", "torch", "sentiment --sample texts[:6]", parts=("transformers", "transformers")),
    Kind("JAX", "jax", "jitted --sample A[:6] --predict as_numpy"),
    Kind("Keras", "jax", "deep --sample A[:6]", "keras", ("keras",)),
    Kind("ONNX session", "onnx", "session --sample A[:6]", "onnx", ("onnx",)),
    Kind("ONNX model of several inputs", "onnx", "by_name --sample mixed[:6]", "onnx", ("onnx",)),
    Kind("ONNX model without a session", "onnx", "proto --sample A[:6]", "onnx", ("onnx",)),
    Kind("spaCy", "spacy", "nlp --sample texts[:6] --predict classify", "spacy", ("spacy",)),
]


class Family:
    """The kernel of a family of models: the one of the family before ends when another is asked for."""

    def __init__(self, labs: Callable[[], Lab]) -> None:
        self._labs = labs
        self._open: tuple[str, Lab, Notebook] | None = None
        self._changed = False

    def __call__(self, family: str) -> tuple[Lab, Notebook]:
        """Return the lab and the notebook of a family, its models made."""
        if self._open is None or self._open[0] != family:
            self.close()
            lab = self._labs()
            for name, text in cells.LOCAL_FILES.items():
                (lab.directory / name).parent.mkdir(exist_ok=True)
                (lab.directory / name).write_text(text)
            self._open = family, lab, lab.open("docker", KERAS_BACKEND="jax", HF_HUB_OFFLINE="1")
            self.change()
        return self._open[1:]

    def change(self) -> None:
        """Make the models of the family, others than those before."""
        assert self._open is not None
        self._changed = not self._changed
        for source in KERNELS[self._open[0]]:
            self._open[2].ok(cells.changed(source) if self._changed else source)

    def close(self) -> None:
        """End the kernel and what it left running."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


@pytest.fixture(scope="module")
def family(docker_running: None, labs: Callable[[], Lab]) -> Iterator[Family]:
    """Return a function that opens the notebook of a family."""
    family = Family(labs)
    yield family
    family.close()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_kind_of_model(family: Family, kind: Kind, new_name: Callable[[str], str]) -> None:
    """The container predicts what the notebook predicted, from a model in the format that is recorded.

    So it does when model and code of the notebook have changed, and the container that runs loads them.
    """
    lab, notebook = family(kind.kernel)
    name = new_name(kind.title.lower().replace(" ", "-"))
    line = kind.call.replace("{name}", name)
    call = line if line.startswith("%%") else f"deployed = %containerize {line} --name {name}"
    for version in (1, 2, 3):
        if version > 1:
            family.change()
        # The first image of a big framework takes its time.
        cell = notebook.start(call).result(4 * WAIT_SECONDS).succeeded()
        row = lab.rows(name)[-1]
        assert (row["status"], row["parity"], row["hot"]) == ("verified", kind.parity, version > 1), cell.html
        assert recorded_formats(lab, name, version) == (kind.format, kind.parts)
    assert lab.rows(name)[0]["model_digest"] != lab.rows(name)[1]["model_digest"]
    notebook.ok(f"%undeploy {name}")


def recorded_formats(lab: Lab, name: str, version: int) -> tuple[str, tuple[str, ...]]:
    """Return the format of a model and those of its parts, as its image records them."""
    layer = lab.image(name, version).layers[-1]
    with tarfile.open(layer.path) as archive:
        model = json.load(archive.extractfile(f"{CONTAINER_ROOT}/snapshot.json".lstrip("/")))["model"]
    return model["format"], tuple(part["format"] for part in model["parts"])
