"""How a registry learns who asks: Basic authentication, and tokens of an authorization server.

Formats: RFC 7235 (challenges), RFC 7617 (Basic), and the Distribution project's token specification, in its first form
(GET with Basic) and as OAuth2 (POST with a refresh token, which is what an identity token is).
"""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Mapping

import urllib3

from jupyter_containeriter.errors import RegistryError
from jupyter_containeriter.image.registry.answers import discard, read_small
from jupyter_containeriter.image.registry.connections import resolved
from jupyter_containeriter.image.registry.credentials import Credentials
from jupyter_containeriter.image.registry.transport import Transport

_CLIENT = "jupyter-containeriter"
_MAX_TOKEN_ANSWER = 1024 * 1024

#: A scheme, or a parameter with its value in quotes or without.
_WORD = re.compile(r'([\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?')


class Authorization:
    """Answers the challenges of one registry, and remembers what it was granted.

    Parameters
    ----------
    transport
        How to reach the registry and its authorization server.
    find
        Returns the credentials for ``HOST/REPOSITORY``; asked once for each, and only if the registry wants any.
    """

    def __init__(self, transport: Transport, find: Callable[[str], Credentials | None]) -> None:
        self._transport = transport
        self._find = find
        self._found: dict[str, Credentials | None] = {}
        self._granted: dict[str, str] = {}
        self._lock = threading.Lock()

    def header(self, scope: str) -> str:
        """Return what was granted for a scope so far, "" for nothing."""
        with self._lock:
            return self._granted.get(scope, "")

    def answer(self, challenges: str, scope: str, refused: str) -> bool:
        """Answer a challenge; False where there is no other answer than the one just refused.

        Parameters
        ----------
        challenges
            The header ``WWW-Authenticate``.
        scope
            ``repository:NAME:pull,push``, several separated by a space.
        refused
            The header that the registry did not accept, "" for none.

        Raises
        ------
        RegistryError
            The authorization server refuses or fails.
        """
        with self._lock:
            if self._granted.get(scope, "") != refused:
                # Another thread was faster.
                return True
            granted = self._ask(_read_challenges(challenges), scope)
            self._granted[scope] = granted
            return granted not in {"", refused}

    def known(self, scope: str) -> bool:
        """Whether there are credentials to answer with."""
        return self._credentials(scope) is not None

    def _ask(self, challenges: Mapping[str, Mapping[str, str]], scope: str) -> str:
        if "bearer" in challenges:
            return f"Bearer {self._token(challenges['bearer'], scope)}"
        credentials = self._credentials(scope)
        if "basic" in challenges and credentials and credentials.username:
            return _basic(credentials)
        return ""

    def _credentials(self, scope: str) -> Credentials | None:
        # A mount has two repositories in its scope: the first one is written to.
        repository = scope.split(":")[1]
        if repository not in self._found:
            self._found[repository] = self._find(f"{self._transport.host}/{repository}")
        return self._found[repository]

    def _token(self, challenge: Mapping[str, str], scope: str) -> str:
        realm = resolved("", challenge.get("realm", ""))
        fields = [("service", challenge["service"])] if challenge.get("service") else []
        fields += [("scope", one) for one in scope.split()]
        credentials = self._credentials(scope)
        if credentials and credentials.identity_token:
            answer = self._refresh(realm, fields, credentials.identity_token)
        else:
            query = "&".join(filter(None, (urllib.parse.urlsplit(realm).query, urllib.parse.urlencode(fields))))
            url = urllib.parse.urlsplit(realm)._replace(query=query).geturl()
            basic = _basic(credentials) if credentials else ""
            answer = self._transport.send("GET", url, authorization=basic)
        return self._read_token(answer, known=credentials is not None)

    def _refresh(self, realm: str, fields: list[tuple[str, str]], token: str) -> urllib3.BaseHTTPResponse:
        # In this form, scopes are one field.
        scope = " ".join(value for name, value in fields if name == "scope")
        rest = [(name, value) for name, value in fields if name != "scope"]
        form = [("grant_type", "refresh_token"), ("client_id", _CLIENT), ("refresh_token", token), ("scope", scope)]
        return self._transport.send(
            "POST",
            realm,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urllib.parse.urlencode([*form, *rest]).encode(),
        )

    def _read_token(self, answer: urllib3.BaseHTTPResponse, *, known: bool) -> str:
        host = self._transport.host
        if answer.status != 200:
            discard(answer)
            if answer.status in {400, 401, 403}:
                raise login_error(host, known=known)
            raise RegistryError(f"The authorization server of {host} answers with status {answer.status}.")
        try:
            document = json.loads(read_small(answer, _MAX_TOKEN_ANSWER))
            token = document.get("token") or document.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise RegistryError(
                f"The authorization server of {host} sends no token.", "Tell whoever runs the registry."
            )
        return token


def login_error(host: str, *, known: bool) -> RegistryError:
    """Return the error of somebody who is not let in."""
    if known:
        return RegistryError(f"{host} refuses the credentials kept for it.", f"Log in again: docker login {host}")
    return RegistryError(f"{host} wants to know who asks.", f"Log in first: docker login {host}")


def _basic(credentials: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def _read_challenges(header: str) -> dict[str, dict[str, str]]:
    """Read ``Bearer realm="…",service="…", Basic realm="…"`` as parameters by scheme, names in lower case."""
    found: dict[str, dict[str, str]] = {}
    parameters: dict[str, str] = {}
    for match in _WORD.finditer(header):
        word, quoted, plain = match[1].lower(), match[2], match[3]
        if quoted is None and plain is None:
            parameters = found.setdefault(word, {})
        else:
            parameters[word] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return found
