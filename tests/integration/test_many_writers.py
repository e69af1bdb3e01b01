"""Many processes that write into one history at once: a file, and a database of a PostgreSQL server."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from postgres_bench import Postgres, postgres

from jupyter_containeriter.history import History
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter

__all__ = ["postgres"]

WRITERS, EACH = 12, 50

#: What an iteration does to the history, and to the lock on its name.
WRITER = """
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from jupyter_containeriter.history import History, postgres, sqlite
from jupyter_containeriter.locks import NameLocks
location, data, name, host, each = sys.argv[1:]
locks = NameLocks(Path(data) / "locks")
history = History(location if "://" in location else Path(location), None, locks.owner)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(each)):
    with locks.exclusive(name):
        begun = history.begin(name, started_at=datetime.now(UTC), host=host, params={"number": number})
        status = "failed" if number % 5 == 4 else "verified"
        history.update(replace(begun, status=status, finished_at=datetime.now(UTC)))
    print(begun.id, flush=True)
history.close()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> ContainerIter:
    """Give settings with a history of each kind that does not exist yet."""
    location = ""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        location = server.database()
    return ContainerIter(data_dir=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"), history=location)


def writers(settings: ContainerIter, host: str, each: int) -> list[subprocess.Popen[str]]:
    """Start the writers, each with a name of its own, and let them begin together."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, *_words(settings, f"model-{number}", host, each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def _words(settings: ContainerIter, name: str, host: str, each: int) -> list[str]:
    return [str(settings.history_location), str(settings.data_path), name, host, str(each)]


def test_every_row_is_there(settings: ContainerIter) -> None:
    """Twelve writers of fifty iterations each: no error, and every row is there with a version of its own."""
    outputs = [process.communicate() for process in writers(settings, "here", EACH)]
    assert [errors for _, errors in outputs] == [""] * WRITERS
    history = History(settings.history_location)
    frame = history.frame()
    assert len(frame) == WRITERS * EACH
    assert (
        frame.groupby("name", observed=True)["version"].agg(list).map(sorted).tolist()
        == [list(range(1, EACH + 1))] * WRITERS
    )
    assert Counter(frame["status"]) == {"verified": WRITERS * EACH * 4 // 5, "failed": WRITERS * EACH // 5}
    written = [line for output, _ in outputs for line in output.splitlines()]
    assert set(history.by_ids(written)) == set(written)
    history.close()


def test_killed_writers_leave_nothing_running(settings: ContainerIter) -> None:
    """Writers that are killed at any moment: what they noted as written is there, and the rest is interrupted."""
    session = Session(settings)
    processes = writers(settings, session.host, 100_000)
    order = random.Random(5)
    order.shuffle(processes)
    outputs = []
    for process in processes:
        # No two of them at the same point of their work.
        time.sleep(order.uniform(0.02, 0.2))
        process.kill()
        outputs.append(process.communicate())
    assert [errors for _, errors in outputs] == [""] * WRITERS
    written = [line for output, _ in outputs for line in output.splitlines() if len(line) == 32]
    assert len(written) > WRITERS
    session.reconciler.reconcile()
    rows = session.history.frame()
    assert set(session.history.by_ids(written)) == set(written)
    assert set(rows["status"]) <= {"verified", "failed", "interrupted"}
    assert len(written) <= len(rows) <= len(written) + WRITERS * 2
    session.history.close()


#: The same by real kernels, with the API that people use.
KERNEL = """
import jupyter_containeriter as citer
for number in range({each}):
    with citer.iteration("model-{number}", method="script"):
        ...
"""


@pytest.fixture
def kernels(settings: ContainerIter) -> Iterator[list[KernelManager]]:
    """Start the kernels, a few at a time; they end with the test."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CONTAINERITER_")}
    environment |= {
        "CONTAINERITER_DATA_DIR": str(settings.data_path),
        "CONTAINERITER_CACHE_DIR": str(settings.cache_path),
        "CONTAINERITER_HISTORY": str(settings.history),
        "CONTAINERITER_ENGINE": "process",
    }
    started: list[KernelManager] = []
    try:
        for _ in range(WRITERS):
            manager = KernelManager(kernel_name="python3")
            manager.start_kernel(env=environment)
            started.append(manager)
            client = manager.blocking_client()
            client.start_channels()
            client.wait_for_ready(timeout=120)
            client.stop_channels()
        yield started
    finally:
        for manager in started:
            manager.shutdown_kernel(now=True)


def run_everywhere(kernels: list[KernelManager], each: int) -> list[BlockingKernelClient]:
    """Let every kernel begin its iterations."""
    clients = [manager.blocking_client() for manager in kernels]
    for number, client in enumerate(clients):
        client.start_channels()
        client.execute(KERNEL.format(each=each, number=number))
    return clients


def test_kernels_write_every_row(settings: ContainerIter, kernels: list[KernelManager]) -> None:
    """Twelve kernels of fifty iterations each: no error, and every row is there with a version of its own."""
    clients = run_everywhere(kernels, EACH)
    replies = [client.get_shell_msg(timeout=240)["content"] for client in clients]
    for client in clients:
        client.stop_channels()
    assert [reply.get("evalue", "") for reply in replies] == [""] * WRITERS
    history = History(settings.history_location)
    frame = history.frame(columns=["name", "version", "status"])
    history.close()
    assert Counter(frame["status"]) == {"deployed": WRITERS * EACH}
    # None had to wait because the history was busy.
    assert not list((settings.data_path / "spool").glob("*/*.json"))
    assert sorted(frame["version"]) == sorted(list(range(1, EACH + 1)) * WRITERS)


def test_killed_kernels_leave_nothing_running(settings: ContainerIter, kernels: list[KernelManager]) -> None:
    """Kernels that are killed at any moment: afterwards every iteration has ended one way or the other."""
    clients = run_everywhere(kernels, 100_000)
    session = Session(settings)
    deadline = time.monotonic() + 120
    while len(session.history.names()) < WRITERS:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    order = random.Random(7)
    for manager in order.sample(kernels, WRITERS):
        time.sleep(order.uniform(0.02, 0.2))
        manager.signal_kernel(signal.SIGKILL)
    for client in clients:
        client.stop_channels()
    for manager in kernels:
        while manager.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    session.reconciler.reconcile()
    statuses = Counter(session.history.frame(columns=["status"])["status"])
    session.history.close()
    assert set(statuses) <= {"deployed", "interrupted"}
    assert statuses["deployed"] >= WRITERS
