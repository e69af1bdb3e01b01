"""What the history costs: to append an iteration, and to read a million of them into a DataFrame. Prints JSON."""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from jupyter_containeriter.history import History
from workbench import command

ROWS = 1_000_000
APPENDS = 200
#: What charts read of each iteration, from few columns to those of the phases.
FEW = ("name", "version", "status", "finished_at", "package_to_verified_seconds", "cycle_seconds")
PHASES = tuple(f"{phase}_seconds" for phase in ("think", "run", "capture", "build", "load", "start", "verify"))
NARROW = (*FEW, "started_at", *PHASES, "lead_seconds", "engine", "method", "hot", "parity")


def compare(runs: int | None = None) -> dict[str, Any]:
    """Return the figures, in seconds: of appending the median and the 95th percentile, of reading the best."""
    with tempfile.TemporaryDirectory() as directory:
        history = History(Path(directory) / "history.sqlite", Path(directory) / "spool", "bench")
        begins, updates = _appends(history)
        _fill(Path(directory) / "history.sqlite", ROWS)
        history.frame(last=1)  # imports pandas
        reads = {
            f"{len(columns)} columns": min(_read(history, columns) for _ in range(runs or 2))
            for columns in (FEW, NARROW)
        }
        history.close()
    return {
        "rows": ROWS,
        "begin_seconds": {"median": statistics.median(begins), "p95": statistics.quantiles(begins, n=20)[-1]},
        "update_seconds": {"median": statistics.median(updates), "p95": statistics.quantiles(updates, n=20)[-1]},
        "read_seconds": reads,
    }


def _appends(history: History) -> tuple[list[float], list[float]]:
    """Time the two durable writes of an iteration."""
    begins, updates = [], []
    for _ in range(APPENDS):
        began = time.perf_counter()
        iteration = history.begin("appended", started_at=datetime.now(UTC), params={"max_depth": 3})
        begun = time.perf_counter()
        history.update(replace(iteration, status="verified", finished_at=datetime.now(UTC), cell="%containerize model"))
        begins.append(begun - began)
        updates.append(time.perf_counter() - begun)
    return begins, updates


def _read(history: History, columns: tuple[str, ...]) -> float:
    began = time.perf_counter()
    history.frame(columns=columns)
    return time.perf_counter() - began


def _fill(path: Path, rows: int) -> None:
    """Add rows as iterations leave them, past the store: it would take an hour to live through them."""
    with closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(iterations)")]
        values = ([row.get(name, "") for name in names] for row in _rows(rows))
        connection.executemany(f"INSERT INTO iterations VALUES ({','.join('?' * len(names))})", values)
        connection.commit()


def _rows(count: int) -> Iterator[dict[str, Any]]:
    random, start = Random(5), datetime(2030, 1, 1, tzinfo=UTC)
    for number in range(count):
        began = start + timedelta(minutes=number)
        row: dict[str, Any] = {f"{phase}": random.random() for phase in (*PHASES, "cycle_seconds", "lead_seconds")}
        row |= {"id": f"{random.getrandbits(128):032x}", "name": f"model-{number % 20}", "version": number // 20 + 1}
        row |= {"status": random.choice(["verified", "verified", "failed"]), "hot": number % 2, "engine": "docker"}
        row |= {"started_at": f"{began:%Y-%m-%d %H:%M:%S.%f}", "finished_at": f"{began:%Y-%m-%d %H:%M:30.%f}"}
        row |= {"method": "containeriter", "image_digest": f"sha256:{random.getrandbits(256):064x}", "parity": "exact"}
        row |= {"params": f'{{"max_depth": {number % 17}}}', "metrics": "{}", "tags": "{}", "user": "ada"}
        row |= dict.fromkeys(("package_to_verified_seconds", "max_abs_difference"), random.random())
        row |= dict.fromkeys(("image_size_bytes", "sent_bytes", "execution_count"), number)
        yield row


if __name__ == "__main__":
    sys.exit(command(__doc__, compare))
