"""What every engine promises about loading images."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from contract_bench import Bench, with_layer

from jupyter_containeriter.errors import DamagedLayerError
from jupyter_containeriter.image.validate import validate
from jupyter_containeriter.types import Image, LoadReport

pytestmark = pytest.mark.load

Trip = Callable[[Image, int, Callable[[], None]], Image]


def test_an_engine_describes_itself(bench: Bench) -> None:
    """An engine says its version, where it is and how it stores images."""
    info = bench.engine.describe()
    assert info.store in {"overlay2", "containerd", "podman", "directory"}
    assert info.endpoint
    assert info.isolation


def test_the_first_load_sends_everything(bench: Bench) -> None:
    """An image of which the engine holds nothing is sent completely, and held afterwards."""
    image = bench.image()
    validate(image)
    assert not bench.engine.holds(image)
    report = bench.engine.load(image)
    assert (report.method, report.layers_sent, report.layers_reused) == ("full", 3, 0)
    assert report.sent_bytes >= image.size_bytes
    assert bench.engine.holds(image)


def test_a_second_load_sends_nothing(bench: Bench) -> None:
    """An image that the engine holds is not sent again."""
    bench.engine.load(bench.image())
    assert bench.engine.load(bench.image()) == LoadReport("present", 0, 0, 3)


def test_equal_content_under_another_version_sends_nothing(bench: Bench) -> None:
    """A new version with the same content only gets its name; the old name stays."""
    bench.engine.load(bench.image(1))
    assert bench.engine.load(bench.image(2)).method == "present"
    assert bench.engine.holds(bench.image(1))
    assert bench.engine.holds(bench.image(2))


def test_a_new_model_sends_only_what_is_new(bench: Bench) -> None:
    """When the model changed, the base below it is not sent again."""
    base = bench.image(1).layers[0]
    bench.engine.load(bench.image(1))
    report = bench.engine.load(bench.image(2, model=b"another", code=b"another"))
    assert (report.method, report.layers_sent, report.layers_reused) == ("partial", 2, 1)
    assert report.sent_bytes < base.size_bytes
    assert bench.engine.holds(bench.image(2, model=b"another", code=b"another"))


def test_a_new_engine_object_knows_what_the_engine_holds(bench: Bench) -> None:
    """What can be left out is found in the engine, not remembered from earlier calls."""
    bench.engine.load(bench.image(1))
    assert bench.again().load(bench.image(2, code=b"another")).method == "partial"


def test_layers_that_are_held_are_not_read(bench: Bench) -> None:
    """A layer that the engine holds may be gone from the cache."""
    bench.engine.load(bench.image(1))
    image = bench.image(2, code=b"another")
    image.layers[0].path.unlink()
    assert bench.engine.load(image).method == "partial"


def test_a_new_base_below_known_layers_loads(bench: Bench) -> None:
    """Layers known from another place in another image do not confuse an engine."""
    bench.engine.load(bench.image(1))
    image = bench.image(2, base=b"another")
    report = bench.engine.load(image)
    assert report.layers_sent + report.layers_reused == 3
    assert bench.engine.holds(image)


def test_an_image_stays_when_a_newer_one_is_loaded(bench: Bench) -> None:
    """Loading a version takes nothing from the versions before it."""
    bench.engine.load(bench.image(1))
    bench.engine.load(bench.image(2, model=b"another"))
    assert bench.engine.holds(bench.image(1))


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("damage", ["changed", "shorter", "longer", "missing"])
def test_a_damaged_layer_is_named_and_leaves_nothing(bench: Bench, index: int, damage: str) -> None:
    """A layer whose file is not what its digest promises stops the load; the engine holds nothing of the image."""
    image = bench.image()
    layer = image.layers[index]
    sound = layer.path.read_bytes()
    changed = {"changed": b"x" + sound[1:], "shorter": sound[:-512], "longer": sound + bytes(512)}
    layer.path.unlink()
    if damage in changed:
        layer.path.write_bytes(changed[damage])
    with pytest.raises(DamagedLayerError) as caught:
        bench.engine.load(image)
    assert caught.value.digest == layer.digest
    assert not bench.engine.holds(image)
    layer.path.write_bytes(sound)
    bench.engine.load(image)
    assert bench.engine.holds(image)


def test_an_interrupt_leaves_nothing_half(bench: Bench, trip: Trip) -> None:
    """A load that the person interrupts can simply be repeated."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    image = bench.image()
    with pytest.raises(KeyboardInterrupt):
        bench.engine.load(trip(image, 2, interrupt))
    assert not bench.engine.holds(image)
    bench.engine.load(image)
    assert bench.engine.holds(image)


@pytest.mark.engines("docker")
def test_a_layer_lost_while_loading_makes_it_send_everything(bench: Bench, trip: Trip) -> None:
    """When a held layer disappears between question and load, the complete image is sent, and the report says so."""
    bench.engine.load(bench.image(1))
    image = bench.image(2, code=b"another")
    report = bench.engine.load(trip(image, 2, lambda: bench.forget(bench.image(1))))
    assert (report.method, report.layers_sent, report.layers_reused) == ("full", 3, 0)
    assert report.sent_bytes > image.size_bytes
    assert bench.engine.holds(image)


@pytest.mark.engines("docker")
def test_a_lost_and_damaged_layer_leaves_no_broken_image(bench: Bench, trip: Trip) -> None:
    """When the complete image cannot be sent either, no broken one stays behind under its name."""
    bench.engine.load(bench.image(1))
    image = bench.image(2, code=b"another")
    damaged = with_layer(image, 0, path=image.layers[0].path.with_name("gone"))
    with pytest.raises(DamagedLayerError):
        bench.engine.load(trip(damaged, 2, lambda: bench.forget(bench.image(1))))
    assert not bench.engine.holds(image)
    assert bench.engine.load(image).method == "full"
