"""Parts in the formats of their frameworks: each comes back as it was, from bytes that do not change by themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jupyter_containeriter.capture.formats import environ_for
from jupyter_containeriter.types import Snapshot

Cell = Callable[[str], dict[str, Any]]

os.environ["KERAS_BACKEND"] = "jax"
os.environ["HF_HUB_OFFLINE"] = "1"

DATA = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3)).astype("float32")
y = (X[:, 0] > X[:, 1]).astype(int)
"""

XGBOOST = """
import xgboost
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
model = xgboost.train({"eta": 0.4}, xgboost.DMatrix(X, y, feature_names=["a", "b", "c"]), 5)
wrapped = make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=4)).fit(X, y)
predict = lambda model: model.predict(xgboost.DMatrix(X, feature_names=["a", "b", "c"]))
"""

LIGHTGBM = """
import lightgbm
held = lightgbm.Dataset(X[60:], y[60:])
options = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 2, "learning_rate": 0.5}
stop = lightgbm.early_stopping(3, verbose=False)
model = lightgbm.train(options, lightgbm.Dataset(X[:60], y[:60]), 200, valid_sets=[held], callbacks=[stop])
wrapped = lightgbm.LGBMClassifier(n_estimators=4, verbosity=-1).fit(X, y)
predict = lambda model: model.predict(X)
"""

CATBOOST = """
import catboost
model = catboost.CatBoostClassifier(iterations=5, verbose=False, allow_writing_files=False).fit(X, y)
wrapped = {"rank": catboost.CatBoost({"iterations": 3, "allow_writing_files": False}).fit(X, y, verbose=False)}
predict = lambda model: model.predict_proba(X)
"""

KERAS = """
import keras

class Scaled(keras.layers.Layer):
    def __init__(self, factor, **more):
        super().__init__(**more)
        self.factor = factor
    def call(self, x):
        return x * self.factor
    def get_config(self):
        return {**super().get_config(), "factor": self.factor}

def steep(x):
    return keras.ops.tanh(3 * x)

keras.utils.set_random_seed(0)
layers = [keras.Input((3,)), Scaled(2.0), keras.layers.Dense(4, activation=steep), keras.layers.Dense(1)]
model = keras.Sequential(layers)
model.compile("adam", "mse")
model.fit(X, y, epochs=1, verbose=0)
wrapped = {"net": model, "offset": 1}
predict = lambda model: model.predict(X, verbose=0)
"""

ONNX = """
import onnxruntime, skl2onnx
from sklearn.linear_model import LogisticRegression
proto = skl2onnx.to_onnx(LogisticRegression().fit(X, y), X[:1], options={"zipmap": False})
model = onnxruntime.InferenceSession(proto.SerializeToString())
wrapped = [model, proto]
predict = lambda model: model.run(None, {"X": X})[1]
"""

TRANSFORMERS = """
import torch, transformers
from transformers import BertConfig, BertForSequenceClassification
torch.manual_seed(0)
config = BertConfig(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
model = BertForSequenceClassification(config).eval()
wrapped = {"model": model, "name": "net"}
predict = lambda model: model(torch.tensor([[1, 2, 3]])).logits.detach().numpy()
"""

SPACY = """
import spacy
from spacy.language import Language

@Language.component("shout")
def shout(doc):
    doc.user_data["shout"] = doc.text.upper()
    return doc

@spacy.registry.misc("containeriter.words")
def words():
    return ["good"]

@Language.factory("counter", default_config={"words": {"@misc": "containeriter.words"}})
class Counter:
    def __init__(self, nlp, name, words):
        self.words = words
    def __call__(self, doc):
        doc.user_data["count"] = sum(token.text in self.words for token in doc)
        return doc

model = spacy.blank("en")
model.add_pipe("sentencizer")
model.add_pipe("shout")
model.add_pipe("counter")
wrapped = {"nlp": model}
def predict(model):
    doc = model("A good day. It is.")
    return [len(list(doc.sents)), doc.user_data["shout"], doc.user_data["count"]]
"""

TORCHSCRIPT = """
import torch
torch.manual_seed(0)
model = torch.jit.trace(torch.nn.Linear(3, 2), torch.tensor(X))
wrapped = [model]
predict = lambda model: model(torch.tensor(X)).detach().numpy()
"""

KINDS = {
    "xgboost": XGBOOST,
    "lightgbm": LIGHTGBM,
    "catboost": CATBOOST,
    "keras": KERAS,
    "onnx": ONNX,
    "transformers": TRANSFORMERS,
    "spacy": SPACY,
    "torchscript": TORCHSCRIPT,
}


@pytest.mark.parametrize("name", KINDS)
def test_model_comes_back_from_its_own_format(name: str, cell: Cell, copied: Callable[[Any], Any]) -> None:
    """A model predicts exactly the same after its framework has written and read it, alone and within an object."""
    namespace = cell(DATA + KINDS[name])
    expected = namespace["predict"](namespace["model"])
    alone = copied(namespace["model"])
    assert (alone.format, alone.parts) == (name, [name])
    np.testing.assert_array_equal(namespace["predict"](alone.value), expected)
    within = copied(namespace["wrapped"])
    assert within.format == "cloudpickle"
    assert name in within.parts
    again = copied(namespace["model"])
    # Loading registers functions with spaCy, in this very process; that is pickled with them from then on.
    ignored = {"model/model.pkl"} if name == "spacy" else set()
    assert _without(again.files, ignored) == _without(alone.files, ignored)


def _without(files: dict[str, bytes], names: set[str]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name not in names}


_DIGESTS = """
import hashlib, sys
from jupyter_containeriter.capture.parts import Parts
from jupyter_containeriter.capture.payload import pickle_object
exec(sys.stdin.read())
parts = Parts()
payload = pickle_object(model, "model", parts)
print(payload.digest, [part.describe() for part in parts.finish()])
"""


#: What spaCy itself writes in the order of a set: the characters of its sentencizer.
_UNORDERED = {"spacy": '\nmodel.remove_pipe("sentencizer")\n'}


@pytest.mark.parametrize("name", ["keras", "spacy", "transformers", "torchscript"])
def test_two_kernels_write_the_same_bytes(name: str) -> None:
    """Nothing of the process gets into a part: no time, no order of sets, no path."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", _DIGESTS],
            input=DATA + KINDS[name] + _UNORDERED.get(name, ""),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert name in runs[0]


def test_a_tokenizer_does_not_tell_where_it_came_from(tmp_path: Path, copied: Callable[[Any], Any]) -> None:
    """The files of a tokenizer that was loaded from a directory do not name that directory."""
    from transformers import AutoTokenizer, BertTokenizerFast

    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]))
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "saved")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    copy = copied({"tokenizer": tokenizer})
    assert copy.parts == ["transformers"]
    assert not [name for name, data in copy.files.items() if str(tmp_path).encode() in data]
    assert copy.value["tokenizer"]("good bad")["input_ids"] == tokenizer("good bad")["input_ids"]


def test_weights_beside_an_onnx_model_are_taken_in(tmp_path: Path, copied: Callable[[Any], Any]) -> None:
    """A session of a model that keeps its weights in another file needs that file no more."""
    import onnx
    import onnxruntime

    weights = onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2), "W")
    rows, answer = (onnx.helper.make_tensor_value_info(name, 1, [None, None]) for name in "XY")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["X", "W"], ["Y"])], "g", [rows], [answer], [weights]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    assert (tmp_path / "weights").exists()
    copy = copied(onnxruntime.InferenceSession(tmp_path / "model.onnx"))
    (tmp_path / "weights").unlink()
    assert copy.format == "onnx"
    assert copy.value.run(None, {"X": np.ones((1, 3), np.float32)})[0].tolist() == [[6.0, 9.0]]


def test_what_does_not_read_back_is_pickled(cell: Cell, take: Callable[..., Snapshot]) -> None:
    """A Transformers model with another head than its class makes is pickled, its weights in torch's format."""
    head = "\nmodel.classifier = torch.nn.Sequential(torch.nn.Linear(16, 4), torch.nn.Linear(4, 2))\nmodel.eval()\n"
    predict = "def logits(model, rows):\n    return model(torch.tensor(rows)).logits.detach().numpy()\n"
    snapshot = take(cell(DATA + TRANSFORMERS + head + predict), sample=[[1, 2, 3]], predict="logits")
    model = json.loads(snapshot.files["snapshot.json"])["model"]
    assert model["format"] == "cloudpickle"
    assert [part["format"] for part in model["parts"]] == ["torch"]


@pytest.mark.parametrize("wide", ["0", "1"])
def test_jax_keeps_its_precision(wide: str) -> None:
    """What a kernel says of 64 bits holds in the container, too, where it is said before JAX is imported."""
    source = (
        "import jax, jax.numpy as jnp\n"
        "from jupyter_containeriter.capture.content import pickle_content\n"
        "from jupyter_containeriter.capture.predictor import find_predictor\n"
        f"jax.config.update('jax_enable_x64', bool({wide}))\n"
        "model = jax.jit(lambda x: x * jnp.ones(2))\n"
        "print(pickle_content(model, 'model', find_predictor(model, 'model', None, {})).environ['JAX_ENABLE_X64'])"
    )
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == {"0": "false", "1": "true"}[wide]


def test_variables_that_choose_how_numbers_are_computed_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container computes with the kernels that were chosen here; no other variable comes along."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    monkeypatch.delenv("OPENBLAS_L2_SIZE", raising=False)
    assert environ_for(frozenset({"numpy"})) == {"OPENBLAS_CORETYPE": "Haswell"}
