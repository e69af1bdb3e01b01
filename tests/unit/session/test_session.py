"""The other verbs, and how history and engine are brought together again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_containeriter.errors import (
    BusyError,
    EngineError,
    IterationInterruptedError,
    NotFoundError,
    ParityError,
    StartError,
    UsageError,
)
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.road.stored import stored_document
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import Iteration, RunSpec, Status

if TYPE_CHECKING:
    from session_bench import Lab

_NOW = datetime(2030, 1, 1, tzinfo=UTC)


def _wrong(outputs: list[dict[str, Any]]) -> None:
    outputs[0]["data"][-1] += 1


# --- deploy and roll back ------------------------------------------------------------------------------------------


def test_an_earlier_version_runs_again(lab: Lab) -> None:
    """Deploying a version runs its exact image, verified, in place of what runs; it is no iteration."""
    lab.containerize(3)
    lab.containerize(4)
    deployment = lab.session.deploy("churn:1")
    assert (deployment.version, deployment.predict([1, 2]), lab.versions()) == (1, [3, 6], [1])
    assert len(lab.session.iterations()) == 2


def test_a_name_alone_means_its_newest_version(lab: Lab) -> None:
    """Without a version the newest that may run is deployed, failed ones left out."""
    lab.containerize(3)
    lab.servers.changes.append(_wrong)
    with pytest.raises(ParityError):
        lab.containerize(4)
    lab.servers.changes.clear()
    assert lab.session.deploy("churn").version == 1


def test_a_built_version_is_recorded_when_it_is_deployed(lab: Lab) -> None:
    """Deploying what was only built proves it."""
    lab.containerize(3, deploy=False)
    assert lab.session.deploy("churn:1").parity == "exact"
    assert (lab.row(1).status, lab.row(1).parity) == ("verified", "exact")


def test_a_deploy_that_predicts_otherwise_replaces_nothing(lab: Lab) -> None:
    """An old version that no longer predicts the same leaves what runs, and its row as it was."""
    lab.containerize(3)
    lab.containerize(4)
    lab.servers.changes.append(_wrong)
    with pytest.raises(ParityError):
        lab.session.deploy("churn:1")
    assert (lab.versions(), lab.row(1).status) == ([2], "verified")


def test_an_interrupted_deploy_leaves_what_runs(lab: Lab) -> None:
    """An interrupt while an old version starts leaves the live one, and two lines instead of a traceback."""
    lab.containerize(3)
    lab.containerize(4)
    lab.engine.fail("load", KeyboardInterrupt())
    with pytest.raises(IterationInterruptedError):
        lab.session.deploy("churn:1", fresh=True)
    assert lab.versions() == [2]
    with lab.kernel().locks.exclusive("churn"):
        pass


@pytest.mark.parametrize("reference", ["churn", "churn:1", "other:7"])
def test_an_unknown_version_cannot_be_deployed(lab: Lab, reference: str) -> None:
    """What was never containerized is not found."""
    with pytest.raises(NotFoundError, match=f"There is no {reference}"):
        lab.session.deploy(reference)


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_an_unproven_version_cannot_be_deployed(lab: Lab, status: Status) -> None:
    """A version that failed, or never came to its end, is refused."""
    row = lab.session.history.begin("churn", started_at=_NOW, host="another host")
    lab.session.history.update(replace(row, status=status))
    with pytest.raises(UsageError, match=f"churn:1 was never proven .status: {status}"):
        lab.session.deploy("churn:1")


@pytest.mark.parametrize("gone", ["all", "layer"])
def test_an_image_that_left_the_cache_cannot_be_deployed(own_lab: Lab, gone: str) -> None:
    """A version whose image is not complete any more is named, with what brings it back; what runs keeps running."""
    first = own_lab.containerize(3)
    own_lab.containerize(4)
    blobs = own_lab.session.cache.directory / "blobs" / "sha256"
    digest = first.iteration.image_digest.removeprefix("sha256:")
    for path in blobs.iterdir() if gone == "all" else [blobs / digest]:
        path.unlink()
    with pytest.raises(NotFoundError, match="no longer in the layer cache") as caught:
        own_lab.session.deploy("churn:1")
    assert "Containerize" in caught.value.remedy
    assert own_lab.versions() == [2]


def test_a_damaged_stored_image_cannot_be_deployed(own_lab: Lab) -> None:
    """A layer that is damaged in the cache, and missing in the engine, is said; what runs keeps running."""
    own_lab.containerize(3)
    own_lab.containerize(4)
    for path in (own_lab.session.cache.directory / "blobs" / "sha256").iterdir():
        if path.stat().st_size > 1_000_000:
            path.write_bytes(path.read_bytes()[:1000])
    own_lab.engine.forget_images()
    with pytest.raises(NotFoundError, match="damaged"):
        own_lab.session.deploy("churn:1", fresh=True)
    assert own_lab.versions() == [2]


def test_rolling_back_goes_one_version_down(lab: Lab) -> None:
    """Each rollback deploys the promoted version before the one that runs, until there is none."""
    lab.containerize(3)
    lab.containerize(4)
    lab.containerize(5, deploy=False)
    lab.containerize(6)
    assert lab.session.rollback("churn").version == 2
    assert lab.session.rollback("churn").version == 1
    with pytest.raises(NotFoundError, match="no version of churn to roll back to"):
        lab.session.rollback("churn")
    assert lab.versions() == [1]
    assert lab.session.rollback("churn", to=4).version == 4


def test_an_unknown_name_cannot_be_rolled_back(lab: Lab) -> None:
    """There is nothing to roll back to for a name that never was."""
    with pytest.raises(NotFoundError):
        lab.session.rollback("churn")
    with pytest.raises(NotFoundError):
        lab.session.rollback("churn", to=1)


def test_rolling_back_looks_past_what_a_killed_kernel_left(lab: Lab) -> None:
    """A container that a killed kernel was starting is not what runs: the version below the live one is deployed."""
    lab.containerize(3)
    lab.containerize(4)
    _kill_while_starting(lab)
    assert lab.kernel().rollback("churn").version == 1


def test_undeploying_stops_everything_of_a_name(lab: Lab) -> None:
    """Undeploying stops the containers of one model and forgets their tokens; images and history stay."""
    lab.containerize(3)
    lab.session.containerize(lab.request(name="fraud"))
    assert lab.session.undeploy("churn") == 1
    assert [container.name for container in lab.running()] == ["fraud"]
    assert lab.tokens() == {lab.running()[0].id}
    with pytest.raises(NotFoundError, match="No container of churn runs"):
        lab.session.undeploy("churn")
    assert lab.session.deploy("churn").version == 1


@pytest.mark.parametrize("verb", ["undeploy", "deploy", "rollback"])
def test_verbs_wait_for_no_other_kernel(lab: Lab, verb: str) -> None:
    """A verb on a name that another kernel works on is refused at once, and changes nothing."""
    lab.containerize(3)
    lab.containerize(4)
    with lab.kernel().locks.exclusive("churn"), pytest.raises(BusyError):
        getattr(lab.kernel(), verb)("churn")
    assert lab.versions() == [2]


@pytest.mark.parametrize("verb", ["undeploy", "deploy", "rollback", "iterations"])
def test_verbs_refuse_impossible_names(lab: Lab, verb: str) -> None:
    """What cannot be a name is a wrong call for every verb."""
    with pytest.raises(UsageError):
        getattr(lab.session, verb)("../etc")


# --- what runs -----------------------------------------------------------------------------------------------------


def test_deployments_can_be_used_by_any_kernel(lab: Lab) -> None:
    """Another kernel lists what runs by name, and can predict with the token it finds."""
    lab.session.containerize(lab.request(name="fraud"))
    lab.containerize(4)
    found = lab.kernel().deployments()
    assert [deployment.name for deployment in found] == ["churn", "fraud"]
    assert found[0].predict([1, 2]) == [4, 8]


def test_the_handle_knows_its_container(lab: Lab) -> None:
    """Logs, usage and stopping go through the handle; a version that was only built has none of these."""
    deployment = lab.containerize(3)
    assert deployment.container is not None
    lab.engine.write_log(deployment.container.id, "ready\n")
    assert deployment.logs() == "ready\n"
    assert deployment.stats().memory_bytes > 0
    deployment.stop()
    assert lab.versions() == []
    with pytest.raises(NotFoundError, match="was built, not deployed"):
        lab.containerize(4, deploy=False).predict([1])


def test_the_history_is_a_frame(lab: Lab) -> None:
    """Iterations come as a DataFrame, of one model or of all."""
    lab.containerize(3)
    lab.session.containerize(lab.request(name="fraud"))
    assert set(lab.session.iterations()["name"]) == {"churn", "fraud"}
    assert list(lab.session.iterations("fraud", last=1)["version"]) == [1]


# --- reconcile -----------------------------------------------------------------------------------------------------


def _kill_while_starting(lab: Lab) -> Iteration:
    """Leave what a kernel leaves that was killed while its container started."""
    session = lab.session
    row = session.history.begin("churn", started_at=_NOW, host=session.host)
    image = tiny_image(lab.settings.data_path)
    lab.engine.load(image)
    lab.engine.run(image, RunSpec("churn", row.version, row.id, session.history.id))
    return row


def test_a_killed_kernel_is_tidied_up_after(lab: Lab) -> None:
    """The next kernel marks what the killed one was doing as interrupted, and removes its container."""
    lab.containerize(3)
    row = _kill_while_starting(lab)
    lab.kernel().deployments()
    assert lab.row(row.version).status == "interrupted"
    assert lab.row(row.version).error
    assert lab.versions() == [1]


def test_tidying_up_is_tried_again(lab: Lab) -> None:
    """An engine that fails meanwhile harms no verb, and the next verb finishes what was begun."""
    lab.containerize(3)
    _kill_while_starting(lab)
    kernel = lab.kernel()
    lab.engine.fail("stop", EngineError("The engine is tired."))
    assert [deployment.version for deployment in kernel.deployments()] == [1]
    assert lab.versions() == [2, 1]
    kernel.deployments()
    assert lab.versions() == [1]


def test_a_working_kernel_is_left_alone(lab: Lab) -> None:
    """An iteration whose kernel holds the name is not touched."""
    row = _kill_while_starting(lab)
    with lab.kernel().locks.exclusive("churn"):
        lab.kernel().deployments()
    assert lab.row(row.version).status == "running"
    assert lab.versions() == [row.version]


def test_other_hosts_are_left_alone(lab: Lab) -> None:
    """What runs on another host is that host's affair."""
    row = lab.session.history.begin("churn", started_at=_NOW, host="another host")
    lab.kernel().deployments()
    assert lab.row(row.version).status == "running"


def test_other_histories_are_left_alone(lab: Lab, tmp_path: Path) -> None:
    """Containers that another history knows are neither listed nor removed."""
    image = tiny_image(tmp_path)
    lab.engine.load(image)
    lab.engine.run(image, RunSpec("churn", 1, "unknown", "another history"))
    assert lab.kernel().deployments() == []
    assert len(lab.engine.containers("another history")) == 1


def test_a_container_without_a_row_is_removed(lab: Lab, tmp_path: Path) -> None:
    """A container of this history that no row tells of is an orphan."""
    image = tiny_image(tmp_path)
    lab.engine.load(image)
    lab.engine.run(image, RunSpec("churn", 1, "unknown", lab.session.history.id))
    lab.kernel().deployments()
    assert lab.running() == []


def test_of_two_promoted_versions_the_newer_stays(lab: Lab) -> None:
    """Where a kernel died before it stopped the version before, the newer one is kept."""
    lab.containerize(3)
    lab.engine.fail("stop", EngineError("gone"))
    lab.containerize(4)
    assert lab.versions() == [2, 1]
    lab.kernel().deployments()
    assert lab.versions() == [2]


def test_a_candidate_of_a_killed_rollback_does_not_replace_the_live_version(lab: Lab) -> None:
    """A container that was started again but never promoted is the orphan, however new it is."""
    lab.containerize(3)
    live = lab.containerize(4)
    image, _ = stored_document(lab.session.cache, lab.row(1))
    assert image is not None
    lab.engine.run(image, RunSpec("churn", 1, lab.row(1).id, lab.session.history.id))
    assert [d.version for d in lab.session.deployments()] == [2]
    lab.kernel().deployments()
    assert [container.id for container in lab.running()] == [live.container.id]


def test_a_rollback_runs_as_the_live_version_ran(lab: Lab, port: int) -> None:
    """Port, token and limits are those of the version that is replaced: its clients need not change."""
    lab.containerize(3)
    live = lab.containerize(4, port=port, token=False, memory="123m")
    back = lab.session.rollback("churn")
    assert (back.version, back.url, back.token) == (1, live.url, "")
    assert lab.engine.spec(back.container.id).limits.memory_bytes == 123 * 1024**2


def test_handles_work_without_the_layer_cache(own_lab: Lab) -> None:
    """Signature and example are kept with the deployment, so the cache may be deleted while it runs."""
    own_lab.containerize(3)
    shutil.rmtree(own_lab.settings.cache_path)
    (found,) = own_lab.kernel().deployments()
    assert found.predict([1, 2]) == [3, 6]
    assert '{"inputs": [1]}' in found.curl


def test_a_version_that_dies_of_its_first_prediction_is_not_promoted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What predicted right but is gone a moment later (out of memory) failed, and the version before keeps running."""
    lab.containerize(3)
    lab.servers.changes.append(lambda _: lab.engine.exit(lab.running()[0].id, 137, oom_killed=True))
    with pytest.raises(StartError, match="used more than"):
        lab.containerize(4)
    assert lab.versions() == [1]
    assert lab.row(2).status == "failed"


def test_stopping_a_handle_forgets_its_token(lab: Lab) -> None:
    """A handle that stops its container leaves no token behind."""
    lab.containerize(3).stop()
    assert lab.running() == []
    assert lab.tokens() == set()


def test_a_version_that_ends_meanwhile_stays_verified(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that another kernel completes between reading and locking is not overwritten."""
    lab.containerize(3)
    stale = replace(lab.row(1), status="running")
    kernel = lab.kernel()
    monkeypatch.setattr(kernel.history, "running", lambda _host, _owner: [stale])
    kernel.deployments()
    assert lab.row(1).status == "verified"
    assert lab.versions() == [1]


def test_a_kernel_reconciles_once(lab: Lab) -> None:
    """A kernel tidies up when it first looks, not while others work."""
    lab.session.deployments()
    row = _kill_while_starting(lab)
    lab.session.deployments()
    assert lab.row(row.version).status == "running"


def test_settings_give_the_limits(lab: Lab) -> None:
    """What a call leaves open the settings say."""
    lab.settings.memory = "128m"
    assert lab.session.limits(RunOptions()).memory_bytes == 128 * 1024**2
    assert lab.session.limits(RunOptions(memory="1m")).memory_bytes == 1024**2
