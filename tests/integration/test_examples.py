"""The example notebooks do what they tell."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from notebook_bench import Lab, need

EXAMPLES = Path(__file__).parents[2] / "examples"


def execute(lab: Lab, example: str, engine: str) -> None:
    """Execute an example from its first cell to its last; none may fail."""
    notebook = nbformat.read(EXAMPLES / example, as_version=4)
    client = NotebookClient(notebook, timeout=240, kernel_name="python3")
    client.execute(cwd=str(lab.directory), env=lab.environment(engine))


def test_quickstart_deploys_three_versions(lab: Lab) -> None:
    """The first notebook that people run ends with three verified versions."""
    execute(lab, "quickstart.ipynb", "sandbox")
    assert lab.statuses("second-opinion") == ["verified"] * 3


@pytest.mark.engine
def test_methods_are_compared(request: pytest.FixtureRequest, lab: Lab) -> None:
    """Ten verified iterations by a Dockerfile and ten by this tool are in one history."""
    execute(lab, "compare_methods.ipynb", need(request, "docker"))
    rows = lab.rows("second-opinion")
    assert [row["status"] for row in rows] == ["verified"] * 20
    assert sorted(row["method"] for row in rows) == ["containeriter"] * 10 + ["docker build"] * 10
