"""What a container and the whole machine use over time, asked by a thread while something else goes on."""

from __future__ import annotations

import contextvars
import math
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import ContainerIterError

#: An engine that answers at once is asked this often; Docker 20.10 takes a second for each answer.
_PERIOD_SECONDS = 0.25
#: A long test is sampled more rarely: more points than this no chart shows.
_SAMPLES = 600


@dataclass(frozen=True, slots=True)
class Sample:
    """Use between two moments (:func:`time.monotonic`).

    CPU, of the container and of the whole machine, is in cores, over this time; memory is that of its end, when so many
    ``connections`` were busy.
    """

    since: float
    at: float
    connections: int
    cpu_fraction: float
    memory_bytes: int
    machine_cpu_fraction: float = math.nan


@dataclass(frozen=True, slots=True)
class Use:
    """Use during some time: mean CPU in cores, highest memory; NaN and None where nothing was sampled."""

    cpu_fraction: float = math.nan
    memory_bytes: int | None = None
    machine_cpu_fraction: float = math.nan


class Sampling:
    """Samples while its block runs; a container that ends is simply sampled no more.

    Parameters
    ----------
    engine, container_id
        What is sampled. An engine that nobody asked before: its first answer shall be of the time from now on.
    seconds
        How long the block will take, about.

    Attributes
    ----------
    connections
        Noted with each sample; whoever knows sets it.
    samples
        What was found, oldest first.
    began
        When the block began, by the same clock.
    """

    def __init__(self, engine: Engine, container_id: str, seconds: float) -> None:
        self._engine = engine
        self._id = container_id
        self._period = max(_PERIOD_SECONDS, seconds / _SAMPLES)
        self._done = threading.Event()
        self.connections = 0
        self.samples: list[Sample] = []
        self.began = 0.0

    def __enter__(self) -> Sampling:
        self.began = time.monotonic()
        # What the engine tells may belong to the cell that runs now.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def between(self, began: float, ended: float) -> Use:
        """Return what was used between two moments."""
        shares = [(min(s.at, ended) - max(s.since, began), s) for s in self.samples]
        during = [(share, sample) for share, sample in shares if share > 0]
        if not during:
            return Use()
        whole = sum(share for share, _ in during)
        cpu = sum(share * sample.cpu_fraction for share, sample in during) / whole
        machine = sum(share * sample.machine_cpu_fraction for share, sample in during) / whole
        # One that ends later tells of memory after this time, but better that than nothing.
        told = [sample for _, sample in during if sample.at <= ended] or [sample for _, sample in during]
        return Use(cpu, max(sample.memory_bytes for sample in told), machine)

    def _run(self) -> None:
        try:
            since, machine = self.began, _machine_cpu_seconds()
            while (stats := self._engine.stats(self._id)).memory_bytes:  # none: it has ended
                at, busy = time.monotonic(), _machine_cpu_seconds()
                cores, machine_cores = stats.cpu_percent / 100, (busy - machine) / (at - since)
                self.samples.append(Sample(since, at, self.connections, cores, stats.memory_bytes, machine_cores))
                since, machine = at, busy
                if self._done.wait(self._period):
                    return
        except ContainerIterError:
            return


def _machine_cpu_seconds() -> float:
    """Return how long all cores together have been busy (``man 5 proc``); NaN on a system that has no such file."""
    try:
        counters = [int(word) for word in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    except OSError:
        return math.nan
    idle, waiting = counters[3:5]
    return (sum(counters) - idle - waiting) / os.sysconf("SC_CLK_TCK")
