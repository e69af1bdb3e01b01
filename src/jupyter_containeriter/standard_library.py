"""Which parts of the standard library no image holds. The proof hides the same ones."""

from __future__ import annotations

#: No model predicts with these: tests, the editor, windows, documentation texts, the Python 2 translator, installers.
LEFT_OUT = frozenset({"test", "tests", "idlelib", "turtledemo", "tkinter", "pydoc_data", "lib2to3", "ensurepip"})
