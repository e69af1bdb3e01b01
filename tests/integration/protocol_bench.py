"""A server as deployments have it, in a container of its own, and the clients that other people wrote for it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from notebook_bench import missing, until

from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
from jupyter_containeriter.client import InferenceClient
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.engines.sandbox import SandboxEngine
from jupyter_containeriter.image.base import kernel_base
from jupyter_containeriter.image.build import build
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.names import image_reference
from jupyter_containeriter.types import Limits, RunSpec

#: As a cell of a notebook would define it: it travels by value, without this file.
MODEL = """
import numpy as np

def model(data):
    words = np.array([word.upper() for word in data["words"]], dtype=object)
    return {"sums": data["rows"].sum(axis=1), "halves": data["rows"].astype("float16") / 2, "words": words}
"""

SAMPLE = {"rows": np.array([[1.0, 2.0], [3.0, 5.0]], dtype=np.float32), "words": np.array(["a", "ä"], dtype=object)}

_KSERVE = "kserve>=0.15,<1"


@dataclass(frozen=True)
class Served:
    """A server that runs, and its tokens."""

    name: str
    port: int
    token: str
    manager: str
    signature: dict[str, Any]

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What a client brings."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def managing(self) -> dict[str, str]:
        """What whoever deployed it brings."""
        return {"Authorization": f"Bearer {self.manager}"}

    def client(self) -> InferenceClient:
        """Return the project's own client."""
        return InferenceClient(f"http://{self.address}", self.token, self.name, self.signature, 1)


@contextmanager
def serve(kind: str, name: str, cache: Path, directory: Path) -> Iterator[Served]:
    """Run the model in a container of an engine."""
    engine: Engine = docker_engine() if kind == "docker" else SandboxEngine(directory, "bubblewrap")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(MODEL, namespace)
    request = CaptureRequest(name, namespace["model"], "model", {}, sample=SAMPLE)
    snapshot = capture(request, cache / "proofs")
    layers = LayerCache(cache)
    image = build(snapshot, kernel_base(layers), layers, image_reference(name, 1))
    engine.load(image)
    token, manager = uuid.uuid4().hex, uuid.uuid4().hex
    digests = {"TOKEN": token, "MANAGEMENT_TOKEN": manager}
    environment = {
        f"CONTAINERITER_{who}_SHA256": hashlib.sha256(secret.encode()).hexdigest() for who, secret in digests.items()
    }
    limits = Limits(memory_bytes=512 * 1024**2)
    spec = RunSpec(name, 1, uuid.uuid4().hex, uuid.uuid4().hex, limits, environment=environment)
    container = engine.run(image, spec)
    try:
        assert container.port is not None
        signature = json.loads(snapshot.files["snapshot.json"])["signature"]
        served = Served(name, container.port, token, manager, signature)
        until(served.client().is_ready)
        yield served
    finally:
        engine.stop(container.id)


def kserve_python(directory: Path) -> Path:
    """Make an environment with KServe's client: it takes other releases of packages than the tests do."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        missing("uv is not installed (pip install uv)")
    python = directory / "bin" / "python"
    for command in (("venv", "--python", sys.executable, directory), ("pip", "install", "--python", python, _KSERVE)):
        subprocess.run([uv, *map(str, command), "--quiet"], check=True)
    return python
