"""A container's use, sampled beside something else."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from jupyter_containeriter import usage
from jupyter_containeriter.errors import EngineError
from jupyter_containeriter.types import Stats
from jupyter_containeriter.usage import Sample, Sampling


class Meter:
    """An engine that says what it is given, then fails."""

    def __init__(self, *stats: Stats) -> None:
        self._left = list(stats)
        self.empty = threading.Event()

    def stats(self, container_id: str) -> Stats:
        """Say the next one."""
        if self._left:
            return self._left.pop(0)
        self.empty.set()
        raise EngineError("It is gone.")


def _sampled(*stats: Stats) -> list[Sample]:
    engine: Any = Meter(*stats)
    sampling = Sampling(engine, "id", 1)
    sampling.connections = 4
    with sampling:
        assert engine.empty.wait(30)
    return sampling.samples


def test_samples_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is of the time since the one before; a container that goes away is sampled no more."""
    monkeypatch.setattr(usage, "_PERIOD_SECONDS", 0.01)
    first, second = _sampled(Stats(10, 99, 50.0), Stats(20, 99, 150.0))
    assert first.since < first.at == second.since < second.at
    assert (first.memory_bytes, second.memory_bytes) == (10, 20)
    assert (first.cpu_fraction, second.cpu_fraction) == (0.5, 1.5)
    assert second.connections == 4


def _sampling(*samples: Sample) -> Sampling:
    engine: Any = Meter()
    sampling = Sampling(engine, "id", 1)
    sampling.samples.extend(samples)
    return sampling


def test_the_mean_weighs_samples_by_the_time_they_share() -> None:
    """One second of the first sample and two of the second lie between."""
    sampling = _sampling(Sample(0, 2, 1, 0.3, 10, 1.0), Sample(2, 4, 1, 0.6, 20, 1.6), Sample(4, 6, 4, 2.0, 90, 2.0))
    use = sampling.between(1, 4)
    assert (use.cpu_fraction, use.machine_cpu_fraction) == pytest.approx((0.5, 1.4))
    assert use.memory_bytes == 20


def test_a_time_within_one_sample_has_that_one() -> None:
    """It is shorter than the engine takes to tell."""
    use = _sampling(Sample(0, 2, 1, 0.3, 10)).between(0.5, 1)
    assert (use.cpu_fraction, use.memory_bytes) == (pytest.approx(0.3), 10)


def test_a_time_without_samples_has_none() -> None:
    """Nothing is guessed."""
    use = _sampling(Sample(0, 1, 1, 0.3, 10)).between(1, 2)
    assert math.isnan(use.cpu_fraction)
    assert use.memory_bytes is None


def test_the_machine_is_sampled_beside_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counter is of all that it did; what counts is the difference."""
    counter = iter([100.0, 100.5, 100.5])
    monkeypatch.setattr(usage, "_machine_cpu_seconds", lambda: next(counter))
    monkeypatch.setattr(usage, "_PERIOD_SECONDS", 0.01)
    first, second = _sampled(Stats(10, 99, 50.0), Stats(10, 99, 50.0))
    assert first.machine_cpu_fraction == pytest.approx(0.5 / (first.at - first.since))
    assert second.machine_cpu_fraction == 0


def test_the_counter_of_the_machine_goes_on() -> None:
    """Or is not a number, where the system has none."""
    before = usage._machine_cpu_seconds()
    assert math.isnan(before) or 0 < before <= usage._machine_cpu_seconds()
