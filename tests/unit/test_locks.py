"""Who may work on a name."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jupyter_containeriter.errors import BusyError
from jupyter_containeriter.locks import NameLocks


def test_one_holds_a_name(tmp_path: Path) -> None:
    """Another one is told so."""
    mine, yours = NameLocks(tmp_path), NameLocks(tmp_path)
    with mine.exclusive("churn"):
        assert yours.is_busy("churn")
        assert not yours.is_busy("wine")
        with pytest.raises(BusyError), yours.exclusive("churn"):
            pass
    assert not yours.is_busy("churn")


def test_who_only_looks_is_in_nobody_s_way(tmp_path: Path) -> None:
    """Panels look all the time; whoever begins to work just then is not refused."""
    looking, done = threading.Event(), threading.Event()

    def look() -> None:
        locks = NameLocks(tmp_path)
        while not done.is_set():
            locks.is_busy("churn")
            looking.set()

    looker = threading.Thread(target=look)
    looker.start()
    try:
        assert looking.wait(10)
        locks = NameLocks(tmp_path)
        for _ in range(500):
            with locks.exclusive("churn"):
                pass
    finally:
        done.set()
        looker.join()
