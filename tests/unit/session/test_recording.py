"""What is recorded with an iteration, and beside iterations: times that add up, the cell, parameters, events, loads."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_containeriter.clock import CellClock
from jupyter_containeriter.errors import CaptureError, HistoryError, ParityError, UsageError
from jupyter_containeriter.hooks import CellEvents
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.progress import Silent
from jupyter_containeriter.road import walk
from jupyter_containeriter.types import PHASES, Iteration

if TYPE_CHECKING:
    from session_bench import Lab


@pytest.fixture
def shell(lab: Lab) -> Iterator[InteractiveShell]:
    """Give a shell whose cells the lab's kernel hears of."""
    shell = InteractiveShell()
    lab.session.clock = CellClock()
    events = CellEvents(shell, lab.session.clock)
    events.register()
    shell.user_ns.update(lab=lab, model=lab.request().model)
    yield shell
    events.unregister()
    shell.history_manager.end_session()  # type: ignore[union-attr]


def _sum(row: Iteration) -> float:
    return sum(getattr(row, f"{phase}_seconds") or 0.0 for phase in PHASES)


def _seconds(row: Iteration) -> float:
    assert row.finished_at is not None
    return (row.finished_at - row.started_at).total_seconds()


def _wrong(outputs: list[dict[str, Any]]) -> None:
    outputs[0]["data"][-1] += 1


def test_phases_are_the_whole_cycle_however_it_ends(lab: Lab) -> None:
    """Of verified, built and failed iterations, cold and hot, phases are the cycle, and cycles follow one another."""
    lab.containerize(3)
    lab.containerize(4, fresh=False)
    lab.containerize(5, deploy=False)
    lab.servers.changes.append(_wrong)
    with pytest.raises(ParityError):
        lab.containerize(6)
    rows = [lab.row(version) for version in (1, 2, 3, 4)]
    assert [row.status for row in rows] == ["verified", "verified", "built", "failed"]
    for row in rows:
        assert row.cycle_seconds == pytest.approx(_sum(row), abs=1e-6)
        assert row.cycle_seconds == pytest.approx(_seconds(row), abs=0.02)
    for before, after in itertools.pairwise(rows):
        assert after.started_at == before.finished_at


def test_a_wrong_call_ends_no_cycle(lab: Lab) -> None:
    """What passed until a call that was refused is the next iteration's."""
    before, _ = lab.session.clock.read("churn")
    time.sleep(0.03)
    with pytest.raises(UsageError):
        lab.session.containerize(lab.request(sample=[]), RunOptions())
    lab.containerize(3)
    assert (lab.row(1).think_seconds or 0) + (lab.row(1).run_seconds or 0) >= 0.03 + before


def test_the_call_begins_where_it_was_called(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for an engine and after what killed kernels left is part of the call."""
    monkeypatch.setattr(lab.session.reconciler, "reconcile", lambda: time.sleep(0.05))
    lab.containerize(3)
    row = lab.row(1)
    assert (row.capture_seconds or 0) >= 0.05
    assert row.package_to_verified_seconds == pytest.approx(
        _sum(row) - (row.think_seconds or 0) - (row.run_seconds or 0)
    )


def test_the_cell_is_recorded(lab: Lab, shell: InteractiveShell) -> None:
    """Its number and its source, cut where it is long, and without tokens of ours."""
    lab.containerize(3)
    token = next(iter(lab.session.handles.tokens().values()))
    shell.run_cell("x = 1", store_history=True)
    source = f"token = '{token}'\nlab.containerize(4)\n#" + "x" * 20_000
    shell.run_cell(source, store_history=True).raise_error()
    row = lab.row(2)
    assert row.execution_count == 2
    assert row.cell.startswith("token = '***'\nlab.containerize(4)\n#xxx")
    assert len(row.cell) == 10_000


_KEY = "AKIA" + "QYLPMN5HFIQR7XYA"


def test_secrets_are_not_recorded(lab: Lab, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords, keys and tokens are in no column: those of the cell, of the model's params, and of what was given."""
    monkeypatch.setenv("TEAM_API_KEY", "qwertzuiop1")
    monkeypatch.setattr(walk, "model_params", lambda model: {"llm__api_key": "s3cretvalue99", "k": model.k})
    options = f"params={{'url': 'http://u:hunter2x@host/', 'n': 1}}, tags={{'by': 'qwertzuiop1'}}, note='with {_KEY}'"
    shell.run_cell(f"password = 's3cretvalue98'\nlab.containerize(3, {options})").raise_error()
    row = lab.row(1)
    assert row.cell.startswith("password = '***'\nlab.containerize(3, params={'url': 'http://u:***@host/', 'n': 1}")
    assert row.params == {"llm__api_key": "***", "k": 3, "url": "http://u:***@host/", "n": 1}
    assert (row.tags, row.note) == ({"by": "***"}, "with ***")


def test_secrets_of_a_refused_model_are_not_recorded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is refused because it holds a key leaves none in the history, nor does an error that tells one."""
    request = lab.request()
    request.model.api_key = "s3cretvalue99"
    monkeypatch.setattr(walk, "model_params", lambda model: {"api_key": model.api_key})
    with pytest.raises(CaptureError, match="api_key"):
        lab.session.containerize(request, RunOptions())
    with pytest.raises(OSError, match="s3cretvalue98"), lab.session.iteration("churn", "docker build"):
        raise OSError("POST https://host/?x failed with api_key='s3cretvalue98'")
    assert (lab.row(1).status, lab.row(1).params) == ("failed", {"api_key": "***"})
    assert lab.row(2).error == "OSError: POST https://host/?x failed with api_key='***'"
    kept = lab.settings.history_location
    assert isinstance(kept, Path)
    assert not any(b"s3cretvalue9" in file.read_bytes() for file in kept.parent.glob(f"{kept.name}*"))


def test_outside_a_kernel_there_is_no_cell(lab: Lab) -> None:
    """A script has no cells, and no lead time."""
    lab.containerize(3)
    row = lab.row(1)
    assert (row.execution_count, row.cell, row.lead_seconds) == (None, "", None)


def test_lead_time_runs_from_the_cell_that_changed_the_model(lab: Lab, shell: InteractiveShell) -> None:
    """Cells that only read the model come in between and count as lead time."""
    ask = "lab.session.containerize({request}, RunOptions())"
    shell.user_ns.update(RunOptions=RunOptions, request=(request := lab.request()), model=request.model, time=time)
    shell.run_cell("model.k = 5")
    changed = lab.session.clock.cells[-1].ended
    assert changed is not None
    shell.run_cell("time.sleep(.03)\nmodel.predict([1])")
    shell.run_cell(ask.format(request="request")).raise_error()
    row = lab.row(1)
    assert row.lead_seconds is not None
    assert row.lead_seconds >= 0.03 + (row.package_to_verified_seconds or 0)
    shell.run_cell("model.k = 6\n" + ask.format(request="request")).raise_error()
    assert lab.row(2).lead_seconds == lab.row(2).package_to_verified_seconds


def test_what_fails_has_no_lead_time(lab: Lab, shell: InteractiveShell) -> None:
    """Lead time ends with a verified model."""
    shell.user_ns.update(RunOptions=RunOptions, request=lab.request())
    lab.servers.changes.append(_wrong)
    result = shell.run_cell("model = request.model\nlab.session.containerize(request, RunOptions())")
    assert isinstance(result.error_in_exec, ParityError)
    assert lab.row(1).lead_seconds is None


def test_a_block_has_a_lead_time_as_well(lab: Lab, shell: InteractiveShell) -> None:
    """The variable of the name, or the one containerized before under it, tells when the model changed."""
    shell.run_cell("churn = 1")
    shell.run_cell("with lab.session.iteration('churn', 'script'): pass").raise_error()
    shell.run_cell("churn = 2\nwith lab.session.iteration('churn', 'script'): pass").raise_error()
    first, second = lab.row(1), lab.row(2)
    assert (first.lead_seconds or 0) > (first.package_to_verified_seconds or 0)
    assert second.lead_seconds == second.package_to_verified_seconds


def test_parameters_are_recorded_by_themselves(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model tells is recorded; what the call says wins."""
    monkeypatch.setattr(walk, "model_params", lambda model: {"k": model.k, "deep": None})
    lab.containerize(3, params={"k": 7, "seed": 1})
    assert lab.row(1).params == {"k": 7, "deep": None, "seed": 1}


def test_the_card_says_what_changed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Params that are not those of the version before are shown with both values; the first version shows none."""
    monkeypatch.setattr(walk, "model_params", lambda model: {"k": model.k, "same": None, **model.more})
    cards = []
    for k, more in ((3, {}), (4, {}), (4, {f"p{i}": i for i in range(9)})):
        request = lab.request(k)
        request.model.more = more
        cards.append(lab.session.containerize(request, RunOptions())._repr_html_())
    assert "Changed" not in cards[0]
    assert "k 3 → 4<" in cards[1]
    assert "p0 None → 0" in cards[2]
    assert "and 4 more" in cards[2]


def test_events_are_recorded(lab: Lab) -> None:
    """Rollback, deploy and undeploy, each with what served before; a deploy of an earlier version is a rollback."""
    for k in (3, 4, 5):
        lab.containerize(k)
    lab.session.rollback("churn")
    lab.session.deploy("churn:3")
    lab.session.deploy("churn:1")
    lab.session.undeploy("churn")
    lab.session.deploy("churn:2")
    events = lab.session.history.events("churn")
    assert events["kind"].tolist() == ["rollback", "deploy", "rollback", "undeploy", "deploy"]
    assert events["version"].tolist() == [2, 3, 1, 1, 2]
    assert events["previous"].tolist()[:4] == [3, 2, 3, 1]
    assert events["previous"].isna().tolist()[4]
    assert (events["seconds"] > 0).all()


def test_a_verb_that_fails_is_no_event(lab: Lab) -> None:
    """Where what ran keeps running, nothing has happened."""
    lab.containerize(3)
    lab.containerize(4)
    lab.servers.changes.append(_wrong)
    with pytest.raises(ParityError):
        lab.session.deploy("churn:1", fresh=True)
    assert len(lab.session.history.events("churn")) == 0


def test_a_history_that_takes_no_events_fails_no_verb(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is deployed, and a note says what is missing."""
    lab.containerize(3)
    lab.containerize(4)

    class Ear(Silent):
        def note(self, text: str) -> None:
            heard.append(text)

    heard: list[str] = []

    def refuse(*_: object) -> None:
        raise HistoryError("The disk is full.")

    monkeypatch.setattr(lab.session.history, "record_event", refuse)
    assert lab.session.rollback("churn", progress=Ear()).version == 1
    assert any("rollback is done" in text and "disk is full" in text for text in heard)


def test_a_model_that_cannot_be_captured_has_its_time(lab: Lab) -> None:
    """A failure in the first phase leaves no time unaccounted for."""
    request = lab.request()
    request.model.lock = __import__("threading").Lock()
    with pytest.raises(CaptureError):
        lab.session.containerize(request, RunOptions())
    assert lab.row(1).cycle_seconds == pytest.approx(_sum(lab.row(1)), abs=1e-6)


def test_texts_that_no_file_can_hold_are_kept_as_escapes(lab: Lab) -> None:
    """A lone surrogate in a note or a param is written out; nothing that shows the row fails for it."""
    with lab.session.iteration("churn", "by hand", note="a\ud800", params={"u": "\ud800", "\udcff": [1]}):
        pass
    frame = lab.session.iterations("churn")
    assert frame["note"].iloc[0] == "a\\ud800"
    assert frame["params"].iloc[0] == {"u": "\\ud800", "\\udcff": [1]}
    frame.html().encode()
