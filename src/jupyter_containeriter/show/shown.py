"""What a verb returns: an answer that shows itself in a notebook, in a terminal and as JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Shown(ABC):
    """Base of answers that show themselves; named before ``list`` where one is a list, which IPython would print."""

    #: Whether a shell command that gives this answer ends with code 1.
    failed = False

    @abstractmethod
    def html(self) -> str:
        """Return the card for a notebook."""

    @abstractmethod
    def text(self) -> str:
        """Return the lines for a terminal."""

    @abstractmethod
    def document(self) -> Any:
        """Return what ``--json`` prints, before it is JSON."""

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(self.text())
