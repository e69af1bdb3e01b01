"""The interpreter of this process, and what no image holds of its standard library. The proof hides the same."""

from __future__ import annotations

import sys
from pathlib import Path

#: No model predicts with these: tests, the editor, windows, documentation texts, the Python 2 translator, installers.
LEFT_OUT = frozenset({"test", "tests", "idlelib", "turtledemo", "tkinter", "pydoc_data", "lib2to3", "ensurepip"})


def running_interpreter() -> Path:
    """Return the interpreter itself: not the link, or the copy, that an environment has of it."""
    original = Path(getattr(sys, "_base_executable", None) or sys.executable)
    return (original if original.exists() else Path(sys.executable)).resolve()
