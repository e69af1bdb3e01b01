"""What a Jupyter server sees of real engines and real kernels, which are no part of it."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from engine_proxy import EngineProxy
from notebook_bench import ENGINES, WAIT_SECONDS, Lab, need, until
from postgres_bench import Postgres, postgres

from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.errors import NotFoundError
from jupyter_containeriter.extension.service import Service
from jupyter_containeriter.history import History
from jupyter_containeriter.settings import ContainerIter

__all__ = ["postgres"]

T = TypeVar("T")

#: A model that takes until it is allowed to go on when it is pickled, so that its iteration can be looked at.
_SLOW = """
from pathlib import Path as _Path

class Slow(Mean):
    def __getstate__(self):
        import time
        while not _Path("go-on").exists():
            time.sleep(0.02)
        return {}
"""


def serve(lab: Lab, engine: str) -> Service:
    """Return what a Jupyter server of this person works on."""
    return Service(lambda: ContainerIter(data_dir=str(lab.data), cache_dir=str(lab.cache), engine=engine))


class Watcher:
    """Reads overviews as they come."""

    def __init__(self, texts: Any) -> None:
        self._texts = texts

    async def until(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return the first overview of which something is true."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                text = await anext(self._texts)
                if text is not None and wanted(document := json.loads(text)):
                    found: dict[str, Any] = document
                    return found


def watch(service: Service, story: Callable[[Watcher], Awaitable[T]]) -> T:
    """Live through a story while overviews are read."""

    async def told() -> T:
        async with aclosing(service.overviews.listen(15)) as texts:  # type: ignore[type-var]
            return await story(Watcher(texts))

    return asyncio.run(told())


def live(document: dict[str, Any], name: str) -> tuple[int, bool] | None:
    """Return the version of a name that serves, and whether it runs."""
    found = [model["live"] for model in document["models"] if model["name"] == name and model["live"]]
    return (found[0]["version"], found[0]["running"]) if found else None


@pytest.fixture
def two_labs(labs: Callable[[], Lab]) -> Iterator[tuple[Lab, Lab]]:
    """Make the labs of two people."""
    made = labs(), labs()
    yield made
    for lab in made:
        lab.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_kernels_do_is_seen(
    request: pytest.FixtureRequest, lab: Lab, new_name: Callable[[str], str], engine: str
) -> None:
    """A first version, a second one, and its end: each is told without anybody asking."""
    notebook, name = lab.open(need(request, engine)), new_name("seen")

    async def story(watcher: Watcher) -> None:
        await watcher.until(lambda document: document["problem"] is None)
        first = notebook.start(f"%containerize mean --name {name} --sample rows")
        await watcher.until(lambda document: live(document, name) == (1, True))
        first.result(WAIT_SECONDS).succeeded()
        second = notebook.start(f"%containerize mean --name {name} --sample rows --fresh")
        await watcher.until(lambda document: live(document, name) == (2, True))
        second.result(WAIT_SECONDS).succeeded()
        await asyncio.to_thread(_stop_behind_our_back, lab, name)
        await watcher.until(lambda document: live(document, name) is None)

    watch(serve(lab, engine), story)


def _stop_behind_our_back(lab: Lab, name: str) -> None:
    (container,) = lab.containers(name)
    for engine in lab.engines():
        if (engine.name == "docker") == (container.engine == "docker"):
            engine.stop(container.id)


def test_a_kernel_that_is_killed_is_seen(sandbox_working: None, lab: Lab) -> None:
    """Its iteration is at work until then, and interrupted after it."""
    notebook = lab.open()
    notebook.ok(_SLOW)

    async def story(watcher: Watcher) -> None:
        notebook.start("%containerize Slow() --name slow --sample rows")
        document = await watcher.until(lambda document: document["models"] and document["models"][0]["working"])
        assert document["models"][0]["working"]["phase"] == "capture"
        await asyncio.to_thread(notebook.kill)
        document = await watcher.until(lambda document: document["models"][0]["working"] is None)
        assert document["models"][0]["recent"][-1]["status"] == "interrupted"

    watch(serve(lab, "sandbox"), story)


def test_what_one_server_deploys_others_see(sandbox_working: None, lab: Lab) -> None:
    """Also the kernel whose model it was."""
    notebook = lab.open()
    for _ in range(2):
        notebook.ok("deployment = %containerize mean --name mean --sample rows --fresh")
    one, other = serve(lab, "sandbox"), serve(lab, "sandbox")

    async def story(watcher: Watcher) -> None:
        await watcher.until(lambda document: live(document, "mean") == (2, True))
        await other.ask(lambda: other.session.rollback("mean"))
        await watcher.until(lambda document: live(document, "mean") == (1, True))

    watch(one, story)
    notebook.ok("import jupyter_containeriter as citer")
    assert notebook.value("[each.version for each in citer.deployments()]") == [1]


@pytest.mark.engine
def test_an_engine_that_goes_and_comes_back_is_seen(
    docker_running: None, lab: Lab, tmp_path: Path, new_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is away that is the problem; what it runs is told again as soon as it answers."""
    name = new_name("away")
    lab.open("docker").ok(f"%containerize mean --name {name} --sample rows")
    between = EngineProxy(tmp_path / "engine.sock", docker_engine().address.removeprefix("unix://"))
    monkeypatch.setenv("DOCKER_HOST", between.address)

    async def story(watcher: Watcher) -> None:
        await watcher.until(lambda document: live(document, name) == (1, True))
        between.close()
        document = await watcher.until(lambda document: document["problem"])
        assert (document["engine"], document["models"][0]["total"], live(document, name)) == (None, 1, None)
        between.heal()
        await watcher.until(lambda document: document["problem"] is None and live(document, name) == (1, True))

    try:
        watch(serve(lab, "docker"), story)
    finally:
        between.close()
        monkeypatch.undo()


def test_a_server_ends_while_somebody_listens(lab: Lab) -> None:
    """It does not wait for who reads events, and they are told."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {f"JUPYTER_{what}_DIR": str(lab.directory / what) for what in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    command += [
        "--ServerApp.port_retries=0",
        "--ServerApp.jpserver_extensions={'jupyter_containeriter.extension': True}",
    ]
    log = lab.directory / "log"
    with log.open("wb") as file:
        environment = {**lab.environment(), **places, "JUPYTER_TOKEN": "token"}
        server = subprocess.Popen(command, env=environment, cwd=lab.directory, stdout=file, stderr=file)
    try:
        events = until(lambda: _events(server, port, log))
        assert events.readline() == b"event: overview\n"
        server.terminate()
        assert server.wait(WAIT_SECONDS) == 0, log.read_text()
        while events.readline():
            pass
    finally:
        server.kill()


def _events(server: subprocess.Popen[bytes], port: int, log: Path) -> Any:
    assert server.poll() is None, log.read_text()
    address = f"http://127.0.0.1:{port}/containeriter/api/events"
    with suppress(URLError, ConnectionError):
        return urlopen(Request(address, headers={"Authorization": "token token"}), timeout=WAIT_SECONDS)
    return None


@pytest.mark.engine
def test_people_who_share_docker_see_only_their_own(
    docker_running: None, two_labs: tuple[Lab, Lab], new_name: Callable[[str], str]
) -> None:
    """Neither in the overview, nor by name; and nobody can stop what is another one's."""
    ann, bob = two_labs
    name = new_name("shared")
    services = {lab: serve(lab, "docker") for lab in two_labs}
    ann.open("docker").ok(f"%containerize mean --name {name} --sample rows")
    assert live(services[ann].overview(), name) == (1, True)
    assert services[bob].overview()["models"] == []
    with pytest.raises(NotFoundError):
        services[bob].deployment(name)
    with pytest.raises(NotFoundError):
        services[bob].session.undeploy(name)
    assert live(services[ann].overview(), name) == (1, True)


def test_a_team_s_history_is_followed(postgres: Postgres, tmp_path: Path) -> None:
    """What a colleague records is seen; that the server went, that it is back, and what was recorded meanwhile, too."""
    address = postgres.database()
    settings = {"history": address, "engine": "process"}
    mine = Service(
        lambda: ContainerIter(data_dir=str(tmp_path / "mine"), cache_dir=str(tmp_path / "cache"), **settings)
    )
    colleague = History(address, tmp_path / "spool")

    def begin() -> None:
        colleague.begin("churn", started_at=datetime.now(UTC), host="elsewhere", owner="colleague")

    def total(document: dict[str, Any]) -> int:
        return sum(model["total"] for model in document["models"])

    async def story(watcher: Watcher) -> None:
        await watcher.until(lambda document: document["problem"] is None and not total(document))
        await asyncio.to_thread(begin)
        await watcher.until(lambda document: total(document) == 1)
        await asyncio.to_thread(postgres.stop)
        document = await watcher.until(lambda document: document["problem"])
        assert "s3cret" not in json.dumps(document)
        await asyncio.to_thread(begin)
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(_settled, colleague)
        await watcher.until(lambda document: document["problem"] is None and total(document) == 2)

    try:
        watch(mine, story)
    finally:
        colleague.close()


def _settled(history: History) -> None:
    until(lambda: history.is_complete and not history.waiting)
