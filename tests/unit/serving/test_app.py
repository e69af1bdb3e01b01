"""The routes, asked without a socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_containeriter.serving import wire
from jupyter_containeriter.serving._version import __version__
from jupyter_containeriter.serving.guard import Keys
from jupyter_containeriter.serving.service import Service

from .conftest import Client, loaded, serving_of

Serve = Callable[..., Client]

ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])
SUMS = np.array([3.0, 7.0])


def add(data: Any) -> Any:
    """Predict the sum of each row."""
    return data.sum(axis=1)


def tensors(value: Any) -> list[dict[str, Any]]:
    """Encode a value by its own schema."""
    return wire.encode(value, wire.infer_schema(value))


@pytest.fixture
def client(serve: Serve) -> Client:
    """Serve a model that adds up rows."""
    return serve(add, ROWS, SUMS)


def test_health_is_told(client: Client) -> None:
    """Live and ready answer 200, and so does SageMaker's ping."""
    assert client("GET", "/v2/health/live").json == {"live": True}
    assert client("GET", "/v2/health/ready").json == {"ready": True}
    assert client("GET", "/ping").status == client("GET", "/health").status == 200


def test_version_of_the_server_is_told_as_text(client: Client) -> None:
    """Like MLflow's, the route tells the server's own version and nothing else."""
    answer = client("GET", "/version")
    assert (answer.status, answer.body.decode()) == (200, __version__)


def test_live_but_not_ready_while_loading() -> None:
    """A server whose model is still loading is live, not ready, and refuses predictions with 503."""
    client = Client(Service())
    assert client("GET", "/v2/health/live").status == 200
    for path in ("/v2/health/ready", "/ping", "/v2/models/churn", "/v2/models/churn/ready"):
        assert client("GET", path).status == 503
    for path in ("/v2/models/churn/infer", "/invocations"):
        answer = client("POST", path, {"inputs": []})
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_metadata_describes_server_and_model(client: Client) -> None:
    """The metadata routes tell names, version and tensors, with and without the version in the path."""
    extensions = ["binary_tensor_data", "model_configuration", "model_repository"]
    assert client("GET", "/v2").json == {
        "name": "jupyter_containeriter",
        "version": __version__,
        "extensions": extensions,
    }
    metadata = {
        "name": "churn",
        "versions": ["1"],
        "platform": "containeriter_cloudpickle",
        "inputs": [{"name": "input-0", "datatype": "FP64", "shape": [-1, 2]}],
        "outputs": [{"name": "output-0", "datatype": "FP64", "shape": [-1]}],
    }
    assert client("GET", "/v2/models/churn").json == metadata
    assert client("GET", "/v2/models/churn/versions/1").json == metadata
    assert client("GET", "/v2/models/churn/versions/1/ready").json == {"name": "churn", "ready": True}


def test_configuration_is_told_in_tritons_words(client: Client) -> None:
    """The configuration names datatypes as Triton does, and the version that is live."""
    tensor = {"data_type": "TYPE_FP64"}
    config = {
        "name": "churn",
        "platform": "containeriter_cloudpickle",
        "version_policy": {"specific": {"versions": [1]}},
        "max_batch_size": 0,
        "input": [{"name": "input-0", **tensor, "dims": [-1, 2]}],
        "output": [{"name": "output-0", **tensor, "dims": [-1]}],
    }
    assert client("GET", "/v2/models/churn/config").json == config
    assert client("GET", "/v2/models/churn/versions/1/config").json == config
    assert client("GET", "/v2/models/other/config").status == 404


def test_statistics_count_requests(client: Client) -> None:
    """Requests that were answered and those that failed are counted with the time they took."""
    for request in ({"inputs": tensors(ROWS)}, {"inputs": tensors(ROWS)}, {"inputs": []}):
        client("POST", "/v2/models/churn/infer", request)
    client("POST", "/invocations", {"inputs": ROWS.tolist()})
    (told,) = client("GET", "/v2/models/churn/stats").json["model_stats"]
    assert (told["name"], told["version"], told["inference_count"]) == ("churn", "1", 3)
    assert [told["inference_stats"][kind]["count"] for kind in ("success", "fail")] == [3, 1]
    assert all(told["inference_stats"][kind]["ns"] > 0 for kind in ("success", "fail"))
    for path in ("/v2/models/stats", "/v2/models/churn/versions/1/stats"):
        assert client("GET", path).json == {"model_stats": [told]}
    assert client("GET", "/v2/models/churn/versions/2/stats").status == 404


@pytest.mark.parametrize("path", ["/v2/models/churn/infer", "/v2/models/churn/versions/1/infer"])
def test_inference_answers_with_the_request_id(client: Client, path: str) -> None:
    """An inference is answered with the id, the model's name and version, and the outputs."""
    answer = client("POST", path, {"id": "42", "inputs": tensors(ROWS)})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    output = {"name": "output-0", "shape": [2], "datatype": "FP64", "data": [3.0, 7.0]}
    assert answer.json == {"id": "42", "model_name": "churn", "model_version": "1", "outputs": [output]}


def test_only_requested_outputs_are_sent(serve: Serve) -> None:
    """The outputs a request names are sent in its order; an unknown one is refused."""
    client = serve(lambda data: {"a": 1, "b": 2, "c": 3}, 1, {"a": 1, "b": 2, "c": 3})
    request = {"inputs": tensors(1), "outputs": [{"name": "c"}, {"name": "a"}]}
    answer = client("POST", "/v2/models/churn/infer", request)
    assert [output["name"] for output in answer.json["outputs"]] == ["c", "a"]
    answer = client("POST", "/v2/models/churn/infer", {**request, "outputs": [{"name": "d"}]})
    assert answer.status == 400
    assert "'d'" in answer.json["error"]


def test_other_output_than_the_signature_describes_itself(serve: Serve) -> None:
    """An output of another dtype than the signature's is sent as it is, with its schema."""
    client = serve(lambda data: add(data).astype("float32"), ROWS, SUMS)
    answer = client("POST", "/v2/models/churn/infer", {"inputs": tensors(ROWS)}).json
    assert answer["outputs"][0]["datatype"] == "FP32"
    value = wire.decode(answer["outputs"], json.loads(answer["parameters"]["schema"]))
    assert value.dtype == np.float32


def test_model_without_signature_takes_what_the_request_describes(serve: Serve) -> None:
    """Without a signature the tensors speak for themselves, or the request says how to read them."""
    client = serve(lambda data: type(data).__name__)
    for value, parameters, expected in (
        (ROWS, {}, "ndarray"),
        (["a", "b"], {}, "ndarray"),
        ({"a": [1], "b": [2]}, {}, "dict"),
        ([1, None], {}, "list"),
        (pd.DataFrame({"x": [1]}), {"schema": json.dumps(wire.infer_schema(pd.DataFrame({"x": [1]})))}, "DataFrame"),
    ):
        answer = client("POST", "/v2/models/churn/infer", {"inputs": tensors(value), "parameters": parameters})
        assert answer.json["outputs"][0]["data"] == [expected]


def test_a_request_without_signature_brings_no_arrow_types(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema of a request may name no Arrow type: its message is never read."""
    pa = pytest.importorskip("pyarrow")
    value = pd.DataFrame({"x": pd.array([1], dtype=pd.ArrowDtype(pa.int64()))})
    parameters = {"schema": json.dumps(wire.infer_schema(value))}
    request = {"inputs": tensors(value), "parameters": parameters}
    monkeypatch.setattr(pa.ipc, "read_schema", lambda _: pytest.fail("read"))
    answer = serve(len)("POST", "/v2/models/churn/infer", request)
    assert answer.status == 400
    assert "Arrow types" in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ["malformed JSON", "line 1 column 1"]),
        (b'{"inputs": [}', ["malformed JSON", "line 1 column 13"]),
        (b"\xff\xfe\xfa", ["malformed JSON"]),
        (b"[" * 100_000, ["malformed JSON", "deeply"]),
        (b"[" + b"9" * 5000 + b"]", ["malformed JSON"]),
        (b"[]", ["object", "list"]),
        (b"{}", ["inputs", "missing"]),
        (b'{"inputs": 5}', ["inputs", "list of tensors"]),
        (b'{"inputs": [], "id": 5}', ["id", "string"]),
        (b'{"inputs": []}', ["input-0", "missing"]),
        (b'{"inputs": [], "outputs": 5}', ["outputs", "list"]),
        (b'{"inputs": [{"name": "input-0"}]}', ["input-0", "FP64"]),
        (
            b'{"inputs": [{"name": "input-0", "datatype": "FP64", "shape": [1, 2], "data": [1, "x"]}]}',
            ["input-0", "element 1", "a number"],
        ),
    ],
    ids=range(13),
)
def test_malformed_requests_name_the_field(client: Client, body: bytes, words: list[str]) -> None:
    """A malformed request is refused with 400 and the field."""
    answer = client("POST", "/v2/models/churn/infer", body)
    assert answer.status == 400
    for word in words:
        assert word in answer.json["error"]


@pytest.mark.parametrize("schema", ["{", "5", "[]", '{"kind": "ndarray"}', '{"kind": "nothing", "name": "a"}'])
def test_malformed_request_schemas_are_refused(serve: Serve, schema: str) -> None:
    """A schema of the request that makes no sense is refused with 400."""
    request = {"inputs": tensors(ROWS), "parameters": {"schema": schema}}
    assert serve(add)("POST", "/v2/models/churn/infer", request).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/nowhere", 404, "/nowhere"),
        ("GET", "/v2/", 404, "/v2/"),
        ("GET", "/v2/models/other", 404, "'other'"),
        ("POST", "/v2/models/other/infer", 404, "'other'"),
        ("GET", "/v2/models/churn/versions/7", 404, "'7'"),
        ("GET", "/v2/models/churn/infer", 405, "GET"),
        ("DELETE", "/v2/models/churn", 405, "DELETE"),
    ],
)
def test_unknown_routes_are_told_in_json(client: Client, method: str, path: str, status: int, word: str) -> None:
    """Unknown paths, models, versions and methods are refused in JSON."""
    answer = client(method, path)
    assert answer.status == status
    assert word in answer.json["error"]


def test_model_errors_are_told_without_traceback(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """What the model raises is answered with 422, type and message; the traceback is in the log only."""

    def fail(data: Any) -> Any:
        raise KeyError("age")

    answer = serve(fail, ROWS)("POST", "/v2/models/churn/infer", {"inputs": tensors(ROWS)})
    assert (answer.status, answer.json) == (422, {"error": "KeyError: 'age'"})
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SystemExit(1), 500),
        (KeyboardInterrupt(), 500),
        (MemoryError("too large"), 500),
        (RecursionError("deep"), 422),
        (ValueError("unknown"), 422),
    ],
)
def test_server_survives_what_the_model_raises(serve: Serve, error: BaseException, status: int) -> None:
    """What ends programs is the server's fault, ordinary exceptions are about the data; it outlives them all."""
    client = serve(lambda data: (_ for _ in ()).throw(error) if data else 1, 1)
    assert client("POST", "/v2/models/churn/infer", {"inputs": tensors(1)}).status == status
    assert client("POST", "/v2/models/churn/infer", {"inputs": tensors(0)}).status == 200


def test_output_that_cannot_be_sent_is_told(serve: Serve) -> None:
    """An output that cannot be encoded is answered with 500 and what it is."""
    answer = serve(lambda data: {"x": {1, 2}}, ROWS)("POST", "/v2/models/churn/infer", {"inputs": tensors(ROWS)})
    assert answer.status == 500
    assert "cannot carry a set" in answer.json["error"]


def test_too_large_bodies_are_refused(serve: Serve) -> None:
    """A body beyond the limit is answered with 413."""
    client = serve(add, ROWS, max_body_bytes=100)
    for path in ("/v2/models/churn/infer", "/invocations"):
        answer = client("POST", path, b"x" * 101)
        assert answer.status == 413
        assert "100 bytes" in answer.json["error"]


def test_client_that_goes_away_is_no_error(client: Client) -> None:
    """A client that disconnects within its request does no harm."""
    assert client("POST", "/v2/models/churn/infer", b"{", gone=True).status == 400
    assert client("GET", "/v2/health/ready").status == 200


def test_token_guards_all_but_health() -> None:
    """With a token every route but health and ping asks for it, by header only."""
    token = "s3cret-ä"
    digest = hashlib.sha256(token.encode()).hexdigest()
    client = Client(serving_of(loaded(add, ROWS), keys=Keys(digest.upper())))
    for path in ("/v2/health/live", "/v2/health/ready", "/ping", "/health"):
        assert client("GET", path).status == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}, {"Authorization": ""}):
        for path in ("/v2", "/v2/models/churn", "/nowhere", "/v2/health"):
            answer = client("GET", path, headers=headers)
            assert answer.status == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "token" in answer.json["error"]
    assert client("GET", "/v2", headers={"Authorization": f"bearer {token}"}).status == 200


def test_predictions_do_not_block_health(serve: Serve) -> None:
    """While a prediction runs, health answers, and the next prediction waits its turn."""
    entered, leave, running = threading.Event(), threading.Event(), []

    def wait(data: Any) -> Any:
        running.append(data)
        entered.set()
        assert leave.wait(30)
        assert len(running) == 1
        running.pop()
        return data

    client = serve(wait, 1)
    body = json.dumps({"inputs": tensors(1)}).encode()

    async def ask() -> None:
        predictions = [asyncio.ensure_future(client.send("POST", "/v2/models/churn/infer", body, {})) for _ in range(2)]
        while not entered.is_set():
            await asyncio.sleep(0)
        assert (await client.send("GET", "/v2/health/ready", b"", {})).status == 200
        assert not any(prediction.done() for prediction in predictions)
        leave.set()
        assert [answer.status for answer in await asyncio.gather(*predictions)] == [200, 200]

    asyncio.run(ask())
