"""A browser for tests: Debian's chromium, which Playwright drives; and what a page does unseen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

#: Addresses that lead to no host.
_INLINE = ("data:", "blob:", "about:")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser: a skip where a person has none, a failure in CI.

    While it runs, Playwright holds an event loop in this thread, in which no other test could start one of its own.
    """
    program = shutil.which("chromium")
    if program is None:
        why = "chromium is not installed"
        pytest.fail(why, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(why)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Watch:
    """What went wrong on a page, and whom it asked, as long as it is open.

    Parameters
    ----------
    page
        The page.
    origin
        The address of the only server that it may ask, with a slash at the end.
    """

    page: Page
    origin: str
    problems: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("request", self._asked)

    def forgive(self, text: str) -> None:
        """Leave out errors that are not this project's."""
        self.problems = [problem for problem in self.problems if text not in problem]

    def assert_quiet(self) -> None:
        """Insist that no error was written, and nobody else asked."""
        assert not self.problems, self.problems
        assert not self.strangers, self.strangers

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"{message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.origin, *_INLINE)):
            self.strangers.append(request.url)
