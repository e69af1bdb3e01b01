"""Requests to a registry by somebody who may be asked who they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import urllib3

from jupyter_containeriter.errors import RegistryUnreachableError
from jupyter_containeriter.image.registry.answers import discard, refusal
from jupyter_containeriter.image.registry.authorization import Authorization, login_error
from jupyter_containeriter.image.registry.connections import origin_of, resolved
from jupyter_containeriter.image.registry.credentials import Credentials
from jupyter_containeriter.image.registry.transport import Body, Transport


class Exchange:
    """Sends requests with what the registry was convinced by, and answers its challenges.

    Parameters
    ----------
    host
        The registry, as in a reference.
    credentials
        Returns what to log in with.
    """

    def __init__(self, host: str, credentials: Callable[[str], Credentials | None]) -> None:
        self.host = host
        self._transport = Transport(host)
        self._authorization = Authorization(self._transport, credentials)

    @property
    def origin(self) -> str:
        """Scheme and authority of the registry's API."""
        return self._transport.origin

    def request(
        self, method: str, path: str, scope: str, *, headers: Mapping[str, str] | None = None, body: Body = None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, and once more with an answer to the challenge where there is one.

        Parameters
        ----------
        method, path
            Of the request; ``path`` may be a complete URL that the registry gave.
        scope
            What to ask an authorization server for: ``repository:NAME:pull,push``, several separated by a space.
        headers, body
            As for :meth:`Transport.send`.

        Raises
        ------
        RegistryError
            No connection, or nobody is let in.
        """
        origin = self._transport.origin
        url = resolved(origin, path)
        # A registry may have layers sent elsewhere; who sends them is nobody's business there.
        own = origin_of(url) == origin_of(origin)
        authorization = self._authorization.header(scope) if own else ""
        response = self._transport.send(method, url, headers=headers, authorization=authorization, body=body)
        if not own or not self._challenged(response):
            return response
        challenge = response.headers.get("WWW-Authenticate", "")
        if not self._authorization.answer(challenge, scope, authorization):
            discard(response)
            raise login_error(self.host, known=self._authorization.known(scope))
        if body is not None and not isinstance(body, bytes):
            # Part of it is gone: whoever sends it has to begin again, now with permission.
            raise RegistryUnreachableError(f"{self.host} forgot who asks.", f"Log in again: docker login {self.host}")
        discard(response)
        authorization = self._authorization.header(scope)
        response = self._transport.send(method, url, headers=headers, authorization=authorization, body=body)
        if self._challenged(response) and authorization.startswith("Basic "):
            discard(response)
            raise login_error(self.host, known=True)
        return response

    def _challenged(self, response: urllib3.BaseHTTPResponse) -> bool:
        """Whether the registry itself wants to know who asks: a host that it redirects to is told nothing."""
        return response.status == 401 and origin_of(response.url or "") == origin_of(self._transport.origin)

    def expect(self, response: urllib3.BaseHTTPResponse, statuses: tuple[int, ...], wanted: str) -> None:
        """Insist on a status.

        Raises
        ------
        ContainerIterError
            What the answer means for ``wanted``, an image or a repository.
        """
        if response.status not in statuses:
            raise refusal(response, self.host, wanted)
