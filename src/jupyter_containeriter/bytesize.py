"""Sizes as people write and read them: decimal both ways, so that a message says ``10 MB`` of a setting of ``10m``.

Memory alone is in powers of 1024, as engines and their users have it (``docker run --memory 2g`` is 2 GiB).
"""

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


def memory_text(count: int) -> str:
    """Return a size in bytes as memory is told: ``512 MiB``."""
    return f"{count / 1024**2:.0f} MiB"


def parse_memory(text: str) -> int:
    """Read a size such as ``512m`` or ``1.5g``, in powers of 1024 as Docker reads it, and return bytes."""
    return _parse(text, 1024)


def parse_size(text: str) -> int:
    """Read a size such as ``512m`` or ``1.5g`` (powers of 1000) or ``512mi`` (of 1024) and return bytes.

    Raises
    ------
    UsageError
        Not a positive number with an optional unit.
    """
    return _parse(text, 1000)


def _parse(text: str, kilo: int) -> int:
    match = re.fullmatch(r"(\d{1,18}(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?", text.strip().lower())
    size = int(float(match[1]) * (1024 if match[3] else kilo) ** _POWERS[match[2] or ""]) if match else 0
    if size <= 0:
        raise UsageError(f"{text!r} is no size.", "Give a number with a unit, for example 512m or 2g.")
    return size
