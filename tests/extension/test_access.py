"""Who may ask: people who are logged in, may do it, and come from Jupyter's own pages; for every route there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from jupyter_server.auth.authorizer import Authorizer
from server_bench import Route, routes, told
from tornado.httpclient import HTTPResponse

_CHANGING = ("POST", "PUT", "PATCH", "DELETE")


class Denies(Authorizer):
    """Lets nobody do anything to containers, and notes what was asked."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def is_authorized(self, handler: object, user: object, action: str, resource: str) -> bool:
        """Note it."""
        self.asked.append((action, resource))
        return resource != "containeriter"


@pytest.fixture
def all_routes(jp_serverapp: Any) -> list[Route]:
    """List the routes from the application's own table."""
    return routes(jp_serverapp.web_app, jp_serverapp.base_url)


@pytest.fixture
def send(http_server_client: Any, jp_base_url: str) -> Callable[..., Any]:
    """Return a function that sends a request as it is, without a login."""

    async def sent(route: Route, **headers: str) -> HTTPResponse:
        path = route.path.replace("{name}", "churn").replace("(?:/.*)?", "/ping").replace(".*", "other")
        response: HTTPResponse = await http_server_client.fetch(
            f"{jp_base_url}{path}",
            method=route.verb,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            body=b"{}" if route.verb in _CHANGING else None,
            allow_nonstandard_methods=True,
            raise_error=False,
            follow_redirects=False,
            request_timeout=20,
        )
        return response

    return sent


async def login(http_server_client: Any, base_url: str, token: str) -> dict[str, str]:
    """Log in as a browser does, and return its cookies."""
    response = await http_server_client.fetch(f"{base_url}api/me?token={token}", follow_redirects=False)
    cookies = [cookie.partition(";")[0] for cookie in response.headers.get_list("Set-Cookie")]
    return {"Cookie": "; ".join([*cookies, "_xsrf=chosen"])}


async def test_routes_are_found(all_routes: list[Route]) -> None:
    """The list is not empty by mistake: it has the overview, and the proxy with every verb."""
    found = [str(route) for route in all_routes]
    assert "GET containeriter/api/overview" in found
    assert sum("containeriter/proxy/" in route for route in found) == 7


async def test_strangers_are_refused(all_routes: list[Route], send: Callable[..., Any]) -> None:
    """No route answers without a login, not even where the proof against other sites' requests is given."""
    for route in all_routes:
        response = await send(route, Cookie="_xsrf=chosen", X_XSRFToken="chosen")
        assert response.code == 403, route
        if route.verb != "HEAD":
            assert set(told(response)) == {"error", "message", "remedy"}, route


async def test_requests_from_other_sites_are_refused(
    all_routes: list[Route], send: Callable[..., Any], http_server_client: Any, jp_serverapp: Any
) -> None:
    """A page of another site has a person's browser send the login cookie, but cannot know the proof."""
    token = jp_serverapp.identity_provider.token
    cookies = await login(http_server_client, jp_serverapp.base_url, token)
    changing = [route for route in all_routes if route.verb in _CHANGING]
    for route in changing:
        response = await send(route, **cookies)
        assert (response.code, "_xsrf" in told(response)["message"]) == (403, True), route
        # The very same request of Jupyter's own page is let in.
        response = await send(route, **cookies, X_XSRFToken="chosen")
        assert response.code != 403, (route, response.body)


async def test_pages_of_other_origins_read_nothing(
    all_routes: list[Route], send: Callable[..., Any], http_server_client: Any, jp_serverapp: Any
) -> None:
    """Not even what changes nothing."""
    token = jp_serverapp.identity_provider.token
    cookies = await login(http_server_client, jp_serverapp.base_url, token)
    for route in (route for route in all_routes if route.verb == "GET"):
        response = await send(route, **cookies, Origin="https://elsewhere.example")
        assert (response.code, response.headers.get("Access-Control-Allow-Origin", "")) == (404, ""), route


class TestDenied:
    """A server whose authoriser says no."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: dict[str, Any]) -> dict[str, Any]:
        """Let it decide."""
        jp_server_config["ServerApp"]["authorizer_class"] = Denies
        Denies.asked.clear()
        return jp_server_config

    async def test_the_authoriser_is_heeded(
        self, all_routes: list[Route], send: Callable[..., Any], jp_serverapp: Any
    ) -> None:
        """It is asked for every route, what reads, changes or predicts, and decides."""
        token = jp_serverapp.identity_provider.token
        for route in all_routes:
            Denies.asked.clear()
            response = await send(route, Authorization=f"token {token}")
            assert response.code == 403, route
            proxied = "/proxy/" in route.path
            action = "read" if route.verb in {"GET", "HEAD"} else "execute" if proxied else "write"
            assert Denies.asked == [(action, "containeriter")], route
