"""The road: what is recorded, what is left running and what is undone, however it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_containeriter.capture.snapshot import CaptureRequest
from jupyter_containeriter.errors import (
    BusyError,
    CaptureError,
    EngineError,
    IterationInterruptedError,
    ParityError,
    StartError,
    UsageError,
)
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.progress import Silent
from jupyter_containeriter.session import Session
from jupyter_containeriter.standing import Standing

if TYPE_CHECKING:
    from session_bench import Lab


class _Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def detail(self, text: str) -> None:
        pass


def _wrong(outputs: list[dict[str, Any]]) -> None:
    outputs[0]["data"][-1] += 1


# --- it works ------------------------------------------------------------------------------------------------------


def test_a_model_comes_out_verified(lab: Lab) -> None:
    """The road ends in a running container that predicted the same, and in a complete row."""
    deployment = lab.containerize(3, note="first", metrics={"acc": 0.5}, params={"k": 3}, tags={"team": "a"})
    assert deployment.predict([1, 2]) == [3, 6]
    row = lab.row(1)
    assert (row.status, row.parity, row.max_abs_difference, row.error) == ("verified", "exact", 0.0, "")
    assert (row.note, row.metrics, row.params, row.tags) == ("first", {"acc": 0.5}, {"k": 3}, {"team": "a"})
    assert row.image_reference == "localhost/containeriter/churn:1"
    phases = ("think", "run", "capture", "build", "load", "start", "verify", "package_to_verified", "cycle")
    assert all((getattr(row, f"{phase}_seconds") or 0) >= 0 for phase in phases)
    assert row.finished_at is not None
    assert row.finished_at >= row.started_at
    assert None not in (row.sent_bytes, row.image_size_bytes)
    assert all((row.image_digest, row.model_digest, row.environment_digest, row.data_digest))


def test_the_next_version_replaces_the_one_before(lab: Lab) -> None:
    """After a verified version only that one runs, and only its token is kept."""
    lab.containerize(3)
    second = lab.containerize(4)
    assert lab.versions() == [2]
    assert second.container is not None
    assert lab.tokens() == {second.container.id}
    assert lab.row(1).status == "verified"


def test_without_a_sample_nothing_is_proven(lab: Lab) -> None:
    """A version without a sample is deployed, not verified."""
    deployment = lab.session.containerize(lab.request(sample=None))
    assert (lab.row(1).status, lab.row(1).verify_seconds, deployment.parity) == ("deployed", None, "")


def test_an_image_can_be_built_only(lab: Lab) -> None:
    """Building stops nothing and starts nothing."""
    lab.containerize(3)
    built = lab.containerize(4, deploy=False)
    assert lab.versions() == [1]
    assert (lab.row(2).status, built.container, built.url) == ("built", None, "")
    assert lab.row(2).package_to_verified_seconds is None


def test_what_no_container_checks_is_proven(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is only built is proven itself, though another one of the same code was before."""
    lab.session.containerize(_reads_variable(lab, "LANG", monkeypatch))
    with pytest.raises(CaptureError, match="KeyError: 'ONLY_HERE'"):
        lab.session.containerize(_reads_variable(lab, "ONLY_HERE", monkeypatch), RunOptions(deploy=False))
    assert lab.row(2).status == "failed"


def _reads_variable(lab: Lab, variable: str, monkeypatch: pytest.MonkeyPatch) -> CaptureRequest:
    """Ask for a model that works where a variable is set: ``LANG`` is everywhere, ``ONLY_HERE`` only here."""
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("ONLY_HERE", "1")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "import os\nclass Asking:\n    def __init__(self, name): self.name = name\n"
        "    def predict(self, rows): return [os.environ[self.name] for _ in rows]",
        namespace,
    )
    return replace(lab.request(), model=namespace["Asking"](variable), namespace=namespace)


def test_a_contradicting_model_says_so(lab: Lab) -> None:
    """A nondeterministic model is deployed with exactly this said."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("def model(rows):\n    import random\n    return [random.random() for _ in rows]", namespace)
    request = lab.request()
    request = type(request)("churn", namespace["model"], "model", namespace, [1, 2])
    assert lab.session.containerize(request).parity == "nondeterministic"


def test_floats_may_differ_a_little(lab: Lab) -> None:
    """A container within the float tolerance is close, and the difference is recorded."""

    def nearly(outputs: list[dict[str, Any]]) -> None:
        outputs[0]["data"][-1] += 1e-9

    lab.servers.changes.append(nearly)
    assert lab.containerize(3.5).parity == "close"
    assert lab.row(1).max_abs_difference == pytest.approx(1e-9)


def test_limits_and_identity_reach_the_engine(lab: Lab) -> None:
    """The engine is told name, version, limits and the digest of the token, never the token."""
    deployment = lab.containerize(3, memory="64m", cpus=0.5, gpus="all")
    assert deployment.container is not None
    spec = lab.engine.spec(deployment.container.id)
    assert (spec.name, spec.version, spec.gpus) == ("churn", 1, "all")
    assert (spec.limits.memory_bytes, spec.limits.cpus) == (64 * 1024**2, 0.5)
    assert deployment.token
    assert not any(deployment.token in value for value in spec.environment.values())


def test_a_token_can_be_left_out(lab: Lab) -> None:
    """Without a token the server is told of none."""
    deployment = lab.containerize(3, token=False)
    assert deployment.container is not None
    assert deployment.token == ""
    assert "CONTAINERITER_TOKEN_SHA256" not in lab.engine.spec(deployment.container.id).environment


# --- it fails ------------------------------------------------------------------------------------------------------


def test_a_version_that_predicts_otherwise_never_replaces(lab: Lab) -> None:
    """A failed verification leaves the live version, and is recorded with both values."""
    live = lab.containerize(3)
    lab.servers.changes.append(_wrong)
    with pytest.raises(ParityError, match="row 1: notebook 8, container 9"):
        lab.containerize(4)
    row = lab.row(2)
    assert (row.status, row.parity, row.package_to_verified_seconds) == ("failed", "failed", None)
    assert "notebook 8, container 9" in row.error
    assert row.verify_seconds is not None
    assert lab.versions() == [1]
    assert live.container is not None
    assert lab.tokens() == {live.container.id}


def test_a_container_that_ends_is_explained(lab: Lab) -> None:
    """A server that ends while it starts is shown with its last words, and is removed."""
    lab.containerize(3)
    lab.engine.exit_at_start(1, "ImportError: no sklearn")
    lab.engine._serve = None
    with pytest.raises(StartError, match="ImportError: no sklearn"):
        lab.containerize(4)
    assert lab.versions() == [1]
    assert (lab.row(2).status, lab.row(2).verify_seconds) == ("failed", None)


@pytest.mark.parametrize("at", ["start", "verify"])
def test_the_proof_explains_what_fails_in_the_container(lab: Lab, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Where an earlier proof stood for a version that fails, its own is run, and its words are shown."""
    lab.session.containerize(_reads_variable(lab, "LANG", monkeypatch))
    if at == "start":
        lab.engine.exit_at_start(1, "some traceback")
        lab.engine._serve = None
    else:
        lab.servers.changes.append(_shout)
    notes = _Notes()
    with pytest.raises(CaptureError, match="works in the notebook but not without it: KeyError: 'ONLY_HERE'"):
        lab.session.containerize(_reads_variable(lab, "ONLY_HERE", monkeypatch), RunOptions(fresh=True), notes)
    assert any("looking for the cause in a clean process" in note for note in notes.notes)
    assert "KeyError" in lab.row(2).error
    assert lab.versions() == [1]


def _shout(outputs: list[dict[str, Any]]) -> None:
    outputs[0]["data"][-1] = "otherwise"


@pytest.mark.parametrize("verb", ["load", "run"])
def test_a_refusing_engine_is_recorded(lab: Lab, verb: Any) -> None:
    """What the engine says is what the row says."""
    lab.containerize(3)
    lab.engine.fail(verb, EngineError("no space left in the engine"))
    with pytest.raises(EngineError, match="no space left"):
        lab.containerize(4)
    assert (lab.row(2).status, lab.row(2).error) == ("failed", "no space left in the engine")
    assert lab.versions() == [1]


def test_a_token_that_cannot_be_kept_leaves_no_container(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container whose token cannot be written could never be called, so it is not left behind."""
    lab.containerize(3)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lab.session.handles, "save", full)
    with pytest.raises(OSError, match="No space left"):
        lab.containerize(4)
    assert lab.versions() == [1]
    assert lab.row(2).status == "failed"


def test_a_model_that_cannot_be_captured_is_recorded(lab: Lab) -> None:
    """A failed capture is an iteration that failed; no later phase took place."""
    request = lab.request()
    with Path(__file__).open() as file:
        request.model.file = file
        with pytest.raises(CaptureError, match=r"model\.file"):
            lab.session.containerize(request)
    assert (lab.row(1).status, lab.row(1).build_seconds) == ("failed", None)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"name": "No Name"}, {}),
        ({"sample": []}, {}),
        ({"predict": "nothing"}, {}),
        ({}, {"memory": "much"}),
        ({}, {"cpus": -1.0}),
        ({"include": ("no-such-package",)}, {}),
    ],
)
def test_wrong_calls_record_nothing(lab: Lab, changes: dict[str, Any], options: dict[str, Any]) -> None:
    """A wrong call is no iteration: the next right one has its version."""
    lab.containerize(3)
    with pytest.raises(UsageError):
        lab.session.containerize(lab.request(**changes), RunOptions(**options))
    assert len(lab.session.iterations()) == 1
    assert lab.containerize(4).version == 2


@pytest.mark.parametrize("port", [-1, 0, 65536, 70000])
def test_a_port_that_cannot_be_is_a_wrong_call(port: int) -> None:
    """Ports are from 1 to 65535."""
    with pytest.raises(UsageError, match=f"--port {port}"):
        RunOptions(port=port)


def test_a_damaged_layer_is_built_again(own_lab: Lab) -> None:
    """A layer found damaged while it is sent is built anew, and the road goes on."""
    first = own_lab.containerize(3)
    document = own_lab.session.cache
    for path in (document.directory / "blobs" / "sha256").iterdir():
        if path.stat().st_size > 1_000_000:
            path.write_bytes(path.read_bytes()[:1000])
    own_lab.engine.forget_images()
    notes = _Notes()
    second = own_lab.containerize(3, progress=notes)
    assert (second.parity, second.iteration.image_digest) == ("exact", first.iteration.image_digest)
    assert any("damaged" in note for note in notes.notes)


# --- it is interrupted ---------------------------------------------------------------------------------------------


class _Interrupt(Silent):
    def __init__(self, moment: str, phase: str) -> None:
        self._moment, self._phase = moment, phase

    def started(self, phase: str) -> None:
        self._at("started", phase)

    def ended(self, phase: str, seconds: float) -> None:
        self._at("ended", phase)

    def _at(self, moment: str, phase: str) -> None:
        if (moment, phase) == (self._moment, self._phase):
            raise KeyboardInterrupt


@pytest.mark.parametrize("phase", ["capture", "build", "load", "start", "verify"])
@pytest.mark.parametrize("moment", ["started", "ended"])
def test_an_interrupt_leaves_nothing_behind(lab: Lab, moment: str, phase: str) -> None:
    """Whenever it comes, an interrupt is recorded, no new container stays, the live one does, the name is free."""
    live = lab.containerize(3)
    with pytest.raises(IterationInterruptedError, match=f"during {phase}; nothing was deployed"):
        lab.containerize(4, progress=_Interrupt(moment, phase))
    assert lab.row(2).status == "interrupted"
    assert lab.versions() == [1]
    assert live.container is not None
    assert lab.tokens() == {live.container.id}
    with lab.kernel().locks.exclusive("churn"):
        pass
    assert lab.containerize(5).version == 3


def _from_the_engine(verb: Any) -> Callable[[Lab], None]:
    return lambda lab: lab.engine.fail(verb, KeyboardInterrupt())


@pytest.mark.parametrize("verb", ["load", "run"])
def test_an_interrupt_within_the_engine_leaves_nothing_behind(lab: Lab, verb: Any) -> None:
    """An interrupt while the engine works is an interrupted iteration."""
    lab.containerize(3)
    _from_the_engine(verb)(lab)
    with pytest.raises(IterationInterruptedError):
        lab.containerize(4)
    assert (lab.row(2).status, lab.versions()) == ("interrupted", [1])


def test_an_interrupted_model_is_an_interrupted_iteration(lab: Lab) -> None:
    """An interrupt while the model predicts its sample is no failure of the model."""

    def interrupted(rows: list[int]) -> list[int]:
        raise KeyboardInterrupt

    request = lab.request()
    request.model.predict = interrupted
    with pytest.raises(IterationInterruptedError, match="during capture"):
        lab.session.containerize(request)
    assert lab.row(1).status == "interrupted"


def test_an_interrupt_after_the_proof_does_not_unprove(lab: Lab) -> None:
    """A version that was verified stays so, even where stopping the one before is interrupted."""
    lab.containerize(3)
    lab.engine.fail("stop", KeyboardInterrupt())
    with pytest.raises(IterationInterruptedError, match="after churn:2 was deployed"):
        lab.containerize(4)
    assert lab.row(2).status == "verified"
    assert lab.versions()[0] == 2


# --- ports ---------------------------------------------------------------------------------------------------------


def test_a_port_moves_to_the_next_version(lab: Lab, port: int) -> None:
    """A port that the live version holds is taken over by the next one, once that is proven."""
    first = lab.containerize(3, port=port)
    second = lab.containerize(4, port=port)
    assert first.url == second.url == f"http://127.0.0.1:{port}"
    assert (lab.versions(), second.predict([1, 2])) == ([2], [4, 8])
    assert second.container is not None
    assert lab.tokens() == {second.container.id}


def test_a_port_stays_with_the_live_version_when_the_next_fails(lab: Lab, port: int) -> None:
    """A version that is not proven does not touch the port."""
    lab.containerize(3, port=port)
    lab.servers.changes.append(_wrong)
    with pytest.raises(ParityError):
        lab.containerize(4, port=port)
    assert [(c.version, c.port) for c in lab.running()] == [(1, port)]


def test_a_verified_version_stays_where_it_is_if_it_cannot_move(
    lab: Lab, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the port is lost on the way, the verified version keeps running on its own."""
    lab.containerize(3, port=port)
    real = lab.engine.run

    def run(image: Any, spec: Any) -> Any:
        if spec.port == port:
            raise EngineError(f"Port {port} on 127.0.0.1 is in use.")
        return real(image, spec)

    monkeypatch.setattr(lab.engine, "run", run)
    notes = _Notes()
    deployment = lab.containerize(4, port=port, progress=notes)
    assert (lab.row(2).status, lab.versions()) == ("verified", [2])
    assert deployment.container is not None
    assert deployment.container.port != port
    assert any("It stays on port" in note for note in notes.notes)


def test_a_live_version_that_cannot_be_stopped_is_told(lab: Lab) -> None:
    """A version that does not stop is named; the verified one is deployed all the same."""
    lab.containerize(3)
    lab.engine.fail("stop", EngineError("busy"))
    notes = _Notes()
    lab.containerize(4, progress=notes)
    assert lab.row(2).status == "verified"
    assert any("churn:1 could not be stopped (busy)" in note for note in notes.notes)


# --- two kernels ---------------------------------------------------------------------------------------------------


def test_two_kernels_cannot_work_on_one_name(lab: Lab) -> None:
    """While one kernel works on a name another one is told to wait; other names are free."""
    other: Session = lab.kernel()
    with other.locks.exclusive("churn"):
        with pytest.raises(BusyError, match="churn"):
            lab.kernel().containerize(lab.request())
        lab.kernel().containerize(lab.request(name="fraud"))
    assert other.history.names() == ["fraud"]


def test_an_engine_that_fails_after_the_verification_fails_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a version is verified it serves, whatever happens to what ran before; that is told."""
    notes = _Notes()
    finished = Standing.live

    def fail_when_verified(standing: Standing, name: str) -> Any:
        if lab.row(1).status == "verified":
            raise EngineError("The engine has gone.", "Start it.")
        return finished(standing, name)

    monkeypatch.setattr(Standing, "live", fail_when_verified)
    assert lab.containerize(3, progress=notes).predict([1, 2]) == [3, 6]
    assert "The engine has gone." in notes.notes
