"""Which cell changed the model last: read from sources, and from variables that hold another object."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_containeriter.clock import CellClock
from jupyter_containeriter.lead import changed_at, changes, model_names, roots, watch


@pytest.mark.parametrize(
    "source",
    [
        "model = 1",
        "a, (model, b) = 1, (2, 3)",
        "model += 1",
        "model: int = 1",
        "(model := 1)",
        "for model in models: pass",
        "with opened() as model: pass",
        "import joblib as model",
        "from x import model",
        "def model(x): return x",
        "class model: pass",
        "del model",
        "model.threshold = 0.5",
        "model.coef_[0] = 1",
        "model['clf'].C = 2",
        "model.fit(X, y)",
        "model.named_steps['clf'].fit(X, y)",
        "fitted = model.fit(X).predict(X)",
        "model.train()",
        "train(model, X)",
        "train(X, model=model)",
        "trainer.run(model)",
        "if True:\n    try:\n        model.fit(X)\n    except ValueError:\n        pass",
        "[m.fit(X) for m in prepared(model)]",
        "@register(model)\ndef f(): pass",
        "await_ = lambda: 0\nmodel.fit(X)",
    ],
)
def test_what_changes_a_variable(source: str) -> None:
    """Binding it, storing into it, calling what may change it, and giving it to what may do so."""
    assert changes(source, {"model"})


@pytest.mark.parametrize(
    "source",
    [
        "",
        "model",
        "print(model)",
        "model.predict(X)",
        "model.predict_proba(X)[:, 1].round()",
        "accuracy = model.score(X, y)",
        "roc_auc_score(y, model.predict(X))",
        "cross_val_score(model, X, y)",
        "ConfusionMatrixDisplay.from_estimator(model, X, y)",
        "model.get_params()",
        "model.summary()",
        "model.eval()",
        "model(X)",
        "x = model.coef_",
        "other.model = 1",
        "other.model.fit(X)",
        "fit(X)",
        "def refit():\n    model.fit(X)",
        "f = lambda: model.fit(X)",
        "[model for model in others]",
        "citer.containerize(model, name='churn')",
        "joblib.dump(model, 'm.joblib')",
        "model = ",
        "models = 1",
    ],
)
def test_what_only_reads_a_variable(source: str) -> None:
    """Calls that are known to only read, other variables, and code that does not run."""
    assert not changes(source, {"model"})


@pytest.fixture
def shell(timed_shell: InteractiveShell) -> InteractiveShell:
    """Give a shell whose cells are timed, with a kind of model."""
    timed_shell.run_cell("class M:\n    def fit(self): return self\n    predict = fit")
    return timed_shell


@pytest.mark.parametrize(
    "source",
    [
        "%%time\nmodel = M()",
        "%time model = M().fit()",
        "%timeit -n 1 -r 1 model.fit()",
        "get_ipython().run_cell('model.fit()')",
        "%%capture out\n%time model.fit()",
        "exec('model = M()')",
        "!true\nmodel.fit()",
    ],
)
def test_magics_are_looked_into(shell: InteractiveShell, clock: CellClock, source: str) -> None:
    """Code that magics run changes what it changes; a watched variable tells of what no source shows."""
    shell.run_cell("model = M()")
    watch(clock, ["model"], shell.user_ns)
    shell.run_cell(source)
    changed = clock.cells[-1]
    shell.run_cell("model.predict()\n%time model.predict()\n%who")
    assert changed_at(clock, {"model"}, 1e12) == changed.ended


def test_the_last_change_counts(shell: InteractiveShell, clock: CellClock) -> None:
    """Of several cells that changed the model, the last one; before the first, nothing is known."""
    shell.run_cell("x = 1")
    assert changed_at(clock, {"model"}, 1e12) is None
    for source in ("model = M()", "model.fit()", "model.predict()", "y = 2"):
        shell.run_cell(source)
    assert changed_at(clock, {"model"}, 1e12) == clock.cells[3].ended
    assert changed_at(clock, {"other"}, 1e12) is None


def test_in_the_cell_that_asks_the_call_counts(shell: InteractiveShell, clock: CellClock) -> None:
    """The cell that changes and asks has no end yet: the moment of the call is taken."""
    shell.user_ns["ask"] = lambda: changed_at(clock, {"model"}, 42.0)
    shell.run_cell("model = M()\nanswer = ask()")
    assert shell.user_ns["answer"] == 42.0


def test_names_of_a_model() -> None:
    """Variables that hold the very object, and those an expression is made of; no modules, no names of results."""
    model: Any = object()
    namespace = {"model": model, "same": model, "_": model, "search": object(), "np": pytest, "churn": object()}
    assert model_names("model", model, namespace) == {"model", "same"}
    assert model_names("search.best_estimator_", model, namespace) == {"model", "same", "search"}
    assert model_names("churn", model, namespace) == {"model", "same"}
    assert roots("np.asarray(search)[0]", namespace) == {"search"}
    assert roots("not python", namespace) == set()
