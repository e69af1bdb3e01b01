"""A software bill of materials, as a card and as what it is: JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from jupyter_containeriter.show.html import card, table
from jupyter_containeriter.show.shown import Shown


@dataclass(frozen=True, repr=False)
class Bill(Shown):
    """A software bill of materials.

    Attributes
    ----------
    label
        What it is of: ``churn:3``.
    content
        The CycloneDX document.
    path
        The file it was written to, "" for none.
    """

    label: str
    content: Mapping[str, Any]
    path: str = ""

    def html(self) -> str:
        """Return the card: how much of what, and under which licenses."""
        components = self.content["components"]
        kinds = Counter(component["type"] for component in components)
        licenses = Counter(name for component in components for name in _licenses(component))
        rows = [
            ("Format", f"CycloneDX {escape(self.content['specVersion'])}"),
            ("Components", escape(", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))),
            ("Licenses", escape(", ".join(f"{name} ({count})" for name, count in licenses.most_common()))),
            ("File", f"<code>{escape(self.path)}</code>" if self.path else "none: give a PATH to write one"),
        ]
        return card(f"<b>Bill of materials of {escape(self.label)}</b>", "", table(rows))

    def text(self) -> str:
        """Return the document, or where it was written."""
        count = len(self.content["components"])
        return f"{count} components of {self.label} written to {self.path}." if self.path else self.json()

    def document(self) -> Mapping[str, Any]:
        """Return the CycloneDX document."""
        return self.content

    def json(self) -> str:
        """Return the document as it is written."""
        return json.dumps(self.content, indent=2, ensure_ascii=False) + "\n"


def _licenses(component: Mapping[str, Any]) -> list[str]:
    told = component.get("licenses") or ()
    return [one.get("expression") or one["license"].get("id") or one["license"]["name"] for one in told]
