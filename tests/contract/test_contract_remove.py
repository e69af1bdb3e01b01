"""What every engine promises about images that are no longer wanted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from contract_bench import Bench

from jupyter_containeriter.types import Image


def _digests(*images: Image) -> set[str]:
    return {layer.digest for image in images for layer in image.layers}


@pytest.mark.load
def test_an_image_is_removed(bench: Bench) -> None:
    """What was loaded can be removed, is not held any more, and can be loaded again."""
    image = bench.image()
    bench.engine.load(image)
    assert bench.engine.remove_image(image)
    assert not bench.engine.holds(image)
    assert bench.engine.load(image).method == "full"
    assert bench.engine.holds(image)


@pytest.mark.load
def test_what_is_not_there_is_not_removed(bench: Bench) -> None:
    """Removing an image that was never loaded, or twice, does nothing."""
    image = bench.image()
    assert not bench.engine.remove_image(image)
    bench.engine.load(image)
    assert bench.engine.remove_image(image)
    assert not bench.engine.remove_image(image)


@pytest.mark.load
def test_other_versions_stay_whole(bench: Bench) -> None:
    """Layers that another version shares stay."""
    first, second = bench.image(1), bench.image(2, model=b"another")
    for image in (first, second):
        bench.engine.load(image)
    assert bench.engine.remove_image(first, _digests(second))
    assert bench.engine.holds(second)
    assert bench.engine.load(first).layers_sent < 3


@pytest.mark.engines("docker", "fake")
@pytest.mark.load
def test_another_image_of_that_name_stays(bench: Bench) -> None:
    """A reference that names another image by now is not ours to remove."""
    first, other = bench.image(1), bench.image(1, model=b"another")
    bench.engine.load(first)
    bench.engine.load(other)
    assert not bench.engine.remove_image(first)
    assert bench.engine.holds(other)


def test_a_container_keeps_its_image(bench: Bench) -> None:
    """An image that a container uses stays, while it runs and after it has ended."""
    container = bench.run()
    image = bench.image()
    assert not bench.engine.remove_image(image)
    assert bench.get(container) == b"ready" if bench.kind != "fake" else True
    assert bench.engine.holds(image)
    bench.engine.stop(container.id)
    assert bench.engine.remove_image(image)


def test_a_container_keeps_the_layers_it_shares(bench: Bench) -> None:
    """Removing an older version takes no layer from the version that runs, even if nobody names it."""
    bench.engine.load(bench.image(1))
    newer = bench.image(2, model=b"another")
    bench.engine.load(newer)
    container = bench.engine.run(newer, bench.spec(2))
    assert bench.engine.remove_image(bench.image(1))
    assert bench.engine.holds(newer)
    assert bench.engine.inspect(container.id).running


@pytest.mark.load
def test_known_layers_are_no_leftovers(bench: Bench) -> None:
    """What is known is not listed as left over."""
    image = bench.image()
    bench.engine.load(image)
    assert bench.engine.leftovers(_digests(image)) == []


@pytest.mark.engines("sandbox", "process")
def test_unknown_layers_and_halves_are_leftovers(bench: Bench, tmp_path: Path) -> None:
    """Layers nobody knows and what killed processes left are listed; what a container uses is not."""
    container = bench.run()
    unknown = bench.image(2, model=b"unknown")
    bench.engine.load(unknown)
    half = tmp_path / "state" / "layers" / ".new-killed"
    half.mkdir()
    unnoted = tmp_path / "state" / "containers" / "killed"
    unnoted.mkdir()
    lost = tmp_path / "state" / "layers" / unknown.layers[1].digest.removeprefix("sha256:")
    assert set(bench.engine.leftovers([])) == {half, unnoted, lost}
    assert os.path.lexists(tmp_path / "state" / "containers" / container.id)
