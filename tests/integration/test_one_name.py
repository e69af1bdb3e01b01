"""One name through many verbs and kernels: which container serves it, at which address, and what a person is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from notebook_bench import ENGINES, Desk, Lab, need, open_desk

TIMES = """
class Times(Mean):
    def __init__(self, factor):
        self.factor = factor
    def predict(self, rows):
        return [self.factor * value for value in super().predict(rows)]
"""


@pytest.fixture(scope="module", params=ENGINES)
def desk(request: pytest.FixtureRequest, labs: Callable[[], Lab], new_name: Callable[[str], str]) -> Iterator[Desk]:
    """Open a notebook in which a good model runs."""
    engine = need(request, request.param)
    lab = labs()
    try:
        desk = open_desk(lab, engine, new_name(f"name-{engine}"))
        desk.notebook.ok(TIMES)
        yield desk
    finally:
        lab.close()


def call(desk: Desk, factor: int, *options: str) -> str:
    """Return a call that containerizes a model of its own."""
    return f"%containerize Times({factor}) --name {desk.name} --sample rows {' '.join(options)}"


def test_a_built_version_goes_into_the_running_container(desk: Desk) -> None:
    """What was only built is verified beside the live version when it is deployed, and the row says so."""
    before = desk.live
    desk.notebook.ok(call(desk, 2, "--no-deploy"))
    assert (desk.last_row()["status"], desk.live.version) == ("built", before.version)
    desk.notebook.ok(f"good = %deploy {desk.name}")
    row = desk.last_row()
    assert (row["status"], row["parity"], row["hot"]) == ("verified", "exact", True)
    assert (desk.live.id, desk.live.version) == (before.id, row["version"])
    assert desk.notebook.value("good.predict(rows)") == [3.0, 8.0]


def test_two_kernels_take_turns_on_one_name(desk: Desk) -> None:
    """Both load into the one container; a handle means its own version, and says how to have it back."""
    before, other = desk.live, desk.lab.open(desk.live.engine)
    other.ok(TIMES)
    kernels = [desk.notebook, other]
    for turn in range(4):
        kernels[turn % 2].ok(f"d{turn} = {call(desk, 10 + turn)}")
        assert desk.last_row()["hot"]
    assert [container.id for container in desk.lab.containers()] == [before.id]
    for turn in (1, 2, 3):
        expected = [(10 + turn) * value for value in (1.5, 4.0)]
        assert kernels[turn % 2].value(f"d{turn}.predict(rows)") == expected
    refusal = desk.notebook.run("d0.predict(rows)").refusal()
    assert refusal.kind == "NotFoundError"
    assert refusal.remedy == f"Let that version serve again: %deploy {desk.name}:{desk.last_row()['version'] - 3}"
    desk.notebook.ok(f"good, = %deployments\n{refusal.remedy.partition(': ')[2]}\n")
    assert desk.notebook.value("d0.predict(rows)") == [15.0, 40.0]
    other.close()


def test_a_name_that_was_stopped_comes_back_at_its_address(desk: Desk) -> None:
    """A new container, of which nothing need be said: there is none that could load the model."""
    desk.notebook.ok(f"good, = %deployments\n%undeploy {desk.name}")
    assert desk.lab.containers() == []
    url = desk.notebook.value("good.url")
    cell = desk.notebook.ok(f"good = {call(desk, 3)}")
    assert not desk.last_row()["hot"]
    assert desk.notebook.value("[good.url, good.predict(rows)]") == [url, [4.5, 12.0]]
    assert "new container" not in cell.html


CHANGES = {
    "limits": ("--memory 300m", "limits changed"),
    "packages": ("--memory 300m --include six", "Python or packages changed"),
    "token": ("--memory 300m --include six --no-token", "whether there is a token changed"),
}


@pytest.mark.parametrize(("options", "told"), CHANGES.values(), ids=CHANGES)
def test_what_a_container_fixes_takes_a_new_one_that_says_why(desk: Desk, options: str, told: str) -> None:
    """The reason and how long nobody answered are told; the address stays; the next iteration is hot again."""
    url = desk.notebook.value("good.url")
    cell = desk.notebook.ok(f"good = {call(desk, 4, options)}")
    assert f"A new container: {told}." in cell.html
    assert f"Port {desk.live.port} passed to the new container; it did not answer for " in cell.html
    assert not desk.last_row()["hot"]
    assert desk.notebook.value("[good.url, good.predict(rows)]") == [url, [6.0, 16.0]]
    cell = desk.notebook.ok(f"good = {call(desk, 5, options)}")
    assert desk.last_row()["hot"]
    assert "new container" not in cell.html


def test_changed_local_code_takes_a_new_container(desk: Desk) -> None:
    """A module that was edited and loaded anew predicts what it now says, in a container of its own."""
    module = desk.lab.directory / "shifting.py"
    desk.notebook.ok("import importlib")
    for shift in (1, 2):
        module.write_text(f"def shifted(row):\n    return sum(row) + {shift * 1000}\n")
        desk.notebook.ok(
            "import shifting\nimportlib.invalidate_caches()\nimportlib.reload(shifting)\n"
            "def total(rows): return [shifting.shifted(row) for row in rows]"
        )
        cell = desk.notebook.ok(f"good = %containerize total --name {desk.name} --sample rows")
        assert "local code" in cell.html.partition("A new container: ")[2].partition(" changed.")[0]
        assert (desk.last_row()["parity"], desk.last_row()["hot"]) == ("exact", False)
        assert desk.notebook.value("good.predict(rows)") == [3.0 + shift * 1000, 8.0 + shift * 1000]


@pytest.mark.engine
def test_another_engine_takes_over_the_address(lab: Lab, docker_running: None, new_name: Callable[[str], str]) -> None:
    """From the sandbox to Docker and back: one container at a time, one address, one token."""
    desk = open_desk(lab, "sandbox", new_name("engines"))
    before = desk.notebook.value("[good.url, good.token]")
    for engine in ("docker", "sandbox"):
        cell = desk.notebook.ok(f"good = %containerize mean --name {desk.name} --sample rows --engine {engine}")
        assert "A new container: the engine changed." in cell.html
        assert [container.engine for container in lab.containers()] == [engine]
        assert desk.notebook.value("[good.url, good.token]") == before
        assert desk.notebook.value("good.predict(rows)") == [1.5, 4.0]
