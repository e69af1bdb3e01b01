"""The doctor."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from jupyter_containeriter import bubblewrap
from jupyter_containeriter.diagnosis import examine
from jupyter_containeriter.engines import select
from jupyter_containeriter.errors import EngineUnreachableError
from jupyter_containeriter.history import History
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.testing import FakeEngine
from jupyter_containeriter.types import Finding


@pytest.fixture
def settings(tmp_path: Path) -> ContainerIter:
    """Keep everything in one directory."""
    return ContainerIter(data_dir=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def docker(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Say whether Docker answers."""
    has = {"docker": True}

    def connect() -> FakeEngine:
        if not has["docker"]:
            raise EngineUnreachableError("Docker is not reachable.")
        return FakeEngine("docker")

    monkeypatch.setattr(select, "_docker", connect)
    for module in (sys.modules["jupyter_containeriter.diagnosis"], bubblewrap):
        monkeypatch.setattr(module, "namespaces_work", lambda: has.get("namespaces", True))
    return has


def _findings(settings: ContainerIter) -> dict[str, Finding]:
    findings = examine(settings)
    for finding in findings:
        assert finding.message, finding
        assert bool(finding.remedy) == (finding.status != "ok"), finding
    return {finding.topic: finding for finding in findings}


def test_a_healthy_machine_has_nothing_to_mend(settings: ContainerIter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everything works every finding is ok, and none has a remedy."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    findings = _findings(settings)
    assert {finding.status for finding in findings.values()} == {"ok"}
    topics = ["Python", "Platform", "Docker", "Engine", "Namespaces", "Data", "Cache", "History", "Versions"]
    assert list(findings) == topics


def test_without_docker_the_sandbox_is_used(settings: ContainerIter, docker: dict[str, bool]) -> None:
    """A machine without Docker is no error: the doctor says what will be used instead."""
    docker["docker"] = False
    findings = _findings(settings)
    assert (findings["Docker"].status, findings["Engine"].status) == ("warning", "ok")
    assert "sandbox will be used" in findings["Engine"].message


def test_without_any_isolation_it_warns(settings: ContainerIter, docker: dict[str, bool]) -> None:
    """Where only plain processes are left, that is said with how to change it."""
    docker.update(docker=False, namespaces=False)
    findings = _findings(settings)
    assert (findings["Engine"].status, findings["Namespaces"].status) == ("warning", "warning")
    assert "process" in findings["Engine"].message


def test_a_missing_engine_that_was_asked_for_is_an_error(settings: ContainerIter, docker: dict[str, bool]) -> None:
    """Where the settings ask for an engine that does not answer, nothing can be deployed."""
    docker["docker"] = False
    settings.engine = "docker"
    assert _findings(settings)["Engine"].status == "error"


def test_impossible_directories_are_named(tmp_path: Path) -> None:
    """Each directory that cannot be written is named with the variable that moves it."""
    (tmp_path / "file").write_text("")
    settings = ContainerIter(data_dir=str(tmp_path / "file" / "a"), cache_dir=str(tmp_path / "file" / "b"))
    findings = _findings(settings)
    for topic, variable in (("Data", "CONTAINERITER_DATA_DIR"), ("Cache", "CONTAINERITER_CACHE_DIR")):
        assert findings[topic].status == "error"
        assert variable in findings[topic].remedy


def test_a_full_disk_is_a_warning(settings: ContainerIter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little space is said before it runs out."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    assert _findings(settings)["Cache"].status == "warning"


def test_a_damaged_history_is_an_error(settings: ContainerIter) -> None:
    """A history that cannot be read is named, and left as it is."""
    settings.data_path.mkdir(parents=True)
    path = settings.data_path / "history.sqlite"
    path.write_bytes(b"not a database" * 100)
    assert _findings(settings)["History"].status == "error"
    assert path.read_bytes() == b"not a database" * 100


def test_looking_makes_no_history(settings: ContainerIter) -> None:
    """The doctor does not create what it looks for; a history that is there is counted."""
    _findings(settings)
    path = settings.data_path / "history.sqlite"
    assert not path.exists()
    history = History(path)
    assert history.names() == []
    history.close()
    assert _findings(settings)["History"].message.endswith("0 models")


def test_the_doctor_can_be_asked_twice(tmp_path: Path) -> None:
    """The Python function stays what it is after its first call."""
    code = "import jupyter_containeriter as citer; citer.doctor(); citer.doctor()"
    environment = {"CONTAINERITER_DATA_DIR": str(tmp_path), "CONTAINERITER_CACHE_DIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.stderr == ""
