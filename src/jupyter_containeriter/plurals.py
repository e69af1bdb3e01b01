"""Numbers of things, in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return how many there are of something: ``1 iteration``, ``1,200 iterations``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
