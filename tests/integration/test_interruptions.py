"""Interrupted and killed kernels, and two kernels at once: nothing half stays, and what runs keeps running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import pytest
import urllib3
from notebook_bench import ENGINES, WAIT_SECONDS, Cell, Desk, Lab, Notebook, need, open_desk, until

#: Models that stop the road at a certain place and leave a sign of it: a file, or a line in the container's log.
SLOW = """
signs = Path("signs")
signs.mkdir(exist_ok=True)

def block(sign):
    if inside():
        print(sign, flush=True)
    else:
        Path(signs, sign).touch()
    while not Path(signs, "go on").exists():
        time.sleep(0.01)

class SlowInKernel(Mean):
    def predict(self, rows):
        if "ipykernel" in sys.modules:
            block("predicting in the kernel")
        return super().predict(rows)

class SlowInProof(Mean):
    def predict(self, rows):
        while "ipykernel" not in sys.modules and not inside():
            time.sleep(0.01)
        return super().predict(rows)

class SlowToLoad(Mean):
    def __setstate__(self, state):
        if inside():
            block("loading")

class SlowToPredict(Mean):
    def predict(self, rows):
        if inside():
            # The server tries single rows while it loads; that is not the prediction meant here.
            assert len(rows) > 1
            block("predicting")
        return super().predict(rows)

signs = signs.absolute()
slow_in_kernel, slow_in_proof, slow_to_predict = SlowInKernel(), SlowInProof(), SlowToPredict()
slow_to_load = SlowToLoad()
slow_to_load.state = 1
"""


@pytest.fixture(scope="module", params=ENGINES)
def desk(request: pytest.FixtureRequest, labs: Callable[[], Lab], new_name: Callable[[str], str]) -> Iterator[Desk]:
    """Open a notebook in which one good model runs and slow ones are at hand."""
    engine = need(request, request.param)
    lab = labs()
    # An installed package with a large file, for a build that takes its time; sparse, so it takes no space here.
    installed = install(lab.directory.parent / "installed", "bulky", 4 * 1024**3)
    try:
        desk = open_desk(lab, engine, new_name(f"stop-{engine}"), PYTHONPATH=str(installed))
        desk.notebook.ok(SLOW)
        yield desk
    finally:
        lab.close()


def install(directory: Path, name: str, size_bytes: int) -> Path:
    """Install a package of a certain size in a directory for ``PYTHONPATH``."""
    info = directory / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}/data,,{size_bytes}\n")
    (directory / name).mkdir()
    (directory / name / "__init__.py").touch()
    with (directory / name / "data").open("wb") as file:
        file.truncate(size_bytes)
    return directory


def begun(desk: Desk, model: str, sign: str, *options: str) -> Future[Cell]:
    """Begin an iteration of a slow model and wait until it is where it is slow."""
    lab = desk.lab
    known = {container.id: lab.logs(container).count(sign) for container in lab.containers()}

    def shows() -> bool:
        if (lab.directory / "signs" / sign).exists():
            return True
        return any(lab.logs(container).count(sign) > known.get(container.id, 0) for container in lab.containers())

    running = desk.notebook.start(f"%containerize {model} --name {desk.name} --sample rows {' '.join(options)}")
    until(lambda: running.done() or shows())
    assert not running.done(), running.result().outputs
    return running


PLACES = {
    "capture": ("slow_in_kernel", "predicting in the kernel"),
    "start": ("slow_to_load", "loading", "--fresh"),
    "verify": ("slow_to_predict", "predicting", "--fresh"),
    "start of a hot load": ("slow_to_load", "loading"),
    "verify of a hot load": ("slow_to_predict", "predicting"),
}


@pytest.mark.parametrize("place", PLACES)
def test_interrupted_iteration_leaves_nothing(desk: Desk, place: str) -> None:
    """Interrupting the kernel ends the iteration in one line that names the phase; no container or version stays."""
    running = begun(desk, *PLACES[place])
    desk.notebook.interrupt()
    assert_interrupted(desk, running, place.partition(" ")[0])


def test_interrupted_build_leaves_nothing(desk: Desk) -> None:
    """Interrupting a build ends it at once, and no half layer stays in the cache."""
    blobs = desk.lab.cache / "blobs" / "sha256"
    running = desk.notebook.start(f"%containerize mean --name {desk.name} --sample rows --include bulky")
    until(lambda: running.done() or any(written(path) > 2**20 for path in blobs.glob(".new-*")))
    assert not running.done(), running.result().outputs
    desk.notebook.interrupt()
    assert_interrupted(desk, running, "build")
    assert list(blobs.glob(".new-*")) == []


def test_interrupted_proof_leaves_nothing(lab: Lab, sandbox_working: None, new_name: Callable[[str], str]) -> None:
    """Interrupting the clean process ends it too, and its directory goes."""
    desk = open_desk(lab, "sandbox", new_name("proof"))
    desk.notebook.ok(SLOW)
    running = desk.notebook.start(f"%containerize slow_in_proof --name {desk.name} --sample rows")
    until(lambda: running.done() or proves(lab))
    assert not running.done(), running.result().outputs
    desk.notebook.interrupt()
    assert_interrupted(desk, running, "capture")
    assert not proves(lab)
    assert list((lab.cache / "proofs").glob("proof-*")) == []


def proves(lab: Lab) -> bool:
    """Tell whether a clean process of this lab runs. It can leave no sign: it sees no file of the notebook."""
    return any(b"--prove" in words and str(lab.cache).encode() in words for words in command_lines())


def command_lines() -> Iterator[bytes]:
    """Yield the command line of every process that does not end meanwhile."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()


def assert_interrupted(desk: Desk, running: Future[Cell], phase: str) -> None:
    """Insist on the one line, the row, and that the next iteration works."""
    refusal = desk.refused(running)
    assert refusal.kind == "IterationInterruptedError"
    assert f"Interrupted during {phase}" in refusal.message
    assert desk.last_row()["status"] == "interrupted"
    assert str(desk.last_row()["version"]) not in desk.lab.held(desk.live)
    desk.succeed()


def written(path: Path) -> int:
    """Return the size of a file that may be gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


# --- killed kernels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_killed_kernel_leaves_an_interrupted_row_and_no_orphan(
    request: pytest.FixtureRequest, lab: Lab, engine: str, new_name: Callable[[str], str]
) -> None:
    """After a kernel was killed in the middle, the next one finds the row interrupted and removes its container."""
    desk = open_desk(lab, need(request, engine), new_name(f"killed-{engine}"))
    desk.notebook.ok(SLOW)
    live = desk.live
    begun(desk, "slow_to_load", "loading", "--fresh")
    desk.notebook.kill()
    assert lab.statuses(desk.name) == ["verified", "running"]
    assert len(lab.containers()) == 2

    successor = lab.open(engine)
    successor.ok("%deployments")
    assert lab.statuses(desk.name) == ["verified", "interrupted"]
    assert [container.id for container in lab.containers()] == [live.id]
    successor.ok(f"%containerize mean --name {desk.name} --sample rows")
    assert lab.statuses(desk.name) == ["verified", "interrupted", "verified"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("place", [("slow_to_load", "loading"), ("slow_to_predict", "predicting")], ids=lambda p: p[0])
def test_kernel_killed_in_a_hot_load_leaves_the_live_version(
    request: pytest.FixtureRequest, lab: Lab, place: tuple[str, str], engine: str, new_name: Callable[[str], str]
) -> None:
    """The row is interrupted, the live version answers as before, and the next one finds nothing of the other.

    A server that still loads what nobody waits for any more takes no other version: that gets a container of its own.
    """
    desk = open_desk(lab, need(request, engine), new_name(f"killed-hot-{engine}"))
    desk.notebook.ok(SLOW)
    live = desk.live
    begun(desk, *place)
    desk.notebook.kill()
    assert lab.statuses(desk.name) == ["verified", "running"]

    successor = Desk(lab, lab.open(engine), desk.name)
    successor.notebook.ok("good, = %deployments")
    assert lab.statuses(desk.name) == ["verified", "interrupted"]
    assert [(container.id, container.version) for container in lab.containers()] == [(live.id, 1)]
    assert successor.notebook.value("good.predict(rows)") == [1.5, 4.0]
    successor.succeed()
    hot = place[1] == "predicting"
    assert (successor.live.id == live.id, successor.last_row()["hot"]) == (hot, hot)
    assert lab.held(successor.live) == ({"1": "kept", "3": "live"} if hot else {"3": "live"})


@pytest.mark.parametrize("engine", ENGINES)
def test_deployment_outlives_its_kernel(
    request: pytest.FixtureRequest, lab: Lab, engine: str, new_name: Callable[[str], str]
) -> None:
    """A verified deployment keeps running when its kernel ends, and the next kernel has it with a token that works."""
    desk = open_desk(lab, need(request, engine), new_name(f"outlive-{engine}"))
    live = desk.live
    desk.notebook.close()

    successor = lab.open(engine)
    successor.ok("found, = %deployments")
    assert successor.value("[found.name, found.version, found.container.id]") == [desk.name, 1, live.id]
    assert successor.value("found.predict(rows)") == [1.5, 4.0]
    answered = urllib3.request("GET", f"http://127.0.0.1:{live.port}/v2", retries=False)
    assert answered.status == 401


# --- two kernels ---------------------------------------------------------------------------------------------------


@pytest.fixture
def two(lab: Lab, sandbox_working: None, new_name: Callable[[str], str]) -> tuple[Desk, Notebook]:
    """Open two notebooks on one history, the first with slow models."""
    desk = open_desk(lab, "sandbox", new_name("two"))
    desk.notebook.ok(SLOW)
    return desk, lab.open("sandbox")


@pytest.mark.parametrize("verb", ["%containerize mean --sample rows --name {}", "%deploy {}:1", "%undeploy {}"])
def test_second_kernel_is_told_to_wait(two: tuple[Desk, Notebook], verb: str) -> None:
    """While one kernel works on a name, another one gets a BusyError; the first one's iteration is verified."""
    desk, other = two
    running = begun(desk, "slow_in_kernel", "predicting in the kernel")
    refusal = other.run(verb.format(desk.name)).refusal()
    assert refusal.kind == "BusyError"
    assert desk.name in refusal.message
    (desk.lab.directory / "signs" / "go on").touch()
    running.result(WAIT_SECONDS).succeeded()
    assert desk.lab.statuses(desk.name) == ["verified", "verified"]


def test_second_kernel_can_work_on_another_name(two: tuple[Desk, Notebook], new_name: Callable[[str], str]) -> None:
    """While one kernel works on a name, another one can iterate on another name, without harm to the first."""
    desk, other = two
    running = begun(desk, "slow_in_kernel", "predicting in the kernel")
    other.ok(f"%containerize mean --sample rows --name {new_name('other')}")
    (desk.lab.directory / "signs" / "go on").touch()
    running.result(WAIT_SECONDS).succeeded()
    assert desk.lab.statuses(desk.name) == ["verified", "verified"]
    assert desk.lab.statuses(new_name("other")) == ["verified"]


def test_second_kernel_leaves_the_work_of_the_first_alone(two: tuple[Desk, Notebook]) -> None:
    """A kernel that starts while another one deploys a version stops neither that one nor the one that runs."""
    desk, other = two
    go_on = desk.lab.directory / "signs" / "go on"
    go_on.touch()
    # As a plain process the model sees the sign as well.
    for _ in range(2):
        desk.notebook.ok(f"good = %containerize slow_to_load --name {desk.name} --sample rows --engine process")
    # Plain processes are no place for what runs isolated, nor the other way round.
    assert [row["hot"] for row in desk.lab.rows(desk.name)] == [False, False, True]
    go_on.unlink()
    live = desk.live
    desk.notebook.ok("%config ContainerIter.engine = 'process'")
    running = desk.notebook.start(f"%deploy {desk.name}:2 --fresh")
    until(lambda: running.done() or len(desk.lab.containers()) == 2)
    other.ok("%deployments")
    assert live.id in [container.id for container in desk.lab.containers()]
    assert len(desk.lab.containers()) == 2
    go_on.touch()
    running.result(WAIT_SECONDS).succeeded()
    assert [container.version for container in desk.lab.containers()] == [2]
