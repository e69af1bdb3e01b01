"""Who may ask what: strangers for health, clients for predictions, the manager for everything."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import Scope

#: Where the guard notes, in the scope of a request, that the manager asks.
MANAGER = "containeriter.manager"

_MANAGEMENT = ("/containeriter/", "/v2/repository/models/")


@dataclass(frozen=True, slots=True)
class Keys:
    """Digests of the tokens that open routes.

    Attributes
    ----------
    client
        SHA-256 of the deployment's bearer token in hexadecimal digits, or "" if none is asked for.
    manager
        SHA-256 of the token that may replace the model, or "" if nobody may.
    """

    client: str = ""
    manager: str = ""


class Guard:
    """Asks for the bearer token on every route but those that tell of health, and the page that asks for it itself."""

    def __init__(self, keys: Keys) -> None:
        self._client = keys.client.lower()
        self._manager = keys.manager.lower()

    def admit(self, scope: Scope) -> None:
        """Let a request in, or answer 401 or 403."""
        digest = _bearer_digest(scope["headers"])
        manages = scope[MANAGER] = _same(digest, self._manager)
        path = scope["path"]
        if path.startswith(_MANAGEMENT) and not manages:
            raise HTTPException(403, "this route is for whoever deployed the model")
        if self._client and not (manages or _is_open(path) or _same(digest, self._client)):
            headers = {"WWW-Authenticate": 'Bearer realm="containeriter"'}
            asked = "asks for its bearer token" if not digest else "does not know this bearer token"
            raise HTTPException(401, f"this deployment {asked}", headers)


def _is_open(path: str) -> bool:
    return path in ("/ping", "/health", "/docs") or path.startswith("/v2/health/")


def _same(digest: str, expected: str) -> bool:
    return bool(expected) and hmac.compare_digest(digest, expected)


def _bearer_digest(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the digest of the bearer token that a request brings, "" without one."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            return hashlib.sha256(token.strip()).hexdigest() if scheme.lower() == b"bearer" else ""
    return ""
