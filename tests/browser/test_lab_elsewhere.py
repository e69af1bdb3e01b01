"""Other places than JupyterLab with everything installed: Notebook 7, and kernels of other environments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment_bench import new_environment
from lab_bench import JupyterServer, write_notebook
from lab_hands import Hands
from notebook_bench import MODELS, Lab
from playwright.sync_api import Browser, expect

#: Notebook's own error, with and without this project.
OF_NOTEBOOK = "Cannot read properties of undefined (reading 'schema')"


@pytest.fixture
def lab(tmp_path: Path, sandbox_working: None) -> Iterator[Lab]:
    """Return a person's place with a notebook."""
    lab = Lab(tmp_path, tmp_path / "cache")
    write_notebook(lab, "fair.ipynb", "%load_ext jupyter_containeriter\n" + MODELS)
    yield lab
    lab.close()


def test_notebook_7_loads_it(lab: Lab, browser: Browser) -> None:
    """The button works there, and the panel is in the sidebar at the left."""
    with JupyterServer(lab, application="notebook") as server:
        hands = Hands(browser, server, "notebook7")
        hands.page.goto(f"{server.url}notebooks/fair.ipynb?token={server.token}")
        hands.idle()
        hands.run_all()
        hands.press_containerize()
        hands.dialog.get_by_role("button", name="Insert and Run").click()
        hands.idle()
        hands.menu("View", "Show Iterations")
        expect(hands.model("mean")).to_contain_text("v1 running")
        hands.picture("panel")
        hands.watch.forgive(OF_NOTEBOOK)
        hands.watch.assert_quiet()
        hands.close()


def test_a_kernel_without_the_package_says_how_to_get_it(lab: Lab, browser: Browser, tmp_path: Path) -> None:
    """The dialog names what is missing, and offers the cell that installs it."""
    with JupyterServer(lab, JUPYTER_PATH=str(other_kernel(tmp_path))) as server:
        hands = Hands(browser, server, "without-package")
        hands.open("fair.ipynb")
        hands.press_containerize()
        expect(hands.dialog).to_contain_text("The kernel does not have jupyter_containeriter")
        expect(hands.dialog).to_contain_text("%pip install jupyter_containeriter")
        hands.picture("dialog")
        hands.watch.assert_quiet()
        hands.close()


def other_kernel(directory: Path) -> Path:
    """Make an environment with nothing but a kernel, which Jupyter takes for its own; return where Jupyter finds it."""
    python = new_environment(directory / "environment", "ipykernel") / "python"
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "Python 3", "language": "python", "env": {"PYTHONPATH": ""}}
    place = directory / "jupyter" / "kernels" / "python3"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec))
    return directory / "jupyter"
