"""The description and the server are in step: every route is described, every answer is as described."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from server_bench import Reader, routes, told
from session_bench import Lab
from tornado.httpclient import HTTPResponse

from jupyter_containeriter.serving._version import __version__

Fetch = Callable[..., Awaitable[HTTPResponse]]

_METHODS = {"get", "head", "post", "put", "patch", "delete", "options"}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    """Read the description that is shipped."""
    text = files("jupyter_containeriter.extension").joinpath("openapi.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture
def check(description: dict[str, Any]) -> Callable[[str, str, HTTPResponse], None]:
    """Return a function that compares an answer with the description of its route."""

    def compare(method: str, path: str, response: HTTPResponse) -> None:
        responses = description["paths"][path][method]["responses"]
        found = responses.get(str(response.code), responses["default"])
        if "$ref" in found:
            found = description["components"]["responses"][found["$ref"].rpartition("/")[2]]
        kind = response.headers["Content-Type"].partition(";")[0]
        schema = {**found["content"][kind]["schema"], "components": description["components"]}
        Draft202012Validator(schema).validate(told(response) if kind == "application/json" else response.body.decode())

    return compare


def test_the_description_is_valid(description: dict[str, Any]) -> None:
    """As OpenAPI 3.1 has it."""
    validate(description)
    assert description["info"]["version"] == __version__


async def test_routes_and_description_are_in_step(description: dict[str, Any], jp_serverapp: Any) -> None:
    """Each route is described, and each that is described exists, with its verbs."""
    described = {
        f"{method.upper()} {path}" for path, item in description["paths"].items() for method in _METHODS & set(item)
    }
    existing = {
        f"{route.verb} /{route.path.replace('(?:/.*)?', '/{path}')}"
        for route in routes(jp_serverapp.web_app, jp_serverapp.base_url)
        if not route.path.endswith("api/.*")
    }
    assert existing == described


async def test_parameters_of_paths_are_described(description: dict[str, Any]) -> None:
    """Whatever stands in braces is a parameter."""
    for path, item in description["paths"].items():
        named = [
            parameter.get("$ref", parameter.get("name")).rpartition("/")[2] for parameter in item.get("parameters", ())
        ]
        assert all(word.strip("{}") in named for word in path.split("/") if word.startswith("{")), path


@pytest.fixture
def busy_lab(lab: Lab) -> Lab:
    """Live through an iteration, one with odd numbers, and one that failed."""
    lab.containerize(3, metrics={"accuracy": 0.9}, params={"depth": 3})
    lab.containerize(4, metrics={"loss": math.nan, "gain": math.inf}, params={"rate": math.nan, "sizes": [1, math.inf]})
    lab.servers.changes.append(lambda outputs: outputs[0].update(data=[0] * len(outputs[0]["data"])))
    with pytest.raises(Exception, match="predict"):
        lab.containerize(5)
    lab.servers.changes.clear()
    return lab


async def test_answers_are_as_described(busy_lab: Lab, ask: Fetch, check: Any) -> None:
    """Every route that reads, with iterations that went well and badly."""
    for path in ("overview", "config"):
        check("get", f"/containeriter/api/{path}", await ask(f"api/{path}"))
    for path in ("iterations", "logs", "stats", "report"):
        response = await ask(f"api/models/churn/{path}")
        assert response.code == 200, response.body
        check("get", f"/containeriter/api/models/{{name}}/{path}", response)


async def test_answers_to_what_changes_are_as_described(busy_lab: Lab, ask: Fetch, check: Any) -> None:
    """Every route that changes something."""
    calls = {"deploy": {"version": 1}, "rollback": {"to": 2}, "undeploy": {}}
    for path, body in calls.items():
        response = await ask(f"api/models/churn/{path}", body)
        assert response.code == 200, response.body
        check("post", f"/containeriter/api/models/{{name}}/{path}", response)
    response = await ask("api/gc", {"budget": None, "dry_run": True})
    assert response.code == 200, response.body
    check("post", "/containeriter/api/gc", response)


async def test_errors_are_as_described(lab: Lab, ask: Fetch, check: Any, description: dict[str, Any]) -> None:
    """Every route of a model answers for an unknown one with an error that has a remedy."""
    for path, item in description["paths"].items():
        if "/models/{name}/" in path and not path.endswith("stream"):
            (method,) = set(item) & _METHODS
            body = {"version": 1} if path.endswith("deploy") and "undeploy" not in path else {}
            asked = path.removeprefix("/containeriter/").replace("{name}", "nobody")
            response = await ask(asked, body if method == "post" else None)
            assert response.code == 404, (path, response.body)
            check(method, path, response)
            assert told(response)["remedy"]


async def test_events_hold_what_is_described(
    busy_lab: Lab,
    jp_auth_header: dict[str, str],
    http_server_client: Any,
    jp_base_url: str,
    description: dict[str, Any],
) -> None:
    """What is sent as an event is the overview."""
    reader = Reader(http_server_client.get_http_port(), f"{jp_base_url}containeriter/api/events", jp_auth_header)
    _, document = await reader.next()
    reader.close()
    overview = {"$ref": "#/components/schemas/Overview", "components": description["components"]}
    Draft202012Validator(overview).validate(document)
    json.dumps(document, allow_nan=False)
