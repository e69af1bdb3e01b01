"""What the tests of hot redeploy work with: sessions without a notebook, clients that never stop asking, an engine."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from notebook_bench import missing, until

from jupyter_containeriter.capture.snapshot import CaptureRequest
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter

#: A model of about a megabyte that predicts its own number; what else happens to it is a cell's affair.
CELL = """
import os, time

class Versioned:
    def __init__(self, number, slow=0, size=1_000_000):
        self.number, self.slow, self.weights = number, slow, os.urandom(size)
    def predict(self, rows):
        return [self.number for _ in rows]
    def __setstate__(self, state):
        self.__dict__.update(state)
        if "CONTAINERITER_PORT" in os.environ:
            print("loading", self.number)
            time.sleep(self.slow)
"""

#: A kernel's work, in a process of its own: it may be killed.
KERNEL = """
import os, signal, sys
from hot_bench import Place
from jupyter_containeriter.management import ManagementClient
place = Place(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])
{work}
"""


class Place:
    """One person's history and cache, and the session of this process over them."""

    def __init__(self, data: Path | str, cache: Path | str, engine: str, name: str) -> None:
        self.data, self.cache, self.engine, self.name = Path(data), Path(cache), engine, name
        settings = ContainerIter(data_dir=str(data), cache_dir=str(cache), engine=engine)
        self.session = Session(settings)

    def containerize(self, number: int, *, slow: float = 0, size: int = 1_000_000, **options: Any) -> Deployment:
        """Take the model of a number down the road; its file has so many bytes."""
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(CELL, namespace)
        model = namespace["Versioned"](number, slow, size)
        return self.session.containerize(
            CaptureRequest(self.name, model, "model", namespace, [1]), RunOptions(**options)
        )

    def deployment(self) -> Deployment:
        """Return what runs, as another kernel finds it."""
        found = [one for one in Session(self.session.settings).deployments() if one.name == self.name]
        assert len(found) == 1, found
        return found[0]

    def work_elsewhere(self, work: str, **environment: str) -> int:
        """Let another process do something, and return its exit code."""
        words = [
            sys.executable,
            "-c",
            KERNEL.format(work=work),
            str(self.data),
            str(self.cache),
            self.engine,
            self.name,
        ]
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        return subprocess.run(words, env={**os.environ, "PYTHONPATH": path, **environment}, check=False).returncode

    def close(self) -> None:
        """Stop what runs."""
        for engine, container in self.session.standing.live(self.name):
            engine.stop(container.id)
        shutil.rmtree(self.data / "sandbox", ignore_errors=True)


class Askers:
    """Connections that ask for a prediction again and again, and keep which version answered what."""

    def __init__(self, deployment: Deployment, connections: int) -> None:
        self._host = deployment.url.removeprefix("http://")
        self._path = f"/v2/models/{deployment.name}/infer"
        self._headers = {"Authorization": f"Bearer {deployment.token}", "Content-Type": "application/json"}
        self._done = threading.Event()
        #: By connection, in order: the status, the version that answered, and what it predicted.
        self.answers: list[list[tuple[int, int, int]]] = [[] for _ in range(connections)]
        self.failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._ask, args=(kept,)) for kept in self.answers]

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, kept: list[tuple[int, int, int]]) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        tensor = {"name": "input-0", "shape": [1], "datatype": "INT64", "data": [1]}
        body = json.dumps({"inputs": [tensor]})
        try:
            while not self._done.is_set():
                connection.request("POST", self._path, body, self._headers)
                response = connection.getresponse()
                answer = json.loads(response.read())
                value = answer["outputs"][0]["data"][0] if response.status == 200 else 0
                kept.append((response.status, int(answer.get("model_version", 0)), value))
        except BaseException as error:  # noqa: BLE001 - the test tells of it
            self.failures.append(error)
        finally:
            connection.close()


# --- an engine that may end ----------------------------------------------------------------------------------------


class OwnEngine:
    """A second Docker Engine in a network of its own, which a test may stop and start."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = directory / "engine.sock"
        self._process: subprocess.Popen[bytes] | None = None
        # Outlives the engine: published ports are reached from within it.
        holder = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec sleep infinity"]
        self._network = subprocess.Popen(holder, stdin=subprocess.DEVNULL)
        # A dockerd in this very network would take away the bridge of the machine's own.
        until(lambda: _network_of(self._network.pid) != _network_of(os.getpid()))

    @property
    def address(self) -> str:
        """As in DOCKER_HOST."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it, or start it again over what it held."""
        at = self._directory
        (at / "containerd.toml").write_text('disabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        # A dockerd gives a containerd of its own 15 seconds to start, which a busy machine may exceed.
        script = (
            f"containerd --config {at}/containerd.toml --address {at}/containerd.sock --root {at}/containerd "
            f"--state {at}/containerd.state & echo $! > {at}/containerd.pid; "
            f"exec dockerd --containerd {at}/containerd.sock --data-root {at}/data --exec-root {at}/exec "
            f"--pidfile {at}/pid -H {self.address}"
        )
        with (at / "log").open("ab") as log:
            # One mount namespace for both: what one mounts, the other runs.
            words = [*self._within(), "unshare", "--mount", "sh", "-c", script]
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers)

    def stop(self) -> None:
        """End it in order, with all it runs."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)
        containerd = int((self._directory / "containerd.pid").read_text())
        with suppress(ProcessLookupError):
            os.kill(containerd, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{containerd}").exists())

    def run(self, work: str, place: tuple[str, str, str, str]) -> str:
        """Do a kernel's work where the published ports can be reached, and return what it prints."""
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        done = subprocess.run(
            [*self._within(), sys.executable, "-c", KERNEL.format(work=work), *place],
            env={**os.environ, "PYTHONPATH": path, "DOCKER_HOST": self.address},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self) -> None:
        """End it and its network."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self._network.terminate()
        self._network.wait(10)

    def _within(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._network.pid}/ns/net"]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "log").read_text()[-2000:]
        ping = ["curl", "-fs", "--max-time", "5", "--unix-socket", str(self._socket), "http://localhost/_ping"]
        return subprocess.run(ping, capture_output=True, check=False).returncode == 0


def _network_of(process: int) -> Path:
    return Path(f"/proc/{process}/ns/net").readlink()


@contextmanager
def own_engine(directory: Path) -> Iterator[OwnEngine]:
    """Run a second engine, where this user may."""
    needed: Mapping[str, Any] = {word: shutil.which(word) for word in ("dockerd", "unshare", "nsenter", "ip", "curl")}
    if os.geteuid() != 0 or not all(needed.values()):
        missing(f"a second engine needs root and {', '.join(needed)}")
    engine = OwnEngine(directory)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()
