"""What may be asked of the API, what it does, and how it refuses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from server_bench import told
from session_bench import Lab
from tornado.httpclient import HTTPResponse

from jupyter_containeriter.errors import EngineUnreachableError
from jupyter_containeriter.extension.service import Service
from jupyter_containeriter.session import Session

Fetch = Callable[..., Awaitable[HTTPResponse]]


async def test_the_overview_tells_what_runs(lab: Lab, ask: Fetch) -> None:
    """Without a word of the token that opens it."""
    deployment = lab.containerize()
    response = await ask("api/overview")
    (model,) = told(response)["models"]
    assert (model["name"], model["total"], model["live"]["version"], model["working"]) == ("churn", 1, 1, None)
    assert model["live"]["url"] == deployment.url
    assert deployment.token.encode() not in response.body


async def test_an_earlier_version_serves_again(lab: Lab, ask: Fetch) -> None:
    """Deployed by its number."""
    lab.containerize(3)
    lab.containerize(4)
    response = await ask("api/models/churn/deploy", {"version": 1, "fresh": True})
    assert (response.code, told(response)["version"]) == (200, 1)
    assert lab.versions() == [1]


async def test_rolled_back_without_a_number(lab: Lab, ask: Fetch) -> None:
    """To the one before."""
    lab.containerize(3)
    lab.containerize(4)
    assert told(await ask("api/models/churn/rollback", {}))["version"] == 1
    assert lab.versions() == [1]


async def test_stopped(lab: Lab, ask: Fetch) -> None:
    """Nothing runs, everything is still known."""
    lab.containerize()
    assert told(await ask("api/models/churn/undeploy", {})) == {"name": "churn", "version": 1}
    (model,) = told(await ask("api/overview"))["models"]
    assert (model["live"], model["total"]) == (None, 1)


async def test_what_two_people_ask_at_once_is_done_once(
    lab: Lab, ask: Fetch, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two tabs is told so, and nothing is spoilt."""
    lab.containerize(3)
    lab.containerize(4)
    entered, go_on = threading.Event(), threading.Event()
    engine_run = lab.engine.run

    def run(*arguments: Any) -> Any:
        entered.set()
        assert go_on.wait(30)
        return engine_run(*arguments)

    monkeypatch.setattr(lab.engine, "run", run)
    first = asyncio.ensure_future(ask("api/models/churn/deploy", {"version": 1, "fresh": True}))
    assert await service.ask(entered.wait, 30)
    second = await ask("api/models/churn/deploy", {"version": 2, "fresh": True})
    go_on.set()
    assert (second.code, told(second)["error"]) == (409, "BusyError")
    assert (await first).code == 200
    assert lab.versions() == [1]


async def test_the_server_answers_while_it_deploys(
    lab: Lab, ask: Fetch, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment that takes long holds nobody up."""
    lab.containerize(3)
    go_on = threading.Event()
    engine_run = lab.engine.run
    monkeypatch.setattr(lab.engine, "run", lambda *asked: go_on.wait(30) and engine_run(*asked))
    deploying = asyncio.ensure_future(ask("api/models/churn/deploy", {"version": 1, "fresh": True}))
    assert (await ask("api/overview")).code == 200
    assert not deploying.done()
    go_on.set()
    assert (await deploying).code == 200


async def test_the_server_answers_while_reports_are_drawn(
    lab: Lab, ask: Fetch, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many: one is drawn, and those who wait for others take no place from anybody."""
    drawn: list[str] = []
    go_on = threading.Event()

    def draw(_session: Session, name: str) -> str:
        drawn.append(name)
        assert go_on.wait(30)
        return "<p>"

    monkeypatch.setattr(Session, "report_page", draw)
    reports = [asyncio.ensure_future(service.report("churn")) for _ in range(20)]
    assert (await ask("api/overview")).code == 200
    assert len(drawn) == 1
    go_on.set()
    assert await asyncio.gather(*reports) == ["<p>"] * 20


async def test_iterations_come_in_pages(lab: Lab, ask: Fetch) -> None:
    """Newest first, from where the last page ended."""
    for _ in range(5):
        lab.session.history.begin("churn", started_at=datetime(2030, 1, 1, tzinfo=UTC), method="by hand", owner="other")
    pages = [
        told(await ask("api/models/churn/iterations", params=params))
        for params in ({"last": 2}, {"last": 2, "before": 4})
    ]
    assert [[row["version"] for row in page["iterations"]] for page in pages] == [[5, 4], [3, 2]]
    assert {page["total"] for page in pages} == {5}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("deploy", "{"),
        ("deploy", "[]"),
        ("deploy", '"churn"'),
        ("deploy", "[" * 100_000),
        ("deploy", '{"version": ' + "9" * 10_000 + "}"),
        ("deploy", '{"version": NaN}'),
        ("deploy", b"\xff".decode("latin-1")),
        ("deploy", {}),
        ("deploy", {"version": 0}),
        ("deploy", {"version": -1}),
        ("deploy", {"version": True}),
        ("deploy", {"version": "1"}),
        ("deploy", {"version": 1.0}),
        ("deploy", {"version": 10**12}),
        ("deploy", {"version": 1, "fresh": 1}),
        ("deploy", {"version": 1, "force": True}),
        ("rollback", {"to": "1"}),
        ("rollback", {"to": 0}),
        ("undeploy", {"name": "other"}),
    ],
)
async def test_bodies_that_make_no_sense_are_refused(lab: Lab, ask: Fetch, path: str, body: Any) -> None:
    """With what to send instead; nothing is done."""
    lab.containerize()
    response = await ask(f"api/models/churn/{path}", body)
    assert (response.code, told(response)["error"]) == (400, "UsageError"), response.body
    assert told(response)["remedy"]
    assert lab.versions() == [1]


@pytest.mark.parametrize("params", [{"last": "0"}, {"last": "all"}, {"last": "1001"}, {"last": "٣"}, {"before": "-1"}])
async def test_queries_that_make_no_sense_are_refused(lab: Lab, ask: Fetch, params: dict[str, str]) -> None:
    """With what to send instead."""
    lab.containerize()
    response = await ask("api/models/churn/iterations", params=params)
    assert (response.code, told(response)["error"]) == (400, "UsageError")


@pytest.mark.parametrize("budget", ["much", "-1g", "5 bananas"])
async def test_budgets_that_are_none_are_refused(lab: Lab, ask: Fetch, budget: str) -> None:
    """Nothing is removed."""
    response = await ask("api/gc", {"budget": budget, "dry_run": False})
    assert (response.code, told(response)["error"]) == (400, "UsageError")


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fetc%2Fpasswd", "a%2Fb", "A", "%2e%2e", "x" * 101, "a%00b", "%F0%9F%90%8D", ".lock"]
)
async def test_names_that_are_none_are_refused(
    lab: Lab, http_server_client: Any, jp_base_url: str, jp_auth_header: Any, name: str
) -> None:
    """Also by what looks for files of that name."""
    for path in ("logs", "stats", "report", "iterations"):
        url = f"{jp_base_url}containeriter/api/models/{name}/{path}"
        response = await http_server_client.fetch(url, headers=jp_auth_header, raise_error=False)
        assert (response.code, told(response)["error"]) == (400, "UsageError"), (path, response.body)


async def test_a_name_with_a_slash_is_no_route(lab: Lab, ask: Fetch) -> None:
    """It is answered as JSON, like everything here."""
    response = await ask("api/models/a/b/logs")
    assert (response.code, told(response)["error"]) == (404, "NotFound")


async def test_a_version_that_is_not_there(lab: Lab, ask: Fetch) -> None:
    """What runs keeps running."""
    lab.containerize()
    response = await ask("api/models/churn/deploy", {"version": 7})
    assert (response.code, told(response)["error"]) == (404, "NotFoundError")
    assert lab.versions() == [1]


async def test_an_engine_that_is_gone(lab: Lab, ask: Fetch) -> None:
    """It is said, with what to do."""
    lab.containerize()
    lab.engine.fail("run", EngineUnreachableError("Docker does not answer."))
    response = await ask("api/models/churn/deploy", {"version": 1, "fresh": True})
    assert (response.code, told(response)["error"]) == (503, "EngineUnreachableError")
    assert "systemctl start docker" in told(response)["remedy"]


async def test_a_version_that_predicts_something_else(lab: Lab, ask: Fetch) -> None:
    """It does not get into service."""
    lab.containerize()
    lab.servers.changes.append(lambda outputs: outputs[0].update(data=[0] * len(outputs[0]["data"])))
    response = await ask("api/models/churn/deploy", {"version": 1, "fresh": True})
    assert (response.code, told(response)["error"]) == (422, "ParityError")


async def test_a_damaged_history(lab: Lab, ask: Fetch) -> None:
    """The overview says so and goes on; what needs the history is refused."""
    lab.containerize()
    lab.session.history.close()
    Path(lab.settings.history_location).write_bytes(b"no history")
    document = told(await ask("api/overview"))
    assert "is not a history" in document["problem"]["message"]
    assert [model["live"]["version"] for model in document["models"]] == [1]
    response = await ask("api/models/churn/iterations")
    assert (response.code, told(response)["error"]) == (503, "HistoryError")


async def test_what_nobody_expected_is_no_page(
    lab: Lab, ask: Fetch, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours is told as JSON, without its words: they may hold anything."""

    def fail() -> None:
        raise ValueError("secret")

    monkeypatch.setattr(service, "overview", fail)
    response = await ask("api/overview")
    assert (response.code, told(response)["error"]) == (500, "InternalServerError")
    assert b"secret" not in response.body


class TestWrongSettings:
    """A server whose configuration cannot be read."""

    async def test_it_says_what_is_wrong(self, lab: Lab, ask: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server runs all the same."""
        monkeypatch.setenv("CONTAINERITER_ENGINE", "dokcer")
        response = await ask("api/overview")
        assert (response.code, told(response)["error"]) == (400, "UsageError")
        assert "CONTAINERITER_ENGINE" in told(response)["message"]
