"""The port of a name: the same for every version, so that whoever asks the model need not ask where it is."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Collection, Iterator

#: Below the ports that systems hand out by themselves (``net.ipv4.ip_local_port_range`` begins at 32768).
_FIRST, _COUNT = 20_000, 12_000
_TRIES = 20


def own_port(name: str, history: str, held: Collection[int] = ()) -> int | None:
    """Return the port for a name in a history: the first free one of a series that is always the same.

    Parameters
    ----------
    name
        The model's name.
    history
        Id of the history, so that two people on one machine rarely meet.
    held
        Ports that the name has already.

    Returns
    -------
    int or None
        None where the whole series is taken.
    """
    return next((port for port in series(name, history) if port in held or is_free(port)), None)


def series(name: str, history: str) -> Iterator[int]:
    """Yield the ports that a name would have, best first."""
    for turn in range(_TRIES):
        digest = hashlib.sha256(f"{history}\0{name}\0{turn}".encode()).digest()
        yield _FIRST + int.from_bytes(digest[:4], "big") % _COUNT


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        # As engines do: a connection that was closed a moment ago does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
