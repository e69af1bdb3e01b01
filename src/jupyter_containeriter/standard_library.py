"""The interpreter of this process, how images start theirs, and what these lack of its standard library.

The proof starts it in the same way and hides the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

#: No model predicts with these: tests, the editor, windows, documentation texts, the Python 2 translator, installers.
LEFT_OUT = frozenset({"test", "tests", "idlelib", "turtledemo", "tkinter", "pydoc_data", "lib2to3", "ensurepip"})


#: How an image starts its interpreter: nothing of the working directory, of a user's packages or of ``.pth`` files is
#: on the path, no byte code is written. What a model starts gets the same flags, and (other than with ``-I``) heeds
#: ``PYTHONPATH``, by which the server tells it where modules are.
FLAGS = ("-s", "-P", "-S", "-B")
#: Variables that would tell the interpreter to look elsewhere.
ELSEWHERE = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONPLATLIBDIR"})


def running_interpreter() -> Path:
    """Return the interpreter itself: not the link, or the copy, that an environment has of it."""
    original = Path(getattr(sys, "_base_executable", None) or sys.executable)
    return (original if original.exists() else Path(sys.executable)).resolve()
