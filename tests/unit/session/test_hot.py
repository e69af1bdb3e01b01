"""Hot redeploy: the running container takes the next version where only the model changed, and another starts else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from session_bench import Lab

from jupyter_containeriter.errors import EngineError, NotFoundError, ParityError
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.progress import Silent
from jupyter_containeriter.road.stored import stored_document
from jupyter_containeriter.types import RunSpec


class Notes(Silent):
    """Keeps what was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)


def _wrong(outputs: list[dict[str, Any]]) -> None:
    outputs[0]["data"][-1] += 1


@pytest.fixture
def hot(lab: Lab) -> Lab:
    """Run a first version."""
    lab.containerize(3)
    return lab


def test_a_changed_model_goes_into_the_running_container(hot: Lab) -> None:
    """Container, address and token stay; version, predictions and the row are the new ones."""
    before = hot.session.deployments()[0]
    after = hot.containerize(4, fresh=False)
    assert (after.container.id, after.url, after.token) == (before.container.id, before.url, before.token)
    assert (after.version, after.predict([1, 2])) == (2, [4, 8])
    assert (hot.row(2).hot, hot.row(2).status, hot.row(2).parity) == (True, "verified", "exact")
    assert not hot.row(1).hot


def test_the_engine_has_the_image_of_a_hot_version(hot: Lab) -> None:
    """What runs can be started from its exact image at any time."""
    hot.containerize(4, fresh=False)
    assert hot.session.deploy("churn:2", fresh=True).predict([1, 2]) == [4, 8]
    assert hot.engine.spec(hot.running()[0].id).version == 2


def test_other_kernels_see_the_version_that_serves(hot: Lab) -> None:
    """The promise tells what the engine's label cannot."""
    hot.containerize(4, fresh=False)
    (found,) = hot.kernel().deployments()
    assert (found.version, found.predict([1, 2])) == (2, [4, 8])


def test_a_handle_of_the_version_before_still_means_that_version(hot: Lab) -> None:
    """A deployment keeps to its version, as long as the server holds it."""
    before = hot.session.deployments()[0]
    hot.containerize(4, fresh=False)
    assert before.predict([1, 2]) == [3, 6]


def test_a_handle_of_the_version_before_stops_nothing(hot: Lab) -> None:
    """Its container is another version's by now."""
    before = hot.session.deployments()[0]
    after = hot.containerize(4, fresh=False)
    with pytest.raises(NotFoundError, match="serves version 2"):
        before.stop()
    assert after.predict([1, 2]) == [4, 8]
    after.stop()
    assert hot.running() == []


def test_rolling_back_switches_to_what_is_held(hot: Lab) -> None:
    """A version in memory is verified and switched to; its image is not even asked for."""
    hot.containerize(4, fresh=False)
    hot.engine.fail("load", EngineError("The engine is tired."))
    back = hot.session.rollback("churn")
    assert (back.version, back.predict([1, 2]), back.load) == (1, [3, 6], None)
    assert hot.servers.holds(back.container.port)[0] == "1"


def test_rolling_back_loads_what_is_no_longer_held(hot: Lab) -> None:
    """A version that the server let go of is read from the layers of its image."""
    latest = hot.containerize(4, fresh=False)
    hot.servers.restart(latest.container.port)
    assert hot.session.deploy("churn:2").predict([1, 2]) == [4, 8]
    assert hot.servers.holds(latest.container.port) == ("2", {"1", "2"})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"memory": "123m"}, "A new container: limits changed."),
        ({"token": False}, "A new container: whether there is a token changed."),
        ({"fresh": True}, ""),
    ],
)
def test_another_way_to_run_needs_another_container(hot: Lab, change: dict[str, Any], named: str) -> None:
    """What a container fixes when it starts cannot change in it; the reason is told."""
    before, notes = hot.running()[0], Notes()
    after = hot.containerize(4, notes, **{"fresh": False, **change})
    assert after.container.id != before.id
    assert not hot.row(2).hot
    assert any(named in note for note in notes.notes)


def test_another_port_needs_another_container(hot: Lab, port: int) -> None:
    """An engine publishes a port when a container starts."""
    notes = Notes()
    assert hot.containerize(4, notes, fresh=False, port=port).url.endswith(f":{port}")
    assert "A new container: the port changed." in notes.notes


def test_an_address_once_asked_for_stays(lab: Lab, port: int) -> None:
    """Who gave a port keeps it in later iterations that give none, in the same container."""
    first = lab.containerize(3, port=port)
    second = lab.containerize(4, fresh=False)
    assert (second.url, second.container.id) == (first.url, first.container.id)


def test_changed_local_code_needs_another_container(own_lab: Lab, tmp_path: Path) -> None:
    """A server that imported a module cannot import another one of that name."""
    own_lab.containerize(3)
    notes = Notes()
    promise = own_lab.session.handles.promise("churn")
    assert promise is not None
    handle = own_lab.session.handles.read(promise.container)
    handle.traits["local code"] = "sha256:other"  # type: ignore[index]
    own_lab.session.handles.save(promise.container, handle)
    own_lab.containerize(4, notes, fresh=False)
    assert "A new container: local code changed." in notes.notes


def test_a_name_keeps_its_address_and_token(hot: Lab) -> None:
    """Clients go on as before, also when another container answers."""
    before = hot.session.deployments()[0]
    after = hot.containerize(4, fresh=True)
    assert (after.url, after.token) == (before.url, before.token)
    hot.session.undeploy("churn")
    assert hot.containerize(5).url == before.url


def test_a_port_that_was_asked_for_once_is_kept(hot: Lab, port: int) -> None:
    """However many iterations that give none follow, and whatever happens to their containers."""
    hot.containerize(4, port=port)
    for k in (5, 6):
        last = hot.containerize(k)
        assert last.container.port == port
    hot.engine.exit(last.container.id, 1)
    (found,) = hot.session.deployments()
    assert (found.container.port, found.predict([1, 2])) == (port, [6, 12])


def test_a_port_that_passes_on_is_told_with_its_gap(hot: Lab) -> None:
    """One line says how long nobody answered."""
    notes = Notes()
    hot.containerize(4, notes, fresh=True)
    assert any("passed to the new container; it did not answer for" in note for note in notes.notes)


def test_a_container_that_does_not_take_the_model_is_replaced(hot: Lab) -> None:
    """Where the running server refuses, a new container starts, and the words of the server are told."""
    hot.servers.refusal = 507
    notes = Notes()
    deployment = hot.containerize(4, notes, fresh=False)
    assert (deployment.predict([1, 2]), hot.row(2).hot) == ([4, 8], False)
    assert any("did not take the model: The server answered 507: not this one" in note for note in notes.notes)


def test_a_hot_version_that_predicts_otherwise_is_tried_alone_and_fails(hot: Lab) -> None:
    """It never serves; the live version does, and the server forgets the other one."""
    hot.servers.changes.append(_wrong)
    with pytest.raises(ParityError):
        hot.containerize(4, fresh=False)
    hot.servers.changes.clear()
    assert (hot.row(2).status, hot.row(2).parity) == ("failed", "failed")
    (live,) = hot.session.deployments()
    assert (live.version, live.predict([1, 2])) == (1, [3, 6])
    assert hot.servers.holds(live.container.port) == ("1", {"1"})


def test_an_image_that_cannot_be_loaded_fails_a_hot_version(hot: Lab) -> None:
    """No version serves whose exact image the engine does not hold."""
    hot.engine.fail("load", EngineError("The engine is full."))
    with pytest.raises(EngineError, match="full"):
        hot.containerize(4, fresh=False)
    (live,) = hot.session.deployments()
    assert (live.version, hot.servers.holds(live.container.port)) == (1, ("1", {"1"}))


def test_an_interrupt_beside_a_hot_load_leaves_the_live_version(hot: Lab) -> None:
    """What was loaded and not promoted is forgotten."""

    class Interrupts(Silent):
        def started(self, phase: str) -> None:
            if phase == "verify":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hot.containerize(4, Interrupts(), fresh=False)
    assert hot.row(2).status == "interrupted"
    assert hot.servers.holds(hot.running()[0].port) == ("1", {"1"})


# --- reconciliation ------------------------------------------------------------------------------------------------


def test_a_restarted_container_gets_its_promised_version_back(hot: Lab) -> None:
    """A container that was started again serves its first version; looking at deployments brings the promised one."""
    live = hot.containerize(4, fresh=False)
    hot.servers.restart(live.container.port)
    (found,) = hot.session.deployments()
    assert (found.version, found.container.id, found.predict([1, 2])) == (2, live.container.id, [4, 8])
    assert hot.servers.holds(live.container.port)[0] == "2"


def test_an_ended_container_is_started_again_from_the_exact_image(hot: Lab) -> None:
    """After an engine restart the promised version runs again, at its address, with its token."""
    live = hot.containerize(4, fresh=False)
    hot.engine.exit(live.container.id, 137)
    (found,) = hot.kernel().deployments()
    assert (found.version, found.url, found.token, found.predict([1, 2])) == (2, live.url, live.token, [4, 8])
    assert found.container.id != live.container.id


def test_what_memory_was_too_small_for_is_not_started_again(hot: Lab) -> None:
    """It would end the same way; it is listed as ended."""
    live = hot.running()[0]
    hot.engine.exit(live.id, 137, oom_killed=True)
    kernel = hot.kernel()
    (found,) = kernel.deployments()
    assert (found.container.id, found.url) == (live.id, "")
    (remark,) = kernel.remarks()
    assert "churn:1 used more memory than it may" in remark


def test_what_cannot_be_brought_back_is_said(hot: Lab) -> None:
    """The rest of the deployments is listed all the same."""
    hot.engine.exit(hot.running()[0].id, 1)
    hot.engine.fail("run", EngineError("The engine is full."), times=2)
    kernel = hot.kernel()
    assert [deployment.url for deployment in kernel.deployments()] == [""]
    assert kernel.remarks() == ["churn does not serve the version it should: The engine is full."]


def test_a_kernel_killed_before_the_switch_is_finished_by_the_next(hot: Lab) -> None:
    """A verified version that was promised is switched to, though the kernel that promised it is gone."""
    live = hot.containerize(4, fresh=False)
    hot.servers.switch_back(live.container.port)
    (found,) = hot.kernel().deployments()
    assert (found.version, hot.servers.holds(found.container.port)[0]) == (2, "2")


def test_a_server_that_ends_before_the_switch_is_replaced(hot: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verified version gets a container of its own, from its exact image."""

    def gone(*_: object) -> None:
        hot.engine.exit(hot.running()[0].id, 137)
        raise EngineError("The server does not answer.")

    monkeypatch.setattr("jupyter_containeriter.management.ManagementClient.switch", gone)
    deployment = hot.containerize(4, fresh=False)
    assert (deployment.predict([1, 2]), deployment.container.version, len(hot.running())) == ([4, 8], 2, 1)


def test_a_candidate_that_ends_the_server_does_not_take_the_live_version_along(
    hot: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The iteration fails, and the version before serves again at its address."""
    before = hot.session.deployments()[0]

    def ends(*_: object) -> None:
        hot.engine.exit(before.container.id, 1)
        hot.engine.exit_at_start(1, "Segmentation fault")
        raise EngineError("The server does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr("jupyter_containeriter.management.ManagementClient.load", ends)
        with pytest.raises(EngineError, match="Segmentation fault"):
            hot.containerize(4, fresh=False)
    (live,) = hot.session.deployments()
    assert (live.version, live.url, live.predict([1, 2])) == (1, before.url, [3, 6])


def test_a_candidate_that_takes_all_memory_does_not_take_the_live_version_along(
    hot: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not the live version that took too much: that one serves again at its address."""
    before = hot.session.deployments()[0]

    def ends(*_: object) -> None:
        hot.engine.exit(before.container.id, 137, oom_killed=True)
        hot.engine.exit_at_start(137)
        raise EngineError("The server does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr("jupyter_containeriter.management.ManagementClient.load", ends)
        with pytest.raises(EngineError, match="exit code 137"):
            hot.containerize(4, fresh=False)
    (live,) = hot.session.deployments()
    assert (live.version, live.url, live.predict([1, 2])) == (1, before.url, [3, 6])


def test_a_rollback_that_ends_the_server_does_not_take_the_live_version_along(
    hot: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version that served before the attempt serves again."""
    hot.containerize(4, fresh=False)
    live = hot.containerize(5, fresh=False)
    hot.servers.restart(live.container.port)
    hot.session.deploy("churn:3")

    def ends(*_: object) -> None:
        hot.engine.exit(live.container.id, 1)
        hot.engine.exit_at_start(1, "Segmentation fault")
        raise EngineError("The server does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr("jupyter_containeriter.management.ManagementClient.load", ends)
        with pytest.raises(EngineError, match="Segmentation fault"):
            hot.session.rollback("churn")
    (found,) = hot.session.deployments()
    assert (found.version, found.url, found.predict([1, 2])) == (3, live.url, [5, 10])


def test_looking_at_what_is_well_holds_no_name(hot: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that lists deployments does not turn another one away that is about to work on a name."""
    kernel = hot.kernel()
    kernel.deployments()
    monkeypatch.setattr(kernel.locks, "exclusive", None)
    assert [deployment.version for deployment in kernel.deployments()] == [1]


def test_what_ran_out_of_memory_through_a_candidate_comes_back(hot: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was the candidate's memory: the version before serves again."""
    before = hot.session.deployments()[0]

    def ends(*_: object) -> None:
        hot.engine.exit(before.container.id, 137, oom_killed=True)
        hot.engine.exit_at_start(137, "Killed")
        raise EngineError("The server does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr("jupyter_containeriter.management.ManagementClient.load", ends)
        with pytest.raises(EngineError):
            hot.containerize(4, fresh=False)
    assert hot.session.deployments()[0].url == before.url


def test_a_version_that_cannot_be_promised_does_not_serve(hot: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be noted what serves, nothing is switched or stopped, hot or not."""

    def full(*_: object) -> None:
        raise EngineError("The disk is full.")

    for fresh in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr("jupyter_containeriter.handles.HandleStore.promote", full)
            with pytest.raises(EngineError, match="disk is full"):
                hot.containerize(4, fresh=fresh)
        (live,) = hot.session.deployments()
        assert (live.version, hot.servers.holds(live.container.port)[0], len(hot.running())) == (1, "1", 1)


def test_an_interrupt_while_promises_are_kept_is_one(hot: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the command, and is no sentence about it."""
    hot.engine.exit(hot.running()[0].id, 1)
    hot.engine.fail("run", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        hot.kernel().deployments()


def test_what_was_stopped_on_purpose_stays_so_until_deployments_are_asked_for(hot: Lab) -> None:
    """Other commands start nothing; %deployments does, and says how to stop it."""
    hot.engine.exit(hot.running()[0].id, 143)
    kernel = hot.kernel()
    kernel.iterations()
    assert not any(container.running for container in hot.running())
    assert kernel.deployments()[0].url
    assert kernel.remarks() == ["churn:1 had ended and was brought back; to stop it, say %undeploy churn."]


def test_a_container_removed_from_outside_is_told(hot: Lab) -> None:
    """The promise is remembered; undeploying forgets it."""
    hot.engine.stop(hot.running()[0].id)
    kernel = hot.kernel()
    assert kernel.deployments() == []
    assert kernel.remarks() == ["The container of churn was removed from outside; to have it again, say %deploy churn."]
    kernel.deploy("churn:1")
    kernel.undeploy("churn")
    kernel.deployments()
    assert kernel.remarks() == []


def test_a_promise_of_a_newer_release_is_understood(hot: Lab) -> None:
    """What is not known is left out."""
    note = hot.settings.data_path / "handles" / "promoted" / "churn"
    note.write_text(note.read_text()[:-1] + ', "new": 1}')
    assert [deployment.version for deployment in hot.session.deployments()] == [1]


def test_a_port_is_found_again_after_it_could_not_be_moved_to(hot: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure does not move a name for good."""
    before = hot.session.deployments()[0]
    run, calls = hot.engine.run, []

    def fails_once(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise EngineError("The port is in use.")
        return run(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(hot.engine, "run", fails_once)
        assert hot.containerize(4).url != before.url
    assert hot.containerize(5).url == before.url


def test_what_a_killed_kernel_left_in_a_server_is_not_taken_for_a_version(hot: Lab) -> None:
    """A candidate of the same number is loaded again."""
    port = hot.running()[0].port
    hot.servers.leave_candidate(port, "2")
    assert hot.containerize(4, fresh=False).predict([1, 2]) == [4, 8]


def test_rolling_back_looks_at_what_serves(hot: Lab) -> None:
    """A container that another kernel left beside it, however new, is not what one rolls back from."""
    hot.containerize(4)
    left = hot.containerize(5, deploy=False)
    image, _ = stored_document(hot.session.cache, left.iteration)
    assert image is not None
    hot.engine.run(image, RunSpec("churn", 3, left.iteration.id, hot.session.history.id))
    assert hot.session.rollback("churn").version == 1


def test_what_was_removed_from_outside_is_missed_until_it_is_undeployed(hot: Lab) -> None:
    """Nothing runs, which is said; from then on nobody expects it to."""
    hot.engine.stop(hot.running()[0].id)
    kernel = hot.kernel()
    assert kernel.deployments() == []
    assert kernel.remarks() == ["The container of churn was removed from outside; to have it again, say %deploy churn."]
    with pytest.raises(NotFoundError, match="No container of churn runs"):
        kernel.undeploy("churn")
    kernel.deployments()
    assert kernel.remarks() == []


def test_a_held_version_that_does_not_answer_is_loaded_once_more(hot: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that never ends may be why one rolls back; it must not stand in the way."""
    hot.containerize(4, fresh=False)
    monkeypatch.setattr("jupyter_containeriter.road.hot._HELD_SECONDS", 0.2)
    port = hot.running()[0].port
    hot.servers.hang(port, "1")
    back = hot.session.rollback("churn")
    assert (back.version, back.hot, back.predict([1, 2])) == (1, True, [3, 6])


def test_clients_that_have_to_change_are_told_of(hot: Lab) -> None:
    """A version that takes other inputs says so; one that takes the same does not."""
    notes = Notes()
    hot.session.containerize(hot.request(4, sample=[[1.0, 2.0]]), RunOptions(), notes)
    assert notes.notes == ["churn:2 takes other inputs than the version before: its clients have to know."]


def test_a_port_that_something_else_took_is_told(hot: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients would go on asking the stranger."""
    before = hot.session.deployments()[0]
    hot.session.undeploy("churn")
    own = int(before.url.rpartition(":")[2])
    monkeypatch.setattr("jupyter_containeriter.road.ports.is_free", lambda port: port != own)
    notes = Notes()
    assert hot.containerize(4, notes).url != before.url
    assert any(f"Something else listens on port {own} of churn" in note for note in notes.notes)


def test_there_is_nothing_to_roll_back_where_nothing_runs(hot: Lab) -> None:
    """Rolling back never goes forward."""
    hot.containerize(4)
    hot.session.undeploy("churn")
    with pytest.raises(NotFoundError, match="No container of churn runs"):
        hot.session.rollback("churn")
