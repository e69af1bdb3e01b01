"""MLflow's own client and its documented commands, unmodified, against a container of each engine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.deployments import PredictionsResponse
from mlflow.models import convert_input_example_to_serving_input
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from notebook_bench import ENGINES, Lab, need

from jupyter_containeriter import __version__

#: As a cell of a notebook: texts, categories and times among the numbers, and something missing.
MODEL = """
import numpy as np, pandas as pd

class Price:
    def predict(self, frame, params=None):
        base = frame["a"].fillna(0) * 10 + frame["b"]
        return ((params or {}).get("factor", 1) * base + frame["city"].isna() + frame["kind"].eq("x")).to_numpy()

price = Price()
X = pd.DataFrame({
    "a": [1.0, None, 3.0], "b": [1, 2, 3], "city": ["Bern", None, "Chur"],
    "kind": pd.Categorical(["x", "y", "x"]), "when": pd.to_datetime(["2024-01-31", "2024-02-01", "2024-02-02"]),
}, index=[7, 8, 9])
"""

FORMS = {
    "dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4], [5, 6]]},
    "dataframe_records": [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}],
    "instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}],
    "inputs": [[1, 2], [3, 4], [5, 6]],
}


@dataclass(frozen=True)
class Server:
    """A container that asks for no token, as MLflow's clients bring none, and what the notebook predicted."""

    port: int
    sample: pd.DataFrame
    expected: list[float]
    doubled: list[float]

    @property
    def client(self) -> ScoringServerClient:
        """MLflow's client."""
        return ScoringServerClient("127.0.0.1", self.port)

    def curl(self, path: str, *options: str) -> Any:
        """Run a command as MLflow's documentation writes it, with another port."""
        command = ["curl", "--silent", "--fail-with-body", f"http://127.0.0.1:{self.port}{path}", *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest, labs: Callable[[], Lab], new_name: Callable[[str], str]) -> Iterator[Server]:
    """Containerize a model from a notebook, once for each engine."""
    lab = labs()
    try:
        notebook = lab.open(need(request, request.param))
        notebook.ok(MODEL)
        name = new_name(f"price-{request.param}")
        notebook.ok(f"deployed = %containerize price --name {name} --sample X --no-token")
        namespace: dict[str, Any] = {}
        exec(MODEL, namespace)
        yield Server(
            notebook.value("deployed.container.port"),
            namespace["X"],
            notebook.value("price.predict(X).tolist()"),
            notebook.value("price.predict(X, {'factor': 2}).tolist()"),
        )
    finally:
        lab.close()


def test_mlflow_s_client_predicts_what_the_notebook_predicted(server: Server) -> None:
    """The client of MLflow's scoring server finds it ready and gets the notebook's predictions for the same frame."""
    server.client.ping()
    server.client.wait_server_ready(timeout=10)
    assert server.client.get_version() == __version__
    answer = server.client.invoke(server.sample)
    assert isinstance(answer, PredictionsResponse)
    assert answer.get_predictions("ndarray").ravel().tolist() == server.expected


def test_mlflow_s_params_reach_the_model(server: Server) -> None:
    """Params go to a model that has a parameter of that name."""
    answer = server.client.invoke(server.sample, params={"factor": 2})
    assert answer.get_predictions("ndarray").ravel().tolist() == server.doubled


def test_mlflow_s_serving_inputs_are_understood(server: Server) -> None:
    """What MLflow makes of an input example for its own server is understood by this one."""
    body = convert_input_example_to_serving_input(server.sample)
    answer = server.curl("/invocations", "-H", "Content-Type: application/json", "-d", body)
    assert json.loads(answer)["predictions"] == server.expected


def test_mlflow_s_errors_are_errors(server: Server) -> None:
    """A frame that lacks a column is refused, and the client shows which."""
    with pytest.raises(Exception, match=r"error code 400.*kind: missing"):
        server.client.invoke(server.sample.drop(columns="kind"))
    with pytest.raises(Exception, match="Invocation failed"):
        server.client.invoke(np.zeros((2, 2)))


@pytest.mark.parametrize("form", FORMS)
def test_documented_commands_answer(server: Server, form: str) -> None:
    """Every form of JSON in MLflow's documentation is sent with curl as it is there, with the model's own columns."""
    more = {"city": "Bern", "kind": "x", "when": "2024-01-31"}
    given: Any = FORMS[form]
    if form == "dataframe_split":
        columns, data = ([*given["columns"], *more], [[*row, *more.values()] for row in given["data"]])
        given = {"columns": columns, "data": data}
    else:
        given = [{**row, **more} if isinstance(row, dict) else [*row, *more.values()] for row in given]
    body = json.dumps({form: given})
    # The semicolon is the documentation's.
    answer = server.curl("/invocations", "-H", "Content-Type:application/json;", "--data", body)
    assert json.loads(answer) == {"predictions": [13.0, 35.0, 57.0]}


@pytest.mark.parametrize("header", [True, False], ids=["header", "header-absent"])
def test_csv_answers(server: Server, header: bool) -> None:
    """A CSV as pandas writes it is understood, with its header or, said so, without one."""
    body = server.sample.to_csv(index=False, header=header)
    content_type = "text/csv" if header else "text/csv; header=absent"
    answer = server.curl("/invocations", "-H", f"Content-Type: {content_type}", "--data-binary", body)
    assert json.loads(answer)["predictions"] == server.expected


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_health_answers(server: Server, path: str) -> None:
    """MLflow's and SageMaker's questions of health are answered with 200."""
    server.curl(path)
