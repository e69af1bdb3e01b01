"""Connections to a host: whether it is this machine, whom to trust, and which proxy is between."""

from __future__ import annotations

import ipaddress
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import urllib3
from urllib3.exceptions import HTTPError

from jupyter_containeriter.errors import RegistryError

_TIMEOUT = urllib3.Timeout(connect=10, read=300)
_BLOCK = 1024 * 1024
_CONNECTIONS = 8

#: Where Docker and Podman look for the certificate authorities of a host (``HOST/*.crt``).
_AUTHORITIES = (
    "/etc/docker/certs.d",
    "/etc/containers/certs.d",
    "~/.config/docker/certs.d",
    "~/.config/containers/certs.d",
)


def is_loopback(authority: str) -> bool:
    """Whether a host (with or without port) is this very machine."""
    name = urllib.parse.urlsplit(f"//{authority}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def resolved(base: str, reference: str) -> str:
    """Return the complete URL of what a registry refers to.

    Parameters
    ----------
    base
        The URL of the answer that refers to it, "" where it must be complete already.
    reference
        As the registry sent it.

    Raises
    ------
    RegistryError
        It is no URL.
    """
    try:
        url = urllib.parse.urljoin(base, reference)
        urllib.parse.urlsplit(url)
    except ValueError as error:
        raise _no_address() from error
    origin_of(url)
    return url


def origin_of(url: str) -> tuple[str, str]:
    """Return scheme and authority of a URL, the way they can be compared.

    Raises
    ------
    RegistryError
        A registry sent what is no URL.
    """
    try:
        parts = urllib3.util.parse_url(url)
    except HTTPError as error:
        raise _no_address() from error
    if not (parts.scheme and parts.host):
        raise _no_address()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, f"{parts.host}:{port}"


def _no_address() -> RegistryError:
    return RegistryError("The registry refers to an address that is none.", "Tell whoever runs the registry.")


def new_pool(authority: str) -> urllib3.PoolManager:
    """Return connections to a host: through the proxy of the environment, never to this machine.

    Raises
    ------
    RegistryError
        A file of certificates cannot be read.
    """
    context = _trust(authority)
    proxy = "" if is_loopback(authority) else _proxy(authority)
    if not proxy:
        return urllib3.PoolManager(
            ssl_context=context, retries=False, timeout=_TIMEOUT, blocksize=_BLOCK, maxsize=_CONNECTIONS
        )
    parts = urllib3.util.parse_url(proxy)
    headers = urllib3.make_headers(proxy_basic_auth=urllib.parse.unquote(parts.auth)) if parts.auth else None
    return urllib3.ProxyManager(
        proxy,
        proxy_headers=headers,
        ssl_context=context,
        retries=False,
        timeout=_TIMEOUT,
        blocksize=_BLOCK,
        maxsize=_CONNECTIONS,
    )


def _proxy(authority: str) -> str:
    """Return the proxy that the environment names for an HTTPS host, "" for none."""
    if urllib.request.proxy_bypass(authority):
        return ""
    proxies = urllib.request.getproxies()
    found = proxies.get("https") or proxies.get("all") or ""
    return f"http://{found}" if found and "://" not in found else found


def _trust(authority: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for file in _authority_files(authority):
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(f"{file} cannot be read as certificates.", "Correct the file or remove it.") from error
    return context


def _authority_files(authority: str) -> Iterator[Path]:
    for directory in _AUTHORITIES:
        yield from sorted((Path(directory).expanduser() / authority).glob("*.crt"))
