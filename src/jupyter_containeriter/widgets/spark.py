"""A small line of how a number went, in the colours of the page."""

from __future__ import annotations

from collections.abc import Collection
from html import escape

from jupyter_containeriter.show.html import BORDER, FAINT

_WIDTH, _HEIGHT = 200, 44


def spark_html(title: str, said: str, values: Collection[float], colour: str) -> str:
    """Return a title, the number now, and the line of those before; it begins at zero."""
    label = f"{title}: {said}"
    return (
        f'<div><div style="line-height:1.5"><span style="color:{FAINT}">{escape(title)}</span> '
        f"<b>{escape(said)}</b></div>"
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" '
        f'style="display:block;width:100%;height:{_HEIGHT}px;border-bottom:1px solid {BORDER}">'
        f"{_line(list(values), colour)}</svg></div>"
    )


def _line(values: list[float], colour: str) -> str:
    highest = max(values, default=0.0)
    if len(values) < 2:
        return ""
    step = _WIDTH / (len(values) - 1)
    heights = [_HEIGHT - 2 - (_HEIGHT - 6) * (value / highest if highest else 0.0) for value in values]
    points = " ".join(f"{place * step:.1f},{height:.1f}" for place, height in enumerate(heights))
    area = f"0,{_HEIGHT} {points} {_WIDTH},{_HEIGHT}"
    return (
        f'<polygon points="{area}" fill="{colour}" opacity="0.12"/>'
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5" '
        'vector-effect="non-scaling-stroke"/>'
    )
