"""The panel of a model in JupyterLab, as a person uses it; the page is loaded anew, and the kernel restarted."""

from __future__ import annotations

from collections.abc import Iterator

import nbformat
import pytest
from browser_bench import Watch
from lab_bench import JupyterServer
from notebook_bench import MODELS, Lab, missing
from playwright.sync_api import Browser, Locator, Page, expect

from jupyter_containeriter.bubblewrap import namespaces_work

CELLS = ["%load_ext jupyter_containeriter\n" + MODELS, "%containerize mean --sample rows"]
VIEWS = "len(__import__('jupyter_containeriter').panel('mean')._address._views)"

#: What a person waits for: the notebook is there, and its kernel has nothing to do.
IDLE = """
(() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === "idle")()
"""
#: The value of an expression in the kernel of the notebook, past its cells.
ASK = """
async (expression) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code: "", silent: true, user_expressions: { value: expression } });
  return (await future.done).content.user_expressions.value.data["text/plain"];
}
"""


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """Serve a notebook that containerizes a model."""
    if not namespaces_work():
        missing("this user may not create namespaces")
    lab = Lab(tmp_path_factory.mktemp("person"), tmp_path_factory.mktemp("cache"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, lab.directory / "story.ipynb")
    try:
        with JupyterServer(lab) as server:
            yield server
    finally:
        lab.close()


def ready(page: Page) -> None:
    """Wait until the kernel has nothing to do."""
    page.wait_for_function(IDLE, timeout=60_000)


def panel(page: Page) -> Locator:
    """Return the panel below the card."""
    return page.locator(".containeriter-panel")


def press(page: Page, name: str) -> None:
    """Press a button of the panel."""
    panel(page).get_by_role("button", name=name, exact=True).click()


def test_a_panel_lives_as_long_as_its_kernel(browser: Browser, server: JupyterServer) -> None:
    """It predicts beside the kernel, survives the page, follows a shell, and says when its kernel is gone."""
    page = browser.new_context(viewport={"width": 1100, "height": 1000}).new_page()
    watch = Watch(page, server.url)
    page.goto(f"{server.url}lab/tree/story.ipynb?token={server.token}")
    ready(page)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    expect(panel(page)).to_contain_text("mean:1", timeout=120_000)

    press(page, "Try it")
    press(page, "Predict")
    expect(panel(page)).to_contain_text("Equal.")

    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    ready(page)
    expect(panel(page)).to_contain_text("Equal.")
    panel(page).locator("textarea").fill("[[4.0, 6.5]]")
    press(page, "Predict")
    expect(panel(page)).to_contain_text("5.25")
    assert page.evaluate(ASK, VIEWS) == "1"

    server.lab.shell("undeploy", "mean")
    expect(panel(page)).to_contain_text("not running", timeout=20_000)
    press(page, "Deploy")
    expect(panel(page)).to_contain_text("mean:1 serves", timeout=60_000)

    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    gone = page.locator(".containeriter-panel.jupyter-widgets-disconnected")
    expect(gone).to_have_count(1, timeout=30_000)
    said = gone.evaluate("(panel) => getComputedStyle(panel, '::before').content")
    assert "Run the cell again" in said
    expect(page.locator(".containeriter-card").first).to_contain_text("mean:1")
    # JupyterLab's own, where the last words of the old kernel come after its end.
    watch.forgive("Comm not found for comm id")
    watch.assert_quiet()
