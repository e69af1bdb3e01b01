"""Verbs while the history cannot be used: models are deployed, and nothing that runs is lost."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_containeriter.errors import HistoryError
from jupyter_containeriter.image.cache import Tenant
from jupyter_containeriter.progress import Silent

if TYPE_CHECKING:
    from session_bench import Lab


class Notes(Silent):
    """Remembers what was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        """Remember it."""
        self.texts.append(text)


@contextmanager
def outage(lab: Lab) -> Iterator[Path]:
    """Put something else in the place of the history for a while."""
    path = lab.settings.data_path / "history.sqlite"
    away = path.with_suffix(".away")
    if path.exists():
        lab.session.history.close()
        path.rename(away)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("something else")
    yield path
    path.unlink()
    if away.exists():
        away.rename(path)


def test_model_is_deployed_and_recorded_later(own_lab: Lab) -> None:
    """A model is verified although nothing can be recorded; that is told once, and its row is written later."""
    notes = Notes()
    with outage(own_lab):
        first = own_lab.containerize(3, notes)
        own_lab.containerize(4, notes)
        assert first.iteration.status == "verified"
        assert [found.version for found in own_lab.session.deployments()] == [2]
    assert len([text for text in notes.texts if "is not a history" in text]) == 1
    assert own_lab.session.iterations()["status"].tolist() == ["verified", "verified"]
    assert own_lab.row(1).id == first.iteration.id
    assert [found.version for found in own_lab.session.deployments()] == [2]


def test_a_block_tells_that_its_row_waits(own_lab: Lab) -> None:
    """A block that times another way of deploying says once that the history cannot be used, and is recorded later."""
    with outage(own_lab):
        with pytest.warns(UserWarning, match="is not a history") as told, own_lab.session.iteration("churn", "by hand"):
            pass
        with warnings.catch_warnings(), own_lab.session.iteration("churn", "by hand"):
            warnings.simplefilter("error")
    assert len(told) == 1
    assert own_lab.session.iterations()["status"].tolist() == ["deployed", "deployed"]


def test_rollback_to_what_waits(own_lab: Lab) -> None:
    """What was deployed meanwhile can be rolled back meanwhile."""
    with outage(own_lab):
        own_lab.containerize(3)
        own_lab.containerize(4)
        assert own_lab.session.rollback("churn").version == 1
        assert own_lab.versions() == [1]
    assert [found.version for found in own_lab.session.deployments()] == [1]


def test_what_ran_before_is_shown_and_kept(own_lab: Lab) -> None:
    """A new kernel shows what runs although it cannot read its row, and takes nothing for left over."""
    own_lab.containerize(3)
    kernel = own_lab.kernel()
    with outage(own_lab):
        (shown,) = kernel.deployments()
        assert (shown.name, shown.version) == ("churn", 1)
        assert own_lab.versions() == [1]
        with pytest.raises(HistoryError):
            kernel.rollback("churn")
        with pytest.raises(HistoryError):
            kernel.deploy("churn:1")
    assert own_lab.versions() == [1]


def test_undeploy_meanwhile(own_lab: Lab) -> None:
    """What runs can be stopped without its row."""
    own_lab.containerize(3)
    with outage(own_lab):
        assert own_lab.kernel().undeploy("churn") == 1
    assert own_lab.running() == []


def test_version_above_what_runs(own_lab: Lab) -> None:
    """A version that is given meanwhile is not the one that runs, also where nothing was noted of it."""
    own_lab.containerize(3)
    own_lab.containerize(4)
    for note in (own_lab.settings.data_path / "spool").glob("*/*.version"):
        note.unlink()
    with outage(own_lab):
        assert own_lab.containerize(5).version == 3


def test_history_moved_aside_keeps_what_waited(own_lab: Lab) -> None:
    """Where a new history is begun in the place of a damaged one, what was deployed meanwhile is in it and served."""
    own_lab.containerize(3)
    path = own_lab.settings.data_path / "history.sqlite"
    with outage(own_lab):
        own_lab.containerize(4)
        path.with_suffix(".away").unlink()
    kernel = own_lab.kernel()
    assert [found.version for found in kernel.deployments()] == [2]
    assert kernel.iterations()["version"].tolist() == [2]


def test_garbage_waits_for_other_histories(own_lab: Lab) -> None:
    """While another history that builds on the cache cannot be asked, nothing is removed; its note can be."""
    own_lab.containerize(3)
    own_lab.session.cache.sign_in(Tenant("other", "them", "postgresql://ada@127.0.0.1:1/team"))
    with pytest.raises(HistoryError, match="Another history that builds on this cache") as caught:
        own_lab.session.gc(0)
    note = own_lab.settings.cache_path / "histories" / "other.them"
    assert str(note) in caught.value.remedy
    note.unlink()
    own_lab.session.gc(0)


def test_running_rows_of_others_are_not_judged(own_lab: Lab) -> None:
    """An iteration that another data directory of this host began is theirs to end; ours lost their kernel."""
    history = own_lab.session.history
    rows = [
        history.begin("fraud", started_at=datetime.now(UTC), host=own_lab.session.host, owner=owner)
        for owner in ("them", own_lab.session.locks.owner, "")
    ]
    own_lab.kernel().deployments()
    found = history.by_ids(row.id for row in rows)
    assert [found[row.id].status for row in rows] == ["running", "interrupted", "interrupted"]


def test_garbage_is_left_alone_meanwhile(own_lab: Lab) -> None:
    """What is needed cannot be told while the history cannot be read, so nothing is removed."""
    own_lab.containerize(3)
    blobs = {path.name for path in (own_lab.settings.cache_path / "blobs" / "sha256").iterdir()}
    with outage(own_lab), pytest.raises(HistoryError):
        own_lab.session.gc(0)
    assert blobs <= {path.name for path in (own_lab.settings.cache_path / "blobs" / "sha256").iterdir()}
