"""``%%iteration``: a cell of the notebook, timed as another way of deploying."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_containeriter import api, magics
from jupyter_containeriter.clock import CellClock
from jupyter_containeriter.errors import ParityError, UsageError
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.testing import FakeEngine
from jupyter_containeriter.types import Iteration


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Give the session of the kernel."""
    clock = CellClock()
    monkeypatch.setattr(magics, "kernel_clock", lambda: clock)
    settings = ContainerIter(data_dir=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"))
    session = Session(settings, clock)
    monkeypatch.setattr(api.kernel, "session", lambda: session)
    monkeypatch.setattr(session, "engines", lambda: [FakeEngine()])
    yield session
    session.history.close()


@pytest.fixture
def shell(loaded_shell: InteractiveShell) -> InteractiveShell:
    """Give a shell that has loaded the extension."""
    return loaded_shell


def _row(session: Session, version: int = 1) -> Iteration:
    row = session.history.get("churn", version)
    assert row is not None
    return row


def test_a_cell_is_timed(shell: InteractiveShell, session: Session) -> None:
    """The cell runs in the notebook's namespace; metrics and parameters of the line are evaluated after it."""
    cell = "loss = 0.25\ndepth = 3\nloss * 4"
    source = (
        f"%%iteration churn --method 'docker build' --metric loss=loss --param depth=depth --tag a=b --note 'n'\n{cell}"
    )
    result = shell.run_cell(source, store_history=True)
    result.raise_error()
    assert (result.result, shell.user_ns["depth"]) == (1.0, 3)
    row = _row(session)
    assert (row.status, row.method, row.metrics, row.params) == (
        "deployed",
        "docker build",
        {"loss": 0.25},
        {"depth": 3},
    )
    assert (row.tags, row.note, row.execution_count, row.cell) == ({"a": "b"}, "n", 1, source)


def test_cells_may_hold_magics(shell: InteractiveShell, session: Session) -> None:
    """Magics and shell commands in the cell are IPython's, as in any other cell."""
    shell.run_cell("%%iteration churn --method script\nfound = !echo deployed\n%precision 3").raise_error()
    assert shell.user_ns["found"] == ["deployed"]


def test_a_cell_checks_its_predictions(shell: InteractiveShell, session: Session) -> None:
    """Within the cell ``it`` is the iteration, and not any more after it."""
    shell.user_ns["it"] = "mine"
    shell.run_cell("%%iteration churn --method script\nwith it.phase('verify'):\n    it.check([1], [1])").raise_error()
    assert (_row(session).status, shell.user_ns["it"]) == ("verified", "mine")
    result = shell.run_cell("%%iteration churn --method script\nit.check([1], [2])")
    assert isinstance(result.error_in_exec, ParityError)
    assert _row(session, 2).status == "failed"


def test_an_error_shows_the_cell_and_nothing_else(
    shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """The traceback is that of a cell, with its lines; files of ours or of IPython's are not in it."""
    shell.run_line_magic("colors", "nocolor")
    result = shell.run_cell(
        "%%iteration churn --method script\ndef deploy():\n    raise ValueError('no daemon')\ndeploy()"
    )
    shown = capsys.readouterr().out
    assert isinstance(result.error_in_exec, ValueError)
    assert shown.count("ValueError") >= 1
    assert "deploy()" in shown
    assert "raise ValueError('no daemon')" in shown
    for foreign in ("timed_cell.py", "history_magics.py", "interactiveshell.py"):
        assert foreign not in shown
    assert (_row(session).status, _row(session).error) == ("failed", "ValueError: no daemon")


@pytest.mark.parametrize("cell", ["raise KeyboardInterrupt", "def"])
def test_other_ends_of_a_cell(shell: InteractiveShell, session: Session, cell: str) -> None:
    """An interrupt is recorded as one; a cell that is no Python begins no iteration."""
    result = shell.run_cell(f"%%iteration churn --method script\n{cell}")
    assert not result.success
    rows = session.iterations()
    assert rows["status"].tolist() == (["interrupted"] if "Keyboard" in cell else [])


def test_a_wrong_metric_does_not_undo_the_deployment(shell: InteractiveShell, session: Session) -> None:
    """What the line asks for after the cell may be wrong: that is told, and the rest is recorded."""
    result = shell.run_cell("%%iteration churn --method script --metric a=nothing --metric b=2\nx = 1")
    assert isinstance(result.error_in_exec, UsageError)
    assert (_row(session).status, _row(session).metrics) == ("deployed", {"b": 2.0})


@pytest.mark.parametrize("line", ["", "churn", "churn --method", "churn --method containeriter", "Churn! --method x"])
def test_wrong_lines_run_nothing(shell: InteractiveShell, session: Session, line: str) -> None:
    """Without a name and a method nothing is run."""
    result = shell.run_cell(f"%%iteration {line}\nran = True")
    assert isinstance(result.error_in_exec, UsageError)
    assert "ran" not in shell.user_ns
