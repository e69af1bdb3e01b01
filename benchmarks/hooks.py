"""What the hooks around cells cost: ``python benchmarks/hooks.py``. Prints one JSON object.

IPython itself calls them, before and after cells that do nothing; measured are the hooks alone, both of a cell
together.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from jupyter_containeriter.clock import CellClock
from jupyter_containeriter.hooks import CellEvents
from workbench import command

_ROUNDS, _CELLS = 2, 1000


class _Timed(CellEvents):
    """The hooks, with a stop watch around each."""

    def __init__(self, shell: InteractiveShell, clock: CellClock) -> None:
        super().__init__(shell, clock)
        self.seconds: list[float] = []

    def before(self, info: Any = None) -> None:
        """Add the first hook of a cell."""
        began = time.perf_counter()
        super().before(info)
        self.seconds.append(time.perf_counter() - began)

    def after(self, result: Any = None) -> None:
        """Add the second."""
        began = time.perf_counter()
        super().after(result)
        self.seconds[-1] += time.perf_counter() - began


def _cost(cells: int, watched: int) -> dict[str, float]:
    shell, clock = InteractiveShell.instance(), CellClock()
    hooks = _Timed(shell, clock)
    hooks.register()
    for position in range(watched):
        shell.user_ns[f"model_{position}"] = model = object()
        clock.watched[f"model_{position}"] = id(model)
    for position in range(cells):
        shell.run_cell(f"x = {position}\n" + "# a longer cell\n" * 50)
    hooks.unregister()
    ordered = sorted(hooks.seconds)
    at = {"p50": statistics.median(ordered), "p99": ordered[int(0.99 * len(ordered))], "max": ordered[-1]}
    return {f"{name}_microseconds": round(1e6 * seconds, 1) for name, seconds in at.items()}


def compare(runs: int | None = None) -> dict[str, Any]:
    """Measure the hooks without and with the most variables that are watched."""
    cells = (runs or _ROUNDS) * _CELLS
    return {
        "cells": cells,
        "nothing watched": _cost(cells, 0),
        "64 variables watched": _cost(cells, 64),
    }


if __name__ == "__main__":
    sys.exit(command(__doc__, compare))
