"""Engines for the contract suite: every test runs against each one, and sees only the Engine protocol."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NoReturn

import pytest
from contract_bench import Bench, Tripwire, with_layer

from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import EngineUnreachableError
from jupyter_containeriter.testing import FakeEngine
from jupyter_containeriter.types import Image

ENGINES = ("docker", "sandbox", "process", "fake")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test against every engine that promises the behaviour."""
    promised = metafunc.definition.get_closest_marker("engines")
    names = promised.args if promised else ENGINES
    marks = {"docker": pytest.mark.engine}
    metafunc.parametrize("bench", [pytest.param(name, marks=marks.get(name, ())) for name in names], indirect=True)


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Set one engine up; what a test leaves in it is removed."""
    fake = FakeEngine()
    makers: dict[str, Callable[[], Engine]] = {
        "docker": _docker,
        "sandbox": lambda: _sandbox(tmp_path / "state", "bubblewrap"),
        "process": lambda: _sandbox(tmp_path / "state", "process"),
        "fake": lambda: fake,
    }
    make = makers[request.param]
    layers = tmp_path / "layers"
    layers.mkdir()
    bench = Bench(request.param, make(), make, layers)
    yield bench
    for container in bench.engine.containers(bench.history):
        bench.engine.stop(container.id)
    if request.param == "docker":
        bench.forget(*(bench.image(version) for version in range(1, 4)))


@pytest.fixture
def trip(tmp_path: Path) -> Callable[[Image, int, Callable[[], None]], Image]:
    """Make something happen at the moment one layer of an image is read."""

    def with_tripwire(image: Image, index: int, action: Callable[[], None]) -> Image:
        path = Tripwire(image.layers[index].path)
        path.action = action
        return with_layer(image, index, path=path)

    return with_tripwire


def _docker() -> Engine:
    from jupyter_containeriter.engines.docker import docker_engine

    try:
        return docker_engine()
    except EngineUnreachableError as error:
        _missing(error.message)


def _sandbox(state: Path, isolation: Literal["bubblewrap", "process"]) -> Engine:
    from jupyter_containeriter.bubblewrap import namespaces_work
    from jupyter_containeriter.engines.sandbox import SandboxEngine

    if isolation == "bubblewrap" and not namespaces_work():
        _missing("this user may not create namespaces")
    return SandboxEngine(state, isolation)


def _missing(why: str) -> NoReturn:
    """Skip where a person runs the tests; in CI an engine that is not there is a fault of the CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
