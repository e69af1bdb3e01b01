"""New environments for tests, made and filled by uv from the indexes that pip knows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from jupyter_containeriter.image.pip_settings import pip_settings, uv_settings

#: Variables that lead to these sources, or to what else is installed.
_LEADING = ("PYTHONPATH", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH")


def new_environment(directory: Path, *requirements: str) -> Path:
    """Make an environment of this interpreter and install into it; return the directory of its programs."""
    programs = directory / "bin"
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    assert uv is not None
    settings = uv_settings(pip_settings(), os.environ)
    install = ["pip", "install", *settings.options, "--python", str(programs / "python"), *requirements]
    for command in (["venv", "--python", sys.executable, str(directory)], install):
        variables = {**only(programs), **settings.variables}
        run = subprocess.run([uv, *command], env=variables, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
    return programs


def only(programs: Path) -> dict[str, str]:
    """Return the variables of a process that finds the programs of one directory, and no Node or sources elsewhere."""
    environment = {name: value for name, value in os.environ.items() if name not in _LEADING}
    return {**environment, "PATH": str(programs)}
