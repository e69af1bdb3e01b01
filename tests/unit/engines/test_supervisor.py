"""The supervisor, as a process of its own: it holds limits, notes how the server ended, and ends with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.engines import _supervisor

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

Supervise = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def supervise(tmp_path: Path) -> Supervise:
    """Supervise a Python script."""

    def supervise(script: str, *, memory_bytes: int = 10**9, cpus: float | None = None, pids: int = 50) -> Any:
        command = [sys.executable, "-I", "-S", "-u", "-c", script]
        limits = {"memory_bytes": memory_bytes, "cpus": cpus, "pids": pids}
        spec = {"command": command, "environment": {"MINE": "1"}, "wrapped": False, **limits}
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _supervisor.__file__, str(tmp_path)], stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(b"go\n")
        return process

    return supervise


def _result(process: subprocess.Popen[bytes], directory: Path) -> dict[str, Any]:
    assert process.wait(30) == 0
    result: dict[str, Any] = json.loads((directory / "result.json").read_bytes())
    return result


def _logged(directory: Path, word: str) -> None:
    """Wait until the server has written a word."""
    for _ in range(3000):
        if (directory / "log").exists() and word in (directory / "log").read_text():
            return
        time.sleep(0.01)
    pytest.fail(f"never saw {word!r}")


def test_the_end_of_a_server_is_noted(supervise: Supervise, tmp_path: Path) -> None:
    """Exit code and everything it wrote are kept; it saw the variables it was given, and no others."""
    process = supervise(
        "import os, sys; print(sorted(k for k in os.environ if k != 'LC_CTYPE')); sys.stderr.write('e'); sys.exit(3)"
    )
    assert _result(process, tmp_path) == {"exit_code": 3, "oom_killed": False}
    assert (tmp_path / "log").read_text() == "['MINE']\ne"


def test_a_signal_that_ends_a_server_is_noted(supervise: Supervise, tmp_path: Path) -> None:
    """A server that a signal ended has the negative number of it."""
    process = supervise("import os; os.kill(os.getpid(), 11)")
    assert _result(process, tmp_path) == {"exit_code": -11, "oom_killed": False}


def test_too_much_memory_ends_a_server(supervise: Supervise, tmp_path: Path) -> None:
    """A server beyond its memory limit is killed, and that is said."""
    process = supervise("import time; x = bytearray(200_000_000); time.sleep(60)", memory_bytes=100_000_000)
    assert _result(process, tmp_path) == {"exit_code": -9, "oom_killed": True}


def test_memory_given_back_at_once_ends_a_server(supervise: Supervise, tmp_path: Path) -> None:
    """A server that exceeded its limit for a moment only, between two looks, is killed all the same."""
    process = supervise("import time; bytearray(200_000_000); time.sleep(60)", memory_bytes=100_000_000)
    assert _result(process, tmp_path) == {"exit_code": -9, "oom_killed": True}


def test_a_supervisor_whose_kernel_died_starts_nothing(tmp_path: Path) -> None:
    """Without the word to go, which follows the record, no server is started that nobody could find."""
    (tmp_path / "spec.json").write_text("{}")
    command = [sys.executable, "-I", "-S", str(Path(_supervisor.__file__)), str(tmp_path)]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["spec.json"]


def test_memory_of_children_counts(supervise: Supervise, tmp_path: Path) -> None:
    """Children share the limit of their server, and end with it."""
    script = (
        "import os, time\npid = os.fork()\n"
        "if pid == 0:\n    x = bytearray(200_000_000)\n    time.sleep(60)\n"
        "print(pid)\nos.wait()"
    )
    process = supervise(script, memory_bytes=100_000_000)
    assert _result(process, tmp_path)["oom_killed"] is True
    child = int((tmp_path / "log").read_text())
    assert not Path(f"/proc/{child}/exe").exists()


def test_peaks_at_different_times_are_not_added_up(supervise: Supervise, tmp_path: Path) -> None:
    """Processes that had their highest memory one after the other never had it together."""
    script = (
        "import os\n"
        "for _ in range(3):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n        x = bytearray(60_000_000)\n        os._exit(0)\n"
        "    os.wait()\n"
        "x = bytearray(60_000_000)\ndel x\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    x = bytearray(60_000_000)\n    del x\n    print('both')\n    os.write(w, b'x')\n"
        "    import time\n    time.sleep(0.5)\n    os._exit(0)\n"
        "os.read(r, 1)\nos.wait()"
    )
    process = supervise(script, memory_bytes=110_000_000)
    assert _result(process, tmp_path) == {"exit_code": 0, "oom_killed": False}


def test_too_many_threads_end_a_server(supervise: Supervise, tmp_path: Path) -> None:
    """A server beyond its limit of threads is killed, and that is not called memory."""
    script = "import threading, time\nfor _ in range(20): threading.Thread(target=time.sleep, args=(60,)).start()"
    assert _result(supervise(script, pids=10), tmp_path) == {"exit_code": -9, "oom_killed": False}


def test_a_server_is_asked_to_end(supervise: Supervise, tmp_path: Path) -> None:
    """Told to stop, the supervisor lets the server finish in its own way."""
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('draining'), sys.exit(0)))\nprint('up')\ntime.sleep(60)"
    )
    process = supervise(script)
    _logged(tmp_path, "up")
    process.terminate()
    assert _result(process, tmp_path)["exit_code"] == 0
    assert "draining" in (tmp_path / "log").read_text()


def test_a_server_that_does_not_end_is_ended(supervise: Supervise, tmp_path: Path) -> None:
    """A server that ignores being asked is killed after a while."""
    process = supervise(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)"
    )
    _logged(tmp_path, "up")
    process.terminate()
    assert _result(process, tmp_path)["exit_code"] == -9


def test_a_cpu_limit_is_an_affinity(supervise: Supervise, tmp_path: Path) -> None:
    """A server limited to half a core runs on one."""
    process = supervise("import os; print(len(os.sched_getaffinity(0)))", cpus=0.5)
    _result(process, tmp_path)
    assert (tmp_path / "log").read_text() == "1\n"


def test_descendants_are_found() -> None:
    """Children of children are found, and a process that is gone has none."""
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    found = _supervisor.descendants(os.getpid())
    assert process.pid in found
    assert len(_supervisor.descendants(process.pid)) == 1
    used = _supervisor.usage([process.pid])
    assert used.peak_bytes >= used.memory_bytes > 1_000_000
    assert used.threads >= 1
    process.communicate(b"\n")
    assert _supervisor.descendants(process.pid) == []
    assert _supervisor.usage([process.pid]) == (0, 0, 0)


def test_signals_to_the_gone_are_no_error() -> None:
    """A process that ended in the meantime needs no signal."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    _supervisor.signal_all([process.pid], signal.SIGTERM)
