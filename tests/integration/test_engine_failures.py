"""Docker that cannot be reached, goes away in the middle or refuses an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine_proxy import EngineProxy, answer
from notebook_bench import WAIT_SECONDS, Desk, Lab, open_desk

from jupyter_containeriter.engines.docker import docker_engine

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def proxy(docker_running: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProxy]:
    """Stand before Docker's socket."""
    endpoint = docker_engine().describe().endpoint
    if not endpoint.startswith("unix://"):
        pytest.skip(f"Docker is at {endpoint}, and the proxy is for sockets")
    proxy = EngineProxy(tmp_path_factory.mktemp("engine") / "s", endpoint.removeprefix("unix://"))
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def module_desk(shared_lab: Lab, proxy: EngineProxy, new_name: Callable[[str], str]) -> Desk:
    """Open a notebook that speaks to Docker through the proxy."""
    return open_desk(shared_lab, "docker", new_name("engine"), DOCKER_HOST=proxy.address)


@pytest.fixture
def desk(module_desk: Desk, proxy: EngineProxy) -> Iterator[Desk]:
    """Give the notebook out with a proxy that behaves."""
    proxy.heal()
    yield module_desk
    proxy.heal()


def changed(desk: Desk, options: str = "") -> str:
    """Return a call that has something to send."""
    return f"mean.changed = time.time()\n%containerize mean --name {desk.name} --sample rows {options}"


LOAD, START = r"POST \S+/images/load", r"POST \S+/start"
#: What the engine is asked when it goes away, and what makes the iteration ask it.
DEATHS = {
    "load beside a hot load": (LOAD, ""),
    "load": (LOAD, "--fresh"),
    "create": (r"POST \S+/containers/create", "--fresh"),
    "start": (START, "--fresh"),
}


@pytest.mark.parametrize(("request_", "options"), DEATHS.values(), ids=DEATHS)
def test_engine_that_dies_in_the_middle_is_named(desk: Desk, proxy: EngineProxy, request_: str, options: str) -> None:
    """An engine whose connection breaks is an EngineUnreachableError that names it, and the next iteration works."""
    proxy.at(request_, "die")
    running = desk.notebook.start(changed(desk, options))
    refusal = running.result(WAIT_SECONDS).refusal()
    proxy.heal()
    assert refusal.kind == "EngineUnreachableError"
    assert proxy.address in refusal.message
    assert "--engine sandbox" in refusal.remedy
    assert desk.last_row()["status"] == "failed"
    assert desk.notebook.value("good.predict(rows)") == [1.5, 4.0]
    desk.succeed()


@pytest.mark.parametrize(("request_", "options"), DEATHS.values(), ids=DEATHS)
def test_interrupt_while_the_engine_is_silent_leaves_nothing(
    desk: Desk, proxy: EngineProxy, request_: str, options: str
) -> None:
    """Interrupting the kernel while the engine does not answer ends the iteration, and the next one works."""
    proxy.at(request_, "stall")
    running = desk.notebook.start(changed(desk, options))
    assert proxy.reached.wait(WAIT_SECONDS)
    desk.notebook.interrupt()
    refusal = desk.refused(running)
    assert refusal.kind == "IterationInterruptedError"
    assert desk.last_row()["status"] == "interrupted"
    proxy.heal()
    desk.succeed()


def test_interrupted_deploy_leaves_what_runs(desk: Desk, proxy: EngineProxy) -> None:
    """Interrupting %deploy is one line as well, and the version that ran keeps running."""
    desk.succeed()
    proxy.at(START, "stall")
    running = desk.notebook.start(f"%deploy {desk.name}:1 --fresh")
    assert proxy.reached.wait(WAIT_SECONDS)
    desk.notebook.interrupt()
    refusal = desk.refused(running)
    assert refusal.kind == "IterationInterruptedError"
    assert "nothing was deployed" in refusal.message


def test_interrupt_after_the_proof_says_what_runs(desk: Desk, proxy: EngineProxy) -> None:
    """Interrupting while the version before is stopped says that the new one runs, and the next iteration tidies up."""
    proxy.at(r"POST \S+/stop", "stall")
    running = desk.notebook.start(changed(desk, "--fresh"))
    assert proxy.reached.wait(WAIT_SECONDS)
    desk.notebook.interrupt()
    refusal = running.result(WAIT_SECONDS).refusal()
    proxy.heal()
    row = desk.last_row()
    assert refusal.kind == "IterationInterruptedError"
    assert f"{desk.name}:{row['version']} was deployed" in refusal.message
    assert row["status"] == "verified"
    assert row["version"] in [container.version for container in desk.lab.containers()]
    desk.succeed()


def test_refused_image_has_the_words_of_the_engine(desk: Desk, proxy: EngineProxy) -> None:
    """An engine that refuses an image, though it answers 200, is an EngineError with its own words."""
    said = b'{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}\r\n'
    # Twice: the second time every layer is sent.
    proxy.at(LOAD, "answer", answer(said), times=2)
    refusal = desk.refuse(changed(desk))
    assert refusal.kind == "EngineError"
    assert "no space left on device" in refusal.message
    assert desk.last_row()["status"] == "failed"


def test_partial_image_that_is_refused_is_sent_whole(desk: Desk, proxy: EngineProxy) -> None:
    """An engine that refuses an image without the layers it holds gets all of them, and the iteration is verified."""
    proxy.at(LOAD, "answer", answer(b'{"error":"open blobs/sha256/: no such file or directory"}\r\n'))
    desk.notebook.ok(f"mean.changed = time.time()\ngood = %containerize mean --name {desk.name} --sample rows")
    row = desk.last_row()
    assert row["status"] == "verified"
    assert row["sent_bytes"] > 10_000_000


def test_limit_that_the_engine_refuses_has_its_words(desk: Desk) -> None:
    """A memory limit below what the engine allows is refused with the engine's own words."""
    refusal = desk.refuse(f"%containerize mean --name {desk.name} --sample rows --memory 1m")
    assert refusal.kind == "EngineError"
    assert "memory" in refusal.message.lower()


def test_unreachable_engine_is_named_and_nothing_recorded(lab: Lab, tmp_path: Path) -> None:
    """Docker that does not answer where it was asked for is named, with its address and the way out; no iteration."""
    socket = f"unix://{tmp_path}/nobody.sock"
    notebook = lab.open("docker", DOCKER_HOST=socket)
    refusal = notebook.run("%containerize mean --sample rows").refusal()
    assert refusal.kind == "EngineUnreachableError"
    assert socket in refusal.message
    assert "--engine sandbox" in refusal.remedy
    assert lab.rows("mean") == []


def test_way_out_of_an_unreachable_engine_works(lab: Lab, tmp_path: Path) -> None:
    """Where Docker does not answer, ``--engine sandbox`` does."""
    notebook = lab.open("docker", DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert "on sandbox" in notebook.ok("%containerize mean --sample rows --engine sandbox").html
    assert notebook.ok("%deployments").html.count("mean:1") == 1


def test_automatic_choice_takes_the_sandbox_without_docker(lab: Lab, tmp_path: Path) -> None:
    """Where no engine was asked for and none answers, the sandbox is used, and the card says so."""
    notebook = lab.open("auto", DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert "on sandbox" in notebook.ok("%containerize mean --sample rows").html


def test_doctor_names_an_unreachable_engine(lab: Lab, tmp_path: Path) -> None:
    """The doctor has an error with a remedy where the engine of the settings does not answer."""
    notebook = lab.open("docker", DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    notebook.ok("findings = %containeriter doctor")
    found = notebook.value("[[f.topic, f.status, f.remedy] for f in findings if f.status == 'error']")
    assert [topic for topic, _, _ in found] == ["Engine"]
    assert "--engine sandbox" in found[0][2]
