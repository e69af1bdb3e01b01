"""Where pip was told to find packages, in uv's words: uv reads no configuration of pip, yet a mirror must hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: pip's options and the variables of uv that mean the same. Of pip: "Configuration" in its documentation; of uv:
#: "Environment variables" in its reference. pip separates values by white space, uv so too, but links by commas.
_INDEXES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
}
_CONNECTIONS = {"cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT", "proxy": "ALL_PROXY"}

#: Any of these means that uv was told its own indexes.
_OWN = (*_INDEXES.values(), "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE")

#: Later ones win, as in pip: for all commands, for ``pip install``, from ``PIP_…`` variables.
_SECTIONS = ("global", "install", ":env:")

_TRUE = {"1", "true", "yes", "on", "y", "t"}


@dataclass(frozen=True, slots=True)
class UvSettings:
    """Variables and options for uv. Addresses are variables, never options: others can read a command line."""

    variables: dict[str, str]
    options: tuple[str, ...] = ()


def uv_settings(said: Mapping[str, str], environment: Mapping[str, str]) -> UvSettings:
    """Return what makes uv use the indexes that pip uses; its own settings in the environment win.

    Parameters
    ----------
    said
        pip's settings.
    environment
        Variables of this process.
    """
    found = {variable: said[option] for option, variable in _CONNECTIONS.items() if said.get(option)}
    options: tuple[str, ...] = ()
    if not any(variable in environment for variable in _OWN):
        # Indexes are equal to pip; uv's own default asks only the first one that knows the name.
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
        for option, variable in _INDEXES.items():
            if values := [value for value in said.get(option, "").split() if option != "find-links" or _leads(value)]:
                found[variable] = ("," if option == "find-links" else " ").join(values)
        if said.get("no-index", "").lower() in _TRUE:
            options = ("--no-index",)
    return UvSettings({name: value for name, value in found.items() if name not in environment}, options)


def pip_settings() -> dict[str, str]:
    """Return pip's configuration, from files and variables together; nothing where there is no pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return {} if run.returncode else parse_settings(run.stdout)


def parse_settings(text: str) -> dict[str, str]:
    """Read what ``pip config list`` prints: lines such as ``global.index-url='https://…'``."""
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in text.splitlines():
        key, _, quoted = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in found:
            found[section][option] = str(ast.literal_eval(quoted))
    return {option: value for section in _SECTIONS for option, value in found[section].items()}


def _leads(link: str) -> bool:
    """Whether a link is worth asking: pip passes over directories that do not exist, uv ends."""
    return "://" in link or Path(link).expanduser().exists()
