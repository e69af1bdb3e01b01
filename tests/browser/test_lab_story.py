"""A person's whole story in JupyterLab: from the example to a model that is stopped, on each engine, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_bench import JupyterServer
from lab_hands import CELL_MS, Hands
from notebook_bench import ENGINES, Lab, need
from playwright.sync_api import Browser, expect

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"
THEMES = {"docker": "Light", "sandbox": "Dark"}

#: Another model under the same name.
CHANGE = """
clf = RandomForestClassifier(n_estimators=30, random_state=7).fit(X_train, y_train)
accuracy, recall = scores(clf)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the layer cache of both engines."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Return each engine that is there."""
    return need(request, request.param)


@pytest.fixture
def name(new_name: Callable[[str], str]) -> str:
    """Return a name for the example's model that no other run uses."""
    return new_name("second-opinion")


@pytest.fixture
def hands(engine: str, name: str, cache: Path, tmp_path: Path, browser: Browser) -> Iterator[Hands]:
    """Sit a person down in front of JupyterLab, with the example."""
    lab = Lab(tmp_path, cache)
    example = QUICKSTART.read_text(encoding="utf-8").replace("second-opinion", name)
    (lab.directory / "quickstart.ipynb").write_text(example, encoding="utf-8")
    try:
        with JupyterServer(lab, engine, theme=THEMES[engine]) as server:
            hands = Hands(browser, server, f"story-{engine}-{THEMES[engine].lower()}")
            yield hands
            hands.close()
    finally:
        lab.close()


@pytest.mark.timeout(600)
def test_from_the_example_to_a_model_that_is_stopped(hands: Hands, name: str) -> None:
    """A person runs the example, changes the model, tries it, goes back, and stops it; nothing breaks on the way."""
    hands.open("quickstart.ipynb")
    hands.open_panel()
    expect(hands.panel).to_contain_text("No iterations yet")
    hands.picture("01-empty")

    see_phases_while_the_example_runs(hands, name)
    change_the_model_and_press_containerize(hands, name)
    try_a_prediction_in_the_form(hands)
    reload_in_between(hands, name)
    lose_the_kernel(hands, name)
    roll_back(hands, name)
    read_logs(hands, name)
    try_it_on_the_docs_page(hands, name)
    restore_into_the_notebook(hands, name)
    stop(hands, name)

    assert hands.server.lab.statuses(name) == ["verified"] * 4
    # JupyterLab's own, where a page is loaded again before its debugger was answered.
    hands.watch.forgive("Could not restore the debugger state")
    hands.watch.assert_quiet()


def see_phases_while_the_example_runs(hands: Hands, name: str) -> None:
    """See the first iteration's phases, and three versions in the end."""
    hands.menu("Run", "Run All Cells")
    model = hands.model(name)
    expect(model.get_by_role("list", name="Phases under way")).to_be_visible(timeout=CELL_MS)
    hands.picture("02-phases")
    hands.idle()
    expect(model).to_contain_text("v3 running")
    expect(model).to_contain_text("exact")
    assert len(hands.bars(name)) == 3
    hands.picture("03-three-versions")


def change_the_model_and_press_containerize(hands: Hands, name: str) -> None:
    """Have the dialog insert and run the line that does it, and see the chart move."""
    hands.add_cell(CHANGE)
    hands.press_containerize()
    hands.dialog.get_by_label("Model").select_option("clf")
    hands.dialog.get_by_label("Name", exact=True).fill(name)
    hands.dialog.get_by_label(re.compile("^accuracy")).check()
    hands.dialog.get_by_label("Note").fill("a smaller forest")
    hands.picture("04-dialog")
    hands.dialog.get_by_role("button", name="Insert and Run").click()
    line = f"%containerize clf --name {name} --sample X_test[:5] --metric accuracy=accuracy"
    expect(hands.cell("a smaller forest").locator(".jp-InputArea-editor")).to_contain_text(line)
    hands.idle()
    expect(hands.model(name)).to_contain_text("v4 running")
    assert len(hands.bars(name)) == 4
    hands.picture("05-fourth-version")


def try_a_prediction_in_the_form(hands: Hands) -> None:
    """Ask the container below its card, with the sample filled in, and see the kernel's answer beside it."""
    controls = hands.cell("a smaller forest").locator(".containeriter-panel")
    controls.get_by_role("button", name="Try it", exact=True).click()
    controls.get_by_role("button", name="Predict", exact=True).click()
    expect(controls).to_contain_text("Equal.")
    controls.scroll_into_view_if_needed()
    hands.picture("05b-form")


def reload_in_between(hands: Hands, name: str) -> None:
    """Load the page again, and find everything where it was."""
    hands.command("docmanager:save")
    expect(hands.page.locator(".lm-TabBar-tab.lm-mod-current.jp-mod-dirty")).to_have_count(0)
    hands.reload("quickstart.ipynb")
    hands.open_panel()
    expect(hands.model(name)).to_contain_text("v4 running")
    hands.picture("06-reloaded")


def lose_the_kernel(hands: Hands, name: str) -> None:
    """Lose the kernel; what it deployed goes on."""
    hands.server.kill_kernel()
    expect(hands.dialog).to_contain_text("appears to have died")
    hands.dialog.get_by_role("button", name="Ok").click()
    expect(hands.model(name)).to_contain_text("v4 running")


def roll_back(hands: Hands, name: str) -> None:
    """Bring the version before back, chosen in the panel, without any kernel."""
    hands.open_model(name)
    hands.picture("07-iterations")
    hands.action(f"Roll {name} back")
    hands.picture("08-roll-back")
    hands.dialog.get_by_role("button", name="Roll Back").click()
    expect(hands.model(name)).to_contain_text("v3 running")
    hands.picture("09-rolled-back")


def read_logs(hands: Hands, name: str) -> None:
    """Read the server's own words."""
    hands.action(f"Show the logs of {name}")
    expect(hands.page.get_by_role("log")).to_contain_text("is ready")
    hands.picture("10-logs")


def try_it_on_the_docs_page(hands: Hands, name: str) -> None:
    """Reach the container's page through Jupyter, and predict without a token."""
    with hands.page.expect_popup() as opened:
        hands.action(f"Open the docs page of {name}")
    page = opened.value
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer")).to_contain_text(re.compile("malignant|benign"))
    assert "#token=" not in page.url
    page.close()


def restore_into_the_notebook(hands: Hands, name: str) -> None:
    """Bring a version back into the kernel, by a line in the notebook."""
    hands.page.get_by_role("tab", name="quickstart.ipynb").click()
    version = hands.model(name).get_by_role("listitem", name=re.compile("^Version 3"))
    version.hover()
    version.get_by_role("button", name=f"Restore {name}:3 into the notebook").click()
    expect(hands.cell(f"%restore {name}:3")).to_contain_text("restored")
    hands.idle()
    hands.picture("11-restored")


def stop(hands: Hands, name: str) -> None:
    """Stop what runs; the iterations stay."""
    hands.action(f"Stop {name}")
    hands.dialog.get_by_role("button", name="Stop").click()
    expect(hands.model(name)).to_contain_text("not deployed")
    assert not hands.server.lab.containers(name)
    hands.picture("12-stopped")
