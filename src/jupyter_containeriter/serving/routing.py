"""Which endpoint a path leads to. Starlette's own router tries one regular expression after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from .service import Service

Endpoint = Callable[["Service", Request], Awaitable[Response]]

_Methods = dict[str, Endpoint]


class Call(Request):
    """A request whose headers are looked up, not searched."""

    @cached_property
    def headers(self) -> Headers:
        """The headers."""
        return _Headers(raw=self.scope["headers"])


class _Headers(Headers):
    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        super().__init__(raw=raw)
        # Of several of one name the first counts, as for Starlette.
        self._first = dict(reversed(raw))

    def __getitem__(self, key: str) -> str:
        return self._first[key.lower().encode("latin-1")].decode("latin-1")

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a header."""
        found = self._first.get(key.lower().encode("latin-1"))
        return default if found is None else found.decode("latin-1")


class Router:
    """Finds endpoints.

    Parameters
    ----------
    routes
        Method, path and endpoint of each. A part of a path in braces stands for anything but nothing.
    """

    def __init__(self, routes: Iterable[tuple[str, str, Endpoint]]) -> None:
        self._whole: dict[str, _Methods] = {}
        self._patterns: dict[int, dict[tuple[str, ...], _Methods]] = {}
        for method, path, endpoint in routes:
            parts = tuple(path.split("/"))
            if "{" in path:
                methods = self._patterns.setdefault(len(parts), {}).setdefault(parts, {})
            else:
                methods = self._whole.setdefault(path, {})
            methods[method] = endpoint

    def find(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
        """Return the endpoint of a request and what the braces stand for, or answer 404 or 405."""
        methods, names = self._methods(path)
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise HTTPException(405, f"{method} is not allowed for {path}", {"Allow": ", ".join(methods)})
        return endpoint, names

    def _methods(self, path: str) -> tuple[_Methods, dict[str, str]]:
        if methods := self._whole.get(path):
            return methods, {}
        parts = path.split("/")
        for pattern, methods in self._patterns.get(len(parts), {}).items():
            names = {}
            for wanted, part in zip(pattern, parts, strict=True):
                if wanted[:1] == "{" and part:
                    names[wanted[1:-1]] = part
                elif wanted != part:
                    break
            else:
                return methods, names
        raise HTTPException(404, f"there is no route {path}")
