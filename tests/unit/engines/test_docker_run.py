"""What the Docker engine asks for, and how it reads what the engine says of a container."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from jupyter_containeriter.engines._docker_run import container_from, create_options, stats_from, timestamp
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import Limits, RunSpec

_SPEC = RunSpec("churn", 3, "0123-456789ab", "h", Limits(memory_bytes=1024**3, cpus=1.5, pids=64))


def _options(directory: Path, spec: RunSpec) -> dict[str, Any]:
    api = docker.APIClient("unix:///nobody.sock", version="1.41")
    return create_options(api, tiny_image(directory), spec)


def test_everything_that_is_not_needed_is_taken_away(tmp_path: Path) -> None:
    """A container gets no root, no capability, no writable root, no more memory or processes than allowed."""
    options = _options(tmp_path, _SPEC)
    host = options["host_config"]
    assert options["user"] == "65532:65532"
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["SecurityOpt"]) == (True, ["ALL"], ["no-new-privileges"])
    assert host["Memory"] == host["MemorySwap"] == 1024**3
    assert (host["NanoCpus"], host["PidsLimit"]) == (1_500_000_000, 64)
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m"}}
    assert set(host["Tmpfs"]) == {"/tmp"}


@pytest.mark.parametrize(("port", "host_port"), [(None, ""), (9000, "9000")])
def test_the_server_is_published_on_the_loopback_address_only(tmp_path: Path, port: int | None, host_port: str) -> None:
    """The one published port is bound to 127.0.0.1."""
    spec = RunSpec("churn", 3, "i", "h", port=port)
    bindings = _options(tmp_path, spec)["host_config"]["PortBindings"]
    assert bindings == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": host_port}]}


def test_a_container_is_named_and_labelled(tmp_path: Path) -> None:
    """Name and labels say what runs; the name is another one each time, the labels are not."""
    options = _options(tmp_path, _SPEC)
    assert re.fullmatch("containeriter-churn-3-[0-9a-f]{6}", options["name"])
    assert options["name"] != _options(tmp_path, _SPEC)["name"]
    assert options["labels"] == {
        "io.containeriter.name": "churn",
        "io.containeriter.version": "3",
        "io.containeriter.iteration": "0123-456789ab",
        "io.containeriter.history": "h",
        "io.containeriter.image": tiny_image(tmp_path).digest,
    }


def test_the_engine_decides_where_the_server_listens(tmp_path: Path) -> None:
    """Variables of the caller reach the server, but for those that say where to listen."""
    spec = RunSpec("n", 1, "i", "h", environment={"CONTAINERITER_PORT": "1", "CONTAINERITER_TOKEN": "t"})
    assert _options(tmp_path, spec)["environment"] == {
        "CONTAINERITER_HOST": "0.0.0.0",
        "CONTAINERITER_PORT": "8080",
        "CONTAINERITER_MEMORY_BYTES": str(Limits().memory_bytes),
        "CONTAINERITER_TOKEN": "t",
    }


@pytest.mark.parametrize(("memory", "temporary"), [(128 * 1024**2, 256 * 1024**2), (4 * 1024**3, 2 * 1024**3)])
def test_temporary_files_have_half_of_the_memory(tmp_path: Path, memory: int, temporary: int) -> None:
    """The files of a version that is loaded hot lie there; a small container has room for joblib's at least."""
    tmpfs = _options(tmp_path, RunSpec("n", 1, "i", "h", Limits(memory)))["host_config"]["Tmpfs"]["/tmp"]
    assert f"size={temporary}," in tmpfs


@pytest.mark.parametrize(("gpus", "count"), [("all", -1), ("2", 2)])
def test_gpus_are_requested(tmp_path: Path, gpus: str, count: int) -> None:
    """All GPUs or a number of them can be asked for."""
    [request] = _options(tmp_path, RunSpec("n", 1, "i", "h", gpus=gpus))["host_config"]["DeviceRequests"]
    assert (request["Count"], request["Capabilities"]) == (count, [["gpu"]])


def test_an_unknown_number_of_gpus_is_a_usage_error(tmp_path: Path) -> None:
    """What is neither all nor a number is refused before anything is created."""
    with pytest.raises(UsageError, match="--gpus many"):
        _options(tmp_path, RunSpec("n", 1, "i", "h", gpus="many"))


def _attributes(**state: Any) -> dict[str, Any]:
    labels = {f"io.containeriter.{key}": "1" for key in ("name", "version", "iteration", "history")}
    return {
        "Id": "c",
        "Config": {"Labels": labels, "Image": "localhost/containeriter/n:1"},
        "State": {"Running": False, "StartedAt": "2026-01-02T03:04:05.123456789Z", "ExitCode": 0, **state},
        "NetworkSettings": {"Ports": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}]}},
    }


def test_a_running_container_has_a_port_and_no_exit_code() -> None:
    """While a container runs, it has a port."""
    container = container_from(_attributes(Running=True), "docker")
    assert container
    assert (container.port, container.exit_code, container.running) == (32768, None, True)
    assert container.started_at == datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)


def test_an_ended_container_has_an_exit_code_and_no_port() -> None:
    """When a container has ended, it has an exit code, and whether memory was the reason."""
    container = container_from(_attributes(ExitCode=137, OOMKilled=True), "docker")
    assert container
    assert (container.port, container.exit_code, container.oom_killed) == (None, 137, True)


def test_sigkill_is_for_want_of_memory_where_the_engine_overlooks_it() -> None:
    """Podman 4 may not say why a container was killed; there every SIGKILL counts as one for want of memory."""
    attributes = _attributes(ExitCode=137, OOMKilled=False)
    for overlooks in (True, False):
        container = container_from(attributes, "docker", killed_by_kernel=overlooks)
        assert container is not None
        assert container.oom_killed is overlooks


def test_a_container_that_never_started_has_no_exit_code() -> None:
    """The exit code 0 of a container that never ran means nothing."""
    container = container_from(_attributes(StartedAt="0001-01-01T00:00:00Z"), "docker")
    assert container
    assert (container.started_at, container.exit_code) == (None, None)


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00"])
def test_times_are_utc(text: str) -> None:
    """Engines write times in zones of their own."""
    assert timestamp(text) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _sample(second: int, cpu: float, **memory: Any) -> dict[str, Any]:
    return {
        "read": f"2026-01-02T03:04:{second:02}Z",
        "cpu_stats": {"cpu_usage": {"total_usage": int(cpu * 1e9)}},
        "memory_stats": memory,
    }


@pytest.mark.parametrize("cache", ["inactive_file", "total_inactive_file"])
def test_memory_is_without_the_page_cache(cache: str) -> None:
    """Files that the kernel keeps in memory are not the model's memory, in both versions of cgroups."""
    stats = stats_from(_sample(1, 0, usage=500, limit=1000, stats={cache: 200}), _sample(0, 0))
    assert (stats.memory_bytes, stats.memory_limit_bytes) == (300, 1000)


def test_cpu_is_a_rate_between_two_samples() -> None:
    """Three seconds of CPU in two seconds are one and a half cores."""
    assert stats_from(_sample(2, 4), _sample(0, 1)).cpu_percent == 150


def test_a_container_that_ended_uses_nothing() -> None:
    """The empty samples of a container that does not run are no usage."""
    ended = {"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}}
    stats = stats_from(ended, _sample(0, 4))
    assert (stats.memory_bytes, stats.cpu_percent) == (0, 0)
