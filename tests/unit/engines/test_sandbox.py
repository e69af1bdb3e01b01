"""The sandbox: real processes, under bubblewrap where it works. What it shares with others is in the contract suite."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.bubblewrap import bwrap, namespaces_work
from jupyter_containeriter.engines.sandbox import SandboxEngine
from jupyter_containeriter.errors import EngineError, NotFoundError
from jupyter_containeriter.image.base import kernel_base
from jupyter_containeriter.image.build import build
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import Container, Distribution, Limits, RunSpec, Snapshot

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox is Linux's")

_SPEC = RunSpec("churn", 1, "iteration", "history")

_FACTS = """
import json, os, socket, sys
def tries(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "works"
print(json.dumps({
    "uid": os.getuid(),
    "environment": sorted(os.environ),
    "write root": tries(lambda: open("/new", "w")),
    "write code": tries(lambda: open(__file__, "a")),
    "write tmp": tries(lambda: open("/tmp/new", "w")),
    "see": sorted(os.listdir("/")),
    "processes": [p for p in os.listdir("/proc") if p.isdigit()],
    "host": socket.gethostname(),
    "capabilities": [l.split()[1] for l in open("/proc/self/status") if l.startswith("CapEff")],
    "new privileges": [l.split()[1] for l in open("/proc/self/status") if l.startswith("NoNewPrivs")],
    "working directory": os.getcwd(),
    "given": os.environ.get("GIVEN"),
}), flush=True)
"""


def _engine(state: Path) -> Iterator[SandboxEngine]:
    engine = SandboxEngine(state, isolation="process")
    yield engine
    for container in engine.containers("history"):
        engine.stop(container.id)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SandboxEngine]:
    """Give an engine of plain processes; what a test leaves in it is stopped."""
    yield from _engine(tmp_path / "state")


@pytest.fixture
def run(engine: SandboxEngine, tmp_path: Path) -> Callable[..., Container]:
    """Run a Python script as a container."""

    def run(script: str, spec: RunSpec = _SPEC) -> Container:
        config = {"Entrypoint": [sys.executable, "-u", "-c", script], "Env": ["DECLARED=1"]}
        image = tiny_image(tmp_path, config=config)
        engine.load(image)
        return engine.run(image, spec)

    return run


def _until(condition: Callable[[], Any]) -> Any:
    for _ in range(3000):
        if found := condition():
            return found
        time.sleep(0.01)
    pytest.fail("it never came")


def _ended(engine: SandboxEngine, container: Container) -> Container:
    return _until(lambda: None if (now := engine.inspect(container.id)).running else now)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run a container of the kernel base under bubblewrap that tells what it sees."""
    if not namespaces_work():
        pytest.skip("this user may not create namespaces")
    directory = tmp_path_factory.mktemp("sandbox")
    script = directory / "facts.py"
    script.write_text(_FACTS)
    cache = LayerCache(tmp_path_factory.getbasetemp() / "shared-layers")
    server = Distribution("server", "1", "", 0, (("containeriter_serving/__main__.py", script),))
    snapshot = Snapshot("churn", {"model/m": b""}, (), (server,), None, None, None, True, "", "", "")
    image = build(snapshot, kernel_base(cache), cache, "localhost/containeriter/churn:1")
    engine = SandboxEngine(directory / "state")
    engine.load(image)
    container = engine.run(image, replace(_SPEC, environment={"GIVEN": "42"}))
    ended = _ended(engine, container)
    log = engine.logs(container.id)
    engine.stop(container.id)
    assert ended.exit_code == 0, log
    seen: dict[str, Any] = json.loads(log)
    return seen


def test_the_sandbox_is_nobody_s(facts: dict[str, Any]) -> None:
    """The server is an unprivileged user without capabilities and without a way to new ones."""
    assert (facts["uid"], facts["capabilities"], facts["new privileges"]) == (65532, ["0000000000000000"], ["1"])


def test_the_sandbox_can_write_temporary_files_only(facts: dict[str, Any]) -> None:
    """Everything but the directory for temporary files is read-only."""
    assert facts["write root"] == facts["write code"] == "OSError"
    assert (facts["write tmp"], facts["working directory"]) == ("works", "/tmp")


def test_the_sandbox_sees_the_image_only(facts: dict[str, Any]) -> None:
    """No file, process, host name or variable of this machine is seen."""
    assert {"home", "root", "work", "var"}.isdisjoint(facts["see"])
    assert {"opt", "etc", "tmp", "proc", "dev"} <= set(facts["see"])
    assert len(facts["processes"]) <= 2
    assert facts["host"] == "containeriter" != socket.gethostname()
    own = {"GIVEN", "HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PWD", "LC_CTYPE"}
    assert {name for name in facts["environment"] if not name.startswith("CONTAINERITER_")} <= own
    assert facts["given"] == "42"


def test_bubblewrap_is_bundled() -> None:
    """The sandbox needs nothing installed on the machine."""
    assert os.access(bwrap(), os.X_OK)


def test_a_container_outlives_its_kernel_s_engine(
    engine: SandboxEngine, run: Callable[..., Container], tmp_path: Path
) -> None:
    """Another engine object over the same directory finds, measures and stops what runs."""
    container = run("import time; print('up'); time.sleep(60)")
    _until(lambda: "up" in engine.logs(container.id))
    other = SandboxEngine(tmp_path / "state")
    assert other.containers("history") == [container]
    assert other.stats(container.id).memory_bytes > 1_000_000
    other.stop(container.id)
    assert other.containers("history") == []
    with pytest.raises(NotFoundError):
        engine.inspect(container.id)


def test_stopping_ends_all_processes(engine: SandboxEngine, run: Callable[..., Container]) -> None:
    """No process of a stopped container stays, also none of its children."""
    script = "import os, time\npid = os.fork()\nif pid: print(os.getpid(), pid)\ntime.sleep(60)"
    container = run(script)
    pids = _until(lambda: engine.logs(container.id).split())
    engine.stop(container.id)
    assert not [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]


def test_stopping_twice_is_no_error(engine: SandboxEngine, run: Callable[..., Container]) -> None:
    """A container that is gone, or never was, can be stopped."""
    container = run("")
    engine.stop(container.id)
    engine.stop(container.id)
    engine.stop("never")


def test_a_container_whose_supervisor_was_killed_is_not_running(
    engine: SandboxEngine, run: Callable[..., Container], tmp_path: Path
) -> None:
    """A supervisor that was killed from outside leaves a container that is reported as ended, and can be removed."""
    container = run("import time; time.sleep(1)")
    record = json.loads((tmp_path / "state" / "containers" / container.id / "container.json").read_bytes())
    os.kill(record["pid"], signal.SIGKILL)
    assert not _ended(engine, container).running
    engine.stop(container.id)
    assert engine.containers("history") == []


def test_an_ended_container_keeps_its_end(engine: SandboxEngine, run: Callable[..., Container]) -> None:
    """Exit code and log stay until the container is removed."""
    ended = _ended(engine, run("print('last words'); raise SystemExit(7)"))
    assert (ended.exit_code, ended.oom_killed) == (7, False)
    assert engine.logs(ended.id).strip() == "last words"


def test_too_much_memory_is_told(engine: SandboxEngine, run: Callable[..., Container]) -> None:
    """A container beyond its memory limit is ended, and says why."""
    spec = replace(_SPEC, limits=Limits(memory_bytes=100_000_000))
    assert _ended(engine, run("import time; x = bytearray(300_000_000); time.sleep(60)", spec)).oom_killed


def test_the_server_is_told_where_to_listen(engine: SandboxEngine, run: Callable[..., Container]) -> None:
    """Host and port cannot be overridden by the image or by the deployment."""
    spec = replace(_SPEC, environment={"CONTAINERITER_HOST": "0.0.0.0", "CONTAINERITER_VERSION": "1"})
    script = "import os; e = os.environ; print(e['CONTAINERITER_HOST'], e['CONTAINERITER_PORT'], e['DECLARED'])"
    container = _ended(engine, run(script, spec))
    assert engine.logs(container.id).split() == ["127.0.0.1", str(container.port), "1"]


def test_a_container_that_cannot_be_recorded_does_not_run(
    engine: SandboxEngine, run: Callable[..., Container], tmp_path: Path
) -> None:
    """A process that nobody could find later is not left behind."""
    with pytest.raises(TypeError):
        run("import time; time.sleep(60)", replace(_SPEC, version=object()))  # type: ignore[arg-type]
    assert list((tmp_path / "state" / "containers").iterdir()) == []
    _until(lambda: not _processes_with(str(tmp_path / "state")))


def _processes_with(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if word in text and int(path.parent.name) != os.getpid():
            found.append(text)
    return found


def test_an_impossible_state_directory_is_named(tmp_path: Path) -> None:
    """Where the sandbox cannot keep its state, the error says how to choose another place."""
    engine = SandboxEngine(tmp_path / "state", isolation="process")
    image = tiny_image(tmp_path, config={"Entrypoint": ["true"]})
    engine.load(image)
    (tmp_path / "state" / "containers").write_text("")
    with pytest.raises(EngineError, match="cannot start") as caught:
        engine.run(image, _SPEC)
    assert "CONTAINERITER_DATA_DIR" in caught.value.remedy


@pytest.mark.parametrize("content", ["", '{"name": "chu'])
def test_a_broken_record_is_no_container(engine: SandboxEngine, tmp_path: Path, content: str) -> None:
    """A directory whose record cannot be read is passed over by every verb."""
    directory = tmp_path / "state" / "containers" / "broken"
    directory.mkdir(parents=True)
    (directory / "container.json").write_text(content)
    assert engine.containers("history") == []
    with pytest.raises(NotFoundError):
        engine.inspect("broken")
    engine.stop("broken")


def test_an_engine_says_how_it_isolates(tmp_path: Path) -> None:
    """Plain processes are called what they are."""
    info = SandboxEngine(tmp_path, isolation="process").describe()
    assert (info.engine, info.isolation) == ("process", "none: plain processes")
    assert "bubblewrap" in SandboxEngine(tmp_path).describe().isolation


def test_a_lost_layer_is_unpacked_again(engine: SandboxEngine, tmp_path: Path) -> None:
    """An image of which one layer is missing is not held; loading brings that layer only."""
    image = tiny_image(tmp_path)
    engine.load(image)
    (tmp_path / "state" / "layers" / image.layers[0].digest.removeprefix("sha256:")).rename(tmp_path / "lost")
    assert not engine.holds(image)
    assert engine.load(image).layers_sent == 1
    assert engine.holds(image)
