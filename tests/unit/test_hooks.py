"""The hooks around cells: what they tell the clock, whatever cells do; run by IPython itself."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_containeriter.clock import CellClock, process_began
from jupyter_containeriter.hooks import CellEvents


@pytest.fixture
def shell(timed_shell: InteractiveShell, clock: CellClock) -> InteractiveShell:
    """Give a shell whose cells are timed, and can ask the clock."""
    timed_shell.user_ns["clock"] = clock
    return timed_shell


def _sources(clock: CellClock) -> list[tuple[int | None, str]]:
    return [(cell.number, cell.source) for cell in clock.cells]


def test_cells_are_remembered(shell: InteractiveShell, clock: CellClock) -> None:
    """Number, source, start and end of each cell are known; a cell that raises ends as any other."""
    shell.run_cell("x = 1", store_history=True)
    shell.run_cell("1 / 0", store_history=True)
    assert _sources(clock) == [(1, "x = 1"), (2, "1 / 0")]
    assert all(cell.ended is not None and cell.ended >= cell.started for cell in clock.cells)
    assert clock.current is None


def test_only_so_many_cells_are_remembered(shell: InteractiveShell, clock: CellClock) -> None:
    """A kernel that runs for weeks holds no more than the last thousand cells, and no endless sources."""
    for _ in range(1001):
        clock.cell_started("x")
        clock.cell_ended()
    shell.run_cell("'" + "x" * 200_000 + "';")
    assert len(clock.cells) == 1000
    assert clock.cells[-1].source == ""


def test_cells_without_history_count_as_well(shell: InteractiveShell, clock: CellClock) -> None:
    """A cell that is not counted is timed; silent ones, by which front ends look around, are nobody's cells."""
    shell.run_cell("y = 2", store_history=False)
    shell.run_cell("z = 3", silent=True)
    assert _sources(clock) == [(None, "y = 2")]


def test_nested_cells_count_once(shell: InteractiveShell, clock: CellClock) -> None:
    """A cell that runs cells is the current one all the while, and its time counts once."""
    lines = (
        "import time",
        "get_ipython().run_cell('time.sleep(.02)')",
        "get_ipython().run_cell('')",
        "seen = clock.current",
        "time.sleep(.02)",
    )
    source = "\n".join(lines)
    before = time.monotonic()
    shell.run_cell(source, store_history=True)
    passed = time.monotonic() - before
    assert shell.user_ns["seen"].source == source
    assert 0.04 <= clock.read("churn")[1] <= passed
    assert [cell.ended is None for cell in clock.cells] == [False, False]


def test_magics_that_run_cells_count_once(shell: InteractiveShell, clock: CellClock) -> None:
    """``%%time`` is one cell."""
    shell.run_cell("%%time\nx = 1", store_history=True)
    assert _sources(clock) == [(1, "%%time\nx = 1")]
    assert not clock.is_running()


def test_cells_that_end_unheard_do_not_run_for_ever(shell: InteractiveShell, clock: CellClock) -> None:
    """When the end of a cell was missed, the next cell ends it."""
    clock.cell_started("lost", 1, object())
    shell.run_cell("x = 1")
    assert not clock.is_running()
    assert [cell.ended is None for cell in clock.cells] == [False, False]


def test_asynchronous_cells_are_timed(shell: InteractiveShell, clock: CellClock) -> None:
    """A cell that awaits ends when it has awaited; one that was interrupted has no result, and ends as well."""
    shell.run_cell("import asyncio\nawait asyncio.sleep(.01)")
    assert clock.cells[-1].ended is not None
    assert clock.read("churn")[1] >= 0.01

    async def interrupted() -> None:
        task = asyncio.ensure_future(shell.run_cell_async("await asyncio.sleep(60)"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(interrupted())
    # As ipykernel does it.
    shell.events.trigger("post_run_cell", None)
    assert not clock.is_running()


def test_cells_of_another_thread_do_not_end_this_one(shell: InteractiveShell, clock: CellClock) -> None:
    """Kernels may run cells beside one another: each ends by itself."""
    clock.cell_started("here", 1, here := object())
    thread = threading.Thread(target=shell.run_cell, args=("x = 1",))
    thread.start()
    thread.join()
    assert clock.is_running(here)
    clock.cell_ended(here)
    assert not clock.is_running()


def test_a_failing_hook_is_told_once(
    shell: InteractiveShell, clock: CellClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes wrong in a hook, cells run; it is told a single time."""

    def broken(*_: Any) -> None:
        raise RuntimeError("no clock")

    monkeypatch.setattr(clock, "cell_started", broken)
    monkeypatch.setattr(clock, "is_running", broken)
    for _ in range(3):
        shell.run_cell("done = True").raise_error()
    assert capsys.readouterr().err.count("RuntimeError: no clock") == 1


def test_an_interrupt_within_a_hook_leaves_no_cell_running(
    shell: InteractiveShell, clock: CellClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop button, pressed in the very moment in which a cell ends, is no cell that runs for ever."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "cell_ended", interrupt)
    shell.run_cell("x = 1")
    assert not clock.is_running()


def test_watched_variables_tell_of_another_object(shell: InteractiveShell, clock: CellClock) -> None:
    """A variable that is watched and holds another object after a cell is noted with that cell, once."""
    shell.run_cell("model = object()")
    clock.watched["model"] = id(shell.user_ns["model"])
    shell.run_cell("x = 1")
    shell.run_cell("exec('model = object()')")
    shell.run_cell("x = 2")
    assert [cell.rebound for cell in clock.cells] == [(), (), ("model",), ()]


def test_the_cell_that_loads_counts_as_run_time(clock: CellClock) -> None:
    """It has begun before anybody listened, and is timed from there on; where no cell runs, none is invented."""
    shell = InteractiveShell()
    events = CellEvents(shell, clock)
    shell.user_ns["events"] = events
    shell.run_cell("import time\nevents.register()\ntime.sleep(.01)")
    assert clock.read("churn")[1] >= 0.01
    assert not clock.is_running()
    events.unregister()
    events.register()
    assert not clock.is_running()
    events.unregister()
    shell.history_manager.end_session()  # type: ignore[union-attr]


def test_nothing_is_timed_after_unloading(shell: InteractiveShell, clock: CellClock) -> None:
    """No cell runs for ever because its end was not heard; what comes later is not heard of."""
    events = CellEvents(shell, other := CellClock())
    shell.user_ns["events"] = events
    shell.run_cell("events.register()\nevents.unregister()")
    before = other.read("churn")[1]
    shell.run_cell("import time; time.sleep(.01)")
    assert other.read("churn")[1] == before
    assert not clock.is_running()


def test_the_process_began_before_now() -> None:
    """Where the system tells it, the first cycle begins with the process."""
    began = process_began()
    assert began is None or began < time.monotonic()
