"""The load generator against a small server: what it sends, what it counts, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_server import SmallServer

import jupyter_containeriter
from jupyter_containeriter.errors import ContainerIterError
from jupyter_containeriter.traffic import Tick, generate, post
from jupyter_containeriter.traffic import generator as generator_module

_SECONDS = 0.3


def _requests(server: SmallServer, *bodies: bytes) -> list[bytes]:
    host = f"127.0.0.1:{server.port}"
    return [post("/v2/models/churn/infer", body, host=host, token="secret") for body in bodies or (b"{}",)]


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail(f"never {what}")


def test_every_answer_has_a_latency_within_its_level(server: SmallServer) -> None:
    """Each level counts its own answers, and none takes longer than the level."""
    before = time.monotonic()
    first, second = generate(_requests(server), server.port, levels=(1, 3), seconds=_SECONDS)

    assert [first.connections, second.connections] == [1, 3]
    assert before < first.began < first.began + first.seconds <= second.began < time.monotonic()
    for level in (first, second):
        assert level.errors == 0
        assert level.seconds >= _SECONDS / 2
        assert len(level.latencies) > 3
        assert 0 < min(level.latencies) <= max(level.latencies) <= level.seconds
    # One connection asks one after the other: the latencies are the time.
    assert sum(first.latencies) <= first.seconds


def test_requests_are_sent_in_turn_with_their_token(server: SmallServer) -> None:
    """The rows are cycled, and the deployment's token goes with each."""
    (level,) = generate(_requests(server, b"[1]", b"[2]", b"[3]"), server.port, seconds=_SECONDS)

    assert server.bodies[:7] == [b"[1]", b"[2]", b"[3]", b"[1]", b"[2]", b"[3]", b"[1]"]
    assert server.authorizations == {"Bearer secret"}
    assert len(level.latencies) < len(server.bodies), "the warm-up does not count"


def test_answers_of_other_statuses_are_counted_and_have_no_latency(server: SmallServer) -> None:
    """Backpressure is counted by status; the percentiles are of the answers 200."""
    server.answer = lambda number: (200, 503, 429)[number % 3]
    (level,) = generate(_requests(server), server.port, levels=(2,), seconds=_SECONDS)

    assert set(level.statuses) == {429, 503}
    assert level.errors == sum(level.statuses.values())
    assert abs(len(level.latencies) - level.statuses[503]) <= 2
    assert level.ended == ""


def test_connections_that_break_are_counted_and_replaced(server: SmallServer) -> None:
    """A connection that ends before its answer is an error; the next request has a new one."""
    server.answer = lambda number: None if number % 50 == 0 else 200
    (level,) = generate(_requests(server), server.port, seconds=1)

    assert level.broken >= 1
    assert level.errors == level.broken
    assert len(level.latencies) > 50
    assert level.ended == ""


def test_a_server_that_closes_after_each_answer_makes_no_errors(server: SmallServer) -> None:
    """``Connection: close`` is the server's right: the request was answered."""
    server.keeps_alive = False
    (level,) = generate(_requests(server), server.port, levels=(2,), seconds=_SECONDS)

    assert len(level.latencies) > 2
    assert level.errors == 0


def test_a_server_that_goes_away_ends_the_test_with_what_was_measured(server: SmallServer) -> None:
    """What came until then is told, with the reason, and no further level begins."""

    def go_away(tick: Tick) -> None:
        if tick.phase == "measuring" and tick.answers:
            server.go_away()

    (level,) = generate(_requests(server), server.port, levels=(2, 4), seconds=30, heard=go_away)

    assert len(level.latencies) > 0
    assert level.seconds < 30
    assert "refused" in level.ended


def test_nothing_listening_is_told_and_no_failure(server: SmallServer) -> None:
    """The level has no answers, and says why."""
    server.server_close()
    (level,) = generate(_requests(server), server.port, levels=(1, 2), seconds=_SECONDS)

    assert "refused" in level.ended
    assert (len(level.latencies), level.errors) == (0, 0)


def test_requests_without_an_answer_are_given_up(server: SmallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stalls ends nothing: the requests it left are counted, with the time waited for them."""
    monkeypatch.setattr(generator_module, "_PATIENCE_SECONDS", 0.2)
    stalled = server.lock  # no request is read any more once the test holds it

    def stall(tick: Tick) -> None:
        if tick.phase == "measuring" and tick.answers and not stalled.locked():
            stalled.acquire()

    (level,) = generate(_requests(server), server.port, levels=(2,), seconds=1, heard=stall)
    stalled.release()

    assert level.unanswered == level.errors == 2
    assert level.seconds > 1


def test_ticks_tell_how_far_it_is(server: SmallServer) -> None:
    """The warm-up of each level is told, then its measurement."""
    ticks: list[Tick] = []
    generate(_requests(server), server.port, levels=(1, 2), seconds=_SECONDS, heard=ticks.append)

    phases = [(tick.connections, tick.phase) for tick in ticks]
    assert list(dict.fromkeys(phases)) == [(1, "warm-up"), (1, "measuring"), (2, "warm-up"), (2, "measuring")]


def test_an_interrupt_ends_the_child(server: SmallServer) -> None:
    """Ctrl-C passes through, and no request comes any more."""

    def interrupt(tick: Tick) -> None:
        if tick.answers:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(_requests(server), server.port, seconds=60, heard=interrupt)
    _wait_until(lambda: not server.open, "did the connections end")


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_killed_kernel_leaves_no_child(server: SmallServer) -> None:
    """The child finds nobody listening, and ends."""
    script = (
        f"from jupyter_containeriter.traffic import generate; generate({_requests(server)}, {server.port}, seconds=60)"
    )
    source = str(Path(jupyter_containeriter.__file__).parents[1])
    with subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": source}) as kernel:
        _wait_until(lambda: len(server.bodies) > 1, "came a request")
        kernel.send_signal(signal.SIGKILL)
    _wait_until(lambda: not server.open, "did the connections end")


def test_a_child_that_fails_is_told_with_its_words(server: SmallServer) -> None:
    """What Python says of it is in the message."""
    with pytest.raises(ContainerIterError, match="TypeError"):
        generate(_requests(server), server.port, seconds=_SECONDS, host=7)  # type: ignore[arg-type]
