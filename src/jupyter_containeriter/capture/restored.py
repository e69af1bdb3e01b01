"""The models that were restored into this kernel: what each was pickled to, to know it again when it is unchanged.

Pickling an object that was unpickled may give other bytes than the pickle it came from has: texts that were one object
are two now, or the other way round. So what is compared is always what this kernel itself pickled.
"""

from __future__ import annotations

import hashlib
from typing import Any

from jupyter_containeriter.capture.parts import Parts
from jupyter_containeriter.capture.payload import pickle_object
from jupyter_containeriter.errors import CaptureError


class RestoredModels:
    """Remembers digests, and no model."""

    def __init__(self) -> None:
        self._iterations: dict[tuple[str, str], str] = {}

    def remember(self, name: str, iteration_id: str, model: Any) -> None:
        """Remember a model of an iteration as it is now: by its id, for its version may get another number."""
        if digest := _digest(model):
            self._iterations[name, digest] = iteration_id

    def iteration_of(self, name: str, model: Any) -> str | None:
        """Return the id of the iteration that a model was restored from and still is; None where there is none."""
        # Nothing is pickled for a name of which nothing was restored.
        if not any(known == name for known, _ in self._iterations):
            return None
        return self._iterations.get((name, _digest(model)))


def _digest(model: Any) -> str:
    parts = Parts()
    try:
        pickled = pickle_object(model, "model", parts)
    except CaptureError:
        return ""
    hasher = hashlib.sha256(hashlib.sha256(pickled.data).digest())
    for name, data in (item for part in parts.finish() for item in sorted(part.files.items())):
        hasher.update(name.encode() + hashlib.sha256(data).digest())
    return hasher.hexdigest()
