"""Containers that start badly: out of memory, never ready, wrong predictions. What ran before keeps running."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator

import pytest
from notebook_bench import ENGINES, Desk, Lab, need, open_desk, until

#: Models that behave in the notebook and in the clean process, and misbehave in a container.
TROUBLE = """
import threading

class Moody(Mean):
    def __setstate__(self, state):
        self.__dict__.update(state)
        if inside():
            self.arrive()
    def arrive(self):
        pass

class Hungry(Moody):
    def arrive(self):
        print("eating", flush=True)
        self.food = b"x" * (600 * 2**20)
        time.sleep(3600)

class Sleepy(Moody):
    def arrive(self):
        print("reading the weights", flush=True)
        time.sleep(3600)

class Broken(Moody):
    def arrive(self):
        raise RuntimeError("no weights here")

class Quitting(Mean):
    def predict(self, rows):
        if inside():
            # The server tries single rows while it loads; that is not the prediction meant here.
            assert len(rows) > 1
            print("quitting", flush=True)
            os._exit(7)
        return super().predict(rows)

class Crashing(Moody):
    def arrive(self):
        print("crashing", flush=True)
        import ctypes
        ctypes.string_at(0)

class Failing(Mean):
    def predict(self, rows):
        if inside():
            raise KeyError("a table of the notebook")
        return super().predict(rows)

class Different(Mean):
    def predict(self, rows):
        shift = 0.25 if inside() else 0.0
        return [value + shift for value in super().predict(rows)]

class Greedy(Mean):
    def predict(self, rows):
        if inside() and rows[0][0] == 0:
            food = b"x" * (600 * 2**20)
        return super().predict(rows)

def moody(kind):
    model = kind()
    model.state = 1
    return model

class Fragile(Mean):
    def predict(self, rows):
        if inside() and rows[0][0] == 0:
            os._exit(1)
        return super().predict(rows)

hungry, sleepy, broken, crashing = moody(Hungry), moody(Sleepy), moody(Broken), moody(Crashing)
quitting, failing, different = Quitting(), Failing(), Different()
"""

#: What the engines say of an end: Docker as a shell does, the sandbox as Python does.
EXITS = {"quitting": "7", "crashing": "(139|-11)"}


@pytest.fixture(scope="module", params=ENGINES)
def desk(request: pytest.FixtureRequest, labs: Callable[[], Lab], new_name: Callable[[str], str]) -> Iterator[Desk]:
    """Open a notebook in which one good model runs, and models that misbehave in a container are at hand."""
    engine = need(request, request.param)
    lab = labs()
    try:
        desk = open_desk(lab, engine, new_name(f"start-{engine}"))
        desk.notebook.ok(TROUBLE)
        yield desk
    finally:
        lab.close()


def test_too_little_memory_is_named(desk: Desk) -> None:
    """A container that needs more memory than its limit is a StartError that names the limit and --memory."""
    refusal = desk.refuse(f"%containerize hungry --name {desk.name} --sample rows --memory 128m")
    assert refusal.kind == "StartError"
    assert "more than 128 MiB" in refusal.message
    assert "--memory" in refusal.remedy
    assert desk.last_row()["status"] == "failed"


def test_server_that_is_never_ready_shows_its_log(desk: Desk) -> None:
    """A server that is not ready in time is a StartError with its last log lines and the setting to raise."""
    desk.notebook.ok("%config ContainerIter.ready_seconds = 2")
    refusal = desk.refuse(f"%containerize sleepy --name {desk.name} --sample rows")
    desk.notebook.ok("%config ContainerIter.ready_seconds = 120")
    assert refusal.kind == "StartError"
    assert "not ready after 2 s" in refusal.message
    assert "  | reading the weights" in refusal.message
    assert "ready_seconds" in refusal.remedy
    assert desk.last_row()["status"] == "failed"
    # The server that runs is still at it, and loads one version at a time.
    desk.succeed("--fresh")


def test_model_that_does_not_load_shows_its_log(desk: Desk) -> None:
    """A server that ends while it starts is a StartError with its exit code and the model's own exception."""
    refusal = desk.refuse(f"%containerize broken --name {desk.name} --sample rows")
    assert refusal.kind == "StartError"
    assert re.search(r"exit code \d", refusal.message)
    assert "  | RuntimeError: no weights here" in refusal.message
    assert desk.last_row()["status"] == "failed"


@pytest.mark.parametrize("model", ["quitting", "crashing"])
def test_server_that_ends_shows_its_log(desk: Desk, model: str) -> None:
    """A server that ends while it loads or predicts the sample is a StartError with its exit code and last words."""
    refusal = desk.refuse(f"%containerize {model} --name {desk.name} --sample rows --fresh")
    assert refusal.kind == "StartError"
    assert re.search(rf"exit code {EXITS[model]}", refusal.message)
    assert f"  | {model}" in refusal.message
    assert desk.last_row()["status"] == "failed"


@pytest.mark.parametrize("model", ["quitting", "crashing"])
def test_model_that_ends_the_running_server_does_not_take_the_live_version_along(desk: Desk, model: str) -> None:
    """The iteration fails with the words of the model's own container; the version before serves at its address."""
    refusal = desk.refuse_and_recover(f"%containerize {model} --name {desk.name} --sample rows")
    assert refusal.kind == "StartError"
    assert re.search(rf"exit code {EXITS[model]}", refusal.message)
    assert f"  | {model}" in refusal.message
    assert desk.last_row()["status"] == "failed"


def test_model_that_exhausts_the_running_server_does_not_take_the_live_version_along(desk: Desk) -> None:
    """It used too much, not the version before, which serves at its address again."""
    desk.succeed("--memory", "256m")
    refusal = desk.refuse_and_recover(f"%containerize hungry --name {desk.name} --sample rows --memory 256m")
    assert refusal.kind == "StartError"
    assert "more than 256 MiB" in refusal.message
    assert desk.last_row()["status"] == "failed"
    desk.succeed()


def test_model_that_raises_in_the_container_names_its_error(desk: Desk) -> None:
    """A model that raises in the container only is refused with its own exception and traceback."""
    refusal = desk.refuse(f"%containerize failing --name {desk.name} --sample rows")
    assert refusal.kind == "EngineError"
    assert "answered 422: KeyError: 'a table of the notebook'" in refusal.message
    assert "  | Traceback" in refusal.message
    assert desk.last_row()["status"] == "failed"


def test_other_predictions_are_shown_row_by_row(desk: Desk) -> None:
    """A container that predicts something else is a ParityError that names the rows and both values."""
    refusal = desk.refuse(f"%containerize different --name {desk.name} --sample rows")
    assert refusal.kind == "ParityError"
    assert "row 0: notebook 1.5, container 1.75" in refusal.message
    assert "row 1: notebook 4.0, container 4.25" in refusal.message
    row = desk.last_row()
    assert (row["status"], row["parity"], row["max_abs_difference"]) == ("failed", "failed", 0.25)


def test_failed_version_is_never_deployed(desk: Desk) -> None:
    """A version that failed cannot be deployed: it was never proven."""
    desk.refuse(f"%containerize different --name {desk.name} --sample rows")
    refusal = desk.refuse(f"%deploy {desk.name}:{desk.last_row()['version']}")
    assert refusal.kind == "UsageError"
    assert "never proven" in refusal.message


def test_port_in_use_is_named(desk: Desk) -> None:
    """A port that another program holds is refused, and the remedy is --port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refusal = desk.refuse(f"%containerize mean --name {desk.name} --sample rows --port {port}")
    assert refusal.kind == "EngineError"
    assert f"Port {port}" in refusal.message
    assert "--port" in refusal.remedy
    assert desk.last_row()["status"] == "failed"


def test_next_iteration_works(desk: Desk) -> None:
    """After all these failures the next iteration of the same name is verified and replaces the version that ran."""
    desk.succeed()


def test_wanted_port_moves_to_the_next_version(desk: Desk) -> None:
    """A version with --port takes over the very port that the version before it served on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for options in ("", "", "--fresh"):
        desk.notebook.ok(f"good = %containerize mean --name {desk.name} --sample rows --port {port} {options}")
        assert [c.port for c in desk.lab.containers()] == [port]
    assert [row["hot"] for row in desk.lab.rows(desk.name)[-3:]] == [False, True, False]


def test_container_that_was_removed_from_outside_is_missed(desk: Desk) -> None:
    """A container that somebody else removed: predicting says where to look, and the next iteration works."""
    (engine,) = (engine for engine in desk.lab.engines() if engine.name == desk.live.engine)
    engine.stop(desk.live.id)
    refusal = desk.notebook.run("good.predict(rows)").refusal()
    assert refusal.kind == "EngineError"
    assert "%deployments" in refusal.remedy
    assert desk.notebook.run("good.logs()").refusal().kind == "NotFoundError"
    assert desk.notebook.run(f"%undeploy {desk.name}").refusal().kind == "NotFoundError"
    desk.succeed()


def test_server_that_ended_later_is_brought_back(desk: Desk) -> None:
    """A server that has ended since serves again at its address as soon as somebody looks."""
    desk.notebook.ok(f"good = %containerize Fragile() --name {desk.name} --sample rows")
    assert desk.last_row()["hot"]
    before = desk.live
    assert desk.notebook.run("good.predict([[0.0, 1.0]])").refusal().kind == "EngineError"
    until(lambda: not desk.live.running)
    assert f"http://127.0.0.1:{before.port}</a>" in desk.notebook.ok("%deployments").html
    assert desk.notebook.value("good.predict(rows)") == [1.5, 4.0]
    desk.notebook.ok("good, = %deployments")
    assert (desk.live.version, desk.live.port) == (before.version, before.port)
    desk.succeed()


def test_server_that_ran_out_of_memory_later_is_shown_as_not_running(desk: Desk) -> None:
    """It would end the same way again, so it is listed as not running, and %undeploy removes what is left of it."""
    desk.notebook.ok(f"good = %containerize Greedy() --name {desk.name} --sample rows --memory 256m")
    assert desk.notebook.run("good.predict([[0.0, 1.0]])").refusal().kind == "EngineError"
    until(lambda: not desk.live.running)
    assert "not running" in desk.notebook.ok("%deployments").html
    desk.notebook.ok(f"%undeploy {desk.name}")
    assert desk.lab.containers() == []
    desk.succeed()
