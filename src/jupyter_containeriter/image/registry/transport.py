"""HTTP to one registry: which scheme, what is tried again, where redirects lead, who sees credentials."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterable, Mapping

import urllib3
from urllib3.exceptions import HTTPError

from jupyter_containeriter.errors import RegistryError, RegistryUnreachableError
from jupyter_containeriter.image.registry.answers import discard
from jupyter_containeriter.image.registry.connections import is_loopback, new_pool, origin_of, resolved
from jupyter_containeriter.image.registry.failures import TRANSIENT, authority_of, explained
from jupyter_containeriter.serving._version import __version__

#: Waits before a request is sent again, in seconds.
PAUSES = (0.5, 1.0, 2.0, 4.0)

#: A registry that wants a longer pause than this is not waited for, in seconds.
_PATIENCE = 30.0

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_AGENT = f"jupyter-containeriter/{__version__}"

#: Docker's API is served elsewhere than its name says.
_API_HOSTS = {"docker.io": "registry-1.docker.io"}

Body = bytes | Iterable[bytes] | None


class Transport:
    """Sends requests to a registry, and to hosts that it refers to. Safe to share between threads.

    Parameters
    ----------
    host
        The registry, as in a reference: ``docker.io``, ``localhost:5000``.

    Notes
    -----
    Plain HTTP is spoken to loopback hosts only, proxies of the environment are used for all others. Whatever is given
    as ``authorization`` goes to the host that was asked only, however it redirects.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()
        self._answered = False

    @functools.cached_property
    def origin(self) -> str:
        """Scheme and authority of the registry's API."""
        authority = _API_HOSTS.get(self.host, self.host)
        if is_loopback(authority) and self._speaks_plainly(authority):
            return f"http://{authority}"
        return f"https://{authority}"

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        authorization: str = "",
        body: Body = None,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and return the answer, its body still unread.

        Parameters
        ----------
        method, url
            Of the request.
        headers
            Beside those that every request has.
        authorization
            Header of that name; not sent to another host that the answer redirects to.
        body
            Pieces of bytes are sent once; anything else is sent again where that may help.

        Raises
        ------
        RegistryUnreachableError
            The connection broke, again and again.
        RegistryError
            No connection, a certificate nobody vouches for, or plain HTTP to another machine.
        """
        pauses = PAUSES if body is None or isinstance(body, bytes) else ()
        for pause in (*pauses, None):
            try:
                response = self._follow(method, url, dict(headers or {}), authorization, body)
            except RegistryUnreachableError:
                # A host that never answered is not waited for: it is down, or the name is wrong.
                if pause is None or not self._answered:
                    raise
                time.sleep(pause)
                continue
            wait = _wait_of(response, pause)
            if wait is None:
                return response
            discard(response)
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _follow(
        self, method: str, url: str, headers: dict[str, str], authorization: str, body: Body
    ) -> urllib3.BaseHTTPResponse:
        first = origin_of(url)
        for _ in range(_MAX_REDIRECTS):
            self._insist_on_safety(url)
            # Whoever was asked learns who asks: not a storage service it redirects to.
            own = {"Authorization": authorization} if authorization and origin_of(url) == first else {}
            response = self._once(method, url, {**headers, **own}, body)
            target = response.headers.get("Location")
            if method not in {"GET", "HEAD"} or response.status not in _REDIRECTS or not target:
                return response
            discard(response)
            url = resolved(url, target)
        raise RegistryError(f"{self.host} redirects in circles.", "Tell whoever runs the registry.")

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: Body) -> urllib3.BaseHTTPResponse:
        try:
            response = self._pool(url).request(
                method,
                url,
                headers={"User-Agent": _AGENT, **headers},
                body=body,
                preload_content=False,
                decode_content=False,
                redirect=False,
            )
        except HTTPError as error:
            raise explained(error, authority_of(url)) from error
        self._answered = True
        # urllib3 keeps the path only; what an answer refers to is relative to all of it.
        response.url = url
        return response

    def _insist_on_safety(self, url: str) -> None:
        scheme, authority = origin_of(url)
        if scheme == "https" or (scheme == "http" and is_loopback(authority)):
            return
        raise RegistryError(
            f"{self.host} refers to {scheme}://{authority}, which is not encrypted.",
            "Ask who runs the registry to serve it, and what it refers to, over HTTPS.",
        )

    def _pool(self, url: str) -> urllib3.PoolManager:
        authority = authority_of(url)
        with self._lock:
            if authority not in self._pools:
                self._pools[authority] = new_pool(authority)
            return self._pools[authority]

    def _speaks_plainly(self, authority: str) -> bool:
        """Ask a registry on this machine, without any secret, whether it speaks HTTP; TLS servers call that bad."""
        try:
            response = self._once("GET", f"http://{authority}/v2/", {}, None)
        except RegistryUnreachableError:
            return False
        discard(response)
        return response.status != 400


def _wait_of(response: urllib3.BaseHTTPResponse, pause: float | None) -> float | None:
    """Return how long to wait before a request is sent again, None where its answer stands."""
    if pause is None or response.status not in TRANSIENT:
        return None
    asked = response.headers.get("Retry-After", "")
    wait = max(pause, float(asked)) if asked.isdecimal() else pause
    return wait if wait <= _PATIENCE else None
