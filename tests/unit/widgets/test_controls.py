"""When a notebook shows controls below a card."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_containeriter.api import kernel
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.show import live
from jupyter_containeriter.widgets import controls, model_panel


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names whose controls were shown, in a notebook that wants them."""
    names: list[str] = []
    panels: Any = lambda name: SimpleNamespace(show_controls=lambda: names.append(name))  # noqa: E731
    monkeypatch.setattr(model_panel, "panel_of", panels)
    settings = SimpleNamespace(controls=True)
    monkeypatch.setattr(kernel, "session", lambda: SimpleNamespace(settings=settings))
    request(monkeypatch, "first")
    controls._shown.clear()
    return names


def request(monkeypatch: pytest.MonkeyPatch, message: str, **metadata: Any) -> None:
    """Execute a cell, as a page asks for it."""
    parent = {"header": {"msg_id": message}, "metadata": metadata or {"cellId": "1"}}
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda: parent))
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)


def deployed(name: str = "churn", container: Any = "some") -> Any:
    """Make what a magic returns."""
    return Deployment(SimpleNamespace(name=name), None, container)  # type: ignore[arg-type]


def test_they_are_shown_once_in_a_cell(shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For each name; the next cell shows its own."""
    for name in ("churn", "churn", "wine"):
        controls.show_controls(deployed(name))
    assert shown == ["churn", "wine"]
    request(monkeypatch, "second")
    controls.show_controls(deployed())
    assert shown == ["churn", "wine", "churn"]


def test_programs_that_execute_notebooks_see_none(shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not say which cell it is."""
    request(monkeypatch, "first", trusted=True)
    controls.show_controls(deployed())
    assert shown == []


def test_they_can_be_switched_off(shown: list[str]) -> None:
    """By a setting."""
    kernel.session().settings.controls = False
    controls.show_controls(deployed())
    assert shown == []


def test_only_what_runs_has_controls(shown: list[str]) -> None:
    """Not an image that was only built, nor what other verbs return."""
    controls.show_controls(deployed(container=None))
    controls.show_controls("something else")
    assert shown == []


def test_whatever_they_raise_the_card_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is done: ipywidgets that are broken do not make it fail."""
    displayed: list[Any] = []
    place = SimpleNamespace(update=lambda bundle, raw: displayed.append(bundle["text/html"]))
    monkeypatch.setattr(live, "surroundings", lambda: "notebook")
    monkeypatch.setattr(live, "_display", lambda bundle, **_: place)
    monkeypatch.setattr(live, "_cell", lambda: 1)

    def broken(_result: object) -> None:
        raise ImportError("no ipywidgets")

    monkeypatch.setattr(live, "_drawers", [broken])

    class Card:
        def _repr_html_(self) -> str:
            return "the card"

    result = Card()
    assert live.watched("Deploying", lambda progress: result) is result
    assert displayed[-1] == "the card"
