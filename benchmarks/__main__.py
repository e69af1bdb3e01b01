"""All comparisons of speed, one after the other: ``make bench``. Prints one JSON object.

``next_iteration.py`` is about getting a changed model to serve, ``serving.py`` about how fast it then answers,
``hooks.py`` about what timing cells costs, ``charts.py`` about drawing the history,
``history.py`` about writing and reading it; each can be run by itself.
"""

from __future__ import annotations

import sys
from typing import Any

import charts
import history
import hooks
import next_iteration
import serving
from workbench import command


def measure(runs: int | None) -> dict[str, Any]:
    """Run all comparisons."""
    return {
        "next_iteration": next_iteration.compare(runs),
        "serving": serving.compare(runs),
        "history": history.compare(runs),
        "hooks": hooks.compare(runs),
        "charts": charts.compare(runs),
    }


if __name__ == "__main__":
    sys.exit(command(__doc__, measure))
