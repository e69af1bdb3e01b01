"""Many processes that write into one history at once: a file, and a database of a PostgreSQL server."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
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
