"""A model that was restored, as a small card and as lines."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from jupyter_containeriter.show.html import card, notes_html, table

if TYPE_CHECKING:
    from jupyter_containeriter.restoring import Restored

_PARITY = {
    "exact": "predicts the stored sample exactly as it did",
    "close": "predicts the stored sample as it did, within float tolerance",
    "nondeterministic": "contradicts itself, as it did: only shape, type and range were checked",
    "failed": "predicts something else than it did",
    "": "no sample was stored, so nothing was checked",
}


def restored_card(restored: Restored) -> str:
    """Return the card: what it is called, how it predicts, and whether as it did."""
    iteration = restored.iteration
    kind = type(restored.model)
    rows = [
        ("Object", f"<code>{escape(f'{kind.__module__}.{kind.__qualname__}')}</code>"),
        ("Predicts", escape(_call(restored))),
        ("Parity", escape(_told(restored)) + notes_html(_differences(restored))),
    ]
    if restored.variable:
        rows.insert(0, ("Variable", f"<code>{escape(restored.variable)}</code>"))
    comparison = restored.comparison
    badge = "" if comparison is None else "error" if restored.failed else "ok"
    title = f"<b>{escape(iteration.name)}:{iteration.version}</b> restored"
    # The notes stand above it: they were told before the model was loaded.
    return card(title, badge, table(rows))


def restored_text(restored: Restored) -> str:
    """Return the same in lines."""
    iteration = restored.iteration
    name = f" as {restored.variable}" if restored.variable else ""
    lines = [
        f"{iteration.name}:{iteration.version} restored{name}",
        f"  predicts {_call(restored)}",
        f"  parity   {_told(restored)}",
        *(f"    {line}" for line in _differences(restored)),
        *(f"  {note}" for note in restored.notes),
    ]
    return "\n".join(lines)


def _call(restored: Restored) -> str:
    call = restored.call
    return f"{restored.variable or 'model'}{call}" if call.startswith((".", "(")) else call


def _told(restored: Restored) -> str:
    comparison = restored.comparison
    told = _PARITY[comparison.parity if comparison else ""]
    if comparison and comparison.parity == "close" and comparison.max_abs_difference is not None:
        told += f" (largest difference {comparison.max_abs_difference:.3g})"
    return told


def _differences(restored: Restored) -> tuple[str, ...]:
    return restored.comparison.differences if restored.comparison else ()
