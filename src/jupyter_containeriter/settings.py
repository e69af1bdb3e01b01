"""Settings as traitlets: ``c.ContainerIter.engine = "sandbox"``, ``%config ContainerIter``, environment variables."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from traitlets import Bool, Enum, Float, Integer, TraitType, Unicode, default
from traitlets.config import SingletonConfigurable

from jupyter_containeriter.addresses import Address, shown_address
from jupyter_containeriter.bytesize import parse_memory, parse_size
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.types import Limits

#: The base that is made of the kernel's own interpreter.
KERNEL_BASE = "kernel"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it stands: its ``value``, what gave it, the ``variable`` that could, and what it is for."""

    name: str
    value: Any
    source: Literal["default", "environment", "configuration", "kernel"]
    variable: str
    help: str


class _AddressTrait(Unicode[str, str | bytes]):
    """Text that shows itself without the password in it."""

    def validate(self, obj: Any, value: Any) -> str:
        """Take text as an address."""
        return Address(super().validate(obj, value))


class ContainerIter(SingletonConfigurable):
    """Settings of jupyter_containeriter.

    Each can be given in a Jupyter or IPython configuration file, with ``%config ContainerIter.NAME = VALUE``, or as
    the environment variable ``CONTAINERITER_NAME``; options of a call win over all of them.
    """

    engine: Enum[str] = Enum(
        ["auto", "docker", "sandbox", "process"],
        "auto",
        help="Where containers run: docker where an engine answers, else the embedded sandbox.",
    ).tag(config=True)
    base = Unicode(
        help="What images are built on: kernel (this interpreter; Linux only), or an image with Python in a registry."
    ).tag(config=True)
    memory = Unicode("2g", help="Memory limit of a container: a number with k, m, g (or ki, mi, gi).").tag(config=True)
    cpus = Float(None, allow_none=True, help="CPU limit of a container in cores; none by default.").tag(config=True)
    pids = Integer(256, help="Limit of processes and threads in a container.").tag(config=True)
    data_limit = Unicode(
        "10m", help="How much data may hang on functions and classes, or on a model as tables: a number with k, m, g."
    ).tag(config=True)
    ready_seconds = Float(120.0, help="How long a server may take until it is ready.").tag(config=True)
    history = _AddressTrait(
        help="Where iterations are recorded: postgresql://user@host/database; history.sqlite in data_dir where empty."
    ).tag(config=True)
    data_dir = Unicode(help="Where the history and running state are kept.").tag(config=True)
    disk_budget = Unicode(
        "20g",
        help="What the layer cache and the images in engines may take together; above it old versions go. 0: never.",
    ).tag(config=True)
    controls = Bool(
        True, help="Whether a notebook shows controls below the card of a deployment: versions, a form to try it, logs."
    ).tag(config=True)
    cache_dir = Unicode(help="Where image layers are kept; may be deleted at any time.").tag(config=True)

    @default("base")
    def _default_base(self) -> str:
        return default_base(sys.platform)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._from_environment: dict[str, Any] = {}
        for name, trait in self.traits(config=True).items():
            text = os.environ.get(_variable(name))
            if text is not None and name not in self._configured and name not in kwargs:
                self._set_from_text(name, trait, text)
                self._from_environment[name] = getattr(self, name)

    @property
    def _configured(self) -> dict[str, Any]:
        """What configuration files and ``%config`` say."""
        found: dict[str, Any] = self.config.get(type(self).__name__, {})
        return found

    def _set_from_text(self, name: str, trait: TraitType[Any, Any], text: str) -> None:
        try:
            setattr(self, name, trait.from_string(text))
        except Exception as error:
            raise UsageError(
                f"{_variable(name)}={text!r} is not valid: {error}", "Correct or unset the variable."
            ) from error

    def table(self) -> list[Setting]:
        """Return every setting as it stands, and what gave it its value."""
        return [
            Setting(name, _shown(getattr(self, name)), self._source(name), _variable(name), str(trait.help))
            for name, trait in self.traits(config=True).items()
        ]

    def _source(self, name: str) -> Literal["default", "environment", "configuration", "kernel"]:
        value = getattr(self, name)
        if name in self._configured and self._configured[name] == value:
            return "configuration"
        if name in self._from_environment and self._from_environment[name] == value:
            return "environment"
        return "default" if value == self.trait_defaults(name) else "kernel"

    @property
    def history_location(self) -> Path | str:
        """Where the history is: the path of a file, or an address."""
        return str(self.history) if self.history else self.data_path / "history.sqlite"

    @property
    def data_path(self) -> Path:
        """Directory of the history; below Jupyter's data directory unless set."""
        return Path(self.data_dir or self._default_data_dir()).expanduser()

    @default("data_dir")
    def _default_data_dir(self) -> str:
        from jupyter_core.paths import jupyter_data_dir

        return str(Path(jupyter_data_dir()) / "containeriter")

    @property
    def cache_path(self) -> Path:
        """Directory of the layer cache; the platform's cache directory unless set."""
        return Path(self.cache_dir or self._default_cache_dir()).expanduser()

    @default("cache_dir")
    def _default_cache_dir(self) -> str:
        from platformdirs import user_cache_path

        return str(user_cache_path("containeriter"))

    @property
    def budget_bytes(self) -> int | None:
        """The disk budget in bytes; None where there is none."""
        return parse_budget(self.disk_budget)

    def limits(self, memory: str | None = None, cpus: float | None = None) -> Limits:
        """Return the limits of one container: what the call says, else the settings.

        Raises
        ------
        UsageError
            A memory size that cannot be read, or a limit that is not above zero.
        """
        wanted = self.cpus if cpus is None else cpus
        if wanted is not None and not 0 < wanted < math.inf:
            raise UsageError(f"--cpus {wanted:g} is no limit.", "Give cores, for example --cpus 2 or --cpus 0.5.")
        return Limits(parse_memory(memory or self.memory), wanted, self.pids)


def _shown(value: Any) -> Any:
    return shown_address(value) if isinstance(value, Address) else value


def _variable(name: str) -> str:
    return f"CONTAINERITER_{name.upper()}"


def default_base(system: str) -> str:
    """Return the base for a ``sys.platform``: this interpreter, or the same Python where that cannot be in an image."""
    if system == "linux":
        return KERNEL_BASE
    return f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"


def parse_budget(text: str) -> int | None:
    """Read a disk budget such as ``20g``; "" and ``0`` are none.

    Raises
    ------
    UsageError
        Not a size.
    """
    return None if text.strip() in {"", "0"} else parse_size(text)
