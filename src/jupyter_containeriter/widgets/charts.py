"""The charts of a model's history, drawn anew after each iteration."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import ipywidgets

from jupyter_containeriter.widgets.seen import Seen
from jupyter_containeriter.widgets.words import problem_html

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

_KINDS = {"phases": "Where the time of each iteration went", "trend": "How long iterations take"}


class Charts:
    """The section with phases and trend."""

    title = "Charts"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._newest: tuple[int, str] | None = None
        self._shown = ipywidgets.HTML()
        self.box = ipywidgets.VBox([self._shown])

    def open(self, seen: Seen) -> None:
        """Draw, unless it is drawn."""
        self.show(seen)

    def show(self, seen: Seen) -> None:
        """Draw, where an iteration has begun or ended since."""
        if seen.newest == self._newest:
            return
        self._newest = seen.newest
        try:
            self._shown.value = "".join(self._image(kind, seen.name) for kind in _KINDS)
        except Exception as error:  # noqa: BLE001 (a chart is a help; the panel goes on without)
            self._shown.value = problem_html(error)

    def poll(self, seen: Seen) -> None:
        """Nothing changes here by itself."""

    def _image(self, kind: str, name: str) -> str:
        picture = getattr(self._session.plot(kind, name), "_repr_png_")()[0]  # noqa: B009 (as a notebook asks it)
        data = base64.b64encode(picture).decode("ascii")
        style = "display:block;width:100%;max-width:730px;border-radius:4px;margin:4px 0"
        return f'<img alt="{_KINDS[kind]}: {name}" src="data:image/png;base64,{data}" style="{style}">'
