"""The example notebooks do what they tell."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from notebook_bench import Lab, need
from postgres_bench import Postgres, postgres
from registry_bench import start_registry

from jupyter_containeriter.history import History

__all__ = ["postgres"]  # a fixture

EXAMPLES = Path(__file__).parents[2] / "examples"


def execute(lab: Lab, example: str, engine: str, **variables: str) -> None:
    """Execute an example from its first cell to its last; none may fail."""
    notebook = nbformat.read(EXAMPLES / example, as_version=4)
    client = NotebookClient(notebook, timeout=240, kernel_name="python3")
    client.execute(cwd=str(lab.directory), env=lab.environment(engine, **variables))


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


def test_a_network_of_the_notebook_gets_better(lab: Lab, sandbox_working: None) -> None:
    """A PyTorch module and a function of the notebook are taken to three verified versions, each better than before."""
    execute(lab, "deep_learning.ipynb", "sandbox")
    rows = lab.rows("postcodes")
    assert [row["status"] for row in rows] == ["verified"] * 3
    accuracies = [row["metrics"]["accuracy"] for row in rows]
    assert accuracies == sorted(accuracies)


def test_a_team_shares_a_history_and_a_registry(lab: Lab, postgres: Postgres, tmp_path: Path) -> None:
    """Two people's versions are in one history in PostgreSQL, and in one registry under the digests it tells."""
    address, registry = postgres.database(), start_registry(tmp_path / "registry")
    try:
        execute(lab, "team.ipynb", "sandbox", CONTAINERITER_HISTORY=address, TEAM_REGISTRY=registry.host)
    finally:
        registry.stop()
    with closing(History(address)) as history:
        rows = history.frame("progression").to_dict("records")
    assert [(row["version"], row["status"]) for row in rows] == [(1, "verified"), (2, "verified")]
    assert rows[1]["user"] == "grace"
    assert all(registry.stored(row["image_digest"]).exists() for row in rows)


def test_who_has_no_team_is_told_what_is_missing(lab: Lab) -> None:
    """Without an address the notebook ends where it begins, and says which one it needs."""
    with pytest.raises(CellExecutionError, match="TEAM_REGISTRY must be set before Jupyter starts"):
        execute(lab, "team.ipynb", "sandbox", CONTAINERITER_HISTORY="postgresql://db.invalid/h", TEAM_REGISTRY="")
