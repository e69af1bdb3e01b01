"""What passes through the proxy, and what does not: rules without a connection.

Lists say what passes; everything else stays behind. What a model's container is told must not hold anything of
Jupyter's (cookies, tokens, what proxies in front of it add), and what it answers must not act on Jupyter's pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, unquote_plus

from jupyter_containeriter.errors import NotFoundError, UsageError

#: Of a request.
_ASKED = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "content-encoding", "content-type"),
        *("inference-header-content-length", "user-agent", "x-request-id"),
    }
)
#: Of an answer. What is answered to one person is kept by no cache, whatever the container thinks of it.
_ANSWERED = frozenset(
    {
        *("allow", "content-encoding", "content-language", "content-length", "content-type"),
        *("inference-header-content-length", "retry-after", "x-request-id"),
    }
)
#: Arguments by which Jupyter, too, knows who asks.
_SECRETS = frozenset({"token", "_xsrf"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


def checked_path(raw: str) -> str:
    """Return a path below a deployment, as it is sent there.

    Parameters
    ----------
    raw
        As it came, still quoted, without the slash in front.

    Raises
    ------
    UsageError
        It would lead elsewhere.
    NotFoundError
        It leads to what only whoever deployed the model may do.
    """
    path = unquote(raw)
    parts = path.split("/")
    if path.startswith("/") or {".", ".."} & set(parts) or _CONTROL.search(path):
        raise UsageError("This is no path of a deployment.", "Give one such as invocations or v2/models/NAME.")
    if parts[0] == "containeriter" or parts[:3] == ["v2", "repository", "models"]:
        raise NotFoundError("What manages a deployment is not reached from here.", "Use the panel, or the magics.")
    return quote(raw, safe="%/:@!$&'()*+,;=~")


def checked_query(query: str) -> str:
    """Return the query without what tells Jupyter who asks."""
    kept = (part for part in query.split("&") if unquote_plus(part.partition("=")[0]) not in _SECRETS)
    return quote("&".join(kept), safe="%/:@!$&'()*+,;=~?")


def asked(headers: Iterable[tuple[str, str]], token: str) -> dict[str, str]:
    """Return the headers of a request to a deployment, with its own token."""
    passed = {name.title(): value for name, value in headers if name.lower() in _ASKED}
    return {**passed, "Authorization": f"Bearer {token}"} if token else passed


def answered(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers of its answer."""
    passed = [(name, value) for name, value in headers if name.lower() in _ANSWERED]
    # A length may be said twice, as one header; that it is the same one is checked where it is read.
    return [(name, value.partition(",")[0] if name.lower() == "content-length" else value) for name, value in passed]
