"""What every engine promises about containers."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from contract_bench import Bench

from jupyter_containeriter.errors import EngineError, NotFoundError
from jupyter_containeriter.types import Limits

needs_a_server = pytest.mark.engines("docker", "sandbox", "process")


@needs_a_server
def test_a_running_server_answers_on_the_loopback_address(bench: Bench) -> None:
    """A container is reachable under its port on 127.0.0.1, and says so of itself."""
    container = bench.run()
    assert container.running
    assert container.exit_code is None
    assert bench.get(container) == b"ready"


@needs_a_server
def test_a_server_is_not_published_beyond_this_machine(bench: Bench) -> None:
    """The port of a container is closed on every address but the loopback one."""
    container = bench.run()
    bench.get(container)
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex((_outside_address(), container.port or 0)) != 0


@needs_a_server
def test_a_chosen_port_is_used(bench: Bench) -> None:
    """A container gets the port that was asked for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    container = bench.run(port=port)
    assert container.port == port
    assert bench.get(container) == b"ready"


@needs_a_server
def test_a_taken_port_is_named_and_leaves_no_container(bench: Bench) -> None:
    """Where the port is taken, the error names it and no container stays behind."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EngineError, match=str(port)) as caught:
            bench.run(port=port)
    assert "--port" in caught.value.remedy
    assert bench.engine.containers(bench.history) == []


def test_an_image_that_is_not_loaded_leaves_no_container(bench: Bench) -> None:
    """An image must be loaded before it runs; where it is not, no container stays behind."""
    with pytest.raises(EngineError):
        bench.engine.run(bench.image(), bench.spec())
    assert bench.engine.containers(bench.history) == []


def test_a_container_keeps_its_identity(bench: Bench) -> None:
    """Name, version, iteration, history and image come back from the engine, also from a new engine object."""
    image = bench.image(3)
    bench.engine.load(image)
    spec = bench.spec(3)
    before = datetime.now(UTC) - timedelta(minutes=5)
    bench.engine.run(image, spec)
    [container] = bench.again().containers(bench.history)
    assert (container.name, container.version, container.iteration) == (spec.name, 3, spec.iteration)
    assert (container.history, container.engine) == (bench.history, bench.engine.name)
    assert (container.image_reference, container.image_digest) == (image.reference, image.digest)
    assert container.started_at
    assert container.started_at > before


def test_containers_of_other_histories_stay_out_of_sight(bench: Bench) -> None:
    """A history sees its own containers only."""
    container = bench.run()
    assert [found.id for found in bench.engine.containers(bench.history)] == [container.id]
    assert bench.engine.containers(f"{bench.history}0") == []


def test_containers_are_listed_newest_first(bench: Bench) -> None:
    """The list begins with the container that was started last."""
    first, second = bench.run(), bench.run()
    assert [found.id for found in bench.engine.containers(bench.history)] == [second.id, first.id]


def test_inspect_tells_what_run_told(bench: Bench) -> None:
    """A container looks the same when it is started and when it is looked at."""
    container = bench.run()
    assert bench.engine.inspect(container.id) == container


def test_an_unknown_container_is_not_found(bench: Bench) -> None:
    """Asking for a container that does not exist says so, whatever the question."""
    unknown = "0" * 12
    for ask in (bench.engine.inspect, bench.engine.logs, bench.engine.stats):
        with pytest.raises(NotFoundError):
            ask(unknown)


@needs_a_server
def test_logs_end_with_the_last_lines(bench: Bench) -> None:
    """The log is what the server wrote, and can be cut to its last lines."""
    container = bench.run({"TEST_EXIT": "3"})
    assert bench.log(container, "leaving with 3").startswith("uid ")
    assert bench.engine.logs(container.id, tail=1).strip() == "leaving with 3"


@needs_a_server
def test_stats_measure_memory_and_cpu(bench: Bench) -> None:
    """A busy container uses some memory within its limit, and CPU whenever the machine has some for it."""
    container = bench.run({"TEST_BUSY": "1"})
    bench.get(container)
    stats = bench.engine.stats(container.id)
    assert 0 < stats.memory_bytes < stats.memory_limit_bytes == 128 * 1024**2
    assert bench.until(lambda: bench.engine.stats(container.id).cpu_percent > 0 or None)


@needs_a_server
def test_a_stopped_container_is_gone(bench: Bench) -> None:
    """Stopping ends the server and removes the container; stopping again is not an error."""
    container = bench.run()
    bench.get(container)
    bench.engine.stop(container.id)
    bench.engine.stop(container.id)
    assert bench.engine.containers(bench.history) == []
    with pytest.raises(NotFoundError):
        bench.engine.inspect(container.id)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", container.port or 0)) != 0


@needs_a_server
def test_a_container_that_ends_at_once_tells_its_exit_code(bench: Bench) -> None:
    """A server that leaves by itself is not running, and its exit code and log are kept."""
    container = bench.ended(bench.run({"TEST_EXIT": "3"}))
    assert container.exit_code == 3
    assert not container.oom_killed
    assert "leaving with 3" in bench.engine.logs(container.id)
    assert bench.engine.stats(container.id).cpu_percent == 0


@needs_a_server
def test_a_container_that_eats_its_memory_is_killed(bench: Bench) -> None:
    """A server that needs more memory than its limit is killed, and the engine says why."""
    container = bench.ended(bench.run({"TEST_EAT": "1"}, limits=Limits(memory_bytes=64 * 1024**2)))
    assert container.oom_killed
    assert container.exit_code


@pytest.mark.engines("docker", "sandbox")
def test_a_container_is_confined(bench: Bench, tmp_path: Path) -> None:
    """The server is an unprivileged user without capabilities, on a root it can only read, and sees no other files."""
    secret = tmp_path / "secret"
    secret.touch()
    container = bench.run({"TEST_SECRET": str(secret)})
    bench.get(container)
    log = bench.log(container, "/tmp is writable")
    assert "uid 65532" in log
    assert re.search(r"CapEff:\s+0{16}\n", log)
    assert re.search(r"NoNewPrivs:\s+1\n", log)
    assert "root is writable" not in log
    assert "image is writable" not in log
    assert "files are visible" not in log


@pytest.mark.engines("docker")
def test_a_gpu_that_is_not_there_leaves_no_container(bench: Bench) -> None:
    """A container that cannot start for want of a GPU is removed, and the error says what to do."""
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError) as caught:
        bench.run(gpus="all")
    assert "--gpus" in caught.value.remedy
    assert bench.engine.containers(bench.history) == []


@pytest.mark.engines("docker")
def test_a_reference_that_names_another_image_is_not_run(bench: Bench) -> None:
    """Where somebody gave our reference to another image, that one is not run under our name."""
    bench.engine.load(bench.image(1))
    bench.engine.load(bench.image(1, model=b"another"))
    with pytest.raises(EngineError, match="another image"):
        bench.engine.run(bench.image(1), bench.spec())
    assert bench.engine.containers(bench.history) == []


def _outside_address() -> str:
    """Return an address of this machine that other machines would use."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only chooses the route.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but the loopback one")
        address: str = probe.getsockname()[0]
    return address
