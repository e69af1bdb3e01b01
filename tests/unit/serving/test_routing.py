"""Which endpoint a request reaches, and how it looks up headers."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.exceptions import HTTPException

from jupyter_containeriter.serving.routing import Call, Router


async def one(service: Any, request: Any) -> Any:
    """Stand for an endpoint."""


async def other(service: Any, request: Any) -> Any:
    """Stand for another endpoint."""


ROUTER = Router(
    [
        ("GET", "/models/stats", one),
        ("GET", "/models/{name}", other),
        ("PUT", "/models/{name}", one),
        ("GET", "/models/{name}/versions/{version}", one),
    ]
)


def test_parts_of_a_path_get_their_names() -> None:
    """What stands in a path for a name is handed on."""
    assert ROUTER.find("GET", "/models/a b/versions/3") == (one, {"name": "a b", "version": "3"})


def test_a_whole_path_comes_before_a_pattern() -> None:
    """A name that is a route of its own is that route."""
    assert ROUTER.find("GET", "/models/stats") == (one, {})
    assert ROUTER.find("GET", "/models/others") == (other, {"name": "others"})


def test_head_is_get() -> None:
    """Who asks for the headers only reaches what GET reaches."""
    assert ROUTER.find("HEAD", "/models/a")[0] is other


def test_methods_that_are_allowed_are_told() -> None:
    """Another method is answered with those that there are."""
    with pytest.raises(HTTPException) as refused:
        ROUTER.find("DELETE", "/models/a")
    assert (refused.value.status_code, refused.value.headers) == (405, {"Allow": "GET, PUT"})


@pytest.mark.parametrize("path", ["", "/", "/models", "/models/", "/models/a/", "/models//versions/1", "models/a"])
def test_paths_that_are_none_lead_nowhere(path: str) -> None:
    """A name is never empty, and a slash too many is another path."""
    with pytest.raises(HTTPException) as refused:
        ROUTER.find("GET", path)
    assert refused.value.status_code == 404


def test_headers_are_found_whatever_their_case() -> None:
    """Of several headers of a name the first is looked up, and all can be listed."""
    raw = [(b"accept", b"a"), (b"accept", b"b"), (b"x-name", "ä".encode("latin-1"))]
    headers = Call({"type": "http", "headers": raw}).headers
    assert (headers.get("Accept"), headers["ACCEPT"], headers.getlist("accept")) == ("a", "a", ["a", "b"])
    assert (headers.get("X-Name"), headers.get("x-none"), headers.get("x-none", "b")) == ("ä", None, "b")
    assert "x-name" in headers
    with pytest.raises(KeyError):
        headers["x-none"]
