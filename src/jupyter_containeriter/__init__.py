"""From the model in the kernel to a verified container, in one line, timed.

Importing this package is cheap on purpose: whatever is heavy is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.serving._version import __version__

_VERBS = (
    "compare",
    "config",
    "containerize",
    "deploy",
    "deployments",
    "doctor",
    "export",
    "gc",
    "inspect",
    "iteration",
    "iterations",
    "loadtest",
    "merge",
    "plot",
    "push",
    "report",
    "restore",
    "rollback",
    "sbom",
    "save",
    "undeploy",
)

__all__ = [
    "ContainerIterError",
    "__version__",
    "compare",
    "config",
    "containerize",
    "deploy",
    "deployments",
    "doctor",
    "errors",
    "export",
    "gc",
    "inspect",
    "iteration",
    "iterations",
    "loadtest",
    "merge",
    "plot",
    "push",
    "report",
    "restore",
    "rollback",
    "save",
    "sbom",
    "undeploy",
]

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_containeriter import errors
    from jupyter_containeriter.api import (
        compare,
        config,
        containerize,
        deploy,
        deployments,
        doctor,
        export,
        gc,
        inspect,
        iteration,
        iterations,
        loadtest,
        merge,
        plot,
        push,
        report,
        restore,
        rollback,
        save,
        sbom,
        undeploy,
    )
    from jupyter_containeriter.errors import ContainerIterError


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        from jupyter_containeriter import api

        return getattr(api, name)
    if name in {"ContainerIterError", "errors"}:
        module = import_module("jupyter_containeriter.errors")
        return module if name == "errors" else module.ContainerIterError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make the magics known (``%load_ext jupyter_containeriter``)."""
    from jupyter_containeriter.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Stop timing cells (``%unload_ext jupyter_containeriter``)."""
    from jupyter_containeriter.magics import unload

    unload(shell)
