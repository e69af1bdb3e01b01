"""Parts in the formats of their frameworks: each comes back as it was, from bytes that do not change by themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

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
    assert copied(namespace["model"]).files == alone.files
