"""The model-repository extension, asked without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_containeriter.serving.guard import Keys

from .conftest import Answer, Client, loaded, serving_of
from .test_management import BODY, CLIENT, MANAGER, digest, payload, predict

LOAD, UNLOAD = "/v2/repository/models/churn/load", "/v2/repository/models/churn/unload"


@pytest.fixture
def client() -> Client:
    """Serve two versions; the second one is live."""
    client = Client(serving_of(loaded(list), keys=Keys(digest("client"), digest("manager"))))
    client("PUT", "/containeriter/versions/2", payload(2.0), MANAGER)
    client("PUT", "/containeriter/live", {"version": "2"}, MANAGER)
    return client


def index(client: Client, body: Any = b"") -> list[tuple[str, str]]:
    """Return version and state of each entry."""
    answer = client("POST", "/v2/repository/index", body, CLIENT)
    assert answer.status == 200, answer.body
    assert all(entry["name"] == "churn" for entry in answer.json)
    return [(entry["version"], entry["state"]) for entry in answer.json]


def choose(client: Client, policy: Any) -> Answer:
    """Load with a configuration."""
    config = json.dumps({"version_policy": policy})
    return client("POST", LOAD, {"parameters": {"config": config}}, MANAGER)


def test_index_lists_what_clients_may_ask(client: Client) -> None:
    """Every version that answers is listed, a candidate is not."""
    client("PUT", "/containeriter/versions/3", payload(3.0), MANAGER)
    for body in (b"", b"{}", b'{"ready": true}'):
        assert index(client, body) == [("1", "READY"), ("2", "READY")]


def test_unloaded_model_answers_nobody_until_it_is_loaded(client: Client) -> None:
    """Unload takes the model back from clients at every path, load gives it back as it was."""
    assert client("POST", UNLOAD, {"parameters": {"unload_dependents": False}}, MANAGER).status == 200
    assert index(client) == [("1", "UNAVAILABLE"), ("2", "UNAVAILABLE")]
    assert index(client, {"ready": True}) == []
    for path in ("/v2/health/ready", "/v2/models/churn/ready", "/v2/models/churn/versions/1/ready", "/v2/models/churn"):
        assert client("GET", path, headers=CLIENT).status == 503
    for path in ("/v2/models/churn/infer", "/v2/models/churn/versions/1/infer", "/invocations"):
        answer = client("POST", path, BODY, CLIENT)
        assert (answer.status, "unloaded" in answer.json["error"]) == (503, True)
    assert client("POST", LOAD, b"", MANAGER).status == 200
    assert predict(client) == ([2.0], "2")


def test_load_may_choose_a_held_version(client: Client) -> None:
    """The configuration's policy makes another version the live one; the model's own configuration changes nothing."""
    assert choose(client, {"specific": {"versions": [1]}}).status == 200
    assert predict(client) == ([1.0], "1")
    config = client("GET", "/v2/models/churn/config", headers=CLIENT).json
    assert client("POST", LOAD, {"parameters": {"config": json.dumps(config)}}, MANAGER).status == 200
    assert predict(client) == ([1.0], "1")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"config": {}}, "JSON"),
        ({"config": "{"}, "JSON"),
        ({"config": "[]"}, "JSON"),
        ({"config": '{"max_batch_size": 8}'}, "max_batch_size"),
        ({"config": '{"version_policy": {"latest": {}}}'}, "one version"),
        ({"config": '{"version_policy": {"specific": {"versions": [1, 2]}}}'}, "one version"),
        ({"config": '{"version_policy": {"specific": {"versions": [9]}}}'}, "not held"),
        ({"config": '{"version_policy": {"specific": {"versions": [[]]}}}'}, "not held"),
        ({"file:1/model.onnx": "aGVsbG8="}, "file:1/model.onnx"),
        ([1], "parameters"),
    ],
    ids=range(10),
)
def test_load_changes_nothing_else(client: Client, parameters: Any, said: str) -> None:
    """A configuration or files that would make another model are refused, and the live version stays."""
    answer = client("POST", LOAD, {"parameters": parameters}, MANAGER)
    assert (answer.status, said in answer.json["error"]) == (400, True), answer.body
    assert predict(client) == ([2.0], "2")


def test_candidate_is_not_loaded(client: Client) -> None:
    """What was never verified does not get live this way."""
    client("PUT", "/containeriter/versions/3", payload(3.0), MANAGER)
    assert choose(client, {"specific": {"versions": [3]}}).status == 400


@pytest.mark.parametrize("path", [LOAD, UNLOAD])
def test_clients_neither_load_nor_unload(client: Client, path: str) -> None:
    """These routes are the manager's."""
    assert client("POST", path, b"", CLIENT).status == 403


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"ready": 1}'])
def test_malformed_index_request_is_refused(client: Client, body: bytes) -> None:
    """What is no request for the index is answered with 400."""
    answer = client("POST", "/v2/repository/index", body, CLIENT)
    assert (answer.status, "error" in answer.json) == (400, True)


def test_unknown_model_is_not_found(client: Client) -> None:
    """Another model's name is unknown, whether this one is loaded or not."""
    for _ in range(2):
        for path in ("load", "unload"):
            answer = client("POST", f"/v2/repository/models/other/{path}", b"", MANAGER)
            assert (answer.status, "'other'" in answer.json["error"]) == (404, True)
        assert client("GET", "/v2/models/other/ready", headers=CLIENT).status == 404
        client("POST", UNLOAD, b"", MANAGER)


def test_index_is_empty_while_loading() -> None:
    """Before a model is there, nothing is listed, and nothing can be loaded."""
    from jupyter_containeriter.serving.service import Service

    client = Client(Service(keys=Keys(manager=digest("manager"))))
    assert client("POST", "/v2/repository/index").json == []
    assert client("POST", LOAD, b"", MANAGER).status == 503
