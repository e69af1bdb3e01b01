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

_WIDGETS = ("chooser", "panel")

__all__ = [
    "ContainerIterError",
    "__version__",
    "chooser",
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
    "panel",
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
    from jupyter_containeriter.widgets import chooser, panel


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        from jupyter_containeriter import api

        return getattr(api, name)
    if name in _WIDGETS:
        return getattr(import_module("jupyter_containeriter.widgets"), name)
    if name in {"ContainerIterError", "errors"}:
        module = import_module("jupyter_containeriter.errors")
        return module if name == "errors" else module.ContainerIterError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make the magics known (``%load_ext jupyter_containeriter``)."""
    from jupyter_containeriter.magics import load

    load(shell)
    from jupyter_containeriter.show.live import draw_below

    draw_below(_controls)


def _controls(result: object) -> None:
    """Show the controls of a deployment below its card, where a person looks."""
    from jupyter_containeriter.widgets.controls import show_controls

    show_controls(result)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Stop timing cells (``%unload_ext jupyter_containeriter``)."""
    from jupyter_containeriter.magics import unload

    unload(shell)
