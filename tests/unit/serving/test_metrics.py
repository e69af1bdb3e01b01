"""What ``/metrics`` tells, read as Prometheus reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from jupyter_containeriter.serving.guard import Keys
from jupyter_containeriter.serving.service import Service

from .conftest import Client, loaded, serving_of

Serve = Callable[..., Client]

BODY = {"inputs": [{"name": "input-0", "shape": [1], "datatype": "INT64", "data": [1]}]}
INFER = "/v2/models/churn/infer"


def read(client: Client, **labels: str) -> dict[str, float]:
    """Return the samples that have these labels, by name."""
    text = client("GET", "/metrics").body.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: sample.value for sample in samples if labels.items() <= sample.labels.items()}


def test_requests_are_counted_by_route_and_status(serve: Serve) -> None:
    """Answers are counted by the kind of route and status, whatever path was asked for."""
    client = serve(list, [1])
    client("POST", INFER, BODY)
    client("POST", INFER, BODY)
    client("POST", INFER, b"{")
    client("GET", "/nowhere/1")
    client("GET", "/nowhere/2")
    name = "containeriter_requests_total"
    assert read(client, route="infer", status="200")[name] == 2
    assert read(client, route="infer", status="400")[name] == 1
    assert read(client, route="other", status="404")[name] == 2


def test_latency_is_a_histogram(serve: Serve) -> None:
    """The times of predictions are told as a histogram whose last bucket holds them all."""
    client = serve(list, [1])
    client("POST", INFER, BODY)
    assert read(client, route="infer", le="+Inf")["containeriter_request_seconds_bucket"] == 1
    told = read(client, route="infer")
    assert told["containeriter_request_seconds_count"] == 1
    assert told["containeriter_request_seconds_sum"] > 0
    assert read(client, route="invocations")["containeriter_request_seconds_count"] == 0


def test_versions_are_told(serve: Serve) -> None:
    """The live version is told by name and number, and how many are in memory."""
    client = serve(list, [1])
    assert read(client, model="churn", version="1")["containeriter_model_info"] == 1
    assert read(client, version="1")["containeriter_load_seconds"] == 0
    assert read(client, state="live")["containeriter_versions"] == 1
    assert read(client, state="kept")["containeriter_versions"] == 0


def test_a_server_that_loads_tells_of_no_model() -> None:
    """Before a version is loaded there are metrics already."""
    told = read(Client(Service()))
    assert "containeriter_model_info" not in told
    assert told["containeriter_requests_in_flight"] == 1


def test_the_process_is_told_as_everywhere(serve: Serve) -> None:
    """CPU time, memory and open files have the names that dashboards know."""
    told = read(serve(list))
    assert told["process_cpu_seconds_total"] > 0
    assert told["process_resident_memory_bytes"] > 1_000_000
    assert told["process_open_fds"] > 0


def test_names_are_quoted(serve: Serve) -> None:
    """A name may hold whatever a person calls a model."""
    client = serve(list)
    name = 'a "b" \\ c\nd'
    live: Any = client.service.versions.live
    live.model = loaded(list).__class__(name, "", None, None, None, list)
    assert read(client, model=name)["containeriter_model_info"] == 1


def test_metrics_ask_for_the_ordinary_token() -> None:
    """Strangers learn nothing; whoever may predict may look."""
    client = Client(serving_of(loaded(list), keys=Keys(hashlib.sha256(b"token").hexdigest())))
    assert client("GET", "/metrics").status == 401
    assert client("GET", "/metrics", headers={"Authorization": "Bearer token"}).status == 200
