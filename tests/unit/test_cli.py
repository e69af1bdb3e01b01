"""The shell's face."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter import __version__, api
from jupyter_containeriter.cli import main
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.testing import FakeEngine, tiny_image
from jupyter_containeriter.types import ITERATION_COLUMNS, Finding, RunSpec

_NOW = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@pytest.fixture
def engine() -> FakeEngine:
    """Give an engine in memory."""
    return FakeEngine()


@pytest.fixture(autouse=True)
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: FakeEngine) -> Iterator[Session]:
    """Give the session that the verbs use, with one model that runs."""
    session = Session(ContainerIter(data_dir=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache")))
    monkeypatch.setattr(api.kernel, "session", lambda: session)
    monkeypatch.setattr(session, "engines", lambda: [engine])
    image = tiny_image(tmp_path)
    row = session.history.begin("churn", started_at=_NOW, params={"k": 3}, metrics={"acc": float("nan")}, note="ä")
    session.history.update(
        replace(row, status="verified", parity="exact", finished_at=_NOW, image_reference=image.reference)
    )
    failed = session.history.begin("fraud", started_at=_NOW)
    session.history.update(replace(failed, status="failed", error="no"))
    engine.load(image)
    engine.run(image, RunSpec("churn", row.version, row.id, session.history.id))
    yield session
    session.history.close()


def _json(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def test_iterations_are_rows_of_the_history(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has every column, times as ISO texts, and nothing that JSON does not know."""
    rows = {row["name"]: row for row in _json(capsys, "iterations")}
    assert set(rows) == {"churn", "fraud"}
    row = rows["churn"]
    assert tuple(row) == ITERATION_COLUMNS
    assert (row["version"], row["status"], row["params"], row["note"]) == (1, "verified", {"k": 3}, "ä")
    assert datetime.fromisoformat(row["finished_at"]) == _NOW
    assert rows["fraud"]["finished_at"] is None


def test_iterations_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """A name and a number choose among the rows; a name without rows is an error."""
    assert [row["name"] for row in _json(capsys, "iterations", "fraud", "--last", "1")] == ["fraud"]
    assert "fraud" in _json(capsys, "iterations", "nobody", code=1)["remedy"]


def test_iterations_are_a_table(capsys: pytest.CaptureFixture[str], session: Session) -> None:
    """Without JSON the history is a table."""
    assert main(["iterations"]) == 0
    assert "churn" in capsys.readouterr().out


def test_deployments_say_what_runs(capsys: pytest.CaptureFixture[str], engine: FakeEngine, session: Session) -> None:
    """Each deployment tells where it answers and whether it does, never its token."""
    (found,) = _json(capsys, "deployments")
    (container,) = engine.containers(session.history.id)
    assert found["url"] == f"http://127.0.0.1:{container.port}"
    assert (found["name"], found["version"], found["parity"], found["running"]) == ("churn", 1, "exact", True)
    assert "token" not in found
    engine.exit(container.id, 1)
    ended = _json(capsys, "deployments")[0]
    assert (ended["running"], ended["url"]) == (False, None)
    assert main(["deployments"]) == 0
    assert "not running" in capsys.readouterr().out


def test_what_cannot_be_listed_is_told(
    capsys: pytest.CaptureFixture[str], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that may miss something says so on standard error, so that the JSON stays JSON."""
    monkeypatch.setattr(session.standing, "unreachable", lambda: "Docker does not answer.")
    assert main(["deployments", "--json"]) == 0
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)) == 1
    assert shown.err == "Docker does not answer.\n"


def test_the_last_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A number of iterations below one is a wrong call."""
    for last in ("0", "-1"):
        assert main(["iterations", "--last", last]) == 1
        assert "--last must be at least 1" in capsys.readouterr().err


def test_a_reader_may_leave(tmp_path: Path) -> None:
    """Where the reader of a pipe has gone (``| head``) the command ends without a word."""
    environment = {"CONTAINERITER_DATA_DIR": str(tmp_path), "CONTAINERITER_CACHE_DIR": str(tmp_path)}
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "jupyter_containeriter.cli", "iterations"]
    run = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    os.close(writer)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_model_can_be_stopped(capsys: pytest.CaptureFixture[str], engine: FakeEngine, session: Session) -> None:
    """Stopping a model tells the version that ran."""
    assert _json(capsys, "undeploy", "churn") == {"name": "churn", "version": 1}
    assert engine.containers(session.history.id) == []


def test_an_error_is_told_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """An error goes to standard error with its remedy, or into the JSON, and the shell sees it."""
    assert main(["undeploy", "nobody"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("NotFoundError: No container of nobody runs.\n  -> ")
    document = _json(capsys, "undeploy", "No Name", code=1)
    assert set(document) == {"error", "remedy"}
    assert "Call it no-name" in document["remedy"]


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("error", 1)])
def test_the_doctor_s_findings_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, status: Any, code: int
) -> None:
    """Only an error that the doctor found is an error for the shell."""
    finding = Finding("Topic", status, "message", "" if status == "ok" else "remedy")
    monkeypatch.setattr(api, "doctor", lambda: [finding])
    (document,) = _json(capsys, "doctor", code=code)
    assert (document["topic"], document["status"]) == ("Topic", status)
    assert main(["doctor"]) == code
    assert "Topic: message" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["undeploy"], ["iterations", "--last", "x"], ["--nope"]])
def test_a_wrong_line_shows_the_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """A wrong command line ends with code 2 and the usage."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: jupyter containeriter" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is the package's."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"{__version__}\n")


def test_it_runs_as_a_module() -> None:
    """The command line works as a process of its own."""
    command = [sys.executable, "-m", "jupyter_containeriter.cli", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"{__version__}\n"


@pytest.mark.parametrize("connections", ["", "1,", "one", "1.5"])
def test_connections_that_are_no_numbers_are_a_wrong_call(capsys: pytest.CaptureFixture[str], connections: str) -> None:
    """The usage is shown, with an example."""
    with pytest.raises(SystemExit) as ended:
        main(["loadtest", "churn", "--connections", connections])
    assert ended.value.code == 2
    assert "1,4,16" in capsys.readouterr().err


def test_a_load_test_without_a_sample_is_told_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """As every verb does: the message, the remedy, code 1."""
    document = _json(capsys, "loadtest", "churn", "--seconds", "1", "--connections", "1", code=1)
    assert set(document) == {"error", "remedy"}


@pytest.mark.parametrize(
    ("command", "code", "status"),
    [
        ("pass", 0, "deployed"),
        ("raise SystemExit(3)", 3, "failed"),
        ("import os; os.kill(os.getpid(), 9)", 137, "failed"),
    ],
)
def test_a_command_is_timed(
    session: Session, capsys: pytest.CaptureFixture[str], command: str, code: int, status: str
) -> None:
    """A command that deploys by another way is an iteration; its exit code is passed on, as a shell does."""
    assert main(["time", "churn", "--method", "make", "--note", "n", "--", sys.executable, "-c", command]) == code
    row = session.history.get("churn", 2)
    assert row is not None
    assert (row.status, row.method, row.note, row.think_seconds, row.run_seconds) == (status, "make", "n", None, None)
    assert row.cycle_seconds == row.build_seconds
    assert "churn:2" in capsys.readouterr().err


def test_an_interrupted_command_is_called_so(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the history calls it."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupt)
    assert main(["time", "churn", "--method", "make", "--", "make"]) == 130
    assert "churn:2 interrupted after" in capsys.readouterr().err


def test_a_timed_command_tells_that_the_history_cannot_be_used(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its row waits, or is lost where nothing can be written at all."""
    session.history.close()
    for part in (tmp_path / "data").glob("history.sqlite*"):
        part.unlink()
    (tmp_path / "data" / "history.sqlite").write_bytes(b"no database" * 1000)
    assert main(["time", "churn", "--method", "make", "--", sys.executable, "-c", "pass"]) == 0
    assert "What happens meanwhile is written to it later" in capsys.readouterr().err


def test_a_command_that_is_not_there_is_told(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """As a shell does; without a command nothing is recorded."""
    assert main(["time", "churn", "--method", "make", "--", "no-such-command"]) == 127
    assert "no-such-command: No such file" in capsys.readouterr().err
    row = session.history.get("churn", 2)
    assert row is not None
    assert row.status == "failed"
    assert main(["time", "churn", "--method", "make"]) == 1
    assert session.history.get("churn", 3) is None
