"""A real Jupyter server with the front end of this working tree, a real kernel, and a person's hands in the browser."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

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
    subprocess.run([sys.executable, str(ROOT / "scripts" / "front_end.py")], check=True, capture_output=True)


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
        own = python == sys.executable
        self._configure(extension=own, front_end=own and application != "jupyter_server")
        options = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", "--no-browser"]
        options += [f"--ServerApp.root_dir={self.directory}", "--allow-root", "--LabApp.expose_app_in_browser=True"]
        options += [f"--ServerApp.base_url={base_url}"]
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

    def _configure(self, *, extension: bool, front_end: bool) -> None:
        config = self._home / "config"
        (config / "labconfig").mkdir(parents=True)
        (config / "labconfig" / "page_config.json").write_text(json.dumps(_QUIET))
        if extension:
            (config / "jupyter_server_config.d").mkdir()
            shutil.copy(SERVER_CONFIG, config / "jupyter_server_config.d")
        if front_end:
            build_front_end()
            extensions = self._home / "data" / "labextensions"
            extensions.mkdir(parents=True)
            (extensions / "jupyter-containeriter").symlink_to(FRONT_END)

    def _environment(self, engine: str, variables: Mapping[str, str]) -> dict[str, str]:
        own = {
            "HOME": str(self._home),
            "JUPYTER_CONFIG_DIR": str(self._home / "config"),
            "JUPYTER_DATA_DIR": str(self._home / "data"),
            "JUPYTER_RUNTIME_DIR": str(self._home / "runtime"),
            "JUPYTER_TOKEN": self.token,
            # Its cache of fonts takes seconds, and is nobody's in particular.
            "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(Path.home() / ".config" / "matplotlib")),
        }
        found = {**self.lab.environment(engine), **own, **variables}
        del found["JPY_SESSION_NAME"]  # Jupyter tells each kernel its own
        return found
