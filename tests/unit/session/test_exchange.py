"""The history written to files and brought together, as the verbs show it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jupyter_containeriter import exchange
from jupyter_containeriter.errors import NotFoundError
from jupyter_containeriter.history import History
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.verbs import VERBS

NOW = datetime(2030, 1, 2, tzinfo=UTC)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Give a session with one iteration, on no engine."""
    session = Session(ContainerIter(data_dir=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache")))
    monkeypatch.setattr(session, "engines", list)
    session.history.begin("churn", started_at=NOW, host="elsewhere")
    return session


def test_export_shows_the_file(session: Session, tmp_path: Path) -> None:
    """The answer says what was written, in each form."""
    found = session.export(str(tmp_path / "all.csv"))
    assert found.iterations == 1
    assert "1 iteration exported" in found.text()
    assert str(tmp_path / "all.csv") in found.html()
    assert json.loads(json.dumps(found.document()))["size_bytes"] == (tmp_path / "all.csv").stat().st_size


def test_unknown_model_is_not_exported(session: Session, tmp_path: Path) -> None:
    """A model that does not exist is named, and no file is written."""
    with pytest.raises(NotFoundError, match="no model fraud"):
        session.export(str(tmp_path / "fraud.csv"), "fraud")
    assert not (tmp_path / "fraud.csv").exists()


def test_merge_shows_what_was_renumbered(session: Session, tmp_path: Path) -> None:
    """The answer says what was added and which versions are others here."""
    other = History(tmp_path / "other.sqlite")
    other.begin("churn", started_at=NOW)
    other.close()
    found = session.merge(str(tmp_path / "other.sqlite"))
    assert "churn:1 is churn:2 here" in found.text()
    assert "1 iteration, 0 events, 0 load levels" in found.html()
    assert found.document()["renumbered"] == (("churn", 1, 2),)
    assert "1 iteration already" in session.merge(str(tmp_path / "other.sqlite")).text()


def test_password_of_the_source_is_not_shown(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of what was merged is shown without its password."""
    counts = exchange.MergeCounts(0, 0, 0, 0)
    monkeypatch.setattr(session.history, "merge", lambda _source: counts)
    found = session.merge("postgresql://ada:s3cret@db/team")
    assert "s3cret" not in f"{found.text()} {found.html()} {found.document()}"


def test_both_faces_have_the_verbs() -> None:
    """Magic and shell offer them."""
    assert {"export", "merge"} <= {verb.name for verb in VERBS}
