"""A load test in a notebook: a model in its container, and the same model in the kernel."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from notebook_bench import ENGINES, Lab, need, until

from jupyter_containeriter.engines._supervisor import descendants

NewName = Callable[[str], str]

_SCALE = """
class Scale:
    k = 2
    def predict(self, rows): return [self.k * row[0] for row in rows]
scale = Scale()
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_the_container_is_measured_against_the_kernel(
    request: pytest.FixtureRequest, lab: Lab, new_name: NewName, engine: str
) -> None:
    """Card, chart and frame tell the same; a shell and a new kernel have no model to compare with, and say so."""
    name = new_name("loaded")
    notebook = lab.open(need(request, engine))
    notebook.ok(f"%containerize mean --name {name} --sample rows")

    cell = notebook.ok(f"tested = %loadtest {name} --seconds 1 --connections 1,4")
    assert len(cell.shown("image/png")) == 1
    assert "under load on" in cell.html
    assert "prediction" in cell.html, "what it was compared with is told"

    levels = notebook.value("__import__('json').loads(tested.frame.to_json(orient='records'))")
    assert [level["connections"] for level in levels] == [1, 4]
    for level in levels:
        assert level["requests"] > 0
        assert level["errors"] == 0
        assert 0 < level["p50_seconds"] <= level["p90_seconds"] <= level["p99_seconds"] <= level["max_seconds"]
        assert level["requests_per_second"] == pytest.approx(level["requests"] / level["seconds"])
        assert level["added_p50_seconds"] == pytest.approx(level["p50_seconds"] - level["kernel_p50_seconds"])
        assert level["memory_bytes"] > 1_000_000
        assert level["cpu_fraction"] > 0
    assert notebook.value("set(tested.usage['connections']) <= {0, 1, 4} and len(tested.usage) > 2")
    assert notebook.value("tested.finding").startswith("container ")

    document = lab.shell("loadtest", name, "--seconds", "0.5", "--connections", "2", engine=engine)
    (level,) = document["levels"]
    assert (level["connections"], level["errors"]) == (2, 0)
    assert (level["kernel_p50_seconds"], document["kernel_calls"]) == (None, 0)


def test_a_model_that_changed_since_is_not_compared(
    request: pytest.FixtureRequest, lab: Lab, new_name: NewName
) -> None:
    """The kernel's object is the same, and predicts something else by now: it is no measure of the container."""
    name = new_name("loaded")
    notebook = lab.open(need(request, "sandbox"))
    notebook.ok(
        "class Scale:\n    k = 2\n    def predict(self, rows): return [self.k * r[0] for r in rows]\nscale = Scale()"
    )
    notebook.ok(f"%containerize scale --name {name} --sample rows")
    call = f"%loadtest {name} --seconds 0.5 --connections 1"
    notebook.ok(f"first = {call}")
    notebook.ok(f"scale.k = 3\nsecond = {call}")
    assert notebook.value("[first.kernel is None, second.kernel is None]") == [False, True]


def test_an_interrupted_test_leaves_the_container_in_peace(
    request: pytest.FixtureRequest, lab: Lab, new_name: NewName
) -> None:
    """The stop button ends the requests with two lines; the container serves on."""
    name = new_name("loaded")
    notebook = lab.open(need(request, "sandbox"))
    notebook.ok(f"live = %containerize mean --name {name} --sample rows")
    running = notebook.start(f"%loadtest {name} --seconds 60")
    until(lambda: running.done() or _generators(notebook.pid))
    assert not running.done(), running.result().outputs
    notebook.interrupt()
    refusal = running.result(60).refusal()
    assert refusal.kind == "IterationInterruptedError"
    assert not _generators(notebook.pid)
    assert notebook.value("live.predict(rows)") == [1.5, 4.0]


def _generators(kernel: int) -> list[str]:
    """Return the command lines of load generators that a kernel runs."""
    found = []
    for pid in descendants(kernel):
        with suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_text())
    return [command for command in found if "traffic/_child.py" in command]
