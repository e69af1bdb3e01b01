"""Which engine is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_containeriter import bubblewrap
from jupyter_containeriter.engines import select
from jupyter_containeriter.engines.select import reachable_engines, select_engine
from jupyter_containeriter.errors import EngineUnreachableError, UsageError
from jupyter_containeriter.testing import FakeEngine


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Say what this machine has."""
    has = {"docker": True, "namespaces": True}

    def docker() -> FakeEngine:
        if not has["docker"]:
            raise EngineUnreachableError("Docker is not reachable.")
        return FakeEngine("docker")

    monkeypatch.setattr(select, "_docker", docker)
    monkeypatch.setattr(bubblewrap, "namespaces_work", lambda: has["namespaces"])
    return has


@pytest.mark.parametrize(
    ("docker", "namespaces", "name"),
    [(True, True, "docker"), (True, False, "docker"), (False, True, "sandbox"), (False, False, "process")],
)
def test_the_first_that_works_is_taken(
    machine: dict[str, bool], tmp_path: Path, docker: bool, namespaces: bool, name: str
) -> None:
    """Docker comes first, then the sandbox; plain processes only where nothing else works."""
    machine.update(docker=docker, namespaces=namespaces)
    assert select_engine("auto", tmp_path).name == name


@pytest.mark.parametrize("name", ["docker", "sandbox", "process"])
def test_an_engine_can_be_asked_for(machine: dict[str, bool], tmp_path: Path, name: str) -> None:
    """The engine that was asked for is the one that is used."""
    assert select_engine(name, tmp_path).name == name


@pytest.mark.parametrize(("name", "lacks"), [("docker", "docker"), ("sandbox", "namespaces")])
def test_an_engine_asked_for_is_not_replaced(machine: dict[str, bool], tmp_path: Path, name: str, lacks: str) -> None:
    """Where the engine that was asked for does not work, no other one is taken silently."""
    machine[lacks] = False
    with pytest.raises(EngineUnreachableError):
        select_engine(name, tmp_path)


def test_an_unknown_engine_is_a_wrong_call(tmp_path: Path) -> None:
    """The remedy lists the engines there are."""
    with pytest.raises(UsageError, match="no engine 'kvm'") as caught:
        select_engine("kvm", tmp_path)
    assert "docker, sandbox, process" in caught.value.remedy


@pytest.mark.parametrize("docker", [True, False])
def test_containers_are_looked_for_everywhere(machine: dict[str, bool], tmp_path: Path, docker: bool) -> None:
    """What runs is asked of every engine that answers; sandboxes are found without namespaces, too."""
    machine.update(docker=docker, namespaces=False)
    assert [engine.name for engine in reachable_engines(tmp_path)] == ["docker"] * docker + ["process"]
