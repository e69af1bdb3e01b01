"""A Jupyter server with the extension, over an engine in memory.

What pytest-jupyter brings is imported here and nowhere above: its fixtures and hooks then hold for this directory only.
One of them gives each test an event loop, which Playwright's tests could not do with.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403
from session_bench import Lab, lab, make_lab, port
from tornado.httpclient import HTTPResponse

from jupyter_containeriter.extension.answers import SERVICE
from jupyter_containeriter.extension.service import Service

__all__ = ["lab", "make_lab", "port"]

Fetch = Callable[..., Awaitable[HTTPResponse]]


@pytest.fixture
def jp_server_config(lab: Lab) -> dict[str, Any]:
    """Let the server have the extension, over the data directory of the lab: the same person's."""
    places = {"data_dir": lab.settings.data_dir, "cache_dir": lab.settings.cache_dir}
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_containeriter.extension": True}},
        "ContainerIter": {**places, "ready_seconds": 20.0},
    }


@pytest.fixture
def service(jp_serverapp: Any) -> Service:
    """Return what the handlers of the server work on."""
    found: Service = jp_serverapp.web_app.settings[SERVICE]
    return found


@pytest.fixture
def ask(jp_fetch: Fetch) -> Fetch:
    """Return a function that asks as somebody who is logged in, and takes any answer."""

    async def asked(path: str, body: Any = None, **options: Any) -> HTTPResponse:
        if body is not None:
            text = body if isinstance(body, str) else json.dumps(body)
            options = {"method": "POST", "body": text, **options}
        options = {"allow_nonstandard_methods": True, "raise_error": False, "follow_redirects": False, **options}
        return await jp_fetch("containeriter", path, **options)

    return asked
