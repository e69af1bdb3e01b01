"""Iterations of this project."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np

from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
from jupyter_containeriter.image.base import kernel_base
from jupyter_containeriter.image.build import build
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.session import Session
from jupyter_containeriter.types import Image, Layer
from models import forest
from workbench import Trial

PHASES = ("capture", "build", "load", "start", "verify")


class Ours:
    """Iterations of this project.

    Parameters
    ----------
    session
        With a history and layer cache that are empty, so that the first iteration starts cold.
    name
        Of the model.
    options
        As a person would give them.
    """

    def __init__(self, session: Session, name: str, options: RunOptions) -> None:
        self.session = session
        self.name = name
        self._options = options

    def trial(self, seed: int) -> Trial:
        """Walk the road once. What ran before is stopped after the end of the recorded time, within ``call``."""
        request = self._request(*forest(seed))
        began = time.monotonic()
        deployment = self.session.containerize(request, self._options)
        called = time.monotonic() - began
        row = deployment.iteration
        if row.parity != "exact":
            raise SystemExit(f"{self.name}:{row.version} was to be exact, but is {row.parity or 'not verified'}.")
        phases = {phase: getattr(row, f"{phase}_seconds") or 0.0 for phase in PHASES}
        notes = {"call": called, "sent_bytes": row.sent_bytes or 0, "hot": int(row.hot)}
        return Trial(phases, row.package_to_verified_seconds or 0.0, notes)

    def _request(self, model: Any, sample: np.ndarray) -> CaptureRequest:
        """Return what a person would type as ``%containerize model --sample X[:5]``."""
        return CaptureRequest(self.name, model, "model", {}, sample)

    def lower_layers(self, seed: int, reference: str) -> tuple[Image, str]:
        """Return the image below our model (base and environment alone), and the path of its interpreter."""
        base = kernel_base(self.session.cache)
        snapshot = capture(self._request(*forest(seed)), self.session.workspace)
        image = build(snapshot, base, self.session.cache, reference)
        kept = tuple(layer for layer in image.layers if layer.role in {"base", "environment"})
        return plain_image(image, kept, reference), base.interpreter

    def clean(self) -> None:
        """Stop what runs."""
        for engine, container in self.session.standing.live(self.name):
            self.session.standing.remove(engine, container)


def plain_image(image: Image, layers: tuple[Layer, ...], reference: str) -> Image:
    """Return an image of some layers of another, without its user, entry point and labels."""
    config = json.loads(image.config)
    environment = config["config"]["Env"]
    config["config"] = {"Env": environment}
    config["rootfs"]["diff_ids"] = [layer.digest for layer in layers]
    config["history"] = config["history"][: len(layers)]
    config_bytes = json.dumps(config).encode()
    manifest = json.loads(image.manifest)
    manifest["config"].update(digest=digest_of(config_bytes), size=len(config_bytes))
    manifest["layers"] = manifest["layers"][: len(layers)]
    manifest_bytes = json.dumps(manifest).encode()
    return replace(
        image,
        reference=reference,
        layers=layers,
        config=config_bytes,
        config_digest=digest_of(config_bytes),
        manifest=manifest_bytes,
        digest=digest_of(manifest_bytes),
    )


def digest_of(content: bytes) -> str:
    """Return an OCI digest."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
