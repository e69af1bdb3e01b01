"""The report of a history as a reader sees it: on a desk in light colours, on a telephone in dark ones."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from history_frames import events, two_methods
from playwright.sync_api import BrowserContext, Page

from jupyter_containeriter import analytics
from jupyter_containeriter.show.iterations import Iterations
from jupyter_containeriter.show.report import Chart, report_page

NOTE = "<b>bold</b><script>document.title = 'mine'</script>"


@pytest.fixture
def page(context: BrowserContext, tmp_path: Path) -> Page:
    """Open a report of some iterations."""
    frame = two_methods(8).assign(note=NOTE, error="", parity="exact", hot=False)
    drawn: list[Any] = [analytics.plot(kind, frame, "churn", events=events()) for kind in ("trend", "compare", "dora")]
    charts = [Chart(figure.get_suptitle(), figure._repr_png_()[0]) for figure in drawn]
    text = report_page("churn", charts, Iterations.of(frame, lambda *_: None).html(), datetime.now(UTC))
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    return page


def test_nothing_is_wider_than_the_window(page: Page) -> None:
    """Only the table may be moved sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_pictures_are_shown(page: Page) -> None:
    """Each is loaded from the page itself, on white, as wide as the text."""
    shown = page.evaluate("[...document.images].map(i => [i.naturalWidth, getComputedStyle(i).backgroundColor])")
    assert shown == [[1880, "rgb(255, 255, 255)"]] * 3


def test_words_can_be_read(page: Page) -> None:
    """Dark on light, or light on dark, as the reader prefers."""
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    ink, paper = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    assert (ink, paper) == (
        ("rgb(230, 237, 243)", "rgb(13, 17, 23)") if dark else ("rgb(36, 41, 47)", "rgb(255, 255, 255)")
    )


def test_what_people_wrote_is_shown_and_not_run(page: Page) -> None:
    """Notes with tags in them are words."""
    assert page.title() == "churn: history of iterations"
    assert page.get_by_text(NOTE).first.is_visible()
