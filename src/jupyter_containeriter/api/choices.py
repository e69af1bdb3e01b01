"""What there is to choose from in the notebook."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jupyter_containeriter.api import kernel
from jupyter_containeriter.capture.candidates import Candidates, find_candidates
from jupyter_containeriter.serving._version import __version__

_FORMAT = 1
#: IPython's own, also where a person put something else under these names of the interactive shell.
_SHELL = frozenset({"In", "Out", "exit", "quit", "get_ipython"})


@dataclass(frozen=True)
class Choices:
    """Models, samples and metrics of a notebook; shown as JSON to a front end that asks for it.

    Attributes
    ----------
    found
        What there is.
    loaded
        Whether the magics are known to the kernel.
    """

    found: Candidates
    loaded: bool

    def document(self) -> dict[str, Any]:
        """Return it as JSON carries it."""
        samples = [{"expression": s.expression, "type": s.type, "shape": list(s.shape)} for s in self.found.samples]
        return {
            "format": _FORMAT,
            "version": __version__,
            "loaded": self.loaded,
            "models": [{**asdict(model), "samples": list(model.samples)} for model in self.found.models],
            "samples": samples,
            "metrics": [asdict(metric) for metric in self.found.metrics],
        }

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"application/json": self.document(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        found = self.found
        return f"<{len(found.models)} models, {len(found.samples)} samples, {len(found.metrics)} metrics>"


def candidates() -> Choices:
    """Return what of the notebook's variables can be containerized, and with which samples and metrics."""
    shell = _shell()
    name_of = kernel.session().kernel_models.name_of
    if shell is None:
        return Choices(find_candidates(_own(vars(sys.modules["__main__"]), {}), name_of), loaded=False)
    loaded = "containerize" in shell.magics_manager.magics["line"]
    return Choices(find_candidates(_own(shell.user_ns, shell.user_ns_hidden), name_of), loaded=loaded)


def _shell() -> Any:
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()


def _own(namespace: Mapping[str, Any], hidden: Mapping[str, Any]) -> dict[str, Any]:
    """Return the person's own variables: not those that the shell put there, nor those with an underscore before."""
    missing = object()
    return {
        name: value
        for name, value in list(namespace.items())
        if isinstance(name, str)
        and not name.startswith("_")
        and name not in _SHELL
        and hidden.get(name, missing) is not value
    }
