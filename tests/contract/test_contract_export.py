"""What engines promise about images of anybody's that they hold: they can be built on."""

from __future__ import annotations

from pathlib import Path

import pytest
from contract_bench import Bench

from jupyter_containeriter.image.base import architecture
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.foreign import archived_layers


@pytest.mark.load
@pytest.mark.engines("docker")
def test_an_image_comes_back_layer_by_layer(bench: Bench, tmp_path: Path) -> None:
    """An engine finds an image by its name, and gives back by its id the very layers and configuration it was given."""
    image = bench.image()
    bench.engine.load(image)
    held = bench.engine.held(image.reference)
    assert held is not None
    assert held.architecture == architecture()
    cache = LayerCache(tmp_path / "cache")
    assert archived_layers(bench.engine.export(held.id), cache) == image.config_digest
    for layer in image.layers:
        assert cache.blob(layer.digest).read_bytes() == layer.path.read_bytes()


@pytest.mark.load
def test_what_is_not_held_is_not_found(bench: Bench) -> None:
    """An unknown name, with or without a digest, is no error."""
    assert bench.engine.held("localhost/containeriter/never-seen:1") is None
    assert bench.engine.held(f"localhost/containeriter/never-seen@sha256:{64 * '0'}") is None
