"""Runs one sandboxed server and outlives the kernel: holds its limits, notes how it ended. A script of its own.

Reads a JSON file with ``command``, ``environment``, ``memory_bytes``, ``cpus`` and ``pids``; appends what the server
writes to ``log``; writes ``result.json`` when it ends. It polls, because cgroups need rights a user rarely has.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 3.0


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


def usage(pids: list[int]) -> tuple[int, int]:
    """Return the resident memory in bytes (shared pages counted for each process) and the number of threads."""
    memory = threads = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        threads += int(fields[17])
        memory += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return memory, threads


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the innermost process first, so that the server drains; then whatever is left."""
    pids = descendants(process.pid) or [process.pid]
    _signal_all(pids[-1:], signal.SIGTERM)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal_all([*pids, process.pid], signal.SIGKILL)


def supervise(directory: Path) -> None:
    """Run what ``directory/spec.json`` says, until it ends."""
    spec = json.loads((directory / "spec.json").read_text())
    if spec["cpus"]:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: max(1, round(spec["cpus"]))])
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    ended = ""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            spec["command"], env=spec["environment"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
        )
        while process.poll() is None:
            memory, threads = usage(descendants(process.pid))
            ended = "memory" if memory > spec["memory_bytes"] else "pids" if threads > spec["pids"] else ""
            if ended:
                _signal_all([*descendants(process.pid), process.pid], signal.SIGKILL)
            elif stopping:
                _stop(process)
            time.sleep(_POLL_SECONDS)
    result = {"exit_code": process.returncode, "oom_killed": ended == "memory"}
    temporary = directory / "result.new"
    temporary.write_text(json.dumps(result))
    temporary.rename(directory / "result.json")


if __name__ == "__main__":
    supervise(Path(sys.argv[1]))
