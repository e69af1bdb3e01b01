"""Lists that show themselves as tables, and are ordinary lists otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.show.card import deployments_card, findings_card
from jupyter_containeriter.show.text import deployments_text, findings_text
from jupyter_containeriter.types import Finding

if TYPE_CHECKING:
    from jupyter_containeriter.deployment import Deployment


class Deployments(list["Deployment"]):
    """What runs now, and a note of what could not be looked at."""

    def __init__(self, found: Iterable[Deployment] = (), note: str = "") -> None:
        super().__init__(found)
        self.note = note

    def _repr_html_(self) -> str:
        return deployments_card(self, self.note)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text("\n".join(filter(None, (deployments_text(self), self.note))))


class Findings(list[Finding]):
    """What the doctor found."""

    def _repr_html_(self) -> str:
        return findings_card(self)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(findings_text(self))
