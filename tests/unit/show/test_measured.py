"""A load test in words."""

from __future__ import annotations

from array import array
from typing import Any

import pandas as pd
import pytest
from load_frames import KERNEL, levels, unanswered, usage

from jupyter_containeriter.inprocess import KernelTimes
from jupyter_containeriter.measurement import LoadTest
from jupyter_containeriter.show import words
from jupyter_containeriter.show.measured import under_way
from jupyter_containeriter.traffic import Tick

GROWING = ((1, 900.0, 0.0014), (4, 3600.0, 0.0015), (16, 9000.0, 0.0018))
SATURATED = ((1, 900.0, 0.0014), (4, 3600.0, 0.0015), (16, 3500.0, 0.005))


def _kernel(before: float = KERNEL, after: float = KERNEL) -> KernelTimes:
    return KernelTimes(array("d", [before] * 3), array("d", [after] * 3))


def _test(frame: pd.DataFrame, kernel: KernelTimes | None = None, **fields: Any) -> LoadTest:
    return LoadTest("churn", 3, "docker", frame, usage(*frame["connections"]), **{"rows": 5, "kernel": kernel} | fields)


@pytest.mark.parametrize(
    ("test", "finding"),
    [
        (
            _test(levels(*SATURATED), _kernel()),
            "container adds 0.40 ms at the median; saturates at 4 connections (3,600 requests/s)",
        ),
        (
            _test(levels(*GROWING), _kernel()),
            "container adds 0.40 ms at the median; not saturated up to 16 connections (9,000 requests/s)",
        ),
        (_test(levels(GROWING[0]), _kernel()), "container adds 0.40 ms at the median; 900 requests/s"),
        (
            _test(levels(GROWING[1]), _kernel()),
            "container adds 0.50 ms at the median with 4 connections; 3,600 requests/s",
        ),
        (
            _test(levels(GROWING[0], kernel=0.002), _kernel(0.002, 0.002)),
            "container is 0.60 ms faster than the kernel at the median; 900 requests/s",
        ),
        (
            _test(levels(GROWING[0]), _kernel(0.0007, 0.0013)),
            "container adds nothing that shows at the median; 900 requests/s",
        ),
        (_test(levels(GROWING[0])), "container answers in 1.4 ms at the median; 900 requests/s"),
        (
            _test(levels(*GROWING[:2], errors=[0, 900], refused=[0, 900], statuses=["", "503: 900"]), _kernel()),
            "container adds 0.40 ms at the median; not saturated up to 4 connections (3,600 requests/s); "
            "17\u00a0% of requests failed",
        ),
        (
            _test(levels(GROWING[0], errors=2, statuses="broken: 2"), _kernel()),
            "container adds 0.40 ms at the median; 900 requests/s; 2 of 902 requests failed",
        ),
        (_test(unanswered(1)), "container answers no request; 100\u00a0% of requests failed"),
        (
            _test(levels(*GROWING), _kernel(), ended="churn:3 was killed."),
            "container adds 0.40 ms at the median; not saturated up to 4 connections (3,600 requests/s); "
            "it went away at 16 connections",
        ),
    ],
    ids=lambda value: value.replace("\u00a0", " ") if isinstance(value, str) else "",
)
def test_the_finding_is_one_sentence(test: LoadTest, finding: str) -> None:
    """What the container adds, when it is saturated, and what failed."""
    assert test.finding == finding


def test_card_and_lines_tell_the_same() -> None:
    """The finding, every level, and what it rests on."""
    test = _test(levels(*SATURATED, errors=[0, 0, 7], statuses=["", "", "503: 7"]), _kernel())
    for shown in (test.html(), test.text()):
        assert "saturates at 4 connections" in shown
        assert "5.0 ms" in shown
        assert "With 16 connections requests failed (503: 7)" in shown
        assert "5 rows in turn" in shown
        assert "6 predictions, before and after" in shown
        assert "share its" in shown


def test_a_busy_generator_is_told() -> None:
    """It, and not the container, may be what limits."""
    test = _test(levels(*SATURATED, generator_cpu_fraction=[0.2, 0.5, 0.95]))
    assert "From 16 connections on the load generator was busy itself" in test.text()
    assert "busy" not in _test(levels(*SATURATED)).text()


@pytest.mark.parametrize(("machine", "told"), [(2.0, True), (1.0, False), (float("nan"), False)])
def test_a_machine_that_is_full_of_others_is_told(monkeypatch: pytest.MonkeyPatch, machine: float, told: bool) -> None:
    """What the container and the generator do not use, others do; where the system does not tell, nor do we."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    test = _test(levels(*SATURATED, machine_cpu_fraction=[1.0, 1.0, machine]))
    text = test.text()
    assert test.finding.endswith("; measured on a busy machine") is told
    assert ("other processes used up to 1.4 of its 2 cores" in text) is told


def test_a_full_machine_is_no_matter_where_the_test_itself_fills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what it is for."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    frame = levels(*SATURATED, machine_cpu_fraction=2.0, cpu_fraction=1.7)
    assert "other processes" not in _test(frame).text()


def test_what_is_not_known_is_a_dash() -> None:
    """Neither nan nor <NA> is shown."""
    text = _test(unanswered(1).assign(cpu_fraction=float("nan"), memory_bytes=pd.NA)).text()
    assert "nan" not in text
    assert "NA" not in text
    assert " - " in text


def test_a_test_whose_container_went_away_fails_in_a_shell() -> None:
    """The card says so, too."""
    test = _test(levels(*GROWING), ended="churn:3 was killed: it used more than 2 GiB <of memory>.")
    assert test.failed
    assert "&lt;of memory&gt;" in test.html()


def test_progress_tells_connections_and_answers() -> None:
    """The warm-up counts nothing."""
    assert under_way(Tick(1, "warm-up", 10)) == "1 connection: warming up"
    assert under_way(Tick(16, "measuring", 12345)) == "16 connections: 12,345 answers"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0000004, "0.4 µs"),
        (0.000042, "42 µs"),
        (0.00042, "0.42 ms"),
        (0.0042, "4.2 ms"),
        (0.042, "42 ms"),
        (4.2, "4.2 s"),
    ],
)
def test_latencies_have_digits_that_count(seconds: float, text: str) -> None:
    """From microseconds to seconds."""
    assert words.latency(seconds) == text
