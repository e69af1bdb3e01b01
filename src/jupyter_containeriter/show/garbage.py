"""What was removed to give disk back, as a card, as lines and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from jupyter_containeriter.show import words
from jupyter_containeriter.show.html import BORDER, FAINT, card, table
from jupyter_containeriter.show.shown import Shown

_BAR = "#0969da"


@dataclass(frozen=True, slots=True)
class Place:
    """Where layers are kept, and the bytes there before and after."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, repr=False)
class Collected(Shown):
    """What was removed, or would be.

    Attributes
    ----------
    removed
        Each version that went, with the bytes it gave back.
    kept
        Each version that must stay, with the reason.
    places
        Where layers are kept.
    leftover_bytes
        What killed processes had left behind, and blobs that nothing refers to.
    budget
        In bytes; None where there is none.
    dry_run
        Whether it only would be.
    """

    removed: tuple[tuple[str, int], ...]
    kept: tuple[tuple[str, str], ...]
    places: tuple[Place, ...]
    leftover_bytes: int
    budget: int | None
    dry_run: bool

    @property
    def after(self) -> int:
        """Bytes in use now, or that would be."""
        return sum(place.after for place in self.places)

    @property
    def freed(self) -> int:
        """Bytes given back by versions."""
        return sum(size for _, size in self.removed)

    @property
    def summary(self) -> str:
        """One line: what went, and how it stands now."""
        count = len(self.removed)
        what = f"{count} old version{'' if count == 1 else 's'}" if count else "No version"
        would = "would be removed" if self.dry_run else "removed"
        leftovers = f", leftovers of {words.size(self.leftover_bytes)}" if self.leftover_bytes else ""
        given = f" ({words.size(self.freed)}{leftovers})" if count or leftovers else ""
        return f"{what} {would}{given}; {words.size(self.after)} in use{self._of_budget}."

    @property
    def advice(self) -> str:
        """What to do where this was not enough; "" where it was."""
        if self.budget is None:
            return "There is no budget: give --budget SIZE to remove old versions as well."
        if self.after <= self.budget or not self.budget:
            return ""
        return "Every version left is kept: stop models (%undeploy), or set CONTAINERITER_DISK_BUDGET higher."

    @property
    def _of_budget(self) -> str:
        return f" of a budget of {words.size(self.budget)}" if self.budget else ""

    def html(self) -> str:
        """Return the card."""
        rows = [(place.name, _bar(place)) for place in self.places]
        rows += [(label, f"{escape(words.size(size))} given back") for label, size in self.removed]
        body = f'<div style="margin-top:6px">{escape(self.summary)} {escape(self.advice)}</div>{table(rows)}'
        kept = table((label, escape(why)) for label, why in self.kept)
        folded = f'<details style="margin-top:8px"><summary style="cursor:pointer">Kept</summary>{kept}</details>'
        return card("<b>Disk</b>", "", body + (folded if self.kept else ""))

    def text(self) -> str:
        """Return a line for each place and version."""
        return "\n".join(
            [
                self.summary,
                *([self.advice] if self.advice else []),
                *(f"  {p.name}: {words.size(p.before)} -> {words.size(p.after)}" for p in self.places),
                *(f"  {label}: {words.size(size)} given back" for label, size in self.removed),
                *(f"  {label}: kept, {why}" for label, why in self.kept),
            ]
        )

    def document(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "dry_run": self.dry_run,
            "budget_bytes": self.budget,
            "used_bytes": self.after,
            "freed_bytes": self.freed,
            "leftover_bytes": self.leftover_bytes,
            "places": [asdict(place) for place in self.places],
            "removed": [{"version": label, "size_bytes": size} for label, size in self.removed],
            "kept": [{"version": label, "reason": why} for label, why in self.kept],
        }


def _bar(place: Place) -> str:
    left = 100 * place.after / place.before
    return (
        '<div style="display:flex;align-items:center;gap:10px">'
        f'<div style="background:{BORDER};border-radius:3px;height:8px;width:180px">'
        f'<div style="width:{left:.1f}%;height:8px;border-radius:3px;background:{_BAR}"></div></div>'
        f'<div>{words.size(place.after)} <span style="color:{FAINT}">of {words.size(place.before)}</span></div></div>'
    )
