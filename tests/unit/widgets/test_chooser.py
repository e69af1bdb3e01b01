"""A choice among the models of a notebook, which containerizes with a click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jupyter_containeriter.api import kernel
from jupyter_containeriter.api.choices import Choices
from jupyter_containeriter.capture.candidates import find_candidates
from jupyter_containeriter.widgets import chooser, model_chooser
from jupyter_containeriter.widgets.model_chooser import Choice

if TYPE_CHECKING:
    from session_bench import Lab


@pytest.fixture
def notebook(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give the variables of a notebook with a model, rows and a metric."""
    variables: dict[str, Any] = {"my_model": lab.request(3).model, "texts": ["a", "b"], "accuracy": 0.75}
    monkeypatch.setattr(kernel, "session", lambda: lab.session)
    monkeypatch.setattr(model_chooser, "namespace_of_notebook", lambda: variables)
    monkeypatch.setattr(model_chooser, "candidates", lambda: Choices(find_candidates(variables), loaded=True))
    return variables


def test_models_are_offered_with_type_and_state(notebook: dict[str, Any]) -> None:
    """The name is made of the variable; rows and metrics are those of the notebook."""
    shown = chooser()
    assert shown._model.options == (("my_model · Scaler · fitted or not: it does not tell", "my_model"),)
    assert shown._name.value == "my-model"
    assert shown._metric.options == (("none", ""), ("accuracy = 0.75", "accuracy"))


def test_a_click_containerizes_and_shows_the_panel(lab: Lab, notebook: dict[str, Any]) -> None:
    """With sample and metric, as the line in the notebook would."""
    shown = chooser()
    notebook["rows"] = [1, 2]
    shown._sample.value = "rows[:2]"
    shown._metric.value = "accuracy"
    shown._go.click()
    row = lab.row(1, "my-model")
    assert (row.status, row.metrics) == ("verified", {"accuracy": 0.75})
    assert "my-model:1 verified" in shown._acts._told.value
    assert "my-model:1" in shown._result.children[0].children[0].value


def test_the_same_line_is_there_to_copy(notebook: dict[str, Any]) -> None:
    """It follows what is chosen."""
    shown = chooser()
    shown._name.value = "wine"
    shown._sample.value = "rows[:2]"
    shown._metric.value = "accuracy"
    assert shown._line.text == "%containerize my_model --name wine --sample rows[:2] --metric accuracy=accuracy"


@pytest.mark.parametrize(
    ("sample", "word"), [("X [:5]", '"X [:5]"'), ('X["a b"]', 'X["a b"]'), ('f("a") [0]', "'f(\"a\") [0]'")]
)
def test_an_expression_stays_one_word_of_the_line(sample: str, word: str) -> None:
    """In quotes, where it has spaces outside brackets."""
    assert Choice("clf", "wine", sample).line == f"%containerize clf --name wine --sample {word}"


def test_what_was_wrong_is_said_with_what_to_do(lab: Lab, notebook: dict[str, Any]) -> None:
    """A name that cannot be one, an expression that is none; nothing is built."""
    shown = chooser()
    for name, sample, part in [("My Model", "", "my-model"), ("wine", "nothing[:2]", "Define it in a cell first")]:
        shown._name.value, shown._sample.value = name, sample
        shown._go.click()
        assert part in shown._acts._told.value
    assert lab.running() == []


def test_without_a_model_it_says_what_to_do(notebook: dict[str, Any]) -> None:
    """Once there is one, a press of the button finds it."""
    held = notebook.pop("my_model")
    shown = chooser()
    assert "No variable of this notebook holds a model" in shown._form.children[0].value
    notebook["later"] = held
    shown._refresh.click()
    assert shown._model.value == "later"


def test_what_was_chosen_stays_chosen(lab: Lab, notebook: dict[str, Any]) -> None:
    """When it is looked again for models."""
    notebook["other"] = lab.request(5).model
    shown = chooser()
    shown._model.value = "my_model"
    shown._refresh.click()
    assert shown._model.value == "my_model"
