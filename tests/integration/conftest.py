"""Real notebooks on real engines; one layer cache for the whole run, a history of its own for each lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine_bench import docker_running, new_name, sandbox_working
from interpreter_bench import MAKES, PERSON, Environment
from notebook_bench import Lab

__all__ = ["docker_running", "new_name", "sandbox_working"]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the layer cache that all labs share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Callable[[], Lab]:
    """Return a function that makes labs."""
    return lambda: Lab(tmp_path_factory.mktemp("lab"), cache)


@pytest.fixture
def lab(labs: Callable[[], Lab]) -> Iterator[Lab]:
    """Make a lab for one test."""
    lab = labs()
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def shared_lab(labs: Callable[[], Lab]) -> Iterator[Lab]:
    """Make a lab for the tests of one module."""
    lab = labs()
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Environment]]:
    """Return a function that makes environments, each of them once, with kernels that Jupyter knows."""
    jupyter = tmp_path_factory.mktemp("jupyter")
    made: dict[str, Environment] = {}

    def make(name: str) -> Environment:
        if name not in made:
            made[name] = MAKES[name](tmp_path_factory.mktemp(f"{PERSON}-"))
            made[name].install_kernel(jupyter)
        return made[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(jupyter))
        yield make
