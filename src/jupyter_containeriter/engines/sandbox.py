"""The embedded engine: the very same layers, unpacked once, under bubblewrap. No daemon, no root.

Where namespaces are forbidden it runs them as plain processes (``isolation="process"``), which isolates nothing.
State lives in a directory: one for each layer, one for each container.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from jupyter_containeriter.bubblewrap import NAMESPACES, bwrap
from jupyter_containeriter.engines import _supervisor
from jupyter_containeriter.engines._trees import Placement, Trees, stacks
from jupyter_containeriter.errors import EngineError, NotFoundError
from jupyter_containeriter.image.base import architecture
from jupyter_containeriter.types import CONTAINER_ROOT, Container, EngineInfo, Image, LoadReport, RunSpec, Stats
from jupyter_containeriter.watching import PolledWatch

_NOTICE_SECONDS = 5.0
#: The supervisor ends what does not end by itself.
_STOP_SECONDS = _supervisor.GRACE_SECONDS + 2
_STATS_SECONDS = 0.1
_WATCH_SECONDS = 0.5


class SandboxEngine:
    """Runs images as sandboxed processes of this user.

    Parameters
    ----------
    state
        Directory for unpacked layers and containers.
    isolation
        ``bubblewrap`` (own user, process, mount and IPC namespaces, read-only root, no capabilities) or ``process``.

    Notes
    -----
    The network is the host's: the server listens on 127.0.0.1 only. Memory and task limits are watched ten times a
    second, CPUs are limited by affinity.
    """

    def __init__(self, state: Path, isolation: Literal["bubblewrap", "process"] = "bubblewrap") -> None:
        self.name = "sandbox" if isolation == "bubblewrap" else "process"
        self._isolation = isolation
        self._trees = Trees(state / "layers")
        self._containers = state / "containers"
        #: When the CPU seconds of a container were counted last, and how many there were.
        self._busy: dict[str, tuple[float, float]] = {}

    def describe(self) -> EngineInfo:
        """Say which engine this is."""
        if self._isolation == "process":
            return self._info("", "none: plain processes")
        version = subprocess.run([bwrap(), "--version"], capture_output=True, text=True, check=False).stdout
        return self._info(version.split()[-1], "bubblewrap: own namespaces, host network")

    def _info(self, version: str, isolation: str) -> EngineInfo:
        state = str(self._containers.parent)
        return EngineInfo(self.name, version, "directory", state, isolation, architecture())

    def holds(self, image: Image) -> bool:
        """Whether every layer is unpacked."""
        return all(tree.exists() for tree in self._trees_of(image))

    def load(self, image: Image) -> LoadReport:
        """Unpack the layers that are not there yet."""
        absent = [stack for stack, tree in zip(stacks(image), self._trees_of(image), strict=True) if not tree.exists()]
        for stack in absent:
            self._trees.unpack(*stack)
        missing = [layer for stack in absent for layer in stack]
        reused = len(image.layers) - len(missing)
        method: Literal["present", "partial", "full"] = "present" if not missing else "partial" if reused else "full"
        return LoadReport(method, sum(layer.size_bytes for layer in missing), len(missing), reused)

    def remove_image(self, image: Image, keep: Collection[str] = ()) -> bool:
        """Remove its unpacked layers, except those that ``keep`` names and those that containers use."""
        records = self._records()
        if any(record["image_digest"] == image.digest for record in records):
            return False
        needed = {*keep, *(digest for record in records for digest in record.get("layers", ()))}
        trees = [[layer.digest for layer in stack] for stack in stacks(image)]
        present = [digests for digests in trees if self._trees.path(*digests).exists()]
        for digests in present:
            if not needed.issuperset(digests):
                self._trees.discard(*digests)
        return bool(present)

    def leftovers(self, known: Collection[str]) -> list[Path]:
        """Return layers that are not known and used by no container, and what killed processes left."""
        used = {digest for record in self._records() for digest in record.get("layers", ())}
        containers = self._containers.iterdir() if self._containers.is_dir() else ()
        unnoted = [directory for directory in containers if not (directory / "container.json").exists()]
        return [*self._trees.unknown({*known, *used}), *unnoted]

    def held(self, reference: str) -> None:
        """Hold no image of anybody else."""

    def export(self, reference: str) -> Iterator[bytes]:
        """Hold none, so there is nothing to export."""
        raise NotFoundError(f"The sandbox does not hold {reference}.")

    def _trees_of(self, image: Image) -> list[Path]:
        return [self._trees.path(*(layer.digest for layer in stack)) for stack in stacks(image)]

    def run(self, image: Image, spec: RunSpec) -> Container:
        """Start the image's entry point in a sandbox."""
        if not self.holds(image):
            raise EngineError(f"{image.reference} is not loaded.", "Load it first: %deploy does both.")
        self._insist_on_own_python(image)
        port = _free_port(spec.port)
        directory = self._containers / uuid.uuid4().hex[:12]
        try:
            directory.mkdir(parents=True, mode=0o700)
            self._start(directory, image, spec, port)
        except BaseException as error:
            shutil.rmtree(directory, ignore_errors=True)
            if isinstance(error, OSError):
                raise EngineError(
                    f"The sandbox cannot start in {directory.parent}: {error}.",
                    "Free some disk space, or point CONTAINERITER_DATA_DIR to another disk.",
                ) from error
            raise
        return self.inspect(directory.name)

    def containers(self, history: str) -> list[Container]:
        """List the containers of one history, newest first."""
        names = [path.parent.name for path in self._containers.glob("*/container.json")]
        found = [container for name in names if (container := self._read(name)) and container.history == history]
        return sorted(found, key=lambda c: c.started_at or datetime.min.replace(tzinfo=UTC), reverse=True)

    def inspect(self, container_id: str) -> Container:
        """Look at one container; one that used too much memory a moment ago is told as it will end."""
        container = self._read(container_id)
        deadline = time.monotonic() + _NOTICE_SECONDS
        while container and container.running and self._exceeds(container_id) and time.monotonic() < deadline:
            time.sleep(0.01)
            container = self._read(container_id)
        if container is None:
            raise NotFoundError(f"The container {container_id} is gone.")
        return container

    def _exceeds(self, container_id: str) -> bool:
        record = self._record(container_id)
        pids = _supervisor.descendants(record["pid"])
        return _supervisor.usage(pids).peak_bytes > int(record["memory_bytes"])

    def logs(self, container_id: str, tail: int = 50) -> str:
        """Return the last lines the server wrote."""
        self.inspect(container_id)
        log = self._containers / container_id / "log"
        text = log.read_text(errors="replace") if log.exists() else ""
        return "\n".join(text.splitlines()[-tail:])

    def stats(self, container_id: str) -> Stats:
        """Measure memory now, and CPU since the previous call (in the first one: over a tenth of a second)."""
        self.inspect(container_id)
        record = self._record(container_id)
        pids = _supervisor.descendants(record["pid"])
        taken, before = self._busy.get(container_id) or (time.monotonic(), _cpu_seconds(pids))
        time.sleep(max(0.0, taken + _STATS_SECONDS - time.monotonic()))
        now, busy = self._busy[container_id] = time.monotonic(), _cpu_seconds(pids)
        memory = _supervisor.usage(pids).memory_bytes
        # The time of a process that has ended is gone.
        return Stats(memory, record["memory_bytes"], 100 * max(0.0, busy - before) / (now - taken))

    def watch(self, history: str, changed: Callable[[], None]) -> PolledWatch:
        """Call ``changed``, in a thread, whenever a container of a history has begun, ended or gone, until closed."""

        def look() -> Hashable:
            # A killed supervisor leaves no trace but that its process is gone: nothing but looking helps.
            return tuple((container.id, container.running) for container in self.containers(history))

        return PolledWatch(look, changed, _WATCH_SECONDS)

    def stop(self, container_id: str) -> None:
        """Stop and remove a container."""
        self._busy.pop(container_id, None)
        if self._read(container_id) is None:
            return
        record = self._record(container_id)
        deadline = time.monotonic() + _STOP_SECONDS
        if _is_alive(record):
            _supervisor.signal_all([record["pid"]], signal.SIGTERM)
        while _is_alive(record) and time.monotonic() < deadline:
            time.sleep(0.01)
        if _is_alive(record):
            _supervisor.signal_all([*_supervisor.descendants(record["pid"]), record["pid"]], signal.SIGKILL)
        shutil.rmtree(self._containers / container_id, ignore_errors=True)

    def _insist_on_own_python(self, image: Image) -> None:
        """Refuse a base's Python to plain processes: it would find this machine's root there, not its own."""
        entry = (json.loads(image.config)["config"].get("Entrypoint") or [""])[0].lstrip("/")
        if self._isolation == "bubblewrap" or not entry or entry.startswith(CONTAINER_ROOT.lstrip("/")):
            return
        if any(os.path.lexists(tree / entry) for tree in self._trees_of(image)):
            raise EngineError(
                f"{image.reference} has a base of its own, which cannot run as a plain process.",
                "Use --base kernel, or an engine that isolates: --engine sandbox, --engine docker.",
            )

    # --- start ---------------------------------------------------------------------------------------------------

    def _start(self, directory: Path, image: Image, spec: RunSpec, port: int) -> None:
        plan = self._trees.plan(self._trees_of(image))
        config = json.loads(image.config)["config"]
        declared = dict(entry.split("=", 1) for entry in config.get("Env") or [])
        own = {
            "CONTAINERITER_HOST": "127.0.0.1",
            "CONTAINERITER_PORT": str(port),
            # It cannot see this limit as it sees that of a cgroup.
            "CONTAINERITER_MEMORY_BYTES": str(spec.limits.memory_bytes),
        }
        variables = {**declared, **spec.environment, **own}
        entry = [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
        wrap = _bubblewrap if self._isolation == "bubblewrap" else _plain
        command, environment = wrap(plan, entry, variables, directory)
        limits = {"memory_bytes": spec.limits.memory_bytes, "cpus": spec.limits.cpus, "pids": spec.limits.pids}
        what = {"command": command, "environment": environment, "wrapped": self._isolation == "bubblewrap"}
        (directory / "spec.json").write_text(json.dumps({**what, **limits}))
        interpreter = [sys.executable, "-I", "-S", str(Path(_supervisor.__file__)), str(directory)]
        # It outlives this kernel on purpose: a deployment ends when it is stopped, not when the notebook closes.
        supervisor = subprocess.Popen(
            interpreter,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        try:
            record = {
                "engine": self.name,
                **_labels(image, spec),
                "layers": [layer.digest for layer in image.layers],
                "port": port,
                "pid": supervisor.pid,
                "started_ticks": _started_ticks(supervisor.pid),
                "started_at": datetime.now(UTC).isoformat(),
                **limits,
            }
            (directory / "container.json").write_text(json.dumps(record))
            # Now that it can be found it may go; if this kernel is killed before, the pipe closes and it ends.
            assert supervisor.stdin is not None
            with supervisor.stdin as pipe:
                pipe.write(b"go\n")
        except BaseException:
            supervisor.kill()
            raise

    def _record(self, container_id: str) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self._containers / container_id / "container.json").read_bytes())
        return record

    def _records(self) -> list[dict[str, Any]]:
        """Return the records of all containers, of whatever history."""
        found = []
        for path in self._containers.glob("*/container.json"):
            with contextlib.suppress(OSError, ValueError):
                found.append(self._record(path.parent.name))
        return found

    def _read(self, container_id: str) -> Container | None:
        directory = self._containers / container_id
        try:
            record = self._record(container_id)
        except (OSError, ValueError):
            return None
        # Looked at before the result, which is written before the supervisor ends: an end is never seen without it.
        alive = _is_alive(record)
        result_path = directory / "result.json"
        result = json.loads(result_path.read_bytes()) if result_path.exists() else {}
        return Container(
            id=container_id,
            name=record["name"],
            version=record["version"],
            iteration=record["iteration"],
            history=record["history"],
            engine=record["engine"],
            image_reference=record["image_reference"],
            image_digest=record["image_digest"],
            running=not result and alive,
            port=record["port"],
            started_at=datetime.fromisoformat(record["started_at"]),
            exit_code=result.get("exit_code"),
            oom_killed=result.get("oom_killed", False),
        )


# --- commands ------------------------------------------------------------------------------------------------------


def _bubblewrap(
    plan: list[Placement], entry: list[str], variables: Mapping[str, str], _directory: Path
) -> tuple[list[str], dict[str, str]]:
    places: list[str] = []
    for placement in plan:
        if placement.source is None:
            places += ["--dir", placement.path]
        elif placement.source.is_symlink():
            places += ["--symlink", str(placement.source.readlink()), placement.path]
        else:
            places += ["--ro-bind", str(placement.source), placement.path]
    mounts = ["--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/"]  # noqa: S108 (the container's)
    settings = [word for name, value in variables.items() for word in ("--setenv", name, value)]
    identity = ["--hostname", "containeriter", "--chdir", "/tmp", "--clearenv", *settings]  # noqa: S108
    return [bwrap(), *NAMESPACES, *places, *mounts, *identity, "--", *entry], {}


def _plain(
    plan: list[Placement], entry: list[str], variables: Mapping[str, str], directory: Path
) -> tuple[list[str], dict[str, str]]:
    """Lay the tree out as links; whatever names the container's root names this directory instead."""
    root = directory / "root"
    root.mkdir()
    for placement in plan:
        path = root / placement.path.lstrip("/")
        if placement.source is None:
            path.mkdir()
        else:
            path.symlink_to(placement.source)
    moved = f"{root}{CONTAINER_ROOT}"
    environment = {name: value.replace(CONTAINER_ROOT, moved) for name, value in variables.items()}
    return [word.replace(CONTAINER_ROOT, moved) for word in entry], environment


def _labels(image: Image, spec: RunSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "version": spec.version,
        "iteration": spec.iteration,
        "history": spec.history,
        "image_reference": image.reference,
        "image_digest": image.digest,
    }


def _free_port(wanted: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise EngineError(
                f"Port {wanted} on 127.0.0.1 is taken: {error.strerror}.", "Choose another --port, or leave it out."
            ) from error
        return int(probe.getsockname()[1])


# --- processes -----------------------------------------------------------------------------------------------------


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of ``/proc/PID/stat`` after the command (``man 5 proc``); None for no or a dead process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields


def _started_ticks(pid: int) -> str:
    fields = _stat_fields(pid)
    return fields[19] if fields else ""


def _is_alive(record: Mapping[str, Any]) -> bool:
    """Whether the recorded process still runs; its start time tells it from a later one with the same id."""
    with contextlib.suppress(OSError):
        os.waitpid(record["pid"], os.WNOHANG)  # reap it where this kernel started it
    ticks = _started_ticks(record["pid"])
    return bool(ticks) and ticks == record["started_ticks"]


def _cpu_seconds(pids: list[int]) -> float:
    fields = [found for pid in pids if (found := _stat_fields(pid))]
    return sum(int(found[11]) + int(found[12]) for found in fields) / os.sysconf("SC_CLK_TCK")
