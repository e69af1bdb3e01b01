"""Thinking and running time between iterations, on a clock the test moves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from jupyter_containeriter import clock as module
from jupyter_containeriter.clock import CellClock
from jupyter_containeriter.progress import PhaseTimes, Silent

Pass = Callable[[float], None]


@pytest.fixture
def let_pass(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Let time stand still except where the test lets it pass."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def let_pass(seconds: float) -> None:
        now[0] += seconds

    return let_pass


def _run_cell(clock: CellClock, let_pass: Pass, seconds: float) -> None:
    clock.cell_started()
    let_pass(seconds)
    clock.cell_ended()


def test_idle_time_is_thinking(let_pass: Pass) -> None:
    """Time in which no cell runs is thinking, time in cells is running."""
    clock = CellClock()
    let_pass(5)
    _run_cell(clock, let_pass, 2)
    let_pass(1)
    assert clock.read("churn") == (6, 2)


def test_the_running_cell_counts(let_pass: Pass) -> None:
    """The cell that asks counts as running up to that moment."""
    clock = CellClock()
    let_pass(5)
    clock.cell_started()
    let_pass(2)
    assert clock.read("churn") == (5, 2)


def test_each_name_has_its_own_time(let_pass: Pass) -> None:
    """Marking one name leaves the time of others alone."""
    clock = CellClock()
    let_pass(5)
    clock.mark("churn")
    let_pass(3)
    assert clock.read("churn") == (3, 0)
    assert clock.read("fraud") == (8, 0)


def test_a_mark_within_a_cell_divides_it(let_pass: Pass) -> None:
    """What a cell runs after the mark belongs to the next iteration."""
    clock = CellClock()
    clock.cell_started()
    let_pass(2)
    clock.mark("churn")
    let_pass(3)
    clock.cell_ended()
    let_pass(4)
    assert clock.read("churn") == (4, 3)


def test_a_cell_that_ends_unseen_counts_nothing(let_pass: Pass) -> None:
    """The end of a cell whose start was not seen (loading the extension) adds nothing."""
    clock = CellClock()
    let_pass(2)
    clock.cell_ended()
    assert clock.read("churn") == (2, 0)


def test_phases_are_the_whole_time(let_pass: Pass) -> None:
    """Parts of a phase add up, a part that fails counts with what it took, and what lies between prepares the next."""
    times = PhaseTimes(Silent())
    let_pass(1)
    with times.phase("start"):
        let_pass(1)
    let_pass(10)
    with suppress(ValueError), times.phase("verify"):
        let_pass(2)
        raise ValueError
    let_pass(4)
    assert times.close() == 18
    assert times.seconds == {"start": 2, "verify": 16}
    assert times.current == "verify"


def test_time_without_a_phase_may_belong_to_one(let_pass: Pass) -> None:
    """With ``rest``, all time without a phase is that one's."""
    times = PhaseTimes(Silent(), rest="build")
    let_pass(1)
    with times.phase("start"):
        let_pass(2)
    let_pass(4)
    times.close()
    assert times.seconds == {"build": 5, "start": 2}


def test_progress_hears_of_phases(let_pass: Pass) -> None:
    """Progress hears the beginning and the end of each phase, with its time."""
    heard: list[object] = []

    class Ear(Silent):
        def started(self, phase: str) -> None:
            heard.append(phase)

        def ended(self, phase: str, seconds: float) -> None:
            heard.append((phase, seconds))

    times = PhaseTimes(Ear())
    for phase in ("capture", "build"):
        with times.phase(phase):
            let_pass(2)
    assert heard == ["capture", ("capture", 2), "build", ("build", 2)]
