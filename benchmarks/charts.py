"""What each kind of chart takes for 10,000 iterations, from DataFrame to PNG. Prints one JSON object.

The rows are made up, with the history's own types: one model, two methods, failures, a metric, rollbacks, load tests.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

from jupyter_containeriter.analytics import KINDS, plot
from jupyter_containeriter.types import CALL_PHASES, ITERATION_COLUMNS
from workbench import command, judged, log

ROWS, TESTS, RUNS = 10_000, 200, 5
GOAL_SECONDS = 0.5


def iterations() -> pd.DataFrame:
    """Return the iterations."""
    random = np.random.default_rng(1)
    version = np.arange(1, ROWS + 1)
    call, think = random.lognormal(-1.5, 0.4, ROWS), random.lognormal(5, 1, ROWS)
    ends = pd.Timestamp("2030-01-07", tz="UTC") + pd.to_timedelta(np.cumsum(10 * think), unit="s")
    columns: dict[str, Any] = {
        "name": "churn",
        "version": pd.array(version, dtype="Int64"),
        "status": np.where(version % 9 == 0, "failed", "verified"),
        "started_at": ends - pd.to_timedelta(think + call, unit="s"),
        "finished_at": ends,
        "think_seconds": think,
        "run_seconds": 0.1 * think,
        **{f"{phase}_seconds": 0.2 * call for phase in CALL_PHASES},
        "package_to_verified_seconds": np.where(version % 9 == 0, np.nan, call),
        "cycle_seconds": 1.1 * think + call,
        "lead_seconds": 2 * call,
        "method": np.where(version % 5 == 0, "docker build", "containeriter"),
        "metrics": [{"accuracy": value} for value in random.normal(0.9, 0.02, ROWS)],
        "tags": [{} for _ in version],
    }
    frame = pd.DataFrame(columns).reindex(columns=list(ITERATION_COLUMNS))
    return frame.astype(dict.fromkeys(("name", "status", "method"), "category"))


def rollbacks(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a rollback of every twentieth version."""
    some = frame[::20]
    return pd.DataFrame(
        {
            "name": "churn",
            "version": some["version"] - 1,
            "previous": some["version"],
            "kind": "rollback",
            "happened_at": some["finished_at"] + pd.Timedelta(minutes=5),
        }
    )


def load_tests() -> pd.DataFrame:
    """Return load tests of many versions, at six numbers of connections each."""
    versions, connections = (grid.ravel() for grid in np.meshgrid(np.arange(1, TESTS + 1), [1, 2, 4, 8, 16, 32]))
    return pd.DataFrame(
        {
            "test": versions.astype(str),
            "name": "churn",
            "version": versions,
            "engine": "docker",
            "measured_at": pd.Timestamp("2030-01-07", tz="UTC") + pd.to_timedelta(versions, unit="h"),
            "connections": connections,
            "added_p50_seconds": 0.0004 + 0.0001 * connections,
        }
    )


def compare(runs: int | None = None) -> dict[str, Any]:
    """Draw each kind, several times."""
    frame = iterations()
    events, loads = rollbacks(frame), load_tests()
    # What is imported, and fonts that are found, count once for a kernel and not here.
    plot("phases", frame.iloc[:3])._repr_png_()  # type: ignore[attr-defined]
    found = {}
    for kind in KINDS:
        seconds = []
        for _ in range(runs or RUNS):
            began = time.perf_counter()
            plot(kind, frame, "churn", events=events, loads=loads)._repr_png_()  # type: ignore[attr-defined]
            seconds.append(time.perf_counter() - began)
        found[kind] = judged(statistics.median(seconds), most=GOAL_SECONDS)
        log(f"{kind}: {found[kind]['value']} s")
    return {"rows": ROWS, "runs": runs or RUNS, "seconds": found}


if __name__ == "__main__":
    sys.exit(command(__doc__, compare))
