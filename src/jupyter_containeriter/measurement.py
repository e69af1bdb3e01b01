"""What a load test comes to: a sentence, a chart, DataFrames."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.inprocess import KernelTimes
from jupyter_containeriter.show.live import show
from jupyter_containeriter.show.measured import finding, load_test_card, load_test_text
from jupyter_containeriter.show.shown import Shown
from jupyter_containeriter.traffic import Level
from jupyter_containeriter.usage import Sampling

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

#: A server says with these that it has enough to do.
_REFUSALS = (429, 503)
_PERCENTILES = {"p50_seconds": 50, "p90_seconds": 90, "p99_seconds": 99, "max_seconds": 100}

_INTEGERS = ("connections", "requests", "errors", "refused", "memory_bytes")


@dataclass(frozen=True, eq=False, repr=False)
class LoadTest(Shown):
    """What was measured.

    Attributes
    ----------
    name, version, engine
        What was tested, and what runs it.
    frame
        One row for each number of ``connections``: ``requests`` answered with 200, ``errors`` (all others) of which
        ``refused`` (429 and 503), ``statuses`` (the errors in words), ``began_seconds`` (since the test began) and
        ``seconds`` measured, ``requests_per_second`` (answered with 200), latencies of these (``p50_seconds``,
        ``p90_seconds``, ``p99_seconds``, ``max_seconds``), the kernel's own median ``kernel_p50_seconds`` for the same
        rows and the difference ``added_p50_seconds`` (NaN where the kernel does not hold the model), ``cpu_fraction``
        of the container (mean; 1 is one core), ``memory_bytes`` (highest), and for comparison
        ``generator_cpu_fraction`` and ``machine_cpu_fraction``, that of everything on this machine.
    usage
        The container over time: ``at_seconds`` since the test began, ``connections`` (warm-ups included; 0 before),
        ``cpu_fraction`` since the row before, ``memory_bytes``, ``machine_cpu_fraction``.
    rows
        How many rows of the sample were sent in turn, one a request; 0 where each request was the whole sample.
    kernel
        The kernel's own predictions of the same rows, None where it does not hold the model (any more).
    ended
        Why the test ended before its time; "" where it did not.
    """

    name: str
    version: int
    engine: str
    frame: DataFrame
    usage: DataFrame
    rows: int
    kernel: KernelTimes | None
    ended: str = ""

    @property
    def failed(self) -> bool:  # type: ignore[override]
        """Whether the container went away."""
        return bool(self.ended)

    @property
    def finding(self) -> str:
        """What it comes to, in one sentence."""
        return finding(self)

    def plot(self) -> Figure:
        """Draw latency and throughput by connections, and the container's CPU and memory over time."""
        from jupyter_containeriter.analytics.load import plot_load

        return plot_load(self.frame, self.usage, f"{self.name}:{self.version}: {self.finding}")

    def html(self) -> str:
        """Return the card."""
        return load_test_card(self)

    def text(self) -> str:
        """Return the lines."""
        return load_test_text(self)

    def document(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "name": self.name,
            "version": self.version,
            "engine": self.engine,
            "finding": self.finding,
            "rows": self.rows,
            "kernel_calls": self.kernel.calls if self.kernel else 0,
            "ended": self.ended,
            "levels": json.loads(self.frame.to_json(orient="records", double_precision=15)),
            "usage": json.loads(self.usage.to_json(orient="records", double_precision=15)),
        }

    def __repr__(self) -> str:
        return f"<LoadTest {self.name}:{self.version} on {self.engine}: {self.finding}>"

    def _ipython_display_(self) -> None:
        show(self)


def level_frame(measured: Sequence[Level], sampling: Sampling, kernel: KernelTimes | None) -> DataFrame:
    """Return what each number of connections came to; see :class:`LoadTest`."""
    import pandas as pd

    rows = [_row(level, sampling, kernel.p50_seconds if kernel else float("nan")) for level in measured]
    return _typed(pd.DataFrame(rows))


def _row(level: Level, sampling: Sampling, kernel_p50: float) -> Mapping[str, Any]:
    use = sampling.between(level.began, level.began + level.seconds)
    per_second = partial(_ratio, level.seconds)
    latencies = _percentiles(level.latencies)
    return {
        "connections": level.connections,
        "requests": len(level.latencies),
        "errors": level.errors,
        "refused": sum(level.statuses.get(status, 0) for status in _REFUSALS),
        "statuses": _statuses(level),
        "began_seconds": level.began - sampling.began,
        "seconds": level.seconds,
        "requests_per_second": per_second(len(level.latencies)),
        **latencies,
        "kernel_p50_seconds": kernel_p50,
        "added_p50_seconds": latencies["p50_seconds"] - kernel_p50,
        "cpu_fraction": use.cpu_fraction,
        "memory_bytes": use.memory_bytes,
        "generator_cpu_fraction": per_second(level.generator_cpu_seconds),
        "machine_cpu_fraction": use.machine_cpu_fraction,
    }


def _ratio(seconds: float, count: float) -> float:
    return count / seconds if seconds else float("nan")


def _percentiles(latencies: array[float]) -> dict[str, float]:
    """Return values that were really measured, none between two."""
    import numpy as np

    if not latencies:
        return dict.fromkeys(_PERCENTILES, float("nan"))
    found = np.percentile(np.frombuffer(latencies), list(_PERCENTILES.values()), method="inverted_cdf")
    return dict(zip(_PERCENTILES, found.tolist(), strict=True))


def _statuses(level: Level) -> str:
    counts = {str(status): count for status, count in sorted(level.statuses.items())}
    counts |= {"broken": level.broken, "unanswered": level.unanswered}
    return ", ".join(f"{what}: {count}" for what, count in counts.items() if count)


def usage_frame(sampling: Sampling) -> DataFrame:
    """Return what the container used over time; see :class:`LoadTest`."""
    import pandas as pd

    samples = sampling.samples
    columns = {
        "at_seconds": [s.at - sampling.began for s in samples],
        "connections": [s.connections for s in samples],
        "cpu_fraction": [s.cpu_fraction for s in samples],
        "memory_bytes": [s.memory_bytes for s in samples],
        "machine_cpu_fraction": [s.machine_cpu_fraction for s in samples],
    }
    return _typed(pd.DataFrame(columns))


def _typed(frame: DataFrame) -> DataFrame:
    types = {c: "Int64" if c in _INTEGERS else "string" if c == "statuses" else "float64" for c in frame.columns}
    return frame.astype(types)
