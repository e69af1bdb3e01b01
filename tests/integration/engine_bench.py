"""Engines that tests insist on, and names that no other run uses."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from notebook_bench import missing

from jupyter_containeriter.bubblewrap import namespaces_work
from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.errors import EngineUnreachableError


@pytest.fixture(scope="session")
def new_name() -> Iterator[Callable[[str], str]]:
    """Return a function that makes names no other run uses; their images leave Docker in the end."""
    mark = uuid.uuid4().hex[:6]
    yield lambda word: f"{word}-{mark}"
    with suppress(EngineUnreachableError):
        _forget_images(mark)


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
