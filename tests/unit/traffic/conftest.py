"""A small server for each test."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from small_server import SmallServer


@pytest.fixture
def server() -> Iterator[SmallServer]:
    """Serve until the test ends."""
    server = SmallServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
