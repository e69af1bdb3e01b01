"""Sizes as people write and read them: decimal both ways, so that a message says ``10 MB`` of a setting of ``10m``."""

from __future__ import annotations

import re

from jupyter_containeriter.errors import UsageError

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def size_text(count: int) -> str:
    """Return a size in bytes in decimal units: ``289 MB``, ``1.2 GB``."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def parse_size(text: str) -> int:
    """Read a size such as ``512m`` or ``1.5g`` (powers of 1000) or ``512mi`` (of 1024) and return bytes.

    Raises
    ------
    UsageError
        Not a positive number with an optional unit.
    """
    match = re.fullmatch(r"(\d{1,18}(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?", text.strip().lower())
    size = int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2] or ""]) if match else 0
    if size <= 0:
        raise UsageError(f"{text!r} is no size.", "Give a number with a unit, for example 512m or 2g.")
    return size
