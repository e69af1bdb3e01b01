"""The history as a table to read."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.show import words

_START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Give a session with a history of nothing."""
    session = Session(ContainerIter(data_dir=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache")))
    yield session
    session.history.close()


def add(session: Session, name: str = "churn", **fields: Any) -> None:
    """Add an iteration that ended."""
    row = session.history.begin(name, started_at=_START)
    ended = _START + timedelta(minutes=row.version)
    session.history.update(replace(row, **{"status": "verified", "finished_at": ended, **fields}))


def test_it_is_a_data_frame_and_so_is_what_is_made_of_it(session: Session) -> None:
    """A selection looks as pandas shows it; the history itself, as a table to read."""
    add(session)
    frame = session.iterations()
    assert isinstance(frame, pd.DataFrame)
    assert "containeriter-iterations" in frame._repr_html_()
    for made in (frame.head(), frame[frame.version > 0], frame.copy(), pd.concat([frame, frame])):
        assert type(made) is pd.DataFrame
    frame["mine"] = 1
    assert "mine" in frame._repr_html_()
    assert "mine" in repr(frame)


def test_it_can_be_pickled(session: Session) -> None:
    """A pickle of the history is one of an ordinary DataFrame: nothing of this kernel comes along."""
    add(session)
    frame = session.iterations()
    read = pickle.loads(pickle.dumps(frame))
    assert type(read) is pd.DataFrame
    pd.testing.assert_frame_equal(read, pd.DataFrame(frame))


def test_the_newest_comes_first_and_what_is_not_shown_is_counted(session: Session) -> None:
    """Thirty rows are shown; the DataFrame has them all."""
    for _ in range(34):
        add(session)
    frame = session.iterations()
    for shown in (frame.html(), frame.text()):
        assert shown.index("churn:34") < shown.index("churn:33")
        assert "churn:4<" not in shown
        assert "\nchurn:4 " not in shown
        assert "… 4 more" in shown
    assert len(frame) == 34


def test_texts_of_people_are_texts(session: Session) -> None:
    """Nothing that is kept with an iteration becomes a tag."""
    evil = "<img src=x onerror=alert(1)>"
    add(session, params={evil: 0})
    add(session, params={evil: evil}, metrics={evil: 1.0}, note=evil, error=evil, engine=evil, method=evil)
    assert "<img" not in session.iterations().html()


def test_changed_params_are_marked(session: Session) -> None:
    """Against the version before, also where that one is not among those chosen."""
    add(session, params={"depth": 3, "seed": 1}, image_digest="sha256:3")
    add(session, params={"depth": 5, "seed": 1}, image_digest="sha256:5")
    for frame in (session.iterations(), session.iterations(last=1), session.iterations(where="depth == 5")):
        assert "depth 5 (was 3)" in frame.text()
        assert "<b>depth 5</b>" in frame.html()
        assert "1 unchanged" in frame.html()


def test_other_ways_of_deploying_lose_no_params(session: Session) -> None:
    """A version of which nothing is known changed nothing; the next one is compared with the last that is known."""
    add(session, params={"depth": 3}, image_digest="sha256:3")
    add(session, method="docker build")
    add(session, params={"depth": 5}, image_digest="sha256:5")
    text = session.iterations().text()
    assert text.count("was") == 1
    assert "depth 5 (was 3)" in text


def test_the_best_is_marked_for_each_model(session: Session) -> None:
    """By the metric's name; a version that failed is never the best."""
    for loss, status in ((0.5, "verified"), (0.3, "verified"), (0.1, "failed")):
        add(session, metrics={"loss": loss}, status=status)
    add(session, "fraud", metrics={"loss": 9.0})
    html = session.iterations().html()
    assert "0.3 ★" in html
    assert html.count("★") == 1
    assert "loss 0.3*" in session.iterations().text()


@pytest.mark.parametrize("parity", ["exact", "close", "failed", "nondeterministic"])
def test_states_are_words(session: Session, parity: str) -> None:
    """Colour alone says nothing."""
    word = {"failed": "differs"}.get(parity, parity)
    add(session, parity=parity)
    assert word in session.iterations().html()
    assert word in session.iterations().text()


def test_phases_are_bars_with_words(session: Session) -> None:
    """Who does not see the bar reads what it says."""
    add(session, think_seconds=80.0, capture_seconds=0.5, build_seconds=0.25, verify_seconds=0.25)
    html = session.iterations().html()
    assert "think 1 min 20 s, capture 0.50 s, build 0.25 s, verify 0.25 s" in html
    assert "width:50.00%" in html


def test_an_error_is_told_in_short(session: Session) -> None:
    """In one line, and not the whole of it."""
    add(session, status="failed", error="It failed:\n  row 0\n" + "x" * 5000)
    assert "error: It failed: row 0 x" in session.iterations().text()
    assert len(session.iterations().text()) < 700


def test_an_empty_history_says_so(session: Session) -> None:
    """Rather than nothing."""
    assert "No such iterations yet" in session.iterations().html()
    assert "No such iterations yet" in session.iterations().text()


def test_where_comes_before_last(session: Session) -> None:
    """The last ones of those that are meant."""
    for status in ("verified", "verified", "failed"):
        add(session, status=status)
    assert list(session.iterations("churn", 1, "status == 'verified'").version) == [2]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.05, "50 ms"), (59, "59.00 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h")],
)
def test_long_times_have_their_units(seconds: float, told: str) -> None:
    """Two of them at most."""
    assert words.duration(seconds) == told


def test_how_long_ago() -> None:
    """In the largest unit; clocks may differ."""
    told = {
        0: "just now",
        150: "2 min ago",
        7300: "2 h ago",
        90000: "1 day ago",
        200000: "2 days ago",
        -60: "in the future",
    }
    for seconds, text in told.items():
        assert words.ago(_START, _START + timedelta(seconds=seconds)) == text
