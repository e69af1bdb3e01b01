"""A real Jupyter server with the front end of this working tree, a real kernel, and a person's hands in the browser."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import nbformat
from notebook_bench import Lab, until

ROOT = Path(__file__).parents[2]
FRONT_END = ROOT / "build" / "labextension"
SERVER_CONFIG = ROOT / "src" / "jupyter_containeriter" / "extension" / "jupyter_containeriter.json"

#: What JupyterLab asks of other hosts by itself; and its question whether it may.
_QUIET = {
    "disabledExtensions": {
        "@jupyterlab/apputils-extension:announcements": True,
        "@jupyterlab/extensionmanager-extension:plugin": True,
    }
}

_STOP_SECONDS = 20


def build_front_end() -> None:
    """Build the front end, unless what is built is of these sources."""
    command = [sys.executable, str(ROOT / "scripts" / "front_end.py")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def write_notebook(lab: Lab, name: str, *cells: str) -> None:
    """Write a notebook of a person, with code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, lab.directory / name)


class JupyterServer:
    """A Jupyter server of one person, apart from whatever else this machine has of Jupyter.

    Parameters
    ----------
    lab
        The person's notebooks, history and cache.
    engine
        Where the person's models run.
    application
        ``jupyterlab``, ``notebook``, or ``jupyter_server`` for one without a front end.
    theme
        ``Light`` or ``Dark``.
    python
        The interpreter whose Jupyter it is. Of this environment's, the front end of the working tree is shown; another
        one shows what is installed there.
    base_url
        Where its paths begin; on a JupyterHub ``/user/NAME/``.
    variables
        Further variables of its processes.
    """

    def __init__(
        self,
        lab: Lab,
        engine: str = "sandbox",
        *,
        application: str = "jupyterlab",
        theme: str = "Light",
        python: str = sys.executable,
        base_url: str = "/",
        **variables: str,
    ) -> None:
        self.lab = lab
        self.directory = lab.directory
        self.token = secrets.token_hex(16)
        self._home = lab.directory.parent / "home"
        self._home.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        #: Where it is; ends with a slash.
        self.url = f"http://127.0.0.1:{port}{base_url}"
        self._configure(theme)
        if python == sys.executable:
            self._install_working_tree(front_end=application != "jupyter_server")
        options = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", "--no-browser"]
        options += [f"--ServerApp.root_dir={self.directory}", f"--ServerApp.base_url={base_url}", "--allow-root"]
        options += [f"--{app}.expose_app_in_browser=True" for app in ("LabApp", "JupyterNotebookApp")]
        self._log = self._home / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-m", application, *options],
                env=self._environment(engine, variables),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> JupyterServer:
        try:
            until(self._answers)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text()

    def get(self, path: str) -> bytes:
        """Return what it answers to the person."""
        request = Request(self.url + path, headers={"Authorization": f"token {self.token}"})
        with urlopen(request, timeout=60) as response:
            return bytes(response.read())

    def kill_kernel(self) -> None:
        """End the only kernel as a machine without memory would: at once, and without a chance to clean up."""
        (kernel,) = json.loads(self.get("api/kernels"))
        commands = ((path.parent.name, path.read_bytes()) for path in Path("/proc").glob("[0-9]*/cmdline"))
        (pid,) = (int(name) for name, command in commands if f"kernel-{kernel['id']}.json".encode() in command)
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log
        try:
            return bool(self.get("api/status"))
        except (URLError, ConnectionError):
            return False

    @property
    def _config(self) -> Path:
        return self._home / "config"

    def _configure(self, theme: str) -> None:
        settings = {
            "@jupyterlab/apputils-extension:themes": {"theme": f"JupyterLab {theme}"},
            # Cells out of sight stay in the page, where a test finds them.
            "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
        }
        place = self._config / "labconfig"
        place.mkdir(parents=True)
        (place / "page_config.json").write_text(json.dumps(_QUIET))
        (place / "default_setting_overrides.json").write_text(json.dumps(settings))

    def _install_working_tree(self, *, front_end: bool) -> None:
        (self._config / "jupyter_server_config.d").mkdir()
        shutil.copy(SERVER_CONFIG, self._config / "jupyter_server_config.d")
        if not front_end:
            return
        build_front_end()
        extensions = self._home / "data" / "labextensions"
        extensions.mkdir(parents=True)
        (extensions / "jupyter-containeriter").symlink_to(FRONT_END)

    def _environment(self, engine: str, variables: Mapping[str, str]) -> dict[str, str]:
        own = {
            "HOME": str(self._home),
            "JUPYTER_CONFIG_DIR": str(self._config),
            "JUPYTER_DATA_DIR": str(self._home / "data"),
            "JUPYTER_RUNTIME_DIR": str(self._home / "runtime"),
            "JUPYTER_TOKEN": self.token,
            # Its cache of fonts takes seconds, and is nobody's in particular.
            "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(Path.home() / ".config" / "matplotlib")),
        }
        found = {**self.lab.environment(engine), **variables, **own}
        del found["JPY_SESSION_NAME"]  # Jupyter tells each kernel its own
        return found
