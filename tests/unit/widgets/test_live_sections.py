"""Logs and usage: asked while somebody looks, and no longer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_containeriter.errors import EngineError
from jupyter_containeriter.types import Container, Stats
from jupyter_containeriter.widgets.live_sections import Logs, Usage
from jupyter_containeriter.widgets.seen import Seen
from jupyter_containeriter.widgets.spark import spark_html


class Deployed:
    """What runs, as far as these sections ask it."""

    def __init__(self) -> None:
        self.container = Container(
            "c1", "churn", 1, "i1", "h1", "fake", "localhost/containeriter/churn:1", "sha256:0", True, 1, None
        )
        self.url, self.token = "http://127.0.0.1:1", "secret"
        self.asked = 0
        self.error: Exception | None = None

    def logs(self, tail: int) -> str:
        """Count how often they were read."""
        self.asked += 1
        if self.error:
            raise self.error
        return f"line {self.asked}\n"

    def stats(self) -> Stats:
        """Use something."""
        return Stats(200_000_000, 2_000_000_000, 50.0)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give the time."""
    return Clock()


@pytest.fixture
def live() -> Any:
    """Give what runs."""
    return Deployed()


def test_nobody_is_asked_for_ever(clock: Clock, live: Any) -> None:
    """The page may have gone without a word; a press of a button goes on."""
    logs = Logs(clock)
    logs.open(Seen("churn", live))
    assert live.asked == 1
    clock.now += 601
    logs.show(Seen("churn", live))
    logs.poll(Seen("churn", live))
    assert live.asked == 1
    assert logs._further.layout.display == ""
    logs._further.click()
    logs.poll(Seen("churn", live))
    assert live.asked == 3
    assert logs._further.layout.display == "none"


def test_an_error_is_shown_and_asked_again(clock: Clock, live: Any) -> None:
    """With its remedy; the next answer takes its place."""
    logs = Logs(clock)
    live.error = EngineError("No answer.", "Wait.")
    logs.open(Seen("churn", live))
    assert "No answer." in logs._shown.value
    assert "Wait." in logs._shown.value
    live.error = None
    logs.poll(Seen("churn", live))
    assert "line 2" in logs._shown.value


def test_without_anything_that_runs_nothing_is_asked(clock: Clock) -> None:
    """It is said."""
    logs = Logs(clock)
    logs.open(Seen("churn"))
    assert "Nothing runs." in logs._shown.value


def test_usage_counts_predictions_alone(clock: Clock, live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a rate between two looks; the server's own metrics are no predictions."""
    counts = iter([(10, 3), (40, 13)])

    def metrics(_method: str, url: str, headers: dict[str, str]) -> Any:
        assert (url, headers) == ("http://127.0.0.1:1/metrics", {"Authorization": "Bearer secret"})
        infer, invoked = next(counts)
        lines = [
            f'containeriter_requests_total{{route="infer",status="200"}} {infer}',
            f'containeriter_requests_total{{route="invocations",status="200"}} {invoked}',
            'containeriter_requests_total{route="metrics",status="200"} 900',
        ]
        return SimpleNamespace(data="\n".join(lines).encode())

    usage = Usage(clock)
    monkeypatch.setattr(usage._pool, "request", metrics)
    usage.open(Seen("churn", live))
    assert "counting" in usage._shown.value
    clock.now += 2
    usage.poll(Seen("churn", live))
    for part in ("50 % of a core", "200 MB of 2.0 GB", "20.0 a second", "polyline"):
        assert part in usage._shown.value


def test_lines_begin_at_zero_and_have_words() -> None:
    """For whoever cannot see them."""
    html = spark_html("CPU", "5 %", [0.0, 5.0], "#218bff")
    assert 'aria-label="CPU: 5 %"' in html
    assert 'points="0.0,42.0 200.0,4.0"' in html
