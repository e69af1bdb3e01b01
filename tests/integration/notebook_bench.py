"""What the integration tests work with: kernels fed cell by cell, and the history and engines behind them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.engines.sandbox import SandboxEngine
from jupyter_containeriter.errors import EngineUnreachableError
from jupyter_containeriter.handles import HandleStore
from jupyter_containeriter.history import History
from jupyter_containeriter.image.build import stored_image
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.management import ManagementClient
from jupyter_containeriter.types import Container, Image

T = TypeVar("T")

#: Generous: it only ends tests that would hang.
WAIT_SECONDS = 120.0

#: Models for cells: plain Python, so that their images are small. ``inside`` tells whether a container runs them.
MODELS = """
import os, sys, time
from pathlib import Path

def inside():
    return "CONTAINERITER_PORT" in os.environ

class Mean:
    def predict(self, rows):
        return [sum(row) / len(row) for row in rows]

mean = Mean()
rows = [[1.0, 2.0], [3.0, 5.0]]
"""


def until(probe: Callable[[], T | None]) -> T:
    """Wait for a probe to return something true."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := probe()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


# --- engines -------------------------------------------------------------------------------------------------------

ENGINES = [pytest.param("docker", marks=pytest.mark.engine), "sandbox"]


def need(request: pytest.FixtureRequest, engine: str) -> str:
    """Insist on an engine and return its name."""
    request.getfixturevalue({"docker": "docker_running", "sandbox": "sandbox_working"}[engine])
    return engine


def missing(why: str) -> NoReturn:
    """Skip, or fail in CI, where what a test needs must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


# --- cells ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    """An error as a notebook shows it."""

    kind: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Cell:
    """A cell that was executed."""

    outputs: list[Any]

    @property
    def text(self) -> str:
        """What it printed."""
        return "".join(o["text"] for o in self.outputs if o["output_type"] == "stream" and o["name"] == "stdout")

    def shown(self, mime: str) -> list[str]:
        """Return what it shows of a kind."""
        return [o["data"][mime] for o in self.outputs if mime in o.get("data", {})]

    @property
    def html(self) -> str:
        """Everything it shows as HTML."""
        return "\n".join(self.shown("text/html"))

    @property
    def errors(self) -> list[Any]:
        """Its error outputs: none or one."""
        return [o for o in self.outputs if o["output_type"] == "error"]

    def succeeded(self) -> Cell:
        """Insist that it raised nothing."""
        assert not self.errors, "\n".join(self.errors[0]["traceback"])
        return self

    def refusal(self) -> Refusal:
        """Insist that it shows a message and a remedy, and nothing else of the error."""
        (error,) = self.errors
        assert len(error["traceback"]) == 2, "\n".join(error["traceback"])
        message, remedy = error["traceback"]
        assert message.startswith(f"{error['ename']}: ")
        assert remedy.startswith("  -> ")
        assert len(remedy) > len("  -> ")
        # Lines after a bar are the server's own log, which may well hold a traceback.
        own = "\n".join(line for line in (message + remedy).splitlines() if not line.startswith("  | "))
        assert "Traceback" not in own
        assert 'File "' not in own
        assert "\x1b" not in own
        assert not [o for o in self.outputs if o.get("name") == "stderr"]
        return Refusal(error["ename"], message.removeprefix(f"{error['ename']}: "), remedy.removeprefix("  -> "))


class Notebook:
    """A notebook with a kernel of its own, executed by nbclient cell by cell."""

    def __init__(self, directory: Path, environment: Mapping[str, str], kernel: str) -> None:
        self._notebook = nbformat.v4.new_notebook()
        self._client = NotebookClient(self._notebook, allow_errors=True, timeout=None, kernel_name=kernel)
        # An event loop in a thread: a test can look and act while a cell runs.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._stack = AsyncExitStack()
        running = self._client.async_setup_kernel(cwd=str(directory), env=dict(environment))
        self._await(self._stack.enter_async_context(running))
        self._closed = False

    def start(self, source: str) -> Future[Cell]:
        """Begin to execute a cell."""
        cell = nbformat.v4.new_code_cell(source)
        self._notebook.cells.append(cell)
        return asyncio.run_coroutine_threadsafe(self._execute(cell), self._loop)

    def run(self, source: str) -> Cell:
        """Execute a cell."""
        return self.start(source).result(WAIT_SECONDS)

    def ok(self, source: str) -> Cell:
        """Execute a cell that must not fail."""
        return self.run(source).succeeded()

    def value(self, expression: str) -> Any:
        """Return the value of an expression, as JSON carries it."""
        return json.loads(self.ok(f"import json as _json; print(_json.dumps({expression}))").text)

    def as_a_page(self) -> None:
        """Say with each request from now on which cell it is of, as a page before a person does."""
        assert self._client.kc is not None
        session = self._client.kc.session
        plain = session.msg
        session.msg = lambda kind, content=None, **more: plain(kind, content, **{"metadata": {"cellId": "c"}, **more})

    def interrupt(self) -> None:
        """Interrupt the kernel, as the stop button does."""
        assert self._client.km is not None
        self._await(self._client.km.interrupt_kernel())

    @property
    def pid(self) -> int:
        """The kernel's process."""
        assert self._client.km is not None
        return int(self._client.km.provisioner.pid)

    def kill(self) -> None:
        """End the kernel without a chance to clean up."""
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """End the kernel, as closing a notebook does."""
        if self._closed:
            return
        self._closed = True
        self._await(self._stack.aclose())
        self._await(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _execute(self, cell: Any) -> Cell:
        await self._client.async_execute_cell(cell, self._notebook.cells.index(cell))
        return Cell(cell.outputs)

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_SECONDS)


async def _cancel_others() -> None:
    """Cancel what nbclient leaves waiting for a kernel that is gone."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


# --- around them ---------------------------------------------------------------------------------------------------


class Lab:
    """A person's place: a directory of notebooks, a history, and what runs.

    Parameters
    ----------
    directory
        Holds it all.
    cache
        The layer cache; shared by tests, for what it holds does not depend on them.
    """

    def __init__(self, directory: Path, cache: Path) -> None:
        self.directory = directory / "notebooks"
        self.directory.mkdir(parents=True)
        self.data = directory / "data"
        self.cache = cache
        self._notebooks: list[Notebook] = []

    def environment(self, engine: str = "sandbox", **more: str) -> dict[str, str]:
        """Return the variables of a process of this person."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("CONTAINERITER_")}
        own = {
            "CONTAINERITER_ENGINE": engine,
            "CONTAINERITER_DATA_DIR": str(self.data),
            "CONTAINERITER_CACHE_DIR": str(self.cache),
            "IPYTHONDIR": str(self.directory / ".ipython"),
            "JPY_SESSION_NAME": str(self.directory / "story.ipynb"),
        }
        return {**inherited, **own, **more}

    def open(self, engine: str = "sandbox", *, kernel: str = "python3", **environment: str) -> Notebook:
        """Open a notebook with the extension loaded."""
        notebook = Notebook(self.directory, self.environment(engine, **environment), kernel)
        self._notebooks.append(notebook)
        notebook.ok("%load_ext jupyter_containeriter\n" + MODELS)
        return notebook

    def shell(self, *arguments: str, engine: str = "sandbox") -> Any:
        """Run ``jupyter containeriter … --json`` and return what it prints."""
        jupyter = Path(sys.executable).with_name("jupyter")
        command = [str(jupyter), "containeriter", *arguments, "--json"]
        run = subprocess.run(command, env=self.environment(engine), capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    @property
    def history(self) -> Path:
        """The file of the history."""
        return self.data / "history.sqlite"

    def statuses(self, name: str) -> list[str]:
        """Return the status of every iteration of a model, oldest first."""
        return [row["status"] for row in self.rows(name)]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the iterations of a model, oldest first."""
        if not self.history.exists():
            return []
        history = History(self.history)
        try:
            return list(history.frame(name).to_dict("records"))
        finally:
            history.close()

    def containers(self, name: str | None = None) -> list[Container]:
        """Return every container that an engine holds for this history, running or not, as what it is to serve."""
        if not self.history.exists():
            return []
        history = History(self.history)
        try:
            found = [c for engine in self.engines() for c in engine.containers(history.id)]
        finally:
            history.close()
        promises = {c.name: self.handles.promise(c.name) for c in found}
        served = [promise.applied(c) if (promise := promises[c.name]) else c for c in found]
        return [c for c in served if name in (None, c.name)]

    @property
    def handles(self) -> HandleStore:
        """The tokens and promises."""
        return HandleStore(self.data / "handles")

    def held(self, container: Container) -> dict[str, str]:
        """Return the state of every version that a container has in memory."""
        manager = ManagementClient(f"http://127.0.0.1:{container.port}", self.handles.read(container.id).manager)
        return {number: version["state"] for number, version in manager.versions().items()}

    def engines(self) -> list[Any]:
        """Return the engines that may hold something."""
        found: list[Any] = [SandboxEngine(self.data / "sandbox")]
        with suppress(EngineUnreachableError):
            found.append(docker_engine())
        return found

    def logs(self, container: Container) -> str:
        """Return what a container wrote."""
        (engine,) = (e for e in self.engines() if e.name == container.engine)
        return str(engine.logs(container.id, 10_000))

    def image(self, name: str, version: int) -> Image:
        """Return the image of a version from the cache."""
        (row,) = (row for row in self.rows(name) if row["version"] == version)
        image = stored_image(row["image_digest"], row["image_reference"], LayerCache(self.cache))
        assert image is not None
        return image

    def close(self) -> None:
        """End the kernels, then everything they left running."""
        for notebook in self._notebooks:
            notebook.close()
        try:
            left = self.containers()
        except Exception:  # noqa: BLE001 (a history that a test has damaged knows of no container)
            left = []
        for engine in self.engines():
            for container in left:
                # The sandbox's engine keeps plain processes, too.
                if (container.engine == "docker") == (engine.name == "docker"):
                    engine.stop(container.id)
        # Unpacked images: gigabytes over a whole run.
        shutil.rmtree(self.data / "sandbox", ignore_errors=True)


@dataclass
class Desk:
    """A notebook in which one good model runs, while other things are tried that must not harm it."""

    lab: Lab
    notebook: Notebook
    name: str

    def refuse(self, source: str) -> Refusal:
        """Execute a cell that must be refused, leaving what runs as it is."""
        return self.refused(self.notebook.start(source))

    def refused(self, running: Future[Cell]) -> Refusal:
        """Insist that a cell is refused, and that exactly what ran before still runs."""
        refusal = running.result(WAIT_SECONDS).refusal()
        (live,) = self.lab.containers()
        before = self.live
        assert (live.id, live.version, live.running) == (before.id, before.version, True)
        assert self.lab.held(live)[str(live.version)] == "live"
        assert self.notebook.value("good.predict(rows)") == [1.5, 4.0]
        return refusal

    def refuse_and_recover(self, source: str) -> Refusal:
        """Execute a cell that ends the container and is refused; what ran before runs again at its address."""
        before = self.live
        refusal = self.notebook.run(source).refusal()
        (live,) = self.lab.containers()
        assert live.id != before.id
        assert (live.version, live.port, live.running) == (before.version, before.port, True)
        # The very handle from before: address and token are the same.
        assert self.notebook.value("good.predict(rows)") == [1.5, 4.0]
        self.notebook.ok("good, = %deployments")
        assert self.live.id == live.id
        return refusal

    @property
    def live(self) -> Container:
        """The container of the good model, as the notebook holds it."""
        (found,) = (c for c in self.lab.containers(self.name) if c.id == self.notebook.value("good.container.id"))
        return found

    def last_row(self) -> dict[str, Any]:
        """Return the newest iteration."""
        return self.lab.rows(self.name)[-1]

    def succeed(self, *options: str) -> None:
        """Insist that the next iteration of the good model works, and that it alone runs then."""
        version = self.last_row()["version"] + 1
        self.notebook.ok(f"good = %containerize mean --name {self.name} --sample rows {' '.join(options)}")
        assert (self.last_row()["version"], self.last_row()["status"]) == (version, "verified")
        (live,) = self.lab.containers()
        assert live.version == version
        states = self.lab.held(live)
        assert states.pop(str(version)) == "live"
        assert set(states.values()) <= {"kept"}


def open_desk(lab: Lab, engine: str, name: str, **environment: str) -> Desk:
    """Open a notebook and run a good model in it."""
    desk = Desk(lab, lab.open(engine, **environment), name)
    desk.notebook.ok(f"good = %containerize mean --name {name} --sample rows")
    return desk
