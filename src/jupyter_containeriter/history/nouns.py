"""What a row of a history may be."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from jupyter_containeriter.types import Event, Iteration, LoadLevel

Noun = Iteration | Event | LoadLevel

#: The column that tells when it happened.
MOMENTS: dict[type[Noun], str] = {Iteration: "started_at", Event: "happened_at", LoadLevel: "measured_at"}


def moment(noun: Noun) -> datetime:
    """Return when it happened, or began."""
    found: datetime = getattr(noun, MOMENTS[type(noun)])
    return found


def columns_of(noun: Any) -> dict[str, Any]:
    """Return the fields of a noun as they are: mappings stay the objects that they are."""
    return {field.name: getattr(noun, field.name) for field in fields(noun)}
