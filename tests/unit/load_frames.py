"""Frames of load tests that nobody ran."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

KERNEL = 0.001


def levels(*rows: tuple[int, float, float], kernel: float = KERNEL, **columns: Any) -> pd.DataFrame:
    """Return the frame of a test from connections, requests a second and median of each level."""
    found = [
        {
            "connections": connections,
            "requests": round(rate),
            "errors": 0,
            "refused": 0,
            "statuses": "",
            "began_seconds": 0.5 + 1.25 * place,
            "seconds": 1.0,
            "requests_per_second": rate,
            "p50_seconds": median,
            "p90_seconds": 1.2 * median,
            "p99_seconds": 2 * median,
            "max_seconds": 5 * median,
            "kernel_p50_seconds": kernel,
            "added_p50_seconds": median - kernel,
            "cpu_fraction": 0.5,
            "memory_bytes": 50_000_000,
            "generator_cpu_fraction": 0.1,
            "machine_cpu_fraction": 0.7,
        }
        for place, (connections, rate, median) in enumerate(rows)
    ]
    frame = pd.DataFrame(found).assign(**columns)
    integers = ("connections", "requests", "errors", "refused", "memory_bytes")
    return frame.astype(dict.fromkeys(integers, "Int64") | {"statuses": "string"})


def unanswered(*connections: int) -> pd.DataFrame:
    """Return the frame of a test in which every request was refused."""
    frame = levels(*((count, 0.0, np.nan) for count in connections), errors=90, refused=90, statuses="503: 90")
    return frame.assign(kernel_p50_seconds=np.nan)


def usage(*connections: int) -> pd.DataFrame:
    """Return samples, four a second."""
    at = np.arange(0.25, 0.5 + 1.25 * len(connections), 0.25)
    busy = [connections[min(int(moment // 1.25), len(connections) - 1)] if connections else 0 for moment in at]
    frame = pd.DataFrame(
        {"at_seconds": at, "connections": busy, "cpu_fraction": 0.1, "memory_bytes": 50_000_000}
    ).astype({"connections": "Int64", "memory_bytes": "Int64"})
    return frame if connections else frame.iloc[:0]
