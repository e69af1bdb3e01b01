"""The controls that a notebook shows below the card of a deployment."""

from __future__ import annotations

from typing import Any

from jupyter_containeriter.api import kernel
from jupyter_containeriter.deployment import Deployment

#: The cell that showed controls last, and those it showed.
_shown: dict[str, set[str]] = {}


def show_controls(result: object) -> None:
    """Show the panel of what was deployed, once for each cell, where a person looks and has not switched it off."""
    if not isinstance(result, Deployment) or result.container is None or not kernel.session().settings.controls:
        return
    execution = _execution()
    if execution is None:
        return
    names = _shown.get(execution, set())
    if result.name in names:
        return
    _shown.clear()
    _shown[execution] = {*names, result.name}
    from jupyter_containeriter.widgets.model_panel import panel_of

    panel_of(result.name).show_controls()


def _execution() -> str | None:
    """Return the id of the request that runs now; None where no front end for people sent it.

    JupyterLab and its kin say which cell it comes from. Programs that execute notebooks do not, and their outputs stay
    as they are.
    """
    from IPython import get_ipython

    running = getattr(get_ipython(), "kernel", None)
    request: dict[str, Any] = running.get_parent() if running is not None else {}
    return str(request["header"]["msg_id"]) if "cellId" in request.get("metadata", {}) else None
