"""What the front end hears of a notebook's variables."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_containeriter import __version__, api
from jupyter_containeriter.api import choices, kernel
from jupyter_containeriter.capture.kernel import KernelModels
from jupyter_containeriter.capture.snapshot import CaptureRequest

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

CELL = """
class Mean:
    def predict(self, rows):
        return [sum(row) for row in rows]

Mean_model, rows, accuracy = Mean(), [[1.0, 2.0], [3.0, 4.0]], 0.5
_private = Mean()
"""
ASKED = "__import__('importlib').import_module('jupyter_containeriter.api').candidates()"


@pytest.fixture
def shell(timed_shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """Give a shell in which a cell has run; it has not loaded the magics."""
    monkeypatch.setattr(choices, "_shell", lambda: timed_shell)
    timed_shell.run_cell(CELL, store_history=True)
    timed_shell.run_cell("Mean_model", store_history=True)
    return timed_shell


def shown(shell: InteractiveShell) -> Any:
    """Ask as the front end does."""
    answer = shell.user_expressions({"candidates": ASKED})["candidates"]
    assert answer["status"] == "ok", answer
    return json.loads(json.dumps(answer["data"]["application/json"]))


def test_the_front_end_is_told_models_samples_and_metrics(shell: InteractiveShell) -> None:
    """As JSON of a fixed format; what IPython keeps by itself, and what is private, is no variable of the person."""
    assert shown(shell) == {
        "format": 1,
        "version": __version__,
        "loaded": False,
        "models": [
            {
                "variable": "Mean_model",
                "type": "Mean",
                "library": "",
                "fitted": None,
                "name": "mean-model",
                "samples": ["rows[:5]"],
            }
        ],
        "samples": [{"expression": "rows[:5]", "type": "list", "shape": [2, 2]}],
        "metrics": [{"expression": "accuracy", "value": 0.5}],
    }


def test_it_is_told_whether_the_magics_are_loaded(shell: InteractiveShell) -> None:
    """A cell that is inserted needs a line more where they are not."""
    shell.register_magic_function(print, magic_name="containerize")
    assert shown(shell)["loaded"] is True


def test_without_a_shell_the_program_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script has no magics."""
    monkeypatch.setattr(choices, "_shell", lambda: None)
    monkeypatch.setattr(sys.modules["__main__"], "accuracy_of_mine", 0.25, raising=False)
    found = api.candidates()
    assert not found.loaded
    assert ("accuracy_of_mine", 0.25) in [(metric.expression, metric.value) for metric in found.found.metrics]


def test_a_variable_keeps_the_name_it_was_containerized_under(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the person gave it another one than that of the variable."""
    request = CaptureRequest("fair", shell.user_ns["Mean_model"], "Mean_model", {})
    known = KernelModels()
    known.remember(request, "one")
    monkeypatch.setattr(kernel, "session", lambda: SimpleNamespace(kernel_models=known))
    assert [model["name"] for model in shown(shell)["models"]] == ["fair"]
