"""Fixtures for engines that need no engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from docker_double import DaemonDouble


@pytest.fixture
def daemon() -> Iterator[DaemonDouble]:
    """Run a Docker daemon whose answers are up to the test."""
    with DaemonDouble() as double:
        yield double
