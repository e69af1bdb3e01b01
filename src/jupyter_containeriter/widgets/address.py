"""The address of a deployment, as it is from where the person is; and a line that can be copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from jupyter_containeriter.deployment import Deployment

_HERE = Path(__file__).parent


class Address(anywidget.AnyWidget):
    """Shows where a deployment answers, with buttons to copy it and the way to its docs.

    The page knows from where the person looks: on the machine itself it is the port, elsewhere the way through the
    Jupyter server. What holds the token leaves the kernel only when a button is pressed, and is kept nowhere.

    Parameters
    ----------
    watched
        Called with True when a first view of it is opened, with False when the last one is closed.
    """

    _esm = _HERE / "address.js"
    _css = _HERE / "panel.css"

    url = traitlets.Unicode().tag(sync=True)
    proxy = traitlets.Unicode().tag(sync=True)
    example = traitlets.Unicode().tag(sync=True)

    def __init__(self, watched: Callable[[bool], None]) -> None:
        self._watched = watched
        self._views: set[str] = set()
        self._silent: set[str] = set()
        self._deployment: Deployment | None = None
        super().__init__()
        self.on_msg(self._heard)

    def close(self) -> None:
        """Close it for good: nobody watches any longer."""
        super().close()
        if self._views:
            self._views.clear()
            self._watched(False)

    def call_the_roll(self) -> None:
        """Ask every view to answer; one that has not answered the call before is taken for closed.

        A tab that is closed takes its connection along before its views can say anything.
        """
        for view in self._silent & self._views:
            self._tell("closed", view)
        self._silent = set(self._views)
        self.send({"kind": "roll"})

    def show(self, deployment: Deployment | None) -> None:
        """Show another deployment, or that there is none."""
        self._deployment = deployment
        with self.hold_sync():
            self.url = deployment.url if deployment else ""
            self.proxy = f"containeriter/proxy/{deployment.name}/" if deployment else ""
            self.example = deployment.example if deployment else ""

    def _heard(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        kind, view = content.get("kind"), str(content.get("view", ""))
        if kind in {"opened", "closed"}:
            self._tell(kind, view)
        elif kind in {"curl", "docs"} and self._deployment is not None:
            self.send({"kind": kind, "view": view, "text": getattr(self._deployment, kind)})

    def _tell(self, kind: str, view: str) -> None:
        before = bool(self._views)
        (self._views.add if kind == "opened" else self._views.discard)(view)
        self._silent.discard(view)
        if before != bool(self._views):
            self._watched(not before)


class Line(anywidget.AnyWidget):
    """Shows a line of code with a button that copies it."""

    _esm = _HERE / "line.js"
    _css = _HERE / "panel.css"

    text = traitlets.Unicode().tag(sync=True)
