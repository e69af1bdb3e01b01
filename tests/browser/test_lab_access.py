"""Panel, dialogs and views are for everybody: named when read aloud, of enough contrast, used by the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lab_bench import ROOT, JupyterServer, write_notebook
from lab_hands import Hands
from notebook_bench import MODELS, Lab
from playwright.sync_api import Browser, Locator, expect

AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"

#: The parts of the page that are this project's; JupyterLab's own are not judged here.
OURS = (
    *(".jp-ContainerIter", ".jp-Dialog-content", ".jp-ContainerIter-logs", ".jp-ContainerIter-report"),
    *("[data-jp-item-name=containerize]", "[id='jupyter-containeriter:status']", ".containeriter-panel"),
)

#: What a screen reader calls an element: the one given, or the one that has the focus.
NAMED = "node => { const it = node ?? document.activeElement; return it.ariaLabel || it.textContent.trim(); }"

FIRST = "%load_ext jupyter_containeriter\n" + MODELS + "accuracy = 0.9\n%containerize mean --name fair --sample rows"
SECOND = '%containerize mean --name fair --sample rows --metric accuracy=accuracy --note "the same again"'


@pytest.fixture(scope="module", params=["Light", "Dark", "Dark High Contrast"])
def hands(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    browser: Browser,
) -> Iterator[Hands]:
    """Sit a person down in front of two versions of a small model, the second one in service."""
    request.getfixturevalue("sandbox_working")
    lab = Lab(tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("cache"))
    write_notebook(lab, "fair.ipynb", FIRST, SECOND)
    try:
        with JupyterServer(lab, theme=request.param) as server:
            hands = Hands(browser, server, f"access-{request.param.lower().replace(' ', '-')}")
            hands.open("fair.ipynb")
            hands.run_all()
            hands.open_panel()
            expect(hands.model("fair")).to_contain_text("v2 running")
            yield hands
            hands.close()
    finally:
        lab.close()


@pytest.fixture(autouse=True)
def _tidy(hands: Hands) -> Iterator[None]:
    """Leave no dialog to the next test."""
    yield
    hands.page.keyboard.press("Escape")
    expect(hands.dialog).to_have_count(0)


def violations(hands: Hands) -> list[str]:
    """Return what axe-core finds serious or critical in this project's parts of the page."""
    if not hands.page.evaluate("() => 'axe' in window"):
        hands.page.evaluate(AXE.read_text(encoding="utf-8"))
    there = [selector for selector in OURS if hands.page.locator(selector).count()]
    result: dict[str, Any] = hands.page.evaluate(
        "async include => (await axe.run({ include }, { resultTypes: ['violations'] }))", there
    )
    return [
        f"{violation['impact']}: {violation['help']}: {node['html']}"
        for violation in result["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


def test_nothing_serious_is_found_in_the_panel(hands: Hands) -> None:
    """With a model and an iteration opened."""
    hands.open_model("fair")
    hands.panel.get_by_role("button", name="Details of version 2").click()
    expect(hands.panel.get_by_role("list", name="Phases")).to_be_visible()
    hands.picture("panel")
    assert not violations(hands)


def test_nothing_serious_is_found_in_the_dialog(hands: Hands) -> None:
    """Of the button Containerize."""
    hands.press_containerize()
    hands.dialog.get_by_label("accuracy").check()
    hands.picture("dialog")
    assert not violations(hands)


def test_nothing_serious_is_found_where_a_version_is_chosen(hands: Hands) -> None:
    """To roll back to."""
    hands.open_model("fair")
    hands.action("Roll fair back")
    expect(hands.dialog).to_be_visible()
    hands.picture("versions")
    assert not violations(hands)


def test_nothing_serious_is_found_in_logs_and_report(hands: Hands) -> None:
    """Both are views of the main area."""
    hands.open_model("fair")
    hands.action("Show the logs of fair")
    expect(hands.page.get_by_role("log")).to_contain_text("ready")
    hands.picture("logs")
    assert not violations(hands)
    hands.action("Show the report of fair")
    expect(hands.page.frame_locator("iframe:visible").get_by_role("heading", name="fair")).to_be_visible()
    hands.picture("report")
    assert not violations(hands)
    theme = hands.page.locator("body").get_attribute("data-jp-theme-light")
    report = hands.page.frame_locator("iframe:visible").locator("html")
    assert report.evaluate("() => matchMedia('(prefers-color-scheme: light)').matches") == (theme == "true")
    hands.page.get_by_role("tab", name="fair.ipynb").click()


def test_nothing_serious_is_found_in_the_widgets(hands: Hands) -> None:
    """Each section of the controls below a card, with an answer in the form."""
    controls = hands.notebook.locator(".containeriter-panel").last
    controls.get_by_role("button", name="Try it").click()
    controls.get_by_role("button", name="Predict", exact=True).click()
    expect(controls.get_by_text("Equal.")).to_be_visible()
    hands.picture("form")
    assert not violations(hands)
    for section, shown in (("Logs", "log"), ("Usage", "img"), ("Charts", "img")):
        controls.get_by_role("button", name=section, exact=True).click()
        expect(controls.get_by_role(shown).first).to_be_visible()
        assert not violations(hands)


def test_everything_in_the_panel_is_reached_by_tab(hands: Hands) -> None:
    """One after the other, in the order in which it is read; nothing holds the focus."""
    hands.open_model("fair")
    hands.panel.get_by_label("Search models").focus()
    reached = walk(hands, hands.panel)
    wanted = named(hands.panel.get_by_role("button")) - {"Containerize a model of the notebook", "Connect again"}
    assert wanted <= set(reached)
    assert "Show models by state" in reached
    hands.panel.get_by_label("Search models").focus()
    backwards = walk(hands, hands.panel, key="Shift+Tab")
    assert {"Containerize a model of the notebook", "Connect again"} <= set(backwards)


def test_the_dialog_is_used_by_the_keyboard_alone(hands: Hands) -> None:
    """From the button to the cell that ran, without a mouse."""
    hands.notebook.locator("[data-jp-item-name=containerize]").get_by_role("button").focus()
    hands.page.keyboard.press("Enter")
    expect(hands.dialog.get_by_label("Model")).to_be_focused()
    hands.page.keyboard.press("Tab")
    expect(hands.dialog.get_by_label("Name", exact=True)).to_be_focused()
    hands.page.keyboard.press("Control+a")
    hands.page.keyboard.type("typed")
    hands.page.keyboard.press("Tab")
    expect(hands.dialog.get_by_label("Sample")).to_be_focused()
    hands.page.keyboard.press("Tab")
    hands.page.keyboard.press("Space")
    expect(hands.dialog.get_by_label("accuracy", exact=False).first).to_be_checked()
    hands.page.keyboard.press("Enter")
    expect(hands.dialog).to_have_count(0)
    hands.idle()
    expect(hands.model("typed")).to_contain_text("v1 running")


def test_escape_leaves_the_dialog_and_nothing_is_done(hands: Hands) -> None:
    """No cell is inserted."""
    cells = hands.notebook.locator(".jp-CodeCell").count()
    hands.press_containerize()
    expect(hands.dialog.get_by_label("Model")).to_be_focused()
    hands.page.keyboard.press("Escape")
    expect(hands.dialog).to_have_count(0)
    assert hands.notebook.locator(".jp-CodeCell").count() == cells


def walk(hands: Hands, place: Locator, key: str = "Tab") -> list[str]:
    """Press a key as long as the focus stays in a place; return the names of what had it."""
    reached: list[str] = []
    while place.evaluate("node => node.contains(document.activeElement)"):
        reached.append(hands.page.evaluate(NAMED))
        assert len(reached) < 200, f"the focus never leaves: {reached[-5:]}"
        hands.page.keyboard.press(key)
    return reached


def named(buttons: Locator) -> set[str]:
    """Return the names of buttons that can be seen."""
    return {button.evaluate(NAMED) for button in buttons.all() if button.is_visible()}
