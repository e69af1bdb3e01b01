"""Sends the requests of :mod:`jupyter_containeriter.traffic.generator`, in a process of its own. A script.

Reads one line of JSON (``host``, ``port``, ``levels``, ``seconds``, ``warm_up``, ``patience``, ``sizes``) and the bytes
of the requests from standard input. Writes lines of JSON: ticks, and for each level what was measured, which the
latencies follow as 64 bit floats.
"""

import asyncio
import gc
import json
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import httptools

_TICK_SECONDS = 0.25
_CONNECT_SECONDS = 5.0
#: Before a broken connection is replaced: a server that breaks every one must not be asked as fast as it can.
_RECONNECT_SECONDS = 0.05

_clock = time.monotonic


class _Run:
    """What was counted while connections were kept busy."""

    def __init__(self, requests: Iterator[bytes], seconds: float) -> None:
        self.next_request = requests.__next__
        self.began = self.last = _clock()
        self.deadline = self.began + seconds
        self.latencies = array("d")
        self.statuses: Counter[int] = Counter()
        self.broken = 0
        self.ended = ""

    def count(self, status: int, began: float, ended: float) -> None:
        """Count an answer."""
        self.last = ended
        if status == 200:
            self.latencies.append(ended - began)
        else:
            self.statuses[status] += 1


class _Exchange(asyncio.Protocol):
    """One keep-alive connection: the next request goes out as soon as the answer is complete."""

    def __init__(self) -> None:
        self.waiting = False
        self.closed = False
        self._run: _Run | None = None
        self._complete = False
        self._began = 0.0

    def go(self, run: _Run) -> "asyncio.Future[None]":
        """Keep asking until the deadline, or until the connection ends; the future is done then."""
        self._run = run
        self._paused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ask()
        return self._paused

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def _ask(self) -> None:
        assert self._run is not None
        if self.closed or (began := _clock()) >= self._run.deadline:
            self._pause()
            return
        self.waiting, self._complete, self._began = True, False, began
        self._transport.write(self._run.next_request())

    def _pause(self) -> None:
        self._run = None
        if not self._paused.done():
            self._paused.set_result(None)

    def connection_made(self, transport: Any) -> None:
        """Begin to read answers."""
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Read on; where this completes the answer, count it and ask again."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()
            return
        if self._complete and self.waiting and self._run is not None:
            ended = _clock()
            self.waiting = False
            self._run.count(self._parser.get_status_code(), self._began, ended)
            if not self._keeps:
                self.closed = True
                self._transport.close()
            self._ask()

    def on_message_complete(self) -> None:
        """Hear from the parser that an answer is complete; one of 1xx is not the answer yet."""
        self._complete = self._parser.get_status_code() >= 200
        self._keeps = self._parser.should_keep_alive()

    def connection_lost(self, _: Exception | None) -> None:
        """Hear that the connection ended; a request may be without its answer."""
        self.closed = True
        if self._run is not None:
            self._pause()


class _Seat:
    """Keeps one connection busy, and replaces it where it ends."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self.exchange: _Exchange | None = None

    async def keep_busy(self, run: _Run) -> None:
        """Ask until the deadline, or until no connection can be made any more."""
        while _clock() < run.deadline and not run.ended:
            if self.exchange is None or self.exchange.closed:
                try:
                    self.exchange = await self._connect()
                except (OSError, TimeoutError) as error:
                    run.ended = str(error) or type(error).__name__
                    return
            await self.exchange.go(run)
            if self.exchange.waiting:
                run.broken += 1
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _connect(self) -> _Exchange:
        loop = asyncio.get_running_loop()
        connecting = loop.create_connection(_Exchange, self._job["host"], self._job["port"])
        return (await asyncio.wait_for(connecting, _CONNECT_SECONDS))[1]

    def leave(self) -> None:
        """End the connection."""
        if self.exchange is not None and not self.exchange.closed:
            self.exchange.abort()


async def _keep_busy(seats: list[_Seat], run: _Run, patience: float) -> int:
    """Return how many requests were never answered."""
    tasks = [asyncio.create_task(seat.keep_busy(run)) for seat in seats]
    done, late = await asyncio.wait(tasks, timeout=run.deadline + patience - _clock())
    for task, seat in zip(tasks, seats, strict=True):
        if task in late:
            task.cancel()
            seat.leave()
    for task in done:
        task.result()
    return len(late)


def _write(event: dict[str, Any], content: bytes = b"") -> None:
    sys.stdout.buffer.write(json.dumps(event).encode() + b"\n" + content)
    sys.stdout.buffer.flush()


async def _tell(connections: int, phase: str, run: _Run) -> None:
    """Tell how far it is; where nobody listens any more, writing fails and ends the process."""
    while True:
        _write({"event": "tick", "connections": connections, "phase": phase, "answers": len(run.latencies)})
        await asyncio.sleep(_TICK_SECONDS)


async def _phase(job: dict[str, Any], seats: list[_Seat], phase: str, run: _Run) -> int:
    telling = asyncio.create_task(_tell(len(seats), phase, run))
    working = asyncio.create_task(_keep_busy(seats, run, job["patience"]))
    await asyncio.wait({telling, working}, return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    return await working if working.done() else sys.exit(1)


async def _level(job: dict[str, Any], connections: int, requests: Iterator[bytes]) -> bool:
    """Warm up, measure and tell; return whether the server is still there."""
    seats = [_Seat(job) for _ in range(connections)]
    warmed = _Run(requests, job["warm_up"])
    await _phase(job, seats, "warm-up", warmed)
    busy = time.process_time()
    run = _Run(requests, job["seconds"] if not warmed.ended else 0)
    run.ended = warmed.ended
    unanswered = await _phase(job, seats, "measuring", run)
    measured = {
        "event": "measured",
        "connections": connections,
        "began": run.began,
        "seconds": (_clock() if unanswered else run.last) - run.began,
        "statuses": dict(run.statuses),
        "broken": run.broken,
        "unanswered": unanswered,
        "ended": run.ended,
        "generator_cpu_seconds": time.process_time() - busy,
        "answers": len(run.latencies),
    }
    for seat in seats:
        seat.leave()
    _write(measured, run.latencies.tobytes())
    return not run.ended


async def _main() -> None:
    job = json.loads(sys.stdin.buffer.readline())
    requests = [sys.stdin.buffer.read(size) for size in job["sizes"]]
    for connections in job["levels"]:
        if not await _level(job, connections, cycle(requests)):
            break


if __name__ == "__main__":
    gc.disable()  # Nothing here makes cycles that grow; a collection would count as the server's time.
    try:
        import uvloop
    except ImportError:
        asyncio.run(_main())
    else:
        uvloop.run(_main())
