"""What it means when a registry cannot be talked to."""

from __future__ import annotations

import urllib3
from urllib3.exceptions import (
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ProxySchemeUnknown,
    SSLError,
)
from urllib3.exceptions import (
    TimeoutError as TimedOut,
)

from jupyter_containeriter.errors import RegistryError, RegistryUnreachableError

#: Answers that a moment may change: too many requests, and failures.
TRANSIENT = frozenset({429, 500, 502, 503, 504})


def explained(error: HTTPError, authority: str) -> RegistryError:
    """Return what urllib3 says as an error of ours; of a host, and never with what the host was told."""
    if isinstance(error, SSLError):
        return _tls(error, authority)
    if isinstance(error, NameResolutionError):
        return RegistryError(
            f"{authority} cannot be found.", "Check the spelling of the registry, and that this machine is online."
        )
    if isinstance(error, ProxyError | ProxySchemeUnknown):
        # urllib3 quotes the proxy's URL, which may hold a password.
        return RegistryError(f"The proxy to {authority} does not answer.", "Check HTTPS_PROXY and NO_PROXY.")
    if isinstance(error, TimedOut) and not isinstance(error, NewConnectionError):
        return RegistryUnreachableError(f"{authority} does not answer in time.")
    happened = "breaks the connection" if isinstance(error, ProtocolError) else "cannot be reached"
    return RegistryUnreachableError(f"{authority} {happened}.")


def _tls(error: SSLError, authority: str) -> RegistryError:
    inner = error.args[0] if error.args else error
    if "certificate verify failed" in str(error).lower():
        why = str(getattr(inner, "verify_message", "")) or "nobody vouches for it"
        return RegistryError(
            f"The certificate of {authority} is not trusted: {why}.",
            f"Trust the authority that signed it: put it into ~/.config/docker/certs.d/{authority}/ca.crt.",
        )
    return RegistryError(
        f"{authority} does not speak HTTPS, and plain HTTP is for registries on this machine only.",
        "Ask who runs the registry to serve it over HTTPS.",
    )


def authority_of(url: str) -> str:
    """Return host and port as a URL has them, without a user; read as urllib3 reads them."""
    return urllib3.util.parse_url(url).netloc or ""
