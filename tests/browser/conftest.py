"""A browser for the tests: Debian's chromium, which Playwright drives."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


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


@pytest.fixture(params=["wide", "narrow"])
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    """Open a window as on a desk and in light colours, or as on a telephone and in dark ones."""
    wide = request.param == "wide"
    size = {"width": 1200 if wide else 400, "height": 900}
    context = browser.new_context(viewport=size, color_scheme="light" if wide else "dark")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()
