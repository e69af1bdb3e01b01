"""What tests can do to the engine in memory; what it shares with real ones is in the contract suite."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from jupyter_containeriter.errors import EngineError, EngineUnreachableError, NotFoundError
from jupyter_containeriter.image.validate import validate
from jupyter_containeriter.testing import FakeEngine, engine, tiny_image
from jupyter_containeriter.types import Image, RunSpec

_SPEC = RunSpec("tiny", 1, "iteration", "history")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Build an image."""
    return tiny_image(tmp_path)


def test_the_example_works() -> None:
    """The documented example does what it says."""
    assert doctest.testmod(engine).failed == 0


def test_a_verb_fails_as_often_as_told(image: Image) -> None:
    """A failure is raised for as many calls as were asked for, and nothing happens in those."""
    fake = FakeEngine()
    fake.fail("load", EngineUnreachableError("gone"), times=2)
    for _ in range(2):
        with pytest.raises(EngineUnreachableError):
            fake.load(image)
    assert not fake.holds(image)
    assert fake.load(image).method == "full"


def test_a_container_can_end(image: Image) -> None:
    """A test can let a container end, with an exit code, a reason and last words."""
    fake = FakeEngine()
    fake.load(image)
    container = fake.run(image, _SPEC)
    fake.exit(container.id, 137, oom_killed=True, log="Killed")
    ended = fake.inspect(container.id)
    assert (ended.running, ended.exit_code, ended.oom_killed) == (False, 137, True)
    assert fake.logs(container.id) == "Killed\n"
    assert fake.stats(container.id).memory_bytes == 0


def test_a_container_can_end_at_once(image: Image) -> None:
    """A test can let the next container end as soon as it starts; the one after runs."""
    fake = FakeEngine()
    fake.load(image)
    fake.exit_at_start(1, "ImportError: sklearn\n")
    assert not fake.run(image, _SPEC).running
    assert fake.run(image, _SPEC).running


def test_a_server_of_the_test_answers(image: Image) -> None:
    """A test can bring the server that a container pretends to be."""
    fake = FakeEngine(serve=lambda image, spec: 4242)
    fake.load(image)
    assert fake.run(image, _SPEC).port == 4242


def test_what_a_container_was_started_with_is_known(image: Image) -> None:
    """A test can see the specification that reached the engine."""
    fake = FakeEngine()
    fake.load(image)
    assert fake.spec(fake.run(image, _SPEC).id) is _SPEC


def test_a_port_is_given_once(image: Image) -> None:
    """Two running containers cannot have one port."""
    fake = FakeEngine()
    fake.load(image)
    taken = fake.run(image, _SPEC).port
    with pytest.raises(EngineError, match=str(taken)):
        fake.run(image, RunSpec("tiny", 2, "other", "history", port=taken))


def test_images_can_be_lost(image: Image) -> None:
    """After losing its images the engine needs everything again."""
    fake = FakeEngine()
    fake.load(image)
    fake.forget_images()
    assert fake.load(image).method == "full"


def test_logs_can_be_written(image: Image) -> None:
    """A test writes what a server would write; only the last lines are returned."""
    fake = FakeEngine()
    fake.load(image)
    container = fake.run(image, _SPEC)
    fake.write_log(container.id, "one\ntwo\nthree\n")
    assert fake.logs(container.id, tail=2) == "two\nthree\n"
    fake.stop(container.id)
    with pytest.raises(NotFoundError):
        fake.logs(container.id)


def test_tiny_images_are_valid_and_reproducible(tmp_path: Path) -> None:
    """Equal arguments give an equal, valid image; the name is not part of it."""
    one, two = tiny_image(tmp_path), tiny_image(tmp_path, name="other", version=2)
    validate(one)
    assert one.digest == two.digest
    assert two.reference == "localhost/containeriter/other:2"


def test_layers_of_tiny_images_have_roles_in_order(tmp_path: Path) -> None:
    """Layers hold, bottom up, base, environment, models and code."""
    image = tiny_image(tmp_path, layers=[{str(number): b""} for number in range(5)])
    assert [layer.role for layer in image.layers] == ["base", "environment", "model", "model", "code"]
