"""The report of a history: one page that needs nothing else, and destroys nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter import verbs
from jupyter_containeriter.errors import NotFoundError, UsageError
from jupyter_containeriter.magic_arguments import MagicParser
from jupyter_containeriter.session import Session
from jupyter_containeriter.types import LoadLevel

WHEN = datetime(2030, 1, 7, 9, tzinfo=UTC)
NASTY = "<script>alert('x')</script>&\"quoted\""


def lived(session: Session, count: int = 3) -> None:
    """Live through some iterations with nasty words, and a load test."""
    for place in range(count):
        row = session.history.begin(
            "churn", started_at=WHEN + timedelta(hours=place), note=NASTY, params={NASTY: NASTY}, method=NASTY
        )
        at = WHEN + timedelta(hours=place + 1)
        ended: dict[str, Any] = {"status": "verified", "parity": "exact", "finished_at": at}
        times = {"package_to_verified_seconds": 0.2, "cycle_seconds": 60.0, "lead_seconds": 5.0, "build_seconds": 0.2}
        session.history.update(replace(row, metrics={"accuracy": 0.8 + 0.01 * place}, **ended, **times))
    level = {"connections": 1, "seconds": 1.0, "requests": 10, "errors": 0, "refused": 0, "requests_per_second": 10.0}
    session.history.record_load([LoadLevel("id", "test", "churn", 1, NASTY, WHEN, added_p50_seconds=0.001, **level)])


class Page(HTMLParser):
    """Notes tags, what they refer to, and the words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.references += [value or "" for key, value in attrs if key in {"src", "href", "srcset", "action", "data"}]

    def handle_data(self, data: str) -> None:
        """Note words."""
        self.words += data


@pytest.fixture
def session(lab: Any) -> Session:
    """Return the first kernel's session."""
    found: Session = lab.session
    return found


@pytest.fixture
def page(session: Session, tmp_path: Path) -> Page:
    """Write a report and return its page."""
    lived(session)
    session.report("churn", str(tmp_path / "report.html"))
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_it_needs_nothing_from_elsewhere(page: Page) -> None:
    """No scripts, no references but pictures in the page, and a policy that forbids any."""
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert page.references
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)


def test_what_people_wrote_is_text(page: Page) -> None:
    """Tags in notes, params, methods and engines are shown as they were typed."""
    assert NASTY in page.words


def test_it_has_findings_charts_iterations_and_definitions(page: Page) -> None:
    """Each chart that has something to show, and its finding in words."""
    assert page.tags.count("img") == 6
    for finding in ("package to verified 0.20 s", "accuracy 0.8 → 0.82", "change failure rate 0 %", "adds 1.0 ms"):
        assert finding in page.words
    assert all(f"churn:{version}" in page.words for version in (1, 2, 3))
    assert "Change failure rate" in page.words


def test_nothing_secret_is_in_it(session: Session, lab: Any, tmp_path: Path) -> None:
    """The token of what runs, and what cells hold, stay out."""
    deployment = lab.containerize()
    report = session.report(deployment.name, str(tmp_path / "report.html"))
    assert deployment.token not in Path(report.path).read_text(encoding="utf-8")


def test_light_and_dark(session: Session, tmp_path: Path) -> None:
    """The page follows what its reader prefers."""
    lived(session)
    text = Path(session.report("churn", str(tmp_path / "r.html")).path).read_text(encoding="utf-8")
    assert re.search(r"@media \(prefers-color-scheme: dark\)", text)


def test_without_a_path_it_is_named_after_the_model(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the working directory."""
    lived(session, 1)
    monkeypatch.chdir(tmp_path)
    assert session.report("churn").path == "churn-report.html"
    assert (tmp_path / "churn-report.html").exists()


def test_a_report_may_be_replaced_but_nothing_else(session: Session, tmp_path: Path) -> None:
    """Something else under that path is left as it is."""
    lived(session, 1)
    target = tmp_path / "report.html"
    session.report("churn", str(target))
    before = target.stat().st_mtime_ns
    session.report("churn", str(target))
    assert target.stat().st_mtime_ns > before
    target.write_text("mine")
    with pytest.raises(UsageError, match="is not a report"):
        session.report("churn", str(target))
    assert target.read_text() == "mine"


def test_paths_that_cannot_be_written_are_refused(session: Session, tmp_path: Path) -> None:
    """A directory, and a directory that is not there."""
    lived(session, 1)
    with pytest.raises(UsageError, match="is a directory"):
        session.report("churn", str(tmp_path))
    with pytest.raises(UsageError, match="cannot be written"):
        session.report("churn", str(tmp_path / "none" / "report.html"))


def test_unknown_models_have_no_report(session: Session, tmp_path: Path) -> None:
    """No file comes of it."""
    with pytest.raises(NotFoundError):
        session.report("churn", str(tmp_path / "report.html"))
    assert not list(tmp_path.glob("*.html"))


def test_the_verb_takes_a_name_and_a_path() -> None:
    """The same in notebook and shell."""
    (verb,) = (verb for verb in verbs.VERBS if verb.name == "report")
    parser = MagicParser("report", "")
    verb.arguments(parser)
    found = parser.parse_line("churn out.html")
    assert (found.name, found.path) == ("churn", "out.html")
