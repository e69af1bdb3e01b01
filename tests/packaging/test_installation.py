"""One wheel switches everything on: in JupyterLab 4.4 and in the newest, without Node."""

from __future__ import annotations

import os
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

from jupyter_containeriter.image.pip_settings import pip_settings, uv_settings

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment with a JupyterLab, in which the project was installed."""

    directory: Path

    @property
    def programs(self) -> Path:
        """Where its programs are."""
        return self.directory / "bin"

    def list(self, *words: str) -> str:
        """Return what ``jupyter WORDS list`` prints, on both channels: its words, without colours and layout."""
        command = [str(self.programs / "jupyter"), *words, "list"]
        run = subprocess.run(command, env=without_node(self.programs), capture_output=True, text=True, check=True)
        return " ".join(re.sub(r"\x1b\[\d+m", "", run.stdout + run.stderr).split())


def without_node(programs: Path) -> dict[str, str]:
    """Return the variables of a process that finds the programs of one directory only, and nothing of these sources."""
    hidden = {"PYTHONPATH", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**environment, "PATH": str(programs), "JUPYTER_CONFIG_DIR": str(programs / "none")}


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
    environment = Installed(tmp_path_factory.mktemp("environment"))
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    assert uv is not None
    settings = uv_settings(pip_settings(), os.environ)
    variables = {**without_node(environment.programs), **settings.variables}
    python = environment.programs / "python"
    for command in (
        ["venv", "--quiet", "--clear", "--python", sys.executable, str(environment.directory)],
        ["pip", "install", "--quiet", *settings.options, "--python", str(python), jupyterlab, str(distributions[kind])],
    ):
        run = subprocess.run([uv, *command], env=variables, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
    yield environment
    shutil.rmtree(environment.directory)


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
