"""Models of earlier versions, back in a notebook on real engines: in the same kernel, and in a new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from notebook_bench import ENGINES, Lab, Notebook, need

NewName = Callable[[str], str]

_DATA = "import numpy as np\nA = np.random.default_rng(0).normal(size=(60, 4)); y = (A[:, 0] > A[:, 1]).astype(int)\n"

#: Cells that make a model and rows for it, by what it is made of.
_KINDS = {
    "sklearn": (
        _DATA
        + """
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
def steeper(rows): return np.tanh(rows * 1.5)
made, given = make_pipeline(FunctionTransformer(steeper), StandardScaler(), LogisticRegression()).fit(A, y), A[:3]
"""
    ),
    "notebook": (
        """
class Words:
    def __init__(self, known): self.known, self.seen = known, {"a", "b"}
    def predict(self, rows): return [len(self.known & set(row)) for row in rows]
made, given = Words({"x", "y"}), ["xyz", "a"]
"""
    ),
    "xgboost": (
        _DATA + "import xgboost\nmade, given = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(A, y), A[:3]\n"
    ),
    "torch": (
        """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)
    def forward(self, rows): return torch.relu(self.layer(rows))
torch.manual_seed(0)
made, given = Net().eval(), torch.ones(2, 4)
"""
    ),
}


def _same(notebook: Notebook, name: str, restored: str, *options: str) -> None:
    """Containerize what was restored of version 1, and insist that it is that version again."""
    cell = notebook.ok(" ".join((f"%containerize {restored} --name {name}", *options)))
    assert f"The same model as {name}:1" in cell.html


def _rows_agree(lab: Lab, name: str) -> None:
    first, *others = lab.rows(name)
    assert others
    for row in others:
        assert (row["status"], row["parity"], row["sent_bytes"], row["hot"]) == ("verified", first["parity"], 0, True)
        for column in ("model_digest", "image_digest", "environment_digest", "code_digest", "data_digest"):
            assert row[column] == first[column]


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_comes_back_and_is_the_same_version(
    request: pytest.FixtureRequest, lab: Lab, new_name: NewName, engine: str, kind: str
) -> None:
    """In the kernel that made it and in a new one: it predicts as it did, and nothing is built or sent for it."""
    name = new_name(f"back-{kind}")
    maker = lab.open(need(request, engine))
    maker.ok(f"{_KINDS[kind]}\n%containerize made --name {name} --sample given")
    card = maker.ok(f"%restore {name}:1 --as old").html
    assert "exactly as it did" in card
    assert maker.value("type(old).__qualname__ == type(made).__qualname__ and old is not made")
    _same(maker, name, "old", "--sample given")
    maker.close()
    newcomer = lab.open(engine)
    assert "exactly as it did" in newcomer.ok(f"%restore {name}:1 --as old").html
    _same(newcomer, name, "old")
    _rows_agree(lab, name)
    (container,) = lab.containers(name)
    assert container.version == 3


def test_the_python_function_gives_the_model(request: pytest.FixtureRequest, lab: Lab, new_name: NewName) -> None:
    """And a variable that holds something else is only replaced when it is named."""
    name = new_name("plain")
    notebook = lab.open(need(request, "sandbox"))
    notebook.ok(f"%containerize mean --name {name} --sample rows")
    assert notebook.value(f"__import__('jupyter_containeriter').restore('{name}:1').predict(rows)") == [1.5, 4.0]
    variable = name.replace("-", "_")
    notebook.ok(f"{variable} = 'mine'")
    assert "would be lost" in notebook.run(f"%restore {name}:1").refusal().message
    assert notebook.value(variable) == "mine"
    notebook.ok(f"%restore {name}:1 --as {variable}")
    assert notebook.value(f"{variable}.predict(rows)") == [1.5, 4.0]


def test_local_code_comes_back_in_a_new_kernel(request: pytest.FixtureRequest, lab: Lab, new_name: NewName) -> None:
    """What is no longer beside the notebook is imported from the image, and its version is known again."""
    name = new_name("local")
    notebook = lab.open(need(request, "sandbox"))
    house = Path(lab.directory / "house_rules.py")
    house.write_text("class Rule:\n    def predict(self, rows):\n        return [row * 2 for row in rows]\n")
    notebook.ok(f"import house_rules\nrule = house_rules.Rule()\n%containerize rule --name {name} --sample [1,2]")
    notebook.close()
    house.unlink()
    newcomer = lab.open("sandbox")
    card = newcomer.ok(f"%restore {name}:1 --as old").html
    assert "house_rules" in card
    assert newcomer.value("old.predict([4])") == [8]
    _same(newcomer, name, "old")
    _rows_agree(lab, name)


def test_a_spacy_pipeline_comes_back(request: pytest.FixtureRequest, lab: Lab, new_name: NewName) -> None:
    """It predicts as it did; that it is known again is promised of none, for its vocabulary grows as it reads."""
    name = new_name("spacy")
    notebook = lab.open(need(request, "sandbox"))
    notebook.ok(
        "import spacy\nnlp = spacy.blank('en')\n"
        "def words(model, texts): return [len(model(text)) for text in texts]\n"
        f"%containerize nlp --name {name} --predict words --sample ['a film', 'good']"
    )
    card = notebook.ok(f"%restore {name}:1 --as old").html
    assert "exactly as it did" in card
    assert "is not restored" in card
    assert notebook.value("words(old, ['three little words'])") == [3]
    notebook.ok(f"%containerize old --name {name} --predict words --sample ['a film', 'good']")
    assert lab.statuses(name) == ["verified", "verified"]
