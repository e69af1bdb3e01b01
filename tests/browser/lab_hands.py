"""What a person does in JupyterLab, by the words and roles that they see or hear."""

from __future__ import annotations

import re
from pathlib import Path

from browser_bench import Watch
from lab_bench import ROOT, JupyterServer
from playwright.sync_api import Browser, Locator, Page, expect

SCREENS = ROOT / "build" / "screens"

#: Cells train models and build images.
CELL_MS = 120_000

#: Whether the kernel of the notebook is connected and idle; a cell that is run earlier is lost.
IDLE = """() => {
    const widgets = [...(window.jupyterapp?.shell.widgets('main') ?? [])];
    const notebook = widgets.find(widget => widget.context?.sessionContext);
    const session = notebook?.sessionContext;
    const kernel = session?.session?.kernel;
    return session?.isReady && kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
}"""


class Hands:
    """A person in front of JupyterLab.

    Parameters
    ----------
    browser
        The browser.
    server
        The person's server.
    pictures
        What the names of pictures begin with; they go to ``build/screens``.
    """

    def __init__(self, browser: Browser, server: JupyterServer, pictures: str) -> None:
        self.server = server
        self._pictures = pictures
        # Without a wish of the browser for light or dark, frames take that of their place in the page.
        self._context = browser.new_context(viewport={"width": 1400, "height": 1000}, color_scheme="null")
        self._context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(30_000)
        self.watch = Watch(self.page, server.url)
        expect.set_options(timeout=30_000)

    def close(self) -> None:
        """Close the window."""
        self._context.close()

    # --- JupyterLab ---------------------------------------------------------------------------------------------

    def open(self, notebook: str = "") -> None:
        """Open JupyterLab, with a notebook whose kernel is ready."""
        path = f"lab/tree/{notebook}" if notebook else "lab"
        self.page.goto(f"{self.server.url}{path}?token={self.server.token}")
        self.ready(notebook)

    def reload(self, notebook: str = "") -> None:
        """Load the page again."""
        self.page.reload()
        self.ready(notebook)

    def ready(self, notebook: str = "") -> None:
        """Wait for JupyterLab, and for the kernel of a notebook."""
        self.page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
        if notebook:
            self.idle()

    def idle(self) -> None:
        """Wait until the kernel is there and has nothing to do."""
        self.page.wait_for_function(IDLE, timeout=CELL_MS)
        expect(self.page.locator(".jp-InputArea-prompt", has_text="[*]")).to_have_count(0, timeout=CELL_MS)

    def command(self, name: str, **arguments: object) -> None:
        """Carry out a command."""
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def run_all(self) -> None:
        """Run the notebook from the menu, from its first cell to its last."""
        self.menu("Run", "Run All Cells")
        self.idle()

    def menu(self, name: str, item: str) -> None:
        """Choose from the menu bar."""
        self.page.get_by_role("menuitem", name=name, exact=True).click()
        self.page.get_by_role("menu").get_by_role("menuitem", name=re.compile(f"^{re.escape(item)}")).first.click()

    @property
    def notebook(self) -> Locator:
        """The notebook in front."""
        return self.page.locator(".jp-NotebookPanel:visible")

    def cell(self, text: str) -> Locator:
        """Return the cell whose source holds a text."""
        source = self.page.locator(".jp-InputArea-editor", has_text=text)
        return self.notebook.locator(".jp-CodeCell").filter(has=source).last

    def add_cell(self, source: str) -> None:
        """Write a cell at the end, and run it."""
        self.command("notebook:move-cursor-down")
        self.notebook.locator(".jp-CodeCell").last.locator(".jp-InputArea-prompt").click()
        self.page.keyboard.press("b")
        self.page.keyboard.press("Enter")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Control+Enter")
        self.idle()

    def picture(self, name: str) -> Path:
        """Keep a picture of the window."""
        path = SCREENS / f"{self._pictures}-{name}.png"
        self.page.screenshot(path=path)
        return path

    # --- this project -------------------------------------------------------------------------------------------

    @property
    def panel(self) -> Locator:
        """The panel at the left."""
        return self.page.get_by_role("region", name="Iterations")

    def open_panel(self) -> None:
        """Open the panel by its tab."""
        if not self.panel.is_visible():
            self.page.get_by_role("tab", name="Iterations").click()
        expect(self.panel).to_be_visible()

    def model(self, name: str) -> Locator:
        """Return a model in the panel."""
        return self.panel.get_by_role("listitem", name=name, exact=True)

    def open_model(self, name: str) -> None:
        """Show the iterations of a model, and what can be done with it."""
        button = self.model(name).get_by_role("button", name=name, exact=True)
        if button.get_attribute("aria-expanded") == "false":
            button.click()

    def action(self, label: str) -> None:
        """Press a button of the panel by what a screen reader says."""
        self.panel.get_by_role("button", name=label, exact=True).click()

    def bars(self, name: str) -> list[str]:
        """Return what the bars of a model's chart say."""
        return self.model(name).locator(".jp-ContainerIter-trend title").all_text_contents()

    @property
    def dialog(self) -> Locator:
        """The dialog in front."""
        return self.page.get_by_role("dialog")

    def press_containerize(self) -> None:
        """Press the button in the notebook's toolbar."""
        self.notebook.locator("[data-jp-item-name=containerize]").get_by_role("button").click()
        expect(self.dialog).to_be_visible()
