"""One wheel switches everything on: in JupyterLab 4.4 and in the newest, without Node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser_bench import browser
from environment_bench import new_environment, only
from lab_bench import JupyterServer
from lab_hands import Hands
from notebook_bench import Lab
from playwright.sync_api import Browser, expect

__all__ = ["browser"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment with a JupyterLab, in which the project was installed; ``programs`` is its ``bin``."""

    programs: Path

    def list(self, *words: str) -> str:
        """Return what ``jupyter WORDS list`` prints, on both channels: its words, without colours and layout."""
        command = [str(self.programs / "jupyter"), *words, "list"]
        # Nor what the person has set up.
        environment = {**only(self.programs), "JUPYTER_CONFIG_DIR": str(self.programs / "none")}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return " ".join(re.sub(r"\x1b\[\d+m", "", run.stdout + run.stderr).split())


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the sdist, and the wheel from it, as a release is built."""
    made = tmp_path_factory.mktemp("distributions")
    command = [sys.executable, "-m", "build", "--outdir", str(made), str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return {"sdist": next(made.glob("*.tar.gz")), "wheel": next(made.glob("*.whl"))}


@pytest.fixture(scope="module", params=[("sdist", "jupyterlab==4.4.*"), ("wheel", "jupyterlab>=4.6")], ids=str)
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, distributions: dict[str, Path]
) -> Iterator[Installed]:
    """Install a distribution into a new environment."""
    kind, jupyterlab = request.param
    directory = tmp_path_factory.mktemp("environment")
    yield Installed(new_environment(directory, jupyterlab, str(distributions[kind])))
    shutil.rmtree(directory)


def test_both_distributions_hold_the_front_end_and_its_licences(distributions: dict[str, Path]) -> None:
    """The wheel installs it; the sdist has it built, with the note of what it was built of."""
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        names = {name.partition(".data/data/")[2] for name in wheel.namelist()}
    place = "share/jupyter/labextensions/jupyter-containeriter"
    assert {f"{place}/package.json", f"{place}/install.json", f"{place}/static/third-party-licenses.json"} <= names
    assert "etc/jupyter/jupyter_server_config.d/jupyter_containeriter.json" in names
    with tarfile.open(distributions["sdist"]) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"build/labextension.json", "build/labextension/package.json", "labextension/src/index.ts"} <= inside
    assert not [name for name in inside if "node_modules" in name]


def test_jupyter_says_that_both_halves_are_enabled(installed: Installed) -> None:
    """No further command is needed after the installation."""
    front_end, server = installed.list("labextension"), installed.list("server", "extension")
    assert "jupyter-containeriter v0.1.0 enabled OK (python, jupyter_containeriter)" in front_end
    assert "jupyter_containeriter.extension enabled" in server
    assert "jupyter_containeriter.extension OK" in server


def test_jupyterlab_shows_the_panel_and_the_routes_answer(
    installed: Installed, browser: Browser, tmp_path: Path
) -> None:
    """Its JupyterLab opens with the panel at the left, over the REST routes of the same installation."""
    lab = Lab(tmp_path, tmp_path / "cache")
    python = str(installed.programs / "python")
    with JupyterServer(lab, python=python, **only(installed.programs)) as server:
        assert json.loads(server.get("containeriter/api/config"))["version"] == "0.1.0"
        hands = Hands(browser, server, f"installed-{installed.programs.parent.name}")
        hands.open()
        hands.open_panel()
        expect(hands.panel).to_contain_text("No iterations yet")
        hands.picture("panel")
        hands.watch.assert_quiet()
        hands.close()
