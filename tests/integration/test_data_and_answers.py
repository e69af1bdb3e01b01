"""Models with work before and after them: what goes in and comes out of a container is what it is in the notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from notebook_bench import Lab, Notebook

SETUP = """
import datetime as dt
import enum
from dataclasses import dataclass

import numpy as np, pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

visits = pd.DataFrame(
    {
        "when": pd.date_range("2024-01-31 09:30", periods=3, freq="9h", tz="Europe/Berlin"),
        "plan": pd.Categorical(["free", "pro", "free"], categories=["free", "pro", "team"]),
        "pages": pd.array([3, None, 8], dtype="Int64"),
    },
    index=pd.Index(["u1", "u2", "u3"], name="user"),
)

class Verdict(enum.Enum):
    STAYS = "stays"
    LEAVES = "leaves"

@dataclass
class Answer:
    verdict: Verdict
    probability: float
    on: dt.date

WEIGHT = 2.0

def features(frame):
    return np.column_stack(
        [frame["when"].dt.hour, frame["plan"].cat.codes, frame["pages"].fillna(0).astype(float) * WEIGHT]
    )

churn = LogisticRegression().fit(features(visits), [0, 1, 0])
texts = ["red round ball", "flat green board", "round green ball"]
vectors = TfidfVectorizer().fit(texts)
"""


@pytest.fixture(scope="module")
def notebook(shared_lab: Lab, sandbox_working: None) -> Iterator[Notebook]:
    """Open a notebook with data and models."""
    notebook = shared_lab.open("sandbox")
    notebook.ok(SETUP)
    return notebook


def verified(notebook: Notebook, source: str) -> None:
    """Execute a cell that must end in a container that answers exactly as the notebook."""
    assert "predicts exactly what the notebook predicted" in notebook.ok(source).html


def test_a_cell_wraps_a_model_in_its_own_steps(notebook: Notebook, new_name: Callable[[str], str]) -> None:
    """A frame goes in, a dict comes out; what the cell's function uses of the notebook travels with it."""
    verified(
        notebook,
        f"""%%containerize churn --name {new_name("steps")} --sample visits
            def predict(model, frame):
                probability = model.predict_proba(features(frame))[:, 1]
                return {{
                    "probability": pd.Series(probability, index=frame.index, name="p"),
                    "by_plan": {{plan: int(count) for plan, count in frame["plan"].value_counts().items()}},
                    "classes": dict(zip(model.classes_, probability[:2])),
                }}
            """.replace("\n            ", "\n"),
    )
    # What was captured is the value of that moment.
    notebook.ok("served = _; WEIGHT = 100.0; back = served.predict(visits)")
    notebook.ok("WEIGHT = 2.0; mine = churn.predict_proba(features(visits))[:, 1]")
    assert notebook.value("(back['probability'].to_numpy() == mine).all().item()")
    assert notebook.value("back['probability'].index.name") == "user"
    assert notebook.value("[back['by_plan'], list(back['classes'])]") == [{"free": 2, "pro": 1, "team": 0}, [0, 1]]


def test_answers_of_own_classes_arrive_as_plain_values(notebook: Notebook, new_name: Callable[[str], str]) -> None:
    """A dataclass arrives as a dict, a member of an Enum as its value, a date as a date."""
    notebook.ok(
        """
def answer(model, frame):
    p = model.predict_proba(features(frame))[0, 1]
    return Answer(Verdict.LEAVES if p > 0.5 else Verdict.STAYS, p, frame["when"].iloc[0].date())
"""
    )
    name = new_name("own")
    verified(notebook, f"own = %containerize churn --name {name} --sample visits --predict answer\nown")
    notebook.ok("back = own.predict(visits)")
    assert notebook.value("[type(back).__name__, back['verdict'], str(back['on'])]") == ["dict", "stays", "2024-01-31"]


def test_sparse_vectors_come_back_sparse(notebook: Notebook, new_name: Callable[[str], str]) -> None:
    """A vectorizer takes texts and gives a sparse matrix, for any number of texts."""
    name = new_name("vectors")
    verified(notebook, f"v = %containerize vectors --name {name} --sample texts --predict transform\nv")
    notebook.ok("back = v.predict(texts * 2); same = vectors.transform(texts * 2)")
    assert notebook.value("type(back) is type(same) and back.shape == same.shape and not (back != same).nnz")


def test_what_cannot_be_carried_is_refused_with_what_to_give_instead(notebook: Notebook) -> None:
    """A sample that HTTP cannot carry names its type and the remedy."""
    refusal = notebook.run("%containerize churn --sample np.ma.masked_array([1.0])").refusal()
    assert refusal.kind == "CaptureError"
    assert "numpy.ma.MaskedArray; give its filled()" in refusal.message
