"""Other ways of deploying, timed as iterations: blocks, their phases, checks and endings."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jupyter_containeriter import progress
from jupyter_containeriter.errors import BusyError, NotFoundError, ParityError, UsageError
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.types import PHASES, Iteration

if TYPE_CHECKING:
    from session_bench import Lab

_METHOD = "docker build"


def _sum(row: Iteration) -> float:
    return sum(getattr(row, f"{phase}_seconds") or 0.0 for phase in PHASES)


def test_a_block_is_an_iteration(lab: Lab) -> None:
    """A block takes the next version of its name, holds what was given, and is deployed without an image."""
    with lab.session.iteration(
        "churn", _METHOD, params={"C": 1}, metrics={"auc": 0.5}, tags={"team": "risk"}, note="by hand"
    ) as it:
        assert lab.row(1).status == "running"
        it.metrics["auc"] = np.float64(0.75)
        it.note = "by hand, twice"
    row = lab.row(1)
    assert (row.status, row.method, row.image_digest, row.parity) == ("deployed", _METHOD, "", "")
    assert (row.params, row.metrics, row.tags, row.note) == (
        {"C": 1},
        {"auc": 0.75},
        {"team": "risk"},
        "by hand, twice",
    )
    assert it.version == 1


def test_phases_split_a_block_and_build_has_the_rest(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no phase claims counts as build; the phases are the whole of the block, and all of them of the cycle."""
    now = [time.monotonic()]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with lab.session.iteration("churn", _METHOD) as it:
        now[0] += 4
        with it.phase("load"):
            now[0] += 2
        with it.phase("build"):
            now[0] += 1
        now[0] += 3
        it.done()
        now[0] += 50
    row = lab.row(1)
    assert (row.build_seconds, row.load_seconds, row.start_seconds) == (8, 2, None)
    assert row.package_to_verified_seconds == 10
    assert row.cycle_seconds == pytest.approx(_sum(row))


def test_checked_predictions_verify(lab: Lab) -> None:
    """A block that compared predictions is verified; plain lists, as JSON has them, are compared with arrays."""
    with lab.session.iteration("churn", _METHOD) as it:
        assert it.check(np.array([1.0, 2.0]), [1.0, 2.0]).parity == "exact"
        it.check([1.0], [1.0 + 1e-9])
    row = lab.row(1)
    assert (row.status, row.parity) == ("verified", "close")
    assert row.max_abs_difference == pytest.approx(1e-9)


def test_other_predictions_fail(lab: Lab) -> None:
    """A block whose predictions differ ends failed, with both values in the message."""
    with pytest.raises(ParityError, match=r"expected 2\.0, got 9\.0"), lab.session.iteration("churn", _METHOD) as it:
        it.check([1.0, 2.0], [1.0, 9.0])
    row = lab.row(1)
    assert (row.status, row.parity) == ("failed", "failed")
    assert row.package_to_verified_seconds is None
    assert row.cycle_seconds == pytest.approx(_sum(row))


def test_a_caught_difference_is_no_proof(lab: Lab) -> None:
    """A block that catches the error of a check has proven nothing: it ends failed, also where a later check holds."""
    with lab.session.iteration("churn", _METHOD) as it:
        with pytest.raises(ParityError):
            it.check([1.0], [9.0])
        it.check([1.0], [1.0])
    row = lab.row(1)
    assert (row.status, row.parity, row.package_to_verified_seconds) == ("failed", "failed", None)
    assert "expected 1.0, got 9.0" in row.error


@pytest.mark.parametrize("word", ["params", "metrics", "tags"])
def test_what_is_no_mapping_is_told_after_the_record(lab: Lab, word: str) -> None:
    """A block that sets its params to something else is deployed all the same, and the mistake is told."""
    with pytest.raises(UsageError, match=f"{word} was set to None"), lab.session.iteration("churn", _METHOD) as it:
        setattr(it, word, None)
    assert (lab.row(1).status, getattr(lab.row(1), word)) == ("deployed", {})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no such file"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (asyncio.CancelledError(), "interrupted"),
    ],
)
def test_a_block_that_raises_is_recorded(lab: Lab, error: BaseException, status: str) -> None:
    """An error fails the iteration and an interrupt interrupts it; both go on, and what was set is kept."""
    it = lab.session.iteration("churn", _METHOD)
    it.metrics["auc"] = 0.5
    with pytest.raises(type(error)), it:
        raise error
    row = lab.row(1)
    assert (row.status, row.metrics) == (status, {"auc": 0.5})
    assert type(error).__name__ in row.error


def test_blocks_do_not_nest(lab: Lab) -> None:
    """A second block within the first is refused, and the first goes on."""
    first, second = (lab.session.iteration(name, _METHOD) for name in ("churn", "fraud"))
    with first, pytest.raises(UsageError, match="churn is being timed"), second:
        pass
    assert lab.row(1).status == "deployed"
    assert lab.session.history.names() == ["churn"]


def test_a_block_holds_its_name(lab: Lab) -> None:
    """Neither another kernel nor a call within the block works on its name meanwhile."""
    with lab.session.iteration("churn", _METHOD):
        with pytest.raises(BusyError, match="Somebody else is working on churn"):
            lab.kernel().containerize(lab.request(), RunOptions())
        with pytest.raises(BusyError, match="This kernel"):
            lab.containerize(3)
        assert len(lab.session.iterations()) == 1
    assert lab.row(1).status == "deployed"


@pytest.mark.parametrize("method", ["", " ", "containeriter"])
def test_a_method_says_how(lab: Lab, method: str) -> None:
    """A way of deploying has a name, and not ours."""
    with pytest.raises(UsageError, match="method="):
        lab.session.iteration("churn", method)


def test_phases_are_known_and_follow_one_another(lab: Lab) -> None:
    """An unknown phase, one within another and one after the end are refused."""
    with lab.session.iteration("churn", _METHOD) as it:
        with pytest.raises(UsageError, match="no phase"), it.phase("think"):
            pass
        with it.phase("build"), pytest.raises(UsageError, match="has not ended"), it.phase("load"):
            pass
        it.done()
        with pytest.raises(UsageError, match="done"), it.phase("load"):
            pass


def test_a_metric_that_is_no_number_is_told_after_the_record(lab: Lab) -> None:
    """The deployment is recorded all the same, without that metric."""
    with pytest.raises(UsageError, match="auc"), lab.session.iteration("churn", _METHOD) as it:
        it.metrics.update(auc="high", loss=1)  # type: ignore[dict-item]
    assert (lab.row(1).status, lab.row(1).metrics) == ("deployed", {"loss": 1.0})


def test_other_ways_are_never_rolled_back_to(lab: Lab) -> None:
    """Versions without an image of ours are no candidates of rollback and deploy; asked for by number, they say why."""
    lab.containerize(3)
    with lab.session.iteration("churn", _METHOD) as it:
        it.check([1], [1])
    lab.containerize(4)
    assert lab.session.rollback("churn").version == 1
    with pytest.raises(UsageError, match="another way"):
        lab.session.deploy("churn:2")
    with lab.session.iteration("fraud", _METHOD):
        pass
    with pytest.raises(NotFoundError):
        lab.session.deploy("fraud")
    lab.session.gc(0)
    assert lab.row(2).status == "verified"


def test_the_next_cycle_begins_where_the_block_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time after a block is the next iteration's, of either kind."""
    with lab.session.iteration("churn", _METHOD) as it:
        it.done()
        time.sleep(0.05)
    lab.session.containerize(lab.request(), RunOptions())
    row = lab.row(2)
    assert (row.think_seconds or 0) + (row.run_seconds or 0) >= 0.05
    assert row.cycle_seconds == pytest.approx(_sum(row))


def test_a_kernel_killed_in_a_block_leaves_an_interrupted_row(lab: Lab) -> None:
    """The next kernel ends the row with what its last sign of life told of its time."""
    block: Any = lab.session.iteration("churn", _METHOD)
    it = block.__enter__()
    with it.phase("load"):
        time.sleep(0.02)
    with it.phase("start"):
        block._held.close()  # The lock goes with its process, and nothing else is done.
        row = lab.kernel().iterations().iloc[0]
    assert (row["status"], row["error"]) == ("interrupted", "The kernel ended.")
    assert row["load_seconds"] >= 0.02
    assert np.isnan(row["start_seconds"])
    known = row[[f"{phase}_seconds" for phase in PHASES]].astype(float).sum()
    assert row["cycle_seconds"] == pytest.approx(known)
    assert row["finished_at"].timestamp() - row["started_at"].timestamp() == pytest.approx(known, abs=0.05)


def test_without_a_sign_of_life_the_row_ends_where_its_call_began(lab: Lab) -> None:
    """What is not known of a killed kernel counts as nothing."""
    block: Any = lab.session.iteration("churn", _METHOD)
    block.__enter__()
    block._held.close()
    for beat in (lab.settings.data_path / "locks").glob("*.beat"):
        beat.write_text("{")
    lab.kernel().iterations()
    row = lab.row(1)
    assert row.status == "interrupted"
    assert row.cycle_seconds == (row.think_seconds or 0) + (row.run_seconds or 0)
    assert row == replace(row, build_seconds=None)
