"""Everything at a glance: what is told of models, and what still is when something is away."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from session_bench import Lab

from jupyter_containeriter.errors import EngineUnreachableError
from jupyter_containeriter.overview import RECENT, overview, rows
from jupyter_containeriter.session import Session
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import RunSpec

_NOW = datetime(2030, 1, 1, tzinfo=UTC)


def model(lab: Lab, session: Session | None = None) -> dict[str, Any]:
    """Return what is told of the only model."""
    (found,) = overview(session or lab.session)["models"]
    model: dict[str, Any] = found
    return model


def test_nothing_is_told_of_nothing(lab: Lab) -> None:
    """And nothing is wrong."""
    document = overview(lab.session)
    assert (document["models"], document["problem"], document["remarks"]) == ([], None, [])
    assert document["engine"]["name"] == "fake"


def test_what_runs_is_told(lab: Lab) -> None:
    """Where it is and what it may be asked, never its token."""
    deployment = lab.containerize()
    live = model(lab)["live"]
    assert (live["version"], live["status"], live["parity"], live["running"]) == (1, "verified", "exact", True)
    assert (live["url"], live["proxy"]) == (deployment.url, "containeriter/proxy/churn/")
    assert json.loads(live["example"]) == json.loads(deployment.example)
    assert deployment.token not in json.dumps(overview(lab.session))


def test_what_was_loaded_into_a_running_container_is_told(lab: Lab) -> None:
    """It is the version that answers, not the one that the container was started with."""
    lab.containerize(3)
    lab.containerize(4, fresh=False)
    assert (model(lab)["live"]["version"], model(lab)["live"]["hot"]) == (2, True)


def test_a_container_that_has_ended_is_told(lab: Lab) -> None:
    """And stays as it is: who looks brings nothing back."""
    deployment = lab.containerize()
    assert deployment.container is not None
    lab.engine.exit(deployment.container.id, 1)
    assert (model(lab)["live"]["running"], model(lab)["live"]["url"]) == (False, "")
    (container,) = lab.running()
    assert not container.running


def test_what_was_stopped_is_told(lab: Lab) -> None:
    """Its iterations stay."""
    lab.containerize()
    lab.session.undeploy("churn")
    assert (model(lab)["live"], len(model(lab)["recent"])) == (None, 1)


def test_a_container_that_was_not_verified_yet_is_not_live(lab: Lab, tmp_path: Path) -> None:
    """It may turn out wrong."""
    session, image = lab.session, tiny_image(tmp_path)
    lab.engine.load(image)
    row = session.history.begin("churn", started_at=_NOW)
    lab.engine.run(image, RunSpec("churn", row.version, row.id, session.history.id))
    assert model(lab)["live"] is None


def test_the_last_iterations_are_told(lab: Lab) -> None:
    """Oldest first; all are counted."""
    for _ in range(RECENT + 3):
        lab.session.history.begin("churn", started_at=_NOW, method="by hand", owner="another")
    found = model(lab)
    assert found["total"] == RECENT + 3
    assert [row["version"] for row in found["recent"]] == list(range(4, RECENT + 4))
    assert [row["version"] for row in rows(lab.session, "churn", 2, before=4)] == [3, 2]


def test_params_wait_until_they_are_asked_for(lab: Lab) -> None:
    """An overview is sent after every change, and models have hundreds of them."""
    lab.containerize(params={"depth": 3})
    assert "params" not in model(lab)["last"]
    assert set(model(lab)["recent"][0]) == {"version", "status", "seconds", "note"}
    assert rows(lab.session, "churn", 1)[0]["params"]["depth"] == 3


def test_numbers_are_what_browsers_can_read(lab: Lab) -> None:
    """There is no NaN in JSON, wherever it was recorded."""
    params = {"rate": math.inf, "sizes": [1, math.nan], "more": {"deep": -math.inf}}
    lab.containerize(metrics={"loss": math.nan, "gain": 0.5}, params=params)
    (row,) = rows(lab.session, "churn", 1)
    assert row["metrics"] == model(lab)["last"]["metrics"] == {"loss": None, "gain": 0.5}
    assert (row["params"]["rate"], row["params"]["sizes"], row["params"]["more"]) == (None, [1, None], {"deep": None})
    json.dumps([overview(lab.session), row], allow_nan=False)


def test_what_can_be_restored_is_told(lab: Lab) -> None:
    """As long as its image is in the cache."""
    lab.containerize(3)
    lab.containerize(4)
    lab.session.cache.blob(lab.row(1).image_digest).unlink()
    assert [row["restorable"] for row in rows(lab.session, "churn", 2)] == [True, False]
    assert [row["deployable"] for row in rows(lab.session, "churn", 2)] == [True, True]


def test_what_failed_cannot_be_restored(lab: Lab) -> None:
    """It was never proven."""
    lab.containerize()
    lab.session.history.update(replace(lab.row(1), status="failed"))
    assert not model(lab)["last"]["restorable"]


def test_what_has_no_image_cannot_be_deployed(lab: Lab) -> None:
    """As a block that was timed, whatever it deployed."""
    with lab.session.iteration("churn", "by hand") as block:
        block.check(1.0, 1.0)
    assert (model(lab)["last"]["status"], model(lab)["last"]["deployable"]) == ("verified", False)


def test_a_call_that_failed_took_what_its_phases_did(lab: Lab) -> None:
    """As far as it got; what was verified took what was measured around it."""
    lab.containerize()
    row = lab.row(1)
    assert model(lab)["recent"][0]["seconds"] == row.package_to_verified_seconds
    phases = {"capture_seconds": 1.0, "build_seconds": 0.5, "load_seconds": None, "start_seconds": None}
    lab.session.history.update(
        replace(row, status="failed", package_to_verified_seconds=None, verify_seconds=None, **phases)
    )
    assert model(lab)["recent"][0]["seconds"] == 1.5


def begun(lab: Lab) -> Any:
    """Begin an iteration as a kernel does that works on it now."""
    session = lab.session
    row = session.history.begin("churn", started_at=_NOW, host=session.host)
    session.locks.heartbeat("churn").beat(row.id, {"capture": 1.0, "build": 0.5})
    return row


def test_work_is_told_with_its_phase(lab: Lab) -> None:
    """While somebody holds the name."""
    with lab.session.locks.exclusive("churn"):
        begun(lab)
        working = model(lab, lab.kernel())["working"]
    assert (working["version"], working["phase"], working["seconds"]) == (1, "build", {"capture": 1.0, "build": 0.5})


def test_a_kernel_that_was_killed_works_no_more(lab: Lab) -> None:
    """Its iteration is told as interrupted; the row is left to the next kernel."""
    begun(lab)
    found = model(lab)
    assert found["working"] is None
    assert (found["last"]["status"], found["last"]["build_seconds"]) == ("interrupted", 0.5)
    assert lab.row(1).status == "running"


def test_what_others_work_on_elsewhere_is_left_as_it_is(lab: Lab) -> None:
    """Nobody here can tell whether they still do."""
    lab.session.history.begin("churn", started_at=_NOW, host="elsewhere", owner="another")
    assert (model(lab)["working"], model(lab)["recent"][0]["status"]) == (None, "running")


def test_an_engine_that_does_not_answer(lab: Lab) -> None:
    """It is the problem; iterations are told all the same."""
    lab.containerize()
    lab.engine.fail("describe", EngineUnreachableError("Docker is gone."), times=10)
    lab.engine.fail("containers", EngineUnreachableError("Docker is gone."), times=10)
    document = overview(lab.session)
    assert document["engine"] is None
    assert document["problem"]["message"] == "Docker is gone."
    assert "systemctl" in document["problem"]["remedy"]
    assert (document["models"][0]["live"], document["models"][0]["total"]) == (None, 1)


@pytest.mark.parametrize("content", [b"no history at all", None])
def test_a_history_that_is_away(lab: Lab, content: bytes | None) -> None:
    """What runs is told, with what to do about the history."""
    lab.containerize()
    session = lab.kernel()
    lab.session.history.close()
    location = Path(lab.settings.history_location)
    for suffix in ("-wal", "-shm"):
        location.with_name(location.name + suffix).unlink(missing_ok=True)
    if content is None:
        location.unlink()
        location.mkdir()
    else:
        location.write_bytes(content)
    document = overview(session)
    assert str(location) in document["problem"]["message"]
    assert document["problem"]["remedy"]
    assert [(found["name"], found["live"]["version"]) for found in document["models"]] == [("churn", 1)]


def test_what_waits_for_the_history_is_said(lab: Lab) -> None:
    """Once, in words."""
    Path(lab.settings.data_path).mkdir(parents=True, exist_ok=True)
    Path(lab.settings.history_location).write_bytes(b"no history at all")
    lab.session.history.begin("churn", started_at=_NOW)
    document = overview(lab.session)
    assert document["remarks"] == ["1 row waits for the history, and is written once it works."]
    assert document["models"][0]["total"] == 1
