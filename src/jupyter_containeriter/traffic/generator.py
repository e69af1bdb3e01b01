"""The load generator's side in this process: starts the child, feeds it, reads what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jupyter_containeriter.errors import ContainerIterError

_CHILD = Path(__file__).with_name("_child.py")
#: A warm-up takes this part of the measurement, and a second at most.
_WARM_UP = 0.25
#: How long an answer is waited for after the last request, at least.
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Level:
    """What was measured with one number of connections.

    Attributes
    ----------
    connections
        How many were kept busy.
    began
        When the measurement began, by :func:`time.monotonic`.
    seconds
        From then until the last answer; where some never came, until they were given up.
    latencies
        Seconds from writing a request until its answer was complete, of every answer 200, in the order they came.
    statuses
        How many other answers there were, by status.
    broken
        Connections that ended before their answer was complete.
    unanswered
        Requests that were given up.
    ended
        Why the level ended early: what the system said when no connection could be made any more; "" where it did not.
    generator_cpu_seconds
        What the generator itself used: close to ``seconds``, it and not the server is the limit.
    """

    connections: int
    began: float
    seconds: float
    latencies: array[float] = field(repr=False)
    statuses: Mapping[int, int] = field(default_factory=dict)
    broken: int = 0
    unanswered: int = 0
    ended: str = ""
    generator_cpu_seconds: float = 0.0

    @property
    def errors(self) -> int:
        """Requests that were not answered with 200."""
        return sum(self.statuses.values()) + self.broken + self.unanswered


@dataclass(frozen=True, slots=True)
class Tick:
    """How far it is: what is under way and how many answers 200 came so far."""

    connections: int
    phase: Literal["warm-up", "measuring"]
    answers: int


def post(path: str, body: bytes, *, host: str, token: str = "") -> bytes:
    """Return the bytes of a request with a JSON body, on a connection that stays open.

    Parameters
    ----------
    path
        For example ``/v2/models/churn/infer``.
    body
        JSON.
    host
        For the header ``Host``, with the port.
    token
        A bearer token, "" for none.
    """
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def generate(
    requests: Sequence[bytes],
    port: int,
    *,
    levels: Sequence[int] = (1,),
    seconds: float = 2.0,
    host: str = "127.0.0.1",
    heard: Callable[[Tick], None] = lambda _: None,
) -> list[Level]:
    """Send requests in a closed loop, level by level, and measure how long the answers take.

    Each connection is kept alive and sends its next request when the answer to the one before is complete. Before each
    level there is a warm-up that does not count. Requests are written until the level's time is over; their answers
    are waited for and count.

    Parameters
    ----------
    requests
        Complete HTTP/1.1 requests (:func:`post` writes them), sent in turn. Answers must tell their length.
    port, host
        Where the server listens.
    levels
        Numbers of connections, one after the other.
    seconds
        How long each level measures.
    heard
        Hears four times a second how far it is.

    Returns
    -------
    list of Level
        One for each level; where the server goes away, the level in which it did is the last one.

    Raises
    ------
    ContainerIterError
        The generator's own process failed.

    Notes
    -----
    The requests are sent by a process of its own, so neither the interpreter lock nor the garbage of this one is in
    the latencies. It ends with this call, however it ends.
    """
    job = {
        "host": host,
        "port": port,
        "levels": list(levels),
        "seconds": seconds,
        "warm_up": min(1.0, seconds * _WARM_UP),
        "patience": max(_PATIENCE_SECONDS, seconds),
        "sizes": [len(request) for request in requests],
    }
    # A session of its own: Ctrl-C in a terminal is for this process, which then ends the child.
    with subprocess.Popen(
        [sys.executable, "-P", str(_CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            found = _converse(process, job, requests, heard)
        except BaseException:
            process.kill()
            raise
    return found


def _converse(
    process: subprocess.Popen[bytes],
    job: Mapping[str, Any],
    requests: Sequence[bytes],
    heard: Callable[[Tick], None],
) -> list[Level]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    found = []
    try:
        with process.stdin as pipe:
            pipe.write(json.dumps(job).encode() + b"\n" + b"".join(requests))
    except BrokenPipeError:
        pass  # What it wrote on standard error says why.
    for line in process.stdout:
        event = json.loads(line)
        kind = event.pop("event")
        if kind == "tick":
            heard(Tick(**event))
            continue
        latencies = array("d")
        latencies.frombytes(process.stdout.read(8 * event.pop("answers")))
        event["statuses"] = {int(status): count for status, count in event["statuses"].items()}
        found.append(Level(latencies=latencies, **event))
    if process.wait():
        said = process.stderr.read().decode(errors="replace").strip().splitlines()
        raise ContainerIterError(
            f"The load generator ended early: {said[-1] if said else f'exit code {process.returncode}'}",
            "Run the cell again; if it ends again, reinstall httptools and uvloop.",
        )
    return found
