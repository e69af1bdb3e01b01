"""A proof that ends early: what it started ends with it, and nothing hides why it ended."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.capture import confinement, proof
from jupyter_containeriter.errors import CaptureError
from jupyter_containeriter.types import Snapshot

Cell = Callable[[str], dict[str, Any]]
Take = Callable[..., Snapshot]

#: In the clean process the model never answers, and the last of some generations writes beside it, for a while also
#: when the one before is gone.
WRITING = """
import os, pathlib, sys, time

def model(rows):
    if "--prove" in sys.argv:
        if any(os.fork() for generation in range({generations})):
            time.sleep(600)
        parent, written = os.getppid(), 0
        while os.getppid() == parent or written < {more}:
            written += os.getppid() != parent
            (pathlib.Path.home() / str(time.monotonic_ns())).mkdir(parents=True)
        os._exit(0)
    return [1]
"""


@pytest.fixture(autouse=True)
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid namespaces: in one, what is left after a kill ends too soon for a test to see."""
    monkeypatch.setattr(confinement, "bwrap", lambda: "/bin/false")


@contextmanager
def interrupted(workspace: Path) -> Iterator[None]:
    """Press Ctrl-C once the clean process writes."""
    person, over = threading.main_thread().ident, threading.Event()
    assert person is not None

    def press() -> None:
        while not over.is_set():
            if any(path.name.isdigit() for path in workspace.glob("**/proof-*/*")):
                signal.pthread_kill(person, signal.SIGINT)
                return
            time.sleep(0.01)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(press)
        try:
            with pytest.raises(KeyboardInterrupt):
                yield
        finally:
            over.set()


@pytest.mark.parametrize(("generations", "more"), [(1, 100000), (2, 2000)], ids=["child", "grandchild"])
def test_an_interrupted_proof_leaves_nothing(
    cell: Cell, take: Take, tmp_path: Path, generations: int, more: int
) -> None:
    """Its process ends with all its children; what writes on after that is waited for; and the directory goes."""
    model = cell(WRITING.format(generations=generations, more=more))
    with interrupted(tmp_path / "workspace"):
        take(model, sample=[1])
    assert list((tmp_path / "workspace").glob("**/proof-*")) == []


def test_a_directory_that_stays_does_not_hide_the_interrupt(
    cell: Cell, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where something writes on for long, the person hears that it was interrupted, and nothing else."""
    monkeypatch.setattr(proof, "_LAST_SECONDS", 0)
    with interrupted(tmp_path / "workspace"):
        take(cell(WRITING.format(generations=2, more=50000)), sample=[1])


def test_a_proof_that_takes_too_long_leaves_nothing(
    cell: Cell, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that never ends is ended after its time, with a remedy, and its directory goes."""
    monkeypatch.setattr(proof, "_SECONDS", 1)
    with pytest.raises(CaptureError, match="more than 1 s in a clean process"):
        take(cell(WRITING.format(generations=2, more=2000)), sample=[1])
    assert list((tmp_path / "workspace").glob("**/proof-*")) == []
