"""Lists that show themselves as tables, and are ordinary lists otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.settings import Setting
from jupyter_containeriter.show.card import deployments_card, findings_card, settings_card
from jupyter_containeriter.show.shown import Shown
from jupyter_containeriter.show.text import deployments_text, findings_text, settings_text
from jupyter_containeriter.types import Finding

if TYPE_CHECKING:
    from jupyter_containeriter.deployment import Deployment


class Deployments(Shown, list["Deployment"]):
    """What runs now, and a note of what could not be looked at."""

    def __init__(self, found: Iterable[Deployment] = (), note: str = "") -> None:
        super().__init__(found)
        self.note = note

    def html(self) -> str:
        """Return a table with a link for each."""
        return deployments_card(self, self.note)

    def text(self) -> str:
        """Return a line for each."""
        return "\n".join(filter(None, (deployments_text(self), self.note)))

    def document(self) -> list[dict[str, Any]]:
        """Return an object for each; tokens stay out of it."""
        return [
            {
                "name": deployment.name,
                "version": deployment.version,
                "engine": deployment.engine,
                "url": deployment.url or None,
                "image": deployment.image,
                "parity": deployment.parity,
                "running": bool(deployment.container and deployment.container.running),
            }
            for deployment in self
        ]


class Findings(Shown, list[Finding]):
    """What the doctor found."""

    @property
    def failed(self) -> bool:  # type: ignore[override]
        """Whether an error was found."""
        return any(finding.status == "error" for finding in self)

    def html(self) -> str:
        """Return a table with the remedies."""
        return findings_card(self)

    def text(self) -> str:
        """Return a line for each, and one for its remedy."""
        return findings_text(self)

    def document(self) -> list[dict[str, Any]]:
        """Return an object for each."""
        return [asdict(finding) for finding in self]


class Settings(Shown, list[Setting]):
    """The settings, and where each comes from."""

    def html(self) -> str:
        """Return a table."""
        return settings_card(self)

    def text(self) -> str:
        """Return a line for each."""
        return settings_text(self)

    def document(self) -> list[dict[str, Any]]:
        """Return an object for each."""
        return [asdict(setting) for setting in self]
