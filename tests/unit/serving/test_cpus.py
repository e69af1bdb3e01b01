"""How many CPUs the server finds that it may use, and whom it tells."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.serving import cpus

from .conftest import Running, write_root

MACHINE = 8


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that writes a container's limits, on a machine of eight CPUs."""
    monkeypatch.setattr(cpus, "_CGROUPS", tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: MACHINE)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(MACHINE)))
    for variable in cpus._VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    # What is set from here on goes after the test.
    monkeypatch.setattr("os.environ", dict(os.environ))

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)

    return write


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, MACHINE),
        ({"cpu.max": "max 100000\n"}, MACHINE),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, MACHINE),
        ({"cpu.max": "nonsense\n"}, MACHINE),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, MACHINE),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "0\n"}, MACHINE),
    ],
    ids=range(10),
)
def test_quotas_of_both_versions_are_read(cgroups: Any, files: dict[str, str], count: int) -> None:
    """A quota counts as CPUs, rounded up, and none is none."""
    cgroups(files)
    assert cpus.allowed() == count


def test_affinity_limits_as_well(cgroups: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smaller of the two limits counts."""
    cgroups({"cpu.max": "300000 100000\n"})
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 5})
    assert cpus.allowed() == 2


def test_libraries_are_told_of_a_limit(cgroups: Any) -> None:
    """What nobody said already is said."""
    cgroups({"cpu.max": "200000 100000\n"})
    os.environ["MKL_NUM_THREADS"] = "7"
    cpus.fit()
    told = {variable: os.environ[variable] for variable in cpus._VARIABLES}
    assert told == {**dict.fromkeys(cpus._VARIABLES, "2"), "MKL_NUM_THREADS": "7"}


def test_without_a_limit_nothing_is_said(cgroups: Any) -> None:
    """A container that may use the whole machine sums up as the notebook does."""
    cgroups({"cpu.max": "max 100000\n"})
    cpus.fit()
    assert not set(cpus._VARIABLES) & set(os.environ)


def test_the_snapshot_has_the_last_word(tmp_path: Path, start: Callable[..., Running]) -> None:
    """What the kernel's environment said comes with the model, and counts."""

    def look(data: Any) -> Any:
        import os

        return [os.environ["OMP_NUM_THREADS"]]

    entry = write_root(tmp_path, look, changes={"environ": {"OMP_NUM_THREADS": "5"}})
    answer = start(entry, OMP_NUM_THREADS="3")("POST", "/invocations", json={"inputs": [1]})
    assert json.loads(answer.data) == {"predictions": ["5"]}
