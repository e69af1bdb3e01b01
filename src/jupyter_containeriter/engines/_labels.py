"""How a container of ours is named and labelled, so that its engine can tell what runs."""

from __future__ import annotations

import secrets

from jupyter_containeriter.types import Image, RunSpec

NAME = "io.containeriter.name"
VERSION = "io.containeriter.version"
ITERATION = "io.containeriter.iteration"
HISTORY = "io.containeriter.history"
IMAGE = "io.containeriter.image"


def labels(image: Image, spec: RunSpec) -> dict[str, str]:
    """Return the labels of a container that runs ``image`` as ``spec`` says."""
    return {
        NAME: spec.name,
        VERSION: str(spec.version),
        ITERATION: spec.iteration,
        HISTORY: spec.history,
        IMAGE: image.digest,
    }


def container_name(spec: RunSpec) -> str:
    """Return a name that people can read and no other container has: a version may run twice for a moment."""
    return f"containeriter-{spec.name}-{spec.version}-{secrets.token_hex(3)}"
