"""Addresses of databases, which may hold a password that nobody else is to see."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote


class Address(str):
    """An address that shows itself without its password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(shown_address(self))


def shown_address(address: str) -> str:
    """Return an address without its password.

    A password may hold what should have been quoted there (``/``, ``?``), so all before the last ``@`` belongs to user
    and password.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    login, at, place = rest.rpartition("@")
    place, mark, query = place.partition("?")
    shown = "&".join(f"{key}={quote(value, safe='/')}" for key, value in parse_qsl(query) if "password" not in key)
    return f"{scheme}{separator}{login.partition(':')[0]}{at}{place}{mark if shown else ''}{shown}"
