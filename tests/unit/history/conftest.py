"""Histories in a SQLite file and in a database of a real PostgreSQL server: what is promised holds for both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_bench import Postgres, postgres

from jupyter_containeriter.history import History

__all__ = ["postgres"]


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Give a place in which there is no history yet."""
    if request.param == "sqlite":
        return tmp_path / "below" / "history.sqlite"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def history(location: Path | str) -> Iterator[History]:
    """Give a history that does not exist yet."""
    store = History(location)
    yield store
    store.close()
