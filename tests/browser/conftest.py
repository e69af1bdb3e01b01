"""Windows of the browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser_bench import browser
from engine_bench import docker_running, new_name, sandbox_working
from playwright.sync_api import Browser, BrowserContext

__all__ = ["browser", "docker_running", "new_name", "sandbox_working"]


@pytest.fixture(params=["wide", "narrow"])
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    """Open a window as on a desk and in light colours, or as on a telephone and in dark ones."""
    wide = request.param == "wide"
    size = {"width": 1200 if wide else 400, "height": 900}
    context = browser.new_context(viewport=size, color_scheme="light" if wide else "dark")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()
