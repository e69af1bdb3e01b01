"""Bearer tokens of deployments: only this user can read them; engines and containers see the digest alone."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from jupyter_containeriter.errors import EngineError


class TokenStore:
    """A directory with one file for each container.

    Parameters
    ----------
    directory
        Created on first use, readable by its owner only.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, container_id: str, token: str) -> None:
        """Keep a container's token.

        Raises
        ------
        EngineError
            The directory cannot be written: free some space, or choose another one.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._directory / container_id, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(token)
        except OSError as error:
            raise EngineError(
                f"The token cannot be kept in {self._directory}: {error}.",
                "Free some disk space, or point CONTAINERITER_DATA_DIR to another disk.",
            ) from error

    def read(self, container_id: str) -> str:
        """Return a container's token, "" where it has none."""
        try:
            return (self._directory / container_id).read_text()
        except FileNotFoundError:
            return ""

    def forget(self, container_id: str) -> None:
        """Remove a container's token."""
        (self._directory / container_id).unlink(missing_ok=True)


def new_token() -> str:
    """Return 192 bits of randomness, as text for a URL or header."""
    return secrets.token_urlsafe(24)


def token_environment(token: str) -> dict[str, str]:
    """Return what the server must know to recognise a token."""
    return {"CONTAINERITER_TOKEN_SHA256": hashlib.sha256(token.encode()).hexdigest()} if token else {}
