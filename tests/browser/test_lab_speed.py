"""A long history: how long the panel takes to open, and to show what is new. Measured and told, never asserted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_bench import JupyterServer
from lab_hands import Hands
from notebook_bench import Lab
from playwright.sync_api import Browser, expect

from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter

ITERATIONS = 200

#: Milliseconds from doing something until what it leads to is there and drawn; and the longest time without a frame.
MEASURE = """async ([act, wanted]) => {
    const drawn = () => new Promise(resolve => requestAnimationFrame(resolve));
    let longest = 0;
    const blocked = new PerformanceObserver(list => {
        for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
    });
    blocked.observe({ entryTypes: ['longtask'] });
    const began = performance.now();
    if (act.startsWith('containeriter:')) window.jupyterapp.commands.execute(act);
    else if (act) document.querySelector(act).click();
    while (!document.querySelector(wanted)?.checkVisibility()) {
        if (performance.now() - began > 30000) throw new Error(`${wanted} never came`);
        await drawn();
    }
    await drawn();
    const took = performance.now() - began;
    blocked.disconnect();
    return { milliseconds: Math.round(took), longest_task_milliseconds: Math.round(longest) };
}"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Return a person's place with a history of one model."""
    lab = Lab(tmp_path, tmp_path / "cache")
    session = Session(ContainerIter(data_dir=str(lab.data), cache_dir=str(lab.cache)))
    chance = random.Random(7)
    for number in range(ITERATIONS):
        metrics = {"accuracy": 0.7 + 0.001 * number + chance.uniform(0, 0.02)}
        with session.iteration("churn", "docker build", metrics=metrics, note=f"attempt {number}") as it:
            it.check(1.0, 1.0)
    return lab


@pytest.fixture
def hands(lab: Lab, browser: Browser) -> Iterator[Hands]:
    """Sit a person down in front of JupyterLab."""
    with JupyterServer(lab) as server:
        hands = Hands(browser, server, "speed")
        hands.open()
        yield hands
        hands.close()


def test_a_history_of_200_iterations(hands: Hands, lab: Lab, record_property: Callable[[str, object], None]) -> None:
    """The panel shows all of them; how long that takes is told."""
    older = hands.panel.get_by_role("button", name="Show older")
    found = {
        "open the panel": measured(hands, "containeriter:show", f"{item('churn')} svg"),
        "open the model": measured(hands, ".jp-ContainerIter-model button", item(f"Version {ITERATIONS}")),
    }
    expect(older).to_be_enabled()
    found["show older"] = measured(hands, ".jp-ContainerIter-more", item(f"Version {ITERATIONS - 30}"))
    hands.picture("200")
    session = Session(ContainerIter(data_dir=str(lab.data), cache_dir=str(lab.cache)))
    with session.iteration("churn", "docker build") as it:
        it.check(1.0, 1.0)
    found["show what is new"] = measured(hands, "", item(f"Version {ITERATIONS + 1}"))
    expect(hands.model("churn").get_by_role("listitem", name=f"Version {ITERATIONS + 1}", exact=True)).to_be_visible()
    hands.watch.assert_quiet()
    record_property("milliseconds", json.dumps(found))
    print(f"\nWith {ITERATIONS} iterations, in milliseconds: {json.dumps(found)}")


def item(name: str) -> str:
    """Return the selector of a list item by its name."""
    return f"li[aria-label='{name}']"


def measured(hands: Hands, act: str, wanted: str) -> dict[str, int]:
    """Carry out a command, or click; return how long it takes until something is drawn."""
    found: dict[str, int] = hands.page.evaluate(MEASURE, [act, wanted])
    return found
