"""Cells that make models of every kind, by the kernel they run in; classes and functions are those of a notebook."""

from __future__ import annotations

DATA = """
import numpy as np, pandas as pd
rng = np.random.default_rng(0)
A = rng.normal(size=(120, 4))
y = (A[:, 0] > A[:, 1]).astype(int)
frame = pd.DataFrame(A, columns=list("abcd")).assign(
    town=rng.choice(["Basel", "Zürich", None], 120), joined=pd.date_range("2024-01-01", periods=120)
)
texts = ["a good film", "a bad film", "good", "really bad", "bad, bad acting", "such a good story"] * 5
tones = ["praise", "blame", "praise", "blame", "blame", "praise"] * 5
"""

#: A package beside the notebook whose estimator inherits from another local module.
LOCAL_FILES = {
    "house_models/__init__.py": "",
    "house_models/shrunken.py": (
        "from house_base import Base\n\n"
        "class Shrunken(Base):\n"
        "    def predict(self, rows):\n"
        "        return super().predict(rows) * self.shrink\n"
    ),
    "house_base.py": (
        "from sklearn.base import BaseEstimator, RegressorMixin\n\n"
        "class Base(RegressorMixin, BaseEstimator):\n"
        "    def __init__(self, shrink=0.5):\n"
        "        self.shrink = shrink\n\n"
        "    def fit(self, rows, y):\n"
        "        self.mean_ = y.mean()\n"
        "        return self\n\n"
        "    def predict(self, rows):\n"
        "        return rows[:, 0] + self.mean_\n"
    ),
}

SKLEARN = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from house_models.shrunken import Shrunken

strength = 1.5

def steeper(rows):
    return np.tanh(rows * strength)

piped = make_pipeline(FunctionTransformer(steeper), StandardScaler(), LogisticRegression()).fit(A, y)

columns = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), ["town"]),
    (StandardScaler(), ["a", "b"]),
    (FunctionTransformer(lambda dates: dates.apply(lambda day: day.dt.month)), ["joined"]),
)
tabular = make_pipeline(columns, RandomForestClassifier(5, random_state=0)).fit(frame, np.where(y, "stays", "leaves"))

stacked = GridSearchCV(
    StackingClassifier([("forest", RandomForestClassifier(5, random_state=0)), ("logistic", LogisticRegression())]),
    {"logistic__C": [0.1, 1.0]},
    cv=2,
).fit(A, y)

class Threshold(ClassifierMixin, BaseEstimator):
    def __init__(self, column=0):
        self.column = column

    def fit(self, rows, y):
        self.classes_, self.limit_ = np.unique(y), np.median(rows[:, self.column])
        return self

    def predict(self, rows):
        return self.classes_[(rows[:, self.column] > self.limit_).astype(int)]

own = Threshold().fit(A, y)
local = Shrunken().fit(A, y)
several = LinearRegression().fit(A, A[:, :2] * 2 + 1)
toned = make_pipeline(TfidfVectorizer(stop_words=["a"]), LogisticRegression()).fit(texts, tones)

pictures = rng.integers(0, 255, (30, 8, 8, 3), dtype=np.uint8)

class Bright:
    def predict(self, pictures):
        return pictures.mean(axis=(1, 2, 3)) > 127

bright = Bright()

def total(rows):
    return [sum(row) for row in rows]

def scaled_by(factor):
    def predict(rows):
        return [factor * value for value in rows]
    return predict

closure = scaled_by(2.5)

class Nested:
    words = {"good", "bad", "ugly"}

    def predict(self, texts):
        return [{"text": t, "found": sorted(self.words & set(t.split())), "length": {"chars": len(t)}} for t in texts]

nested = Nested()
"""

BOOSTING = """
import catboost, lightgbm, xgboost
import statsmodels.formula.api as formulas
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

def squared(rows):
    return np.hstack([rows, rows**2])

booster = make_pipeline(FunctionTransformer(squared), xgboost.XGBClassifier(n_estimators=8, max_depth=3)).fit(A, y)
raw = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(A, y), 8)

def by_matrix(model, rows):
    return model.predict(xgboost.DMatrix(rows))

lights = lightgbm.LGBMClassifier(n_estimators=8, min_child_samples=3, verbosity=-1).fit(A, y)
cats = catboost.CatBoostClassifier(iterations=8, verbose=False, allow_writing_files=False, cat_features=["town"])
cats.fit(frame[["a", "b", "town"]].fillna("?"), y)
trend = formulas.ols("a ~ np.abs(b) + C(town)", frame.dropna()).fit()
"""

TORCH = """
import torch

class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = torch.nn.Linear(4, 4, bias=False)
        self.decode = torch.nn.Linear(4, 4)
        self.decode.weight = self.encode.weight
        self.norm = torch.nn.BatchNorm1d(4)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, rows):
        return self.decode(self.drop(torch.relu(self.norm(self.encode(rows)))))

torch.manual_seed(0)
net = Tied()
for _ in range(3):
    net(torch.tensor(A, dtype=torch.float32))
net.eval()

def without_gradients(model, rows):
    with torch.inference_mode():
        return model(torch.as_tensor(rows, dtype=torch.float32)).numpy()
"""

TRANSFORMERS = """
from pathlib import Path
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast, pipeline

words = sorted({word for text in texts for word in text.split()})
Path("vocab.txt").write_text("\\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
tokenizer = BertTokenizerFast("vocab.txt")
config = BertConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                    intermediate_size=37, id2label={0: "blame", 1: "praise"}, label2id={"blame": 0, "praise": 1})
torch.manual_seed(1)
sentiment = pipeline("text-classification", model=BertForSequenceClassification(config).eval(), tokenizer=tokenizer)
"""

JAX = """
import jax, jax.numpy as jnp
weights = {"hidden": jnp.asarray(rng.normal(size=(4, 3))), "out": jnp.asarray(rng.normal(size=3))}

def forward(parameters, rows):
    return jnp.tanh(rows @ parameters["hidden"]) @ parameters["out"]

@jax.jit
def jitted(rows):
    return forward(weights, rows)

def as_numpy(model, rows):
    return np.asarray(model(rows))
"""

KERAS = """
import keras

class Noise(keras.layers.Layer):
    def __init__(self, size, **more):
        super().__init__(**more)
        self.size = size
        self.noise = keras.layers.GaussianNoise(size)

    def call(self, rows, training=False):
        return steep(self.noise(rows, training=training))

    def get_config(self):
        return {**super().get_config(), "size": self.size}

def steep(rows):
    return keras.ops.tanh(3 * rows)

keras.utils.set_random_seed(0)
deep = keras.Sequential([keras.Input((4,)), Noise(0.1), keras.layers.Dense(8, activation=steep), keras.layers.Dense(2)])
deep.compile("adam", "mse")
deep.fit(A, A[:, :2], epochs=2, verbose=0)
"""

ONNX = """
import onnxruntime, skl2onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

proto = skl2onnx.to_onnx(LinearRegression().fit(A, y), A[:1].astype(np.float32))
session = onnxruntime.InferenceSession(proto.SerializeToString())

mixed = frame.fillna("?")[["a", "town"]]
columns = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
kinds = [("a", FloatTensorType([None, 1])), ("town", StringTensorType([None, 1]))]
classifier = make_pipeline(columns, LogisticRegression()).fit(mixed, y)
named = skl2onnx.to_onnx(classifier, initial_types=kinds, options={"zipmap": False})
with open("named.onnx", "wb") as file:
    file.write(named.SerializeToString())
by_name = onnxruntime.InferenceSession("named.onnx")
"""

SPACY = """
import spacy
from spacy.language import Language
from spacy.training import Example

@Language.component("shout")
def shout(doc):
    doc.user_data["shouted"] = doc.text.isupper()
    return doc

spacy.util.fix_random_seed(0)
nlp = spacy.blank("en")
nlp.add_pipe("shout")
categories = nlp.add_pipe("textcat")
for tone in sorted(set(tones)):
    categories.add_label(tone)
examples = [Example.from_dict(nlp.make_doc(t), {"cats": {k: float(k == tone) for k in set(tones)}})
            for t, tone in zip(texts, tones)]
nlp.initialize(lambda: examples)
for _ in range(3):
    nlp.update(examples)

def classify(nlp, texts):
    return [{**doc.cats, "shouted": doc.user_data["shouted"]} for doc in nlp.pipe(texts)]
"""

#: What a person changes between two iterations: data, and the code of the notebook.
CHANGES = {
    "default_rng(0)": "default_rng(1)",
    "strength = 1.5": "strength = 2.5",
    "texts = [": "texts = ['bad', 'story', ",
    "tones = [": "tones = ['blame', 'praise', ",
    "np.median(": "0.1 + np.median(",
    "> 127": "> 100",
    "[sum(row)": "[1 + sum(row)",
    "scaled_by(2.5)": "scaled_by(3.5)",
    '{"good", "bad", "ugly"}': '{"film", "story"}',
    "torch.relu(": "torch.sigmoid(",
    "manual_seed(1)": "manual_seed(2)",
    "tanh(3 * rows)": "tanh(2 * rows)",
    "isupper()": "islower()",
}


def changed(source: str) -> str:
    """Return a cell as it is after the change."""
    for before, after in CHANGES.items():
        source = source.replace(before, after)
    return source
