"""Widgets in a notebook with a real kernel, over real containers."""

from __future__ import annotations

import pytest
from notebook_bench import Lab, Notebook, need, until

WIDGET = "application/vnd.jupyter.widget-view+json"

#: What a cell says of the section that is open, without the page around it.
PANEL = """
import jupyter_containeriter as citer
shown = citer.panel("mean")

def section(title):
    place = [one.title for one in shown._sections].index(title)
    shown._open.value = place
    return shown._sections[place]
"""


@pytest.fixture
def notebook(request: pytest.FixtureRequest, lab: Lab) -> Notebook:
    """Open a notebook over the sandbox."""
    return lab.open(need(request, "sandbox"))


def test_a_person_gets_controls_below_the_card(notebook: Notebook) -> None:
    """Once for each cell, as an output of their own; the card is what it is without them."""
    notebook.as_a_page()
    cell = notebook.ok("%containerize mean --sample rows\n%containerize mean --sample rows")
    card = {"text/html", "text/plain"}
    assert [set(output["data"]) for output in cell.outputs] == [card, {WIDGET, "text/plain"}, card]
    assert "mean:2" in cell.html


def test_programs_get_the_card_alone(notebook: Notebook) -> None:
    """Their notebooks hold what they held before there were controls."""
    cell = notebook.ok("%containerize mean --sample rows")
    assert [set(output["data"]) for output in cell.outputs] == [{"text/html", "text/plain"}]


def test_controls_can_be_switched_off_in_a_notebook(notebook: Notebook) -> None:
    """As every setting."""
    notebook.as_a_page()
    notebook.ok("%config ContainerIter.controls = False")
    assert not notebook.ok("%containerize mean --sample rows").shown(WIDGET)


def test_a_panel_shows_a_card_that_needs_no_kernel(notebook: Notebook) -> None:
    """And the widget below it; stopped, the card has the iterations."""
    notebook.ok("%containerize mean --sample rows")
    card, widget = notebook.ok(PANEL + "shown").outputs
    assert "mean:1" in card["data"]["text/html"]
    assert WIDGET in widget["data"]
    assert "citer.panel('mean')" in widget["data"]["text/plain"]
    notebook.ok("%undeploy mean")
    card, _ = notebook.ok("citer.panel('mean')").outputs
    assert "verified" in card["data"]["text/html"]


def test_a_container_is_tried_watched_and_rolled_back_by_its_panel(notebook: Notebook, lab: Lab) -> None:
    """Against a real server: predictions, logs, usage, charts, versions."""
    notebook.ok("%containerize mean --sample rows")
    notebook.ok("%containerize mean --sample rows")
    notebook.ok(PANEL)
    tried = notebook.value("[section('Try it')._predict.click(), section('Try it')._result.value][1]")
    assert "Equal." in tried
    assert "1.5" in tried
    assert "ready" in notebook.value("section('Logs')._shown.value")
    assert " of a core" in notebook.value("section('Usage')._shown.value")
    assert notebook.value("section('Charts')._shown.value.count('<img')") == 2
    notebook.ok("shown._back.click()")
    (container,) = lab.containers("mean")
    assert container.version == 1
    assert "mean:1" in notebook.value("shown._state.value")


def test_a_panel_follows_another_notebook(notebook: Notebook, lab: Lab) -> None:
    """While somebody has it open; closed, nothing looks any more."""
    notebook.ok("%containerize mean --sample rows")
    notebook.ok(PANEL + "shown._address._heard(None, {'kind': 'opened', 'view': 'one'}, None)")
    other = lab.open()
    other.ok("%undeploy mean")
    until(lambda: "not running" in notebook.value("shown._state.value"))
    notebook.ok("shown._address._heard(None, {'kind': 'closed', 'view': 'one'}, None)")
    notebook.ok("shown.follower.join()")
    assert notebook.value("shown.follower.is_running") is False


def test_models_are_chosen_and_containerized(notebook: Notebook) -> None:
    """Among the variables of the notebook, with the rows that it has."""
    notebook.ok("import jupyter_containeriter as citer\nchosen = citer.chooser()\nchosen")
    assert notebook.value("chosen._line.text") == "%containerize mean --name mean --sample rows[:5]"
    notebook.ok("chosen._go.click()")
    assert "mean:1 verified" in notebook.value("chosen._acts._told.value")
