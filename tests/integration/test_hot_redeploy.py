"""Hot redeploy on real engines: under load, and when a container, a kernel or an engine ends in the middle."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hot_bench import Askers, Place, own_engine
from notebook_bench import ENGINES, need, until

from jupyter_containeriter.types import Container

VERSIONS = 50
CONNECTIONS = 16


@pytest.fixture(params=ENGINES)
def place(
    request: pytest.FixtureRequest, tmp_path: Path, cache: Path, new_name: Callable[[str], str]
) -> Iterator[Place]:
    """Make a place on an engine."""
    engine = need(request, request.param)
    place = Place(tmp_path / "data", cache, engine, new_name(f"hot-{engine}"))
    yield place
    place.close()


def live_container(place: Place) -> Container:
    """Return the one container that runs."""
    ((_, container),) = place.session.standing.live(place.name)
    return container


def kill(place: Place, container: Container) -> None:
    """Kill a container from outside."""
    if place.engine == "docker":
        subprocess.run(["docker", "kill", container.id], check=True, capture_output=True)
        return
    # Only what was started from this place's own directory.
    subprocess.run(["pkill", "-KILL", "-f", f"{place.data}.*containeriter_serving"], check=True)


def test_no_request_fails_while_fifty_versions_pass(place: Place) -> None:
    """Under load every request is answered, by the version it names, never by an older one than before."""
    deployment = place.containerize(1)
    container = live_container(place)
    memory = []
    with Askers(deployment, CONNECTIONS) as askers:
        for number in range(2, VERSIONS + 1):
            latest = place.containerize(number)
            assert (latest.iteration.hot, latest.parity) == (True, "exact")
            if number in {10, VERSIONS}:
                memory.append(latest.stats().memory_bytes)
        # The last version is asked, too.
        until(lambda: all(kept and kept[-1][1] == VERSIONS for kept in askers.answers) or askers.failures)
    assert askers.failures == []
    for kept in askers.answers:
        assert {status for status, _, _ in kept} == {200}
        assert all(version == value for _, version, value in kept)
        versions = [version for _, version, _ in kept]
        assert versions == sorted(versions)
    assert live_container(place).id == container.id
    # Forty megabytes passed through; three versions are held.
    early, late = memory
    assert late < early + 15_000_000


def test_large_models_are_loaded_hot_while_there_is_memory(place: Place) -> None:
    """Files that do not fit twice into 256 MB are taken; where memory is short, a new container starts instead."""
    place.containerize(1, memory="800m")
    container = live_container(place)
    assert place.containerize(2, size=140_000_000, memory="800m").iteration.hot
    assert live_container(place).id == container.id
    latest = place.containerize(3, size=240_000_000, memory="800m")
    assert (latest.iteration.hot, latest.parity) == (False, "exact")
    assert latest.predict([1]) == [3]


def test_a_container_killed_in_the_middle_is_replaced(place: Place) -> None:
    """The version whose load was cut off serves from a new container, at the same address."""
    before = place.containerize(1)
    container = live_container(place)
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(place.containerize(2, slow=3)))
    thread.start()
    until(lambda: "loading 2" in before.logs())
    assert before.predict([1]) == [1]
    kill(place, container)
    thread.join()
    assert len(done) == 1
    found = place.deployment()
    assert (found.version, found.url, found.token, found.predict([1, 2])) == (2, before.url, before.token, [2, 2])
    assert found.container is not None
    assert found.container.id != container.id
    assert not found.iteration.hot


def test_a_kernel_killed_before_the_switch_leaves_its_promise(place: Place) -> None:
    """The next kernel switches to what was verified and promised."""
    before = place.containerize(1)
    killed = """
ManagementClient.switch = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
place.containerize(2)
"""
    assert place.work_elsewhere(killed) == -9
    assert before.predict([1]) == [1]
    found = place.deployment()
    assert (found.version, found.url, found.predict([1, 2])) == (2, before.url, [2, 2])
    with Askers(found, 1) as askers:
        until(lambda: askers.answers[0] or askers.failures)
    assert askers.answers[0][0] == (200, 2, 2)


def test_a_kernel_killed_while_the_server_loads_changes_nothing(place: Place) -> None:
    """Its row is interrupted, and the live version answers as before."""
    before = place.containerize(1)
    killed = """
ManagementClient.load = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
place.containerize(2)
"""
    assert place.work_elsewhere(killed) == -9
    found = place.deployment()
    assert (found.version, found.url, found.predict([1])) == (1, before.url, [1])
    row = place.session.history.get(place.name, 2)
    assert row is not None
    assert row.status == "interrupted"


def test_a_killed_container_comes_back_as_what_it_served(place: Place) -> None:
    """Whoever looks at the deployments brings the promised version back, at its address, with its token."""
    place.containerize(1)
    before = place.containerize(2)
    assert before.iteration.hot
    kill(place, live_container(place))
    until(lambda: not live_container(place).running)
    found = place.deployment()
    assert (found.version, found.url, found.token, found.predict([1])) == (2, before.url, before.token, [2])


@pytest.mark.engine
def test_a_restarted_container_gets_its_version_back(
    docker_running: None, tmp_path: Path, cache: Path, new_name: Callable[[str], str]
) -> None:
    """A container that Docker started again has its image's version; the promised one is loaded into it."""
    place = Place(tmp_path / "data", cache, "docker", new_name("restarted"))
    try:
        place.containerize(1)
        before = place.containerize(2)
        container = live_container(place)
        subprocess.run(["docker", "restart", container.id], check=True, capture_output=True)
        found = place.deployment()
        assert (found.version, found.url, found.predict([1])) == (2, before.url, [2])
        assert live_container(place).id == container.id
    finally:
        place.close()


@pytest.mark.engine
def test_an_engine_restart_is_survived(
    docker_running: None, tmp_path: Path, cache: Path, new_name: Callable[[str], str]
) -> None:
    """After the engine ended with all it ran, a new kernel finds the promised version serving at its address."""
    with own_engine(tmp_path) as engine:
        person = (str(tmp_path / "person"), str(cache), "docker", new_name("engine"))
        tell = "\nprint(found.version, found.url, found.token, found.predict([1, 2]))"
        before = engine.run("place.containerize(1); found = place.containerize(2)" + tell, person)
        engine.stop()
        engine.start()
        after = engine.run("found = place.deployment()" + tell + "\nplace.close()", person)
    assert before.startswith("2 http://")
    assert after == before
