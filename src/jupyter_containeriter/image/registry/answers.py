"""A registry's answers: their bodies, and what it means when it says no."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import urllib3
from urllib3.exceptions import HTTPError

from jupyter_containeriter.errors import ContainerIterError, NotFoundError, RegistryError, RegistryUnreachableError
from jupyter_containeriter.image.registry.failures import authority_of, explained

_BLOCK = 1024 * 1024
_MAX_ANSWER = 64 * 1024
_MAX_QUOTED = 300

#: How registries say that their disk is full, with status 500; the last one is Go's ENOSPC as JSON.
_FULL = (b"no space left", b"quota", b"insufficient storage", b'"err":28')

#: What a status means, and what to do about it.
_REFUSALS = {
    401: ("{host} does not let you use {wanted}.", "Log in: docker login {host}"),
    403: (
        "{host} forbids this for {wanted}.",
        "Ask for the permission, or log in as somebody who has it: docker login {host}",
    ),
    404: (
        "{wanted} is not in the registry.",
        "Check the name. Some registries want a repository to be created first, and hide what is private: "
        "docker login {host}",
    ),
    413: (
        "{host}, or a proxy before it, refuses a layer of this size.",
        "Ask who runs the registry to raise the limit of a request's body.",
    ),
    429: ("{host} has had too many requests.", "Wait, or log in for a higher limit: docker login {host}"),
    500: ("{host} fails with status {status}.", RegistryError.default_remedy),
    507: ("{host} has no room left for {wanted}.", "Free space in the registry, or use another one."),
}
_OTHER = (
    "{host} does not accept the request for {wanted} (status {status}).",
    "Check that this is the address of a container registry (OCI Distribution Specification).",
)


def refusal(response: urllib3.BaseHTTPResponse, host: str, wanted: str) -> ContainerIterError:
    """Return the error for an answer that was not expected.

    Parameters
    ----------
    response
        The answer; its body is read.
    host
        The registry.
    wanted
        The image or repository that the request was about.
    """
    content = _content(response)
    said = _said(content)
    status = response.status
    meaning = 507 if any(word in content.lower() for word in _FULL) else status
    if meaning not in _REFUSALS and meaning >= 500:
        meaning = 500
    happened, remedy = (text.format(host=host, wanted=wanted, status=status) for text in _REFUSALS.get(meaning, _OTHER))
    kind = NotFoundError if meaning == 404 else RegistryError
    return kind(f"{happened} It says: {said}" if said else happened, remedy)


def _content(response: urllib3.BaseHTTPResponse) -> bytes:
    try:
        return read_small(response, _MAX_ANSWER)
    except RegistryUnreachableError:
        return b""


def _said(content: bytes) -> str:
    """Return the registry's own words on one line (specification, "Error Codes"), "" where there are none."""
    try:
        errors = json.loads(content)["errors"]
        words = [f"{error.get('code', '')} {error.get('message', '')}" for error in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    line = " ".join("; ".join(words).split())
    return "".join(character for character in line if character.isprintable())[:_MAX_QUOTED]


# --- bodies --------------------------------------------------------------------------------------------------------


def read_small(response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    """Return the body of an answer, at most one byte more than the limit.

    Raises
    ------
    RegistryUnreachableError
        The connection broke.
    """
    content = b"".join(pieces(response, limit + 1))
    response.close()
    return content


def pieces(response: urllib3.BaseHTTPResponse, limit: int | None = None) -> Iterator[bytes]:
    """Yield the body of an answer, at most ``limit`` bytes of it.

    Raises
    ------
    RegistryUnreachableError
        The connection broke.
    """
    left = limit
    try:
        while left != 0 and (piece := response.read(_BLOCK if left is None else min(_BLOCK, left))):
            left = None if left is None else left - len(piece)
            yield piece
    except HTTPError as error:
        raise explained(error, authority_of(response.url or "")) from error


def discard(response: urllib3.BaseHTTPResponse) -> None:
    """Let the connection be used again, or end it where what is left to read is long."""
    with contextlib.suppress(HTTPError):
        response.read(_BLOCK)
    # urllib3 took the connection back when there was nothing left to read.
    response.close()
