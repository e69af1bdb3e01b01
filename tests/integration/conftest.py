"""Real notebooks on real engines; one layer cache for the whole run, a history of its own for each lab."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from interpreter_bench import MAKES, PERSON, Environment
from notebook_bench import Lab, missing

from jupyter_containeriter.bubblewrap import namespaces_work
from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.errors import EngineUnreachableError


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
def new_name() -> Iterator[Callable[[str], str]]:
    """Return a function that makes names no other run uses; their images leave Docker in the end."""
    mark = uuid.uuid4().hex[:6]
    yield lambda word: f"{word}-{mark}"
    with suppress(EngineUnreachableError):
        _forget_images(mark)


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


@pytest.fixture(scope="session")
def docker_running() -> None:
    """Insist on Docker: a skip where a person runs the tests, a failure in CI."""
    try:
        docker_engine()
    except EngineUnreachableError as error:
        missing(error.message)


@pytest.fixture(scope="session")
def sandbox_working() -> None:
    """Insist on the sandbox."""
    if not namespaces_work():
        missing("this user may not create namespaces")


def _forget_images(mark: str) -> None:
    import docker

    client = docker.APIClient(docker_engine().describe().endpoint, version="auto")
    for summary in client.images(filters={"reference": f"localhost/containeriter/*-{mark}"}):
        for tag in summary["RepoTags"] or ():
            client.remove_image(tag, force=True)
