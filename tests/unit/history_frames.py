"""Histories that nobody lived through, as the history gives them: iterations, events and load tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jupyter_containeriter.types import CALL_PHASES, EVENT_COLUMNS, ITERATION_COLUMNS, LOAD_COLUMNS

NOW = pd.Timestamp("2030-01-07 08:00", tz="UTC")  # a Monday
_SHARES = (0.25, 0.15, 0.1, 0.4, 0.1)
_CATEGORIES = ("name", "status", "engine", "method", "base", "parity", "user", "host")
_NIGHT = 15 * 3600.0


def iterations(count: int, seed: int = 1, **columns: Any) -> pd.DataFrame:
    """Return iterations of one model: first new containers, from the third version on into the running one.

    Every eighth comes after a night; columns that are given replace those made up.
    """
    random = np.random.default_rng(seed)
    version = np.arange(1, count + 1)
    call = np.where(version < 3, 2.1, 0.2) * random.lognormal(0, 0.12, count)
    run = random.lognormal(3, 0.8, count)
    think = random.lognormal(4.5, 0.9, count) + np.where(version % 8 == 0, _NIGHT, 0.0)
    cycle = think + run + call
    ends = NOW + pd.to_timedelta(np.cumsum(cycle), unit="s")
    # A metric that is improved less and less, with setbacks.
    accuracy = 0.93 - 0.12 * np.exp(-version / max(count / 4, 1)) + random.normal(0, 0.006, count)
    made: dict[str, Any] = {
        "name": "churn",
        "version": version,
        "status": "verified",
        "started_at": ends - pd.to_timedelta(cycle, unit="s"),
        "finished_at": ends,
        "think_seconds": think,
        "run_seconds": run,
        **{f"{phase}_seconds": share * call for phase, share in zip(CALL_PHASES, _SHARES, strict=True)},
        "package_to_verified_seconds": call,
        "cycle_seconds": cycle,
        "lead_seconds": call + random.lognormal(2, 0.7, count),
        "engine": "docker",
        "method": "containeriter",
        "metrics": [{"accuracy": value} for value in accuracy],
        "params": [{} for _ in range(count)],
        "tags": [{} for _ in range(count)],
        "note": "",
    }
    return typed(pd.DataFrame(made | columns))


def with_failures(frame: pd.DataFrame, every: int = 3) -> pd.DataFrame:
    """Return iterations of which every few failed, the next one was interrupted, and the last one still runs."""
    frame = frame.astype({"status": "object"})
    place = np.arange(len(frame))
    failed, interrupted = place % every == 1, place % (3 * every) == 2
    frame.loc[failed, "status"], frame.loc[interrupted, "status"] = "failed", "interrupted"
    frame.loc[failed | interrupted, ["package_to_verified_seconds", "lead_seconds"]] = np.nan
    frame.loc[interrupted, [f"{phase}_seconds" for phase in (*CALL_PHASES, "cycle")]] = np.nan
    last = frame.index[-1]
    frame.loc[last, "status"] = "running"
    frame.loc[last, [column for column in frame if str(column).endswith("_seconds")]] = np.nan
    frame["finished_at"] = frame["finished_at"].where(frame["status"] != "running")
    return typed(frame)


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return iterations with all columns of the history, in its order and with its types."""
    frame = frame.reindex(columns=list(ITERATION_COLUMNS))
    for column in _CATEGORIES:
        frame[column] = pd.Categorical(frame[column].astype("object").fillna("").astype(str))
    for column in ("started_at", "finished_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    numbers = [column for column in frame if str(column).endswith("_seconds")]
    return frame.astype(dict.fromkeys(numbers, "float64") | {"version": "Int64"}).reset_index(drop=True)


def nothing() -> pd.DataFrame:
    """Return the iterations of a new history."""
    return iterations(0)


def untimed(count: int = 3) -> pd.DataFrame:
    """Return iterations of which nothing is known but that they were: no times, no metrics."""
    frame = iterations(count, metrics=[{} for _ in range(count)])
    numbers = [column for column in frame if str(column).endswith("_seconds")]
    frame[numbers] = np.nan
    return frame


def two_methods(count: int = 10, other: str = "docker build", seed: int = 3) -> pd.DataFrame:
    """Return iterations by two ways of deploying, in turn."""
    random = np.random.default_rng(seed)
    ours, theirs = random.lognormal(np.log(0.2), 0.2, count), random.lognormal(np.log(8.6), 0.06, count)
    call = np.column_stack([ours, theirs]).ravel()
    known = np.column_stack([ours, np.full(count, np.nan)]).ravel()
    phases = {f"{phase}_seconds": share * known for phase, share in zip(CALL_PHASES, _SHARES, strict=True)}
    methods = ["containeriter", other] * count
    return typed(iterations(2 * count, seed).assign(method=methods, package_to_verified_seconds=call, **phases))


def events(*rows: tuple[str, str, int, int | None, pd.Timestamp]) -> pd.DataFrame:
    """Return events from kind, name, version, previous version and time of each."""
    columns = ("kind", "name", "version", "previous", "happened_at")
    frame = pd.DataFrame(list(rows), columns=list(columns)).reindex(columns=list(EVENT_COLUMNS))
    frame["happened_at"] = pd.to_datetime(frame["happened_at"], utc=True)
    return frame.astype({"version": "Int64", "previous": "Int64", "seconds": "float64"})


def rollbacks(frame: pd.DataFrame, every: int = 10) -> pd.DataFrame:
    """Return rollbacks of every so many-th version, twenty minutes after it went into service."""
    ended = frame[frame["status"] == "verified"]
    some = ended[ended["version"] % every == every - 1]
    later = some["finished_at"] + pd.Timedelta(minutes=20)
    versions = some["version"].astype(int)
    return events(*(("rollback", "churn", v - 1, v, when) for v, when in zip(versions, later, strict=True)))


def loads(versions: int = 4, levels: tuple[int, ...] = (1, 4, 16), seed: int = 5, **columns: Any) -> pd.DataFrame:
    """Return load tests, one of each version."""
    random = np.random.default_rng(seed)
    rows = [
        {
            "test": f"test{version}",
            "name": "churn",
            "version": version,
            "engine": "docker",
            "measured_at": NOW + pd.Timedelta(hours=version),
            "connections": connections,
            "seconds": 3.0,
            "requests": 3000,
            "errors": 0,
            "refused": 0,
            "requests_per_second": 1000.0,
            "kernel_p50_seconds": 0.0005,
            "added_p50_seconds": 0.0004 * (1 + 0.25 * connections) * random.lognormal(-0.1 * min(version, 8), 0.05),
        }
        for version in range(1, versions + 1)
        for connections in levels
    ]
    frame = pd.DataFrame(rows, columns=None if rows else list(LOAD_COLUMNS)).assign(**columns)
    frame = frame.reindex(columns=list(LOAD_COLUMNS))
    frame["measured_at"] = pd.to_datetime(frame["measured_at"], utc=True)
    return frame.astype({"version": "Int64", "connections": "Int64", "added_p50_seconds": "float64"})
