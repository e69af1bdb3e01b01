"""A load test of a session's container; tests/integration does it in notebooks, with engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_containeriter import inprocess
from jupyter_containeriter.errors import (
    ContainerIterError,
    EngineError,
    IterationInterruptedError,
    NotFoundError,
    UsageError,
)
from jupyter_containeriter.measurement import LoadTest
from jupyter_containeriter.progress import Silent
from jupyter_containeriter.session import RunOptions, Session

if TYPE_CHECKING:
    from session_bench import Lab

_SHORT = 0.5


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel predict for a moment only."""
    monkeypatch.setattr(inprocess, "_BLOCK_SECONDS", 0.02)


class Doing(Silent):
    """Does something once answers come."""

    def __init__(self, deed: Any) -> None:
        self._deed = deed

    def detail(self, text: str) -> None:
        """Do it."""
        if "answers" in text and not text.endswith(" 0 answers"):
            self._deed()


def _measured(session: Session, *connections: int, progress: Silent | None = None) -> LoadTest:
    return session.loadtest("churn", _SHORT, connections or (1,), progress)


def test_columns_have_types_and_units(lab: Lab) -> None:
    """The frame has the same columns and types whatever happened."""
    lab.containerize()
    measured = _measured(lab.session, 2, 1)
    assert list(measured.frame["connections"]) == [1, 2]
    types = {column: str(kind) for column, kind in measured.frame.dtypes.items()}
    assert {column for column, kind in types.items() if kind == "Int64"} == {
        "connections",
        "requests",
        "errors",
        "refused",
        "memory_bytes",
    }
    assert types["statuses"] == "string"
    assert all(kind == "float64" for column, kind in types.items() if column.endswith(("_seconds", "_fraction")))
    assert set(measured.usage.columns) == {
        "at_seconds",
        "connections",
        "cpu_fraction",
        "memory_bytes",
        "machine_cpu_fraction",
    }


def test_levels_are_recorded(lab: Lab) -> None:
    """The history has a row for each number of connections, as the frame has, and None for what is not known."""
    lab.containerize()
    measured = _measured(lab.session, 1, 2)
    loads = lab.session.history.loads("churn")
    assert loads["connections"].tolist() == [1, 2]
    assert loads["requests"].tolist() == measured.frame["requests"].tolist()
    assert loads["p99_seconds"].tolist() == measured.frame["p99_seconds"].tolist()
    assert loads["test"].nunique() == 1
    assert set(loads["version"]) == {1}


def test_rows_are_compared_with_the_kernel(lab: Lab) -> None:
    """The model is still there: its own predictions of the same rows are timed before and after."""
    deployment = lab.session.containerize(request := lab.request())
    measured = _measured(lab.session)
    assert measured.version == deployment.version
    assert measured.rows == len(request.sample)
    assert measured.kernel is not None
    assert len(measured.kernel.before) > 0
    assert len(measured.kernel.after) > 0
    row = measured.frame.iloc[0]
    assert row["added_p50_seconds"] == row["p50_seconds"] - measured.kernel.p50_seconds


def test_a_model_that_is_gone_is_no_guess(lab: Lab) -> None:
    """Nothing keeps the model alive, and without it there is no comparison: not a number, and a sentence."""
    lab.containerize()
    measured = _measured(lab.session)
    assert measured.kernel is None
    assert measured.frame["kernel_p50_seconds"].isna().all()
    assert measured.frame["added_p50_seconds"].isna().all()
    assert measured.frame["p50_seconds"].notna().all()
    assert "No comparison with the kernel" in measured.text()


def test_another_kernel_has_no_model(lab: Lab) -> None:
    """A new kernel measures the container all the same."""
    lab.session.containerize(request := lab.request())
    measured = _measured(lab.kernel())
    assert request.model is not None
    assert (measured.kernel, measured.frame["requests"][0] > 0) == (None, True)


def test_a_version_that_was_rolled_back_to_is_not_compared(lab: Lab) -> None:
    """What the kernel holds is the version after it."""
    first, second = lab.request(3), lab.request(4)
    for request in (first, second):
        lab.session.containerize(request)
    assert _measured(lab.session).kernel is not None
    lab.session.rollback("churn")
    assert _measured(lab.session).kernel is None


def test_a_model_that_changed_is_not_compared(lab: Lab) -> None:
    """The same object predicts something else by now."""
    lab.session.containerize(request := lab.request(3))
    request.model.k = 4
    assert _measured(lab.session).kernel is None


def test_a_sample_without_rows_is_sent_whole(lab: Lab) -> None:
    """A mapping has no rows to take one by one."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("class Total:\n    def predict(self, data): return [sum(data['a'])]", namespace)
    request = lab.request(sample={"a": [1, 2]})
    object.__setattr__(request, "model", namespace["Total"]())
    lab.session.containerize(request)
    measured = _measured(lab.session)
    assert measured.rows == 0
    assert measured.kernel is not None
    assert "whole sample" in measured.text()


@pytest.mark.parametrize(
    ("seconds", "connections"),
    [(0.4, (1,)), (601, (1,)), (float("nan"), (1,)), (1, ()), (1, (0,)), (1, (1, 257)), (1, (-1,))],
)
def test_what_is_out_of_bounds_is_refused(lab: Lab, seconds: float, connections: tuple[int, ...]) -> None:
    """Before anything is looked for, and with the bounds."""
    with pytest.raises(UsageError) as caught:
        lab.session.loadtest("churn", seconds, connections)
    assert "to" in caught.value.remedy


def test_nothing_runs(lab: Lab) -> None:
    """There is nothing to test."""
    with pytest.raises(NotFoundError, match="No container of churn runs"):
        _measured(lab.session)


def test_a_container_that_has_ended_is_not_tested(lab: Lab) -> None:
    """It has no port."""
    deployment = lab.containerize()
    assert deployment.container is not None
    lab.engine.exit(deployment.container.id, 137, oom_killed=True)
    with pytest.raises(NotFoundError, match="No container of churn runs"):
        _measured(lab.session)


def test_without_a_sample_there_is_nothing_to_send(lab: Lab) -> None:
    """The remedy says how to give one."""
    lab.session.containerize(lab.request(sample=None), RunOptions())
    with pytest.raises(UsageError, match="without a sample"):
        _measured(lab.session)


def test_a_container_that_answers_nothing_is_told(lab: Lab) -> None:
    """Neither a row nor the whole sample is answered: there is nothing to measure."""
    lab.containerize()
    lab.servers.changes.append(lambda outputs: outputs.clear())
    with pytest.raises(EngineError, match="no prediction"):
        _measured(lab.session)


def test_a_container_that_goes_away_is_part_of_the_result(lab: Lab) -> None:
    """What was measured until then is kept; the engine says why it ended."""
    deployment = lab.containerize()
    assert deployment.container is not None
    ended: list[str] = []

    def kill() -> None:
        if not ended:
            ended.append(deployment.container.id)
            lab.engine.exit(ended[0], 137, oom_killed=True)
            lab.servers.close()

    measured = lab.session.loadtest("churn", 30, (1, 4), Doing(kill))
    assert list(measured.frame["connections"]) == [1]
    assert measured.failed
    assert "used more than" in measured.ended
    assert "went away at 1 connection" in measured.finding
    assert measured.ended in measured.text()


def test_a_container_that_is_replaced_meanwhile_is_told(lab: Lab) -> None:
    """Nothing failed: somebody else stopped it."""
    deployment = lab.containerize()
    assert deployment.container is not None
    stopped: list[str] = []

    def stop() -> None:
        if not stopped:
            stopped.append(deployment.container.id)
            lab.engine.stop(stopped[0])
            lab.servers.close()

    assert "stopped or replaced" in lab.session.loadtest("churn", 30, (1,), Doing(stop)).ended


def test_an_interrupt_is_told_in_two_lines(lab: Lab) -> None:
    """No traceback, and nothing runs on."""
    lab.containerize()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(IterationInterruptedError, match="during container"):
        _measured(lab.session, progress=Doing(interrupt))


def test_usage_that_cannot_be_asked_does_not_fail_the_test(lab: Lab) -> None:
    """The engine stops answering: latencies are what was asked for."""
    lab.containerize()
    lab.engine.fail("stats", ContainerIterError("no"), times=1)
    measured = _measured(lab.session)
    assert measured.usage.empty
    assert measured.frame["cpu_fraction"].isna().all()
    assert measured.frame["memory_bytes"].isna().all()
    assert measured.plot().get_suptitle() == f"churn:1: {measured.finding}".replace("\n", " ")


def test_the_document_is_json_without_a_token(lab: Lab) -> None:
    """A shell gets levels and usage; what is not known is null."""
    deployment = lab.containerize()
    document = _measured(lab.session).document()
    text = json.dumps(document, allow_nan=False)
    assert deployment.token not in text
    assert document["levels"][0]["kernel_p50_seconds"] is None
    assert document["levels"][0]["connections"] == 1
