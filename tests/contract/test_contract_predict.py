"""What every engine promises about a real model: its image is loaded, run, asked and replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from contract_bench import Bench

from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
from jupyter_containeriter.client import InferenceClient
from jupyter_containeriter.image.base import kernel_base
from jupyter_containeriter.image.build import build
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.names import image_reference
from jupyter_containeriter.types import Container, Image, Limits

pytestmark = pytest.mark.engines("docker", "sandbox", "process")

ROWS = [[1.0, 2.0], [3.0, 5.0]]

#: As a cell of a notebook would define it: it travels by value, without this file.
MODEL = "lambda rows: [{} * sum(row) for row in rows]"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a layer cache for the whole run: the base is built once."""
    return tmp_path_factory.mktemp("layers")


class Kitchen:
    """Makes images of real models for one bench, and remembers their signature."""

    def __init__(self, bench: Bench, cache: Path) -> None:
        self._bench = bench
        self._cache = cache
        self.signature: dict[str, Any] = {}

    def image(self, version: int, factor: float) -> Image:
        """Capture a model that multiplies sums, and build its image."""
        model = eval(MODEL.format(factor), {"__name__": "__main__"})
        request = CaptureRequest(self._bench.name, model, "model", {}, sample=ROWS)
        snapshot = capture(request, self._cache / "proofs")
        self.signature = json.loads(snapshot.files["snapshot.json"])["signature"]
        layers = LayerCache(self._cache)
        return build(snapshot, kernel_base(layers), layers, image_reference(self._bench.name, version))

    def run(self, image: Image, version: int) -> Container:
        """Run an image until it is ready."""
        limits = Limits(memory_bytes=512 * 1024**2)
        told = {"CONTAINERITER_VERSION": str(version)}
        container = self._bench.engine.run(image, self._bench.spec(version, limits=limits, environment=told))
        client = self.client(container)
        self._bench.until(lambda: client.is_ready() or None)
        return container

    def client(self, container: Container) -> InferenceClient:
        """Return what talks to a container."""
        return InferenceClient(
            f"http://127.0.0.1:{container.port}", "", container.name, self.signature, container.version
        )


@pytest.fixture
def kitchen(bench: Bench, cache: Path) -> Kitchen:
    """Make images of real models."""
    return Kitchen(bench, cache)


def test_a_real_model_predicts_and_its_successor_sends_little(bench: Bench, kitchen: Kitchen) -> None:
    """A model predicts over HTTP and writes its log; a changed one sends only its own layers, and predicts anew."""
    first = kitchen.image(1, 10.0)
    bench.engine.load(first)
    container = kitchen.run(first, 1)
    assert kitchen.client(container).predict(ROWS) == [30.0, 80.0]
    assert "containeriter" in bench.engine.logs(container.id)
    second = kitchen.image(2, 100.0)
    report = bench.engine.load(second)
    assert report.method == "partial"
    assert report.sent_bytes < 1_000_000
    assert kitchen.client(kitchen.run(second, 2)).predict(ROWS) == [300.0, 800.0]
