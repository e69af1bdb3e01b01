"""Editable installations: distributions whose code stays where it is developed.

Three kinds are told apart from what the installer left: a ``direct_url.json`` that says so (PEP 610, PEP 660) with a
``.pth`` file of directories, the same with a ``.pth`` file that installs an import hook, and an ``.egg-info`` beside
the sources (``setup.py develop``).
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from jupyter_containeriter.capture.records import Entry

#: Names of directories that installers write to; an ``.egg-info`` elsewhere is beside the sources.
_SITES = {"site-packages", "dist-packages"}

_IMPORTED = re.compile(r"^import\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Project:
    """The place of an editable installation.

    Attributes
    ----------
    directory
        Where it is developed, without links.
    names
        Top-level modules it says it has; none where it does not say.
    roots
        Directories it put on ``sys.path``, without links; none where it installed an import hook.
    code
        Parts of the code that were installed all the same: built extension modules.
    """

    directory: str
    names: frozenset[str]
    roots: tuple[str, ...]
    code: tuple[Entry, ...]

    def holds(self, top: str, file: Path) -> bool:
        """Tell whether a module, whose first name is ``top``, is of this project."""
        real = os.path.realpath(file)
        if not real.startswith(self.directory + os.sep):
            return False
        if self.names:
            return top in self.names
        return not self.roots or any(real.startswith(root + os.sep) for root in self.roots)


def read_project(
    distribution: importlib.metadata.Distribution, metadata: Path, entries: tuple[Entry, ...]
) -> Project | None:
    """Return the project of an editable installation; None for an ordinary one.

    Parameters
    ----------
    distribution
        Read for its text files.
    metadata
        Its ``.dist-info`` or ``.egg-info``.
    entries
        What is recorded of it.
    """
    directory = _directory(distribution, metadata)
    if directory is None:
        return None
    names = frozenset((distribution.read_text("top_level.txt") or "").split())
    if metadata.suffix == ".egg-info":
        return Project(os.path.realpath(directory), names, (os.path.realpath(directory),), ())
    paths = [Path(path) for name, path in entries if name.endswith(".pth") and "/" not in name]
    texts = [path.read_text(errors="replace") for path in paths if path.exists()]
    hooks = {f"{name}.py" for text in texts for name in _IMPORTED.findall(text)}
    lines = (line.strip() for text in texts for line in text.splitlines())
    roots = tuple(os.path.realpath(metadata.parent / line) for line in lines if line and not line.startswith("import"))
    code = (e for e in entries if not (e[0] in hooks or e[0].endswith(".pth") or ".dist-info/" in e[0]))
    return Project(os.path.realpath(directory), names, roots, tuple(code))


def _directory(distribution: importlib.metadata.Distribution, metadata: Path) -> Path | None:
    if metadata.suffix == ".egg-info":
        beside_sources = metadata.parent.name not in _SITES and distribution.read_text("installed-files.txt") is None
        return metadata.parent if beside_sources else None
    try:
        document = json.loads(distribution.read_text("direct_url.json") or "{}")
        editable = document.get("dir_info", {}).get("editable")
        return Path(url2pathname(urlsplit(document["url"]).path)) if editable else None
    except (ValueError, KeyError, AttributeError):
        return None
