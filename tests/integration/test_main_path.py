"""The three magics of a first session, and what a person does next, on each engine."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from notebook_bench import ENGINES, Cell, Lab, Notebook, need

from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.types import ITERATION_COLUMNS

LOCAL_MODULE = """
import local_constants

def ratio(frame):
    return frame.assign(ratio=frame["calls"] / (frame["months"] + local_constants.SMOOTHING))
"""

DATA = """
import numpy as np, pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
import local_features

rng = np.random.default_rng(0)
X = pd.DataFrame({"calls": rng.integers(0, 9, 200), "months": rng.uniform(1, 60, 200)}, index=range(1000, 1200))
y = (X["calls"] > X["months"] / 7).map({True: "leaves", False: "stays"})
strength = 2.0

def logarithms(frame):
    return np.log1p(frame) * strength

def fit(C):
    steps = FunctionTransformer(local_features.ratio), FunctionTransformer(logarithms), StandardScaler()
    return make_pipeline(*steps, LogisticRegression(C=C)).fit(X, y)

churn = fit(1.0)
accuracy = churn.score(X, y)
A = X.to_numpy()
forest_before = RandomForestClassifier(5, random_state=0).fit(A, y)
"""


@dataclass
class Story:
    """A session that was lived through once; its tests look at what it left."""

    engine: str
    lab: Lab
    notebook: Notebook
    names: dict[str, str]
    cells: dict[str, Cell] = field(default_factory=dict)

    def live(self, word: str) -> Any:
        """Return the one container of a model."""
        (container,) = self.lab.containers(self.names[word])
        return container


@pytest.fixture(scope="module", params=ENGINES)
def story(request: pytest.FixtureRequest, labs: Callable[[], Lab], new_name: Callable[[str], str]) -> Iterator[Story]:
    """Live through a first session."""
    engine = need(request, request.param)
    lab = labs()
    (lab.directory / "local_features.py").write_text(LOCAL_MODULE)
    (lab.directory / "local_constants.py").write_text("SMOOTHING = 1.0\n")
    names = {word: new_name(f"{word}-{engine}") for word in ("churn", "forest", "mean")}
    notebook = lab.open(engine)
    story = Story(engine, lab, notebook, names)
    try:
        notebook.ok(DATA)
        story.cells["first"] = notebook.ok(
            f"%containerize churn --name {names['churn']} --sample X.head(5) --metric accuracy=accuracy "
            '--param C=1.0 --tag team=risk --note "the first one"'
        )
        story.cells["second"] = notebook.ok(
            f"churn = fit(0.05)\nsecond = %containerize churn --name {names['churn']} --sample X.head(5)"
        )
        story.cells["arrays"] = notebook.ok(
            f"forest = %containerize forest_before --name {names['forest']} --sample A[:5]"
        )
        story.cells["lists"] = notebook.ok(f"lists = %containerize mean --name {names['mean']} --sample rows")
        yield story
    finally:
        lab.close()


# --- the first call ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["first", "second", "arrays", "lists"])
def test_every_kind_of_sample_is_verified_exactly(story: Story, cell: str) -> None:
    """A DataFrame, an array and a list as samples each end in a container that predicts exactly the same."""
    assert "predicts exactly what the notebook predicted" in story.cells[cell].html


def test_card_is_shown_once(story: Story) -> None:
    """A call shows one card, and not a second one for its result."""
    assert story.cells["first"].html.count("containeriter-card") == 1
    assert story.cells["second"].html.count("containeriter-card") == 1


def test_card_says_what_runs_where_and_what_it_took(story: Story) -> None:
    """The card holds name, version, engine, status, URL, image, size, what was sent, note, metric and every phase."""
    card, container = story.cells["first"].html, story.live("churn")
    name = story.names["churn"]
    assert f"<b>{name}:1</b> on {container.engine}" in card
    assert ">verified<" in card
    assert re.search(r"http://127\.0\.0\.1:\d+", card)
    assert f"localhost/containeriter/{name}:1" in card
    assert re.search(r"· \d+ MB", card)
    assert re.search(r"\d+ of \d+ layers reused|nothing sent", card)
    assert "the first one" in card
    assert "accuracy 0." in card
    for phase in ("capture", "build", "load", "start", "verify"):
        assert re.search(rf"{phase} \d", card)
    assert re.search(r"<b>[\d.]+ m?s</b> package to verified", card)


def test_shown_command_line_predicts(story: Story) -> None:
    """The curl line on the card, run as it stands, answers with the prediction of the sample's first row."""
    command = unescape(re.search(r"<pre[^>]*>(curl .*?)</pre>", story.cells["second"].html, re.DOTALL)[1])
    first = story.notebook.value("churn.predict(X.head(1)).tolist()")
    assert run_curl(command) == {"predictions": first}


def test_second_iteration_sends_little(story: Story) -> None:
    """A model that was fitted anew sends less than 2 MB: environment and base are there already."""
    first, second = story.lab.rows(story.names["churn"])[:2]
    assert second["environment_digest"] == first["environment_digest"]
    assert second["model_digest"] != first["model_digest"]
    assert 0 < second["sent_bytes"] < 2_000_000


def test_second_version_replaces_the_first(story: Story) -> None:
    """Once the second version is verified, it is the only one that serves."""
    assert story.live("churn").version == 2


def test_second_version_goes_into_the_running_container(story: Story) -> None:
    """A model that was fitted anew is loaded by the container that runs: no new one, and the address stays."""
    first, second = story.lab.rows(story.names["churn"])[:2]
    assert (first["hot"], second["hot"]) == (False, True)
    assert second["load_seconds"] < second["package_to_verified_seconds"]
    told = [re.search(r"http://127\.0\.0\.1:\d+", story.cells[cell].html)[0] for cell in ("first", "second")]
    assert told[0] == told[1]
    assert "new container" not in story.cells["second"].html


# --- predictions ---------------------------------------------------------------------------------------------------


def test_deployment_predicts_data_frames(story: Story) -> None:
    """Deployment.predict takes a DataFrame of any number of rows and returns what the model returns."""
    assert story.notebook.value("(second.predict(X) == churn.predict(X)).all().item()")
    assert story.notebook.value("type(second.predict(X)).__name__") == "ndarray"


def test_deployment_predicts_arrays(story: Story) -> None:
    """Deployment.predict takes an array where the sample was one."""
    assert story.notebook.value("(forest.predict(A[:50]) == forest_before.predict(A[:50])).all().item()")


def test_deployment_predicts_lists(story: Story) -> None:
    """Deployment.predict takes a list where the sample was one."""
    assert story.notebook.value("lists.predict([[1.0, 3.0]])") == [2.0]


def test_deployment_tells_of_its_container(story: Story) -> None:
    """The handle gives log lines and memory use of what runs."""
    assert "is ready" in story.notebook.value("second.logs()")
    assert story.notebook.value("second.stats().memory_bytes") > 10_000_000


def test_data_that_does_not_fit_is_refused(story: Story) -> None:
    """A DataFrame without a column of the signature is refused, and the message names the column."""
    refusal = story.notebook.run('second.predict(X[["calls"]])').refusal()
    assert refusal.kind == "UsageError"
    assert "months" in refusal.message


# --- afterwards ----------------------------------------------------------------------------------------------------


def test_deployments_lists_what_runs(story: Story) -> None:
    """%deployments shows every running model with its address."""
    shown = story.notebook.ok("%deployments")
    for word in story.names:
        assert f"{story.names[word]}:" in shown.html
        assert f"http://127.0.0.1:{story.live(word).port}</a> on {story.engine}" in shown.html


def test_older_version_runs_from_its_exact_image(story: Story) -> None:
    """%deploy NAME:1 --fresh runs the image with the digest that the history has for version 1."""
    name = story.names["churn"]
    story.notebook.ok(f"%deploy {name}:1 --fresh")
    container = story.live("churn")
    first, _ = story.lab.rows(name)[:2]
    assert (container.version, container.image_digest) == (1, first["image_digest"])
    if story.engine == "docker":
        assert image_id(container.id) in {story.lab.image(name, 1).config_digest, first["image_digest"]}
    story.notebook.ok(f"%deploy {name}:2")


def test_rollback_deploys_the_version_before(story: Story) -> None:
    """%rollback lets the version before the live one serve, and %rollback --to any other, in the same container."""
    name = story.names["churn"]
    before = story.live("churn")
    for verb, version in ((f"%rollback {name}", 1), (f"%rollback {name} --to 2", 2)):
        story.notebook.ok(f"back = {verb}")
        assert (story.live("churn").version, story.live("churn").id) == (version, before.id)
        assert story.lab.held(before)[str(version)] == "live"
        assert f"{name}:{version}" in story.notebook.ok("back").html
        shown = story.notebook.ok("%deployments").html
        assert f"{name}:{version}" in shown
        assert f"http://127.0.0.1:{before.port}</a>" in shown
    command = story.notebook.value("back.curl")
    assert run_curl(command) == {"predictions": story.notebook.value("churn.predict(X.head(1)).tolist()")}
    assert story.notebook.value("(back.predict(X) == churn.predict(X)).all().item()")


def test_rolling_back_records_no_iteration(story: Story) -> None:
    """Deploying an older version again is no iteration: the history keeps its rows."""
    name = story.names["churn"]
    before = story.lab.rows(name)
    story.notebook.ok(f"%rollback {name}\n%deploy {name}")
    assert [row["version"] for row in story.lab.rows(name)] == [row["version"] for row in before]


def test_undeployed_model_stops_and_comes_back(story: Story) -> None:
    """%undeploy stops the container; the version can be deployed again."""
    name = story.names["mean"]
    assert f"{name}:1 stopped" in story.notebook.ok(f"%undeploy {name}").text
    assert story.lab.containers(name) == []
    assert story.notebook.run(f"%undeploy {name}").refusal().kind == "NotFoundError"
    story.notebook.ok(f"lists = %deploy {name}")
    assert story.live("mean").running


def test_iterations_is_a_typed_frame(story: Story) -> None:
    """%iterations gives a DataFrame with the promised columns in order, each with its type."""
    name = story.names["churn"]
    story.notebook.ok(f"frame = %iterations {name}")
    assert story.notebook.value("list(frame.columns)") == list(ITERATION_COLUMNS)
    types = story.notebook.value("{c: str(t) for c, t in frame.dtypes.items()}")
    assert {types[column] for column in types if column.endswith("_seconds")} == {"float64"}
    assert {types[column] for column in ("started_at", "finished_at")} == {"datetime64[us, UTC]"}
    assert {types[column] for column in ("version", "image_size_bytes", "sent_bytes")} == {"Int64"}
    assert {types[column] for column in ("name", "status", "engine", "parity")} == {"category"}
    assert types["hot"] == "bool"


def test_iteration_records_what_was_given_and_measured(story: Story) -> None:
    """A row holds parameters, metrics, tags, note, notebook, engine, parity and the seconds of every phase."""
    row = story.lab.rows(story.names["churn"])[0]
    assert (row["tags"], row["note"]) == ({"team": "risk"}, "the first one")
    assert (row["params"]["C"], row["params"]["logisticregression__C"]) == (1.0, 1.0)
    assert 0 < row["metrics"]["accuracy"] <= 1
    assert Path(row["notebook"]).name == "story.ipynb"
    assert (row["status"], row["engine"], row["parity"]) == ("verified", story.engine, "exact")
    phases = [row[f"{phase}_seconds"] for phase in ("capture", "build", "load", "start", "verify")]
    assert all(seconds > 0 for seconds in phases)
    assert sum(phases) == pytest.approx(row["package_to_verified_seconds"])
    before = row["think_seconds"] + row["run_seconds"]
    assert row["cycle_seconds"] == pytest.approx(before + row["package_to_verified_seconds"])
    assert row["lead_seconds"] >= row["package_to_verified_seconds"]
    assert row["cell"].startswith("%containerize churn")
    assert row["execution_count"] is not None


def test_iterations_can_be_limited(story: Story) -> None:
    """%iterations NAME --last 1 has the newest row only."""
    story.notebook.ok(f"last = %iterations {story.names['churn']} --last 1")
    assert story.notebook.value("[int(v) for v in last['version']]") == [2]


def test_plot_is_a_figure_shown_once(story: Story) -> None:
    """%iterplot returns a matplotlib Figure and shows one picture."""
    cell = story.notebook.ok(f"figure = %iterplot {story.names['churn']}\nfigure")
    assert len(cell.shown("image/png")) == 1
    assert story.notebook.value("isinstance(figure, __import__('matplotlib').figure.Figure)")


def test_doctor_finds_everything_well(story: Story) -> None:
    """%containeriter doctor shows its findings and no error."""
    cell = story.notebook.ok("findings = %containeriter doctor\nfindings")
    assert "Doctor" in cell.html
    assert "error" not in story.notebook.value("[finding.status for finding in findings]")


def test_shell_sees_what_the_notebook_did(story: Story) -> None:
    """``jupyter containeriter`` lists, with --json, the deployments and iterations of the notebook."""
    name = story.names["churn"]
    (found,) = (entry for entry in story.lab.shell("deployments", engine=story.engine) if entry["name"] == name)
    assert found["url"] == f"http://127.0.0.1:{story.live('churn').port}"
    assert (found["engine"], found["parity"], found["running"]) == (story.engine, "exact", True)
    rows = story.lab.shell("iterations", name, engine=story.engine)
    assert [(row["version"], row["status"]) for row in rows] == [(1, "verified"), (2, "verified")]
    assert set(rows[0]) == set(ITERATION_COLUMNS)


def test_shell_doctor_finds_everything_well(story: Story) -> None:
    """``jupyter containeriter doctor --json`` ends with success and has a remedy for whatever is not well."""
    findings = story.lab.shell("doctor", engine=story.engine)
    assert all(finding["remedy"] for finding in findings if finding["status"] != "ok")


def image_id(container_id: str) -> str:
    """Return the id of the image that Docker really runs: the digest of its configuration or of its manifest."""
    import docker

    client = docker.APIClient(docker_engine().describe().endpoint, version="auto")
    return str(client.inspect_container(container_id)["Image"])


def run_curl(command: str) -> Any:
    """Run a curl line: in a shell where there is curl, else with what it says."""
    try:
        run = subprocess.run(["sh", "-c", f"{command} -sS"], capture_output=True, text=True, check=True)
        return json.loads(run.stdout)
    except subprocess.CalledProcessError as error:
        if error.returncode != 127:
            raise
    words = shlex.split(command)
    headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
    body = words[words.index("-d") + 1].encode()
    with urllib.request.urlopen(urllib.request.Request(words[-1], body, headers), timeout=30) as response:
        return json.load(response)
