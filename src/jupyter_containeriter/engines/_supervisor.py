"""Runs one sandboxed server and outlives the kernel: holds its limits, notes how it ended. A script of its own.

Reads ``spec.json``: ``command``, ``environment``, ``wrapped`` (by bubblewrap), ``memory_bytes``, ``cpus``, ``pids``.
Appends what the server writes to ``log`` and writes ``result.json`` when it ends. It polls, because cgroups need
rights a user rarely has.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

_POLL_SECONDS = 0.1
#: A server drains for somewhat less.
GRACE_SECONDS = 10.0


def descendants(pid: int) -> list[int]:
    """Return all processes below ``pid``, children before grandchildren."""
    found: list[int] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (OSError, ValueError):
        return found
    for child in children:
        found += [child, *descendants(child)]
    return found


class Usage(NamedTuple):
    """What processes use: resident memory now (shared pages count for each) and at its highest, and threads.

    The highest is that of all of them now, or that of one of them ever, if that is more: when the others had theirs
    nobody knows.
    """

    memory_bytes: int
    peak_bytes: int
    threads: int


def usage(pids: list[int]) -> Usage:
    """Add up what processes use (``man 5 proc``); those that are gone use nothing."""
    totals = {"VmRSS": 0, "Threads": 0}
    highest = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        for key, _, value in (line.partition(":") for line in lines):
            if key in totals:
                totals[key] += int(value.split()[0])
            elif key == "VmHWM":
                highest = max(highest, int(value.split()[0]))
    resident = totals["VmRSS"] * 1024
    return Usage(resident, max(resident, highest * 1024), totals["Threads"])


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to all that are still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue


def _stop(process: "subprocess.Popen[bytes]", *, wrapped: bool) -> None:
    """Ask the server to drain, then end whatever is left."""
    # A wrapper that is told to end takes its server with it at once, so only what it wraps is told.
    signal_all([*descendants(process.pid), *(() if wrapped else (process.pid,))], signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    signal_all([*descendants(process.pid), process.pid], signal.SIGKILL)
    process.wait()


def _watch(process: "subprocess.Popen[bytes]", spec: dict[str, Any], stopping: list[int]) -> bool:
    """Wait until the server ends, or end it; return whether it used more memory than allowed."""
    while process.poll() is None:
        used = usage([process.pid, *descendants(process.pid)])
        too_much = used.peak_bytes > int(spec["memory_bytes"])
        if too_much or used.threads > spec["pids"]:
            _kill(process)
            return too_much
        if stopping:
            _stop(process, wrapped=spec["wrapped"])
        time.sleep(_POLL_SECONDS)
    return False


def supervise(directory: Path) -> None:
    """Run what ``directory/spec.json`` says, until it ends."""
    spec = json.loads((directory / "spec.json").read_text())
    if spec["cpus"]:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: max(1, round(spec["cpus"]))])
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            spec["command"], env=spec["environment"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
        )
        oom_killed = _watch(process, spec, stopping)
    temporary = directory / "result.new"
    temporary.write_text(json.dumps({"exit_code": process.returncode, "oom_killed": oom_killed}))
    temporary.rename(directory / "result.json")


if __name__ == "__main__":
    # The kernel says go once its record is written; if it died before, nobody could find this server.
    if sys.stdin.readline():
        supervise(Path(sys.argv[1]))
