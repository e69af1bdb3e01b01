"""How fast one row is predicted over HTTP: our server, MLflow's and BentoML's, and without any server.

The model is the same everywhere (iris flowers, StandardScaler and LogisticRegression). Every server gets one core and
the load generator (:mod:`jupyter_containeriter.traffic`, the same for all) another one; requests are JSON over
connections that are kept alive. In every round each server is started anew, answers once, and is then loaded; who goes
first changes.

in process
    ``model.predict(row)`` in a loop, on the servers' core.
ours
    The layers that an image has, as a plain process; captured with a sample of five rows and served with its bearer
    token, as by default. ``/invocations``. Requests that wait are predicted together where the sample proved that no
    prediction changes by it, as by default.
mlflow
    ``mlflow models serve``, one worker, in its own environment. ``/invocations``.
bentoml
    ``bentoml serve`` of the service in ``bento/service.py``, one worker. Adaptive batching is off, as by default.
bentoml batching
    The same with adaptive batching on.
ceiling
    A server that only answers the same bytes (``echo.py``): what the load generator itself can do.

``cpu_ms_per_request`` is what a server's processes used, whatever else the machine was busy with. ``first`` is the
seconds from starting the process to its first correct answer. ``imports`` are what our server imported until then, by
top-level package, in milliseconds of a run of its own under ``-X importtime`` (which takes time itself).

Run with ``make bench``; prints one JSON object. Needs Linux and two cores.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
import os
import secrets
import signal
import statistics
import subprocess
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
from jupyter_containeriter.engines.sandbox import SandboxEngine
from jupyter_containeriter.image.base import kernel_base
from jupyter_containeriter.image.build import build
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.traffic import Tick, generate, post
from jupyter_containeriter.types import RunSpec
from models import pipeline
from rivals import SERVICES, Environment, bentoml_question, kernel, mlflow_question
from workbench import Question, await_answer, command, directory, free_port, judged, log, rounded

LEVELS = (1, 16)
HERE = Path(__file__).parent
OURS, CEILING = "ours", "ceiling"
TOP = 10
ROUNDS = 5
#: Of load, for each number of connections.
SECONDS = 2.0
#: What we want: so many times as many requests, and so little on top of predicting.
TIMES = 10.0
OVERHEAD_MS = 0.4
STOP_SECONDS = 20.0
PREDICTIONS = 2000


@dataclass
class Contestant:
    """A server, and what was measured: requests per second, and milliseconds, by number of connections."""

    name: str
    run: Callable[[int], contextlib.AbstractContextManager[Callable[[], str]]]
    question: Question
    about: dict[str, str] = field(default_factory=dict)
    first: list[float] = field(default_factory=list)
    rps: dict[int, list[float]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    p50: dict[int, list[float]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    p99: dict[int, list[float]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    cpu: dict[int, list[float]] = field(default_factory=lambda: {level: [] for level in LEVELS})

    def measure(self, cores: Cores) -> None:
        """Start it, wait for its first answer, load it, end it."""
        port = free_port()
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            with cores.servers():
                logs = stack.enter_context(self.run(port))
            await_answer(port, self.question, logs)
            self.first.append(time.monotonic() - began)
            token = self.question.headers.get("Authorization", "").removeprefix("Bearer ")
            request = post(self.question.path, self.question.content, host=f"127.0.0.1:{port}", token=token)
            for connections in LEVELS:
                self._load(request, port, connections)
            await_answer(port, self.question, logs)

    def _load(self, request: bytes, port: int, connections: int) -> None:
        servers = psutil.Process().children(recursive=True)
        used: list[float] = []

        def note(tick: Tick) -> None:
            if tick.phase == "measuring" and not used:
                used.append(cpu_seconds(servers))

        [level] = generate([request], port, levels=[connections], seconds=SECONDS, heard=note)
        if level.errors or level.ended:
            raise SystemExit(f"{self.name} failed under load: {level}")
        answers = len(level.latencies)
        self.rps[connections].append(answers / level.seconds)
        self.p50[connections].append(1e3 * quantile(level.latencies, 0.5))
        self.p99[connections].append(1e3 * quantile(level.latencies, 0.99))
        self.cpu[connections].append(1e3 * (cpu_seconds(servers) - used[0]) / answers)

    def report(self) -> dict[str, Any]:
        """Return medians of the rounds."""
        figures = {"rps": self.rps, "p50_ms": self.p50, "p99_ms": self.p99, "cpu_ms_per_request": self.cpu}
        levels = {
            f"{count} connections": rounded({name: statistics.median(found[count]) for name, found in figures.items()})
            for count in LEVELS
        }
        return {**self.about, "first": round(statistics.median(self.first), 3), **levels}


@dataclass(frozen=True)
class Cores:
    """One core for servers, another one for everything else."""

    server: int
    client: int

    @contextlib.contextmanager
    def servers(self) -> Iterator[None]:
        """Let what starts within the block run on the servers' core."""
        os.sched_setaffinity(0, {self.server})
        try:
            yield
        finally:
            os.sched_setaffinity(0, {self.client})


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return what processes used."""
    return sum(times.user + times.system for times in (one.cpu_times() for one in processes))


def quantile(values: array[float] | list[float], share: float) -> float:
    """Return the smallest value that this share of all values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


# --- servers -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def process(
    command: Sequence[str], variables: Mapping[str, str], place: Path, log_path: Path
) -> Iterator[Callable[[], str]]:
    """Run a server with all its workers; gives what reads its log."""
    with log_path.open("w") as output:
        server = subprocess.Popen(
            command, env=variables, cwd=place, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield lambda: log_path.read_text()[-3000:]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


class OurServer:
    """Our server, as the process engine runs it.

    Parameters
    ----------
    path
        A directory for layers.
    """

    def __init__(self, path: Path) -> None:
        model, sample = pipeline()
        cache = LayerCache(path / "cache")
        snapshot = capture(CaptureRequest("iris", model, "model", {}, sample), path / "proofs")
        self._image = build(snapshot, kernel_base(cache), cache, "localhost/containeriter/bench:1")
        self._engine = SandboxEngine(path / "engine", "process")
        self._engine.load(self._image)
        self._token = secrets.token_urlsafe(16)
        headers = {"Authorization": f"Bearer {self._token}"}
        row = sample[:1]
        predictions = model.predict(row).tolist()
        self.question = Question("/invocations", {"inputs": row.tolist()}, {"predictions": predictions}, headers)

    @contextlib.contextmanager
    def run(self, port: int, **variables: str) -> Iterator[Callable[[], str]]:
        """Run it on a port; gives what reads its log."""
        digest = hashlib.sha256(self._token.encode()).hexdigest()
        environment = {"CONTAINERITER_TOKEN_SHA256": digest, **variables}
        spec = RunSpec("iris", 1, "bench", "bench", port=port, environment=environment)
        container = self._engine.run(self._image, spec)
        try:
            yield lambda: self._engine.logs(container.id, tail=1_000_000)
        finally:
            self._engine.stop(container.id)

    def imports(self) -> dict[str, Any]:
        """Return what it imports until it has answered, slowest first."""
        port = free_port()
        with self.run(port, PYTHONPROFILEIMPORTTIME="1") as logs:
            await_answer(port, self.question, logs)
            text = logs()
        costs: Counter[str] = Counter()
        modules = 0
        for line in text.splitlines():
            own, _, name = line.removeprefix("import time:").split("|") if line.count("|") == 2 else ("", "", "")
            if own.strip().isdigit():
                modules += 1
                costs[name.strip().partition(".")[0]] += int(own)
        top = {name: round(microseconds / 1e3, 1) for name, microseconds in costs.most_common(TOP)}
        return {"modules": modules, "total_ms": round(costs.total() / 1e3, 1), "top_ms": top}


def first_row(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the first row of a sample and its prediction."""
    return {name: values[:1] for name, values in found.items()}


def mlflow_server(path: Path) -> Contestant:
    """Save the model and prepare its default server."""
    path.mkdir()
    environment = Environment("mlflow", path / "home")
    with kernel(environment) as one:
        found = first_row(one.ask(do="pipeline"))
        one.ask(do="save", place=str(path / "model"))
    words = ["models", "serve", "--model-uri", "model", "--workers", "1", "--env-manager", "local", "--port"]

    def serve(port: int) -> contextlib.AbstractContextManager[Callable[[], str]]:
        command = [environment.program("mlflow"), *words, str(port)]
        return process(command, environment.variables, path, path / "log")

    return Contestant("mlflow", serve, mlflow_question(found), {"version": environment.version()})


def bentoml_servers(path: Path) -> list[Contestant]:
    """Save the model and prepare its service, without and with adaptive batching."""
    path.mkdir()
    environment = Environment("bentoml", path / "home")
    with kernel(environment) as one:
        found = first_row(one.ask(do="pipeline"))
        one.ask(do="save", place="bench")
    about = {"version": environment.version()}

    def contestant(name: str, service: str) -> Contestant:
        def serve(port: int) -> contextlib.AbstractContextManager[Callable[[], str]]:
            command = [environment.program("bentoml"), "serve", service, "--port", str(port)]
            return process(command, environment.variables, SERVICES, path / "log")

        return Contestant(name, serve, bentoml_question(found), about)

    return [contestant("bentoml", "service:Plain"), contestant("bentoml batching", "batching:Batching")]


def ceiling(path: Path) -> Contestant:
    """Prepare the server that does nothing."""

    def serve(port: int) -> contextlib.AbstractContextManager[Callable[[], str]]:
        return process([sys.executable, str(HERE / "echo.py"), str(port)], os.environ, HERE, path / "ceiling.log")

    return Contestant(CEILING, serve, Question("/", {}, {"predictions": [0]}))


# --- the comparison ------------------------------------------------------------------------------------------------


def in_process() -> float:
    """Return the median milliseconds of predicting a row."""
    model, sample = pipeline()
    row = sample[:1]
    marks = [time.perf_counter() for _ in range(PREDICTIONS) if model.predict(row) is not None]
    return 1e3 * statistics.median(after - before for before, after in itertools.pairwise(marks))


def compare(runs: int | None) -> dict[str, Any]:
    """Measure all in turn and return the figures."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise SystemExit("One core for servers and one for the load are needed.")
    cores = Cores(available[0], available[1])
    with contextlib.ExitStack() as stack:
        path = directory(stack)
        ours = OurServer(path / "ours")
        rivals = [mlflow_server(path / "mlflow"), *bentoml_servers(path / "bentoml")]
        contestants = [Contestant(OURS, ours.run, ours.question), *rivals, ceiling(path)]
        alone: list[float] = []
        for index in range(runs or ROUNDS):
            with cores.servers():
                alone.append(in_process())
            start = index % len(contestants)
            for one in contestants[start:] + contestants[:start]:
                one.measure(cores)
                log(f"round {index + 1}: {one.name}, {one.first[-1]:.2f} s to the first answer, " + told(one))
        with cores.servers():
            imports = ours.imports()
        return {**report(contestants, statistics.median(alone)), "imports": imports}


def told(one: Contestant) -> str:
    """Return the last figures, for people."""
    return "; ".join(
        f"{count}: {one.rps[count][-1]:,.0f} rps, p50 {one.p50[count][-1]:.2f} ms, CPU {one.cpu[count][-1]:.3f} ms"
        for count in LEVELS
    )


def report(contestants: list[Contestant], alone: float) -> dict[str, Any]:
    """Return all figures, and what we want them to be."""
    ours = next(one for one in contestants if one.name == OURS)
    most = max(LEVELS)
    rivals = [one for one in contestants if one.name not in {OURS, CEILING}]
    ratios = {
        f"{OURS} / {one.name}, rps at {most} connections": {
            **judged(statistics.median(ours.rps[most]) / statistics.median(one.rps[most]), least=TIMES),
            "by_cpu": round(statistics.median(one.cpu[most]) / statistics.median(ours.cpu[most]), 3),
        }
        for one in rivals
    }
    return {
        "rounds": len(ours.first),
        "load_average": round(os.getloadavg()[0], 1),
        "in_process_p50_ms": round(alone, 4),
        "servers": {one.name: one.report() for one in contestants},
        "ratios": ratios,
        f"{OURS} - in process, p50 ms at 1 connection": judged(
            statistics.median(ours.p50[1]) - alone, most=OVERHEAD_MS
        ),
    }


if __name__ == "__main__":
    sys.exit(command(__doc__, compare))
