"""The options that harden a container, and the engine's words about a container in our types."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jupyter_containeriter.engines import _labels
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.types import Container, Image, RunSpec, Stats

#: The port on which the server listens inside the container.
SERVER_PORT = 8080
#: An unprivileged user that exists in no image: nothing in the container belongs to it.
USER = "65532:65532"

# ``exec`` is said because Docker's default is noexec: joblib and numba load code that they wrote to /tmp.
_TMPFS = "rw,exec,nosuid,nodev,size={},mode=1777"
#: For temporary files, which the memory limit counts, too: there the files of a version lie while it loads.
_LEAST_TEMPORARY_BYTES = 256 * 1024**2


def create_options(api: Any, image: Image, spec: RunSpec) -> dict[str, Any]:
    """Return the arguments for ``api.create_container``: everything that is not needed is taken away."""
    from docker.types import LogConfig

    limits = spec.limits
    host_config = api.create_host_config(
        read_only=True,
        tmpfs={"/tmp": _TMPFS.format(max(_LEAST_TEMPORARY_BYTES, limits.memory_bytes // 2))},  # noqa: S108 (its own)
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=limits.memory_bytes,
        memswap_limit=limits.memory_bytes,
        nano_cpus=round(limits.cpus * 1e9) if limits.cpus else None,
        pids_limit=limits.pids,
        port_bindings={SERVER_PORT: ("127.0.0.1", spec.port) if spec.port else ("127.0.0.1",)},
        log_config=LogConfig(type="json-file", config={"max-size": "10m"}),
        device_requests=_device_requests(spec.gpus),
    )
    return {
        "image": image.reference,
        "name": _labels.container_name(spec),
        "user": USER,
        "ports": [SERVER_PORT],
        "environment": {
            **spec.environment,
            # Where to listen is the engine's to say: it publishes this port.
            "CONTAINERITER_HOST": "0.0.0.0",  # noqa: S104 (inside the container; published on 127.0.0.1 only)
            "CONTAINERITER_PORT": str(SERVER_PORT),
            "CONTAINERITER_MEMORY_BYTES": str(limits.memory_bytes),
        },
        "labels": _labels.labels(image, spec),
        "host_config": host_config,
    }


#: What a shell calls the end by SIGKILL.
_KILLED = 137


def container_from(attributes: dict[str, Any], engine: str, *, killed_by_kernel: bool = False) -> Container | None:
    """Return what ``inspect`` said as a Container, or None where the container is not one of ours.

    ``killed_by_kernel`` takes every SIGKILL for the kernel's, that is, for want of memory.
    """
    labels = attributes["Config"].get("Labels") or {}
    if not {_labels.NAME, _labels.VERSION, _labels.ITERATION, _labels.HISTORY} <= labels.keys():
        return None
    state = attributes["State"]
    running = bool(state["Running"])
    started_at = timestamp(state.get("StartedAt"))
    # A container that never started has an exit code of 0 that means nothing.
    exit_code = None if running or started_at is None else state.get("ExitCode")
    return Container(
        id=attributes["Id"],
        name=labels[_labels.NAME],
        version=int(labels[_labels.VERSION]),
        iteration=labels[_labels.ITERATION],
        history=labels[_labels.HISTORY],
        engine=engine,
        image_reference=attributes["Config"]["Image"],
        image_digest=labels.get(_labels.IMAGE, ""),
        running=running,
        port=_published_port(attributes) if running else None,
        started_at=started_at,
        exit_code=exit_code,
        oom_killed=bool(state.get("OOMKilled")) or (killed_by_kernel and exit_code == _KILLED),
    )


def stats_from(sample: dict[str, Any], previous: dict[str, Any]) -> Stats:
    """Return usage from two samples of one container; the newer one counts, the older one is for the CPU rate."""
    memory = sample.get("memory_stats") or {}
    details = memory.get("stats") or {}
    # As `docker stats` does: the page cache is not the model's. The names are those of cgroup v1 and v2.
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return Stats(
        memory_bytes=max(0, memory.get("usage", 0) - cache),
        memory_limit_bytes=memory.get("limit", 0),
        cpu_percent=_cpu_percent(sample, previous),
    )


def timestamp(text: str | None) -> datetime | None:
    """Return an engine's time, or None for the zero time that means *never*."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def _cpu_percent(sample: dict[str, Any], previous: dict[str, Any]) -> float:
    newer, older = timestamp(sample.get("read")), timestamp(previous.get("read"))
    if newer is None or older is None or newer <= older:
        return 0.0
    used = sample["cpu_stats"]["cpu_usage"]["total_usage"] - previous["cpu_stats"]["cpu_usage"]["total_usage"]
    return max(0.0, float(used) / 1e9 / (newer - older).total_seconds() * 100)


def _published_port(attributes: dict[str, Any]) -> int | None:
    bindings = (attributes["NetworkSettings"].get("Ports") or {}).get(f"{SERVER_PORT}/tcp")
    return int(bindings[0]["HostPort"]) if bindings else None


def _device_requests(gpus: str | None) -> list[Any] | None:
    from docker.types import DeviceRequest

    if gpus is None:
        return None
    if gpus != "all" and not gpus.isdecimal():
        raise UsageError(f"--gpus {gpus} is neither `all` nor a count.", "Use --gpus all, or a number such as 1.")
    return [DeviceRequest(count=-1 if gpus == "all" else int(gpus), capabilities=[["gpu"]])]
