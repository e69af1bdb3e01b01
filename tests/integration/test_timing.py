"""Where the time of iterations goes, compared with a clock outside of the kernel; and what a killed kernel leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from notebook_bench import ENGINES, WAIT_SECONDS, Lab, Notebook, need, until

from jupyter_containeriter.types import PHASES

#: Shares of the time measured outside by which the kernel's may differ.
_TOLERANCE = 0.02

SLOW = """
class Slow(Mean):
    def __setstate__(self, state):
        self.__dict__.update(state)
        if inside():
            time.sleep(.6)
    def predict(self, rows):
        time.sleep(.3)
        return Mean.predict(self, rows)

class Liar(Mean):
    def predict(self, rows):
        return [9.0 if inside() else row[0] for row in rows]

class Stuck(Mean):
    def __setstate__(self, state):
        if inside():
            time.sleep(60)

slow, liar, stuck = Slow(), Liar(), Stuck()
slow.k = 0
"""


@dataclass
class Watch:
    """Times cells and pauses of a notebook from outside."""

    notebook: Notebook
    cells: float = 0.0
    pauses: float = 0.0
    _idle_since: float = field(default_factory=time.monotonic)

    def run(self, source: str, interrupted_after: float | None = None) -> Any:
        """Execute a cell; the time since the one before was a pause."""
        began = time.monotonic()
        self.pauses += began - self._idle_since
        running = self.notebook.start(source)
        if interrupted_after is not None:
            time.sleep(interrupted_after)
            self.notebook.interrupt()
        cell = running.result(WAIT_SECONDS)
        self._idle_since = time.monotonic()
        self.cells += self._idle_since - began
        return cell

    def restart(self) -> None:
        """Count from the end of the cell before."""
        self.cells = self.pauses = 0.0

    @property
    def total(self) -> float:
        """Seconds of both."""
        return self.cells + self.pauses


def _phases(row: dict[str, Any], *names: str) -> float:
    """Add the phases of a row, all or these; one that did not happen took no time."""
    seconds = [row[f"{phase}_seconds"] for phase in names or PHASES]
    return float(sum(value for value in seconds if value == value))  # noqa: PLR0124 (NaN)


@dataclass
class Story:
    """What was lived through once: rows of the history, and what was measured outside."""

    rows: list[dict[str, Any]]
    watch: Watch
    opened: float
    loaded: float


@pytest.fixture(scope="module", params=ENGINES)
def story(request: pytest.FixtureRequest, labs: Callable[[], Lab], new_name: Callable[[str], str]) -> Iterator[Story]:
    """Live through a session of pauses, slow cells, failures and iterations."""
    engine = need(request, request.param)
    lab, name = labs(), new_name(f"timed-{request.param}")
    try:
        opened = time.time()
        notebook = lab.open(engine)
        loaded = time.time()
        watch = Watch(notebook)
        watch.run(SLOW).succeeded()
        ask = "%containerize {model} --name " + name + " --sample rows"
        watch.run(ask.format(model="slow")).succeeded()
        watch.restart()
        # A cycle of thinking, running, a cell that fails and one that is interrupted.
        time.sleep(1)
        watch.run("time.sleep(.8)").succeeded()
        assert watch.run("time.sleep(.2)\n1 / 0").errors
        time.sleep(0.5)
        assert watch.run("time.sleep(60)", interrupted_after=0.5).errors
        # A kernel may hear of the interrupt only when its event loop wakes up.
        assert watch.run("import asyncio\nawait asyncio.sleep(1.5)", interrupted_after=0.3).errors
        watch.run("slow.k = 1").succeeded()
        time.sleep(0.7)
        watch.run("time.sleep(.4)\nslow.predict(rows)").succeeded()
        watch.run("time.sleep(.3)\n" + ask.format(model="slow")).succeeded()
        # One that ends in a failure, and a wrong call that is no iteration.
        time.sleep(0.5)
        assert watch.run(ask.format(model="slow") + " --no-such-option").errors
        time.sleep(0.5)
        assert watch.run(ask.format(model="liar")).errors
        # One that changes and asks in the same cell, and one by another way.
        time.sleep(0.5)
        watch.run("slow.k = 2\n" + ask.format(model="slow")).succeeded()
        time.sleep(0.5)
        watch.run(f"%%iteration {name} --method script\ntime.sleep(.4)\nwith it.phase('load'):\n    time.sleep(.3)")
        yield Story(lab.rows(name), watch, opened, loaded)
    finally:
        lab.close()


def test_every_iteration_is_recorded(story: Story) -> None:
    """Each ends as it did; the wrong call is none."""
    assert [row["status"] for row in story.rows] == ["verified", "verified", "failed", "verified", "deployed"]


def test_phases_are_the_wall_time_of_the_cycles(story: Story) -> None:
    """From the end of one cell that asked to the end of a later one, the phases are what a clock outside says."""
    recorded = sum(_phases(row) for row in story.rows[1:])
    assert recorded == pytest.approx(story.watch.total, rel=_TOLERANCE)


def test_phases_are_each_cycle(story: Story) -> None:
    """In each row the phases are the cycle, by the monotonic clock and by its two times of day."""
    for row in story.rows:
        assert _phases(row) == pytest.approx(row["cycle_seconds"], abs=1e-3)
        days = (row["finished_at"] - row["started_at"]).total_seconds()
        assert days == pytest.approx(row["cycle_seconds"], rel=_TOLERANCE)


def test_thinking_is_what_passes_between_cells(story: Story) -> None:
    """Pauses are thinking; cells, also those that fail or are interrupted, and calls are not."""
    assert sum(row["think_seconds"] for row in story.rows[1:]) == pytest.approx(
        story.watch.pauses, abs=_TOLERANCE * story.watch.total
    )
    worked = sum(_phases(row) - row["think_seconds"] for row in story.rows[1:])
    assert worked == pytest.approx(story.watch.cells, abs=_TOLERANCE * story.watch.total)
    second = story.rows[1]
    assert second["think_seconds"] >= 2.2
    assert second["run_seconds"] >= 0.8 + 0.2 + 0.5 + 0.3 + 0.4 + 0.3 + 0.3


def test_phases_of_the_call_hold_what_happens_in_them(story: Story) -> None:
    """The notebook's predictions are capture, loading the model in the container is start, its predictions verify."""
    for row in (story.rows[0], story.rows[1], story.rows[3]):
        assert row["capture_seconds"] >= 0.6
        assert row["start_seconds"] >= 0.6
        assert row["verify_seconds"] >= 0.3
        assert row["build_seconds"] > 0
        assert _phases(row, *PHASES[2:]) == pytest.approx(row["package_to_verified_seconds"], abs=1e-3)


def test_the_first_cycle_begins_with_the_kernel(story: Story) -> None:
    """What happened before the extension was loaded is part of it; what was before the kernel is not."""
    began = story.rows[0]["started_at"].timestamp()
    # A process's beginning is known to a hundredth of a second.
    assert story.opened - 0.05 <= began <= story.loaded


def test_lead_time_runs_from_the_cell_that_changed_the_model(story: Story) -> None:
    """Thinking and cells after the change count; in the cell that changes and asks, it is the call alone."""
    second, failed, third, block = story.rows[1:]
    assert second["lead_seconds"] >= 0.7 + 0.4 + 0.3 + 0.3 + second["package_to_verified_seconds"]
    assert second["lead_seconds"] < second["cycle_seconds"]
    assert failed["lead_seconds"] != failed["lead_seconds"]
    assert third["lead_seconds"] == pytest.approx(third["package_to_verified_seconds"])
    assert block["lead_seconds"] > 0.5 + block["package_to_verified_seconds"]


def test_a_block_is_split_as_it_says(story: Story) -> None:
    """What a phase claims is its own, the rest is build."""
    block = story.rows[4]
    assert (block["method"], block["image_digest"]) == ("script", "")
    assert block["load_seconds"] >= 0.3
    assert block["build_seconds"] >= 0.4
    assert block["cell"].startswith("%%iteration")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_kernel_loses_no_time(
    request: pytest.FixtureRequest, lab: Lab, new_name: Callable[[str], str], engine: str
) -> None:
    """Its iteration ends where it gave its last sign of life; the next one begins with its own kernel."""
    need(request, engine)
    name = new_name(f"killed-{engine}")
    notebook = lab.open(engine)
    notebook.ok(SLOW)
    notebook.start(f"%containerize stuck --name {name} --sample rows")
    beat = lab.data / "locks" / f"{name}.beat"
    until(lambda: beat.exists() and '"build"' in beat.read_text())
    killed = time.time()
    notebook.kill()
    (running,) = lab.rows(name)
    assert running["status"] == "running"
    time.sleep(1.5)
    opened = time.time()
    notebook = lab.open(engine)
    loaded = time.time()
    notebook.ok(f"%containerize mean --name {name} --sample rows")
    lost, after = lab.rows(name)
    assert (lost["status"], after["status"]) == ("interrupted", "verified")
    assert lost["capture_seconds"] > 0
    assert _phases(lost) == pytest.approx(lost["cycle_seconds"], abs=1e-3)
    assert lost["finished_at"].timestamp() <= killed
    assert (lost["finished_at"] - lost["started_at"]).total_seconds() == pytest.approx(
        lost["cycle_seconds"], rel=_TOLERANCE
    )
    assert opened - 0.05 <= after["started_at"].timestamp() <= loaded
    assert _phases(after) == pytest.approx(after["cycle_seconds"], abs=1e-3)
