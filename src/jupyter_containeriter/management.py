"""The kernel's side of the management routes: which versions a server holds, and which of them is live."""

from __future__ import annotations

import json
import os
from typing import IO, Any

import urllib3

from jupyter_containeriter.errors import EngineError

#: What only looks at versions or moves them is answered while the model works.
_SECONDS = 10.0


class ManagementClient:
    """Talks to one server as the one who deployed it.

    Parameters
    ----------
    url
        For example ``http://127.0.0.1:24153``.
    token
        The management token, which is not the deployment's ordinary one.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/containeriter"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pool = urllib3.PoolManager(retries=False)

    def versions(self) -> dict[str, dict[str, Any]]:
        """Return what the server holds in memory, by version: its state (``live``, ``kept``, ``candidate``) and more.

        Raises
        ------
        EngineError
            As every method: the server does not answer, or refuses; the message has its words.
        """
        answer = self._ask("GET", "versions")
        return {version["version"]: version for version in answer["versions"]}

    def live(self) -> str:
        """Return the version that answers."""
        return next((number for number, one in self.versions().items() if one["state"] == "live"), "")

    def load(self, number: str, packed: IO[bytes], seconds: float) -> dict[str, Any]:
        """Load a version beside the live one, from a tar of its files; it may take so many seconds."""
        size = packed.seek(0, os.SEEK_END)
        packed.seek(0)
        return self._ask("PUT", f"versions/{number}", packed, {"Content-Length": str(size)}, seconds)

    def switch(self, number: str) -> None:
        """Make a version the live one."""
        self._ask("PUT", "live", json.dumps({"version": number}).encode())

    def drop(self, number: str) -> None:
        """Let go of a version."""
        self._ask("DELETE", f"versions/{number}")

    def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        seconds: float = _SECONDS,
    ) -> dict[str, Any]:
        url, timeout = f"{self._url}/{path}", urllib3.Timeout(connect=5, read=seconds)
        try:
            headers = self._headers | (headers or {})
            response = self._pool.request(method, url, body=body, headers=headers, timeout=timeout)
            answer = json.loads(response.data)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise EngineError(f"The server gave no answer within {seconds:g} s.") from error
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise EngineError(f"The server does not answer at {url}: {error}") from error
        if response.status != 200:
            raise EngineError(f"The server answered {response.status}: {answer.get('error', '')}")
        return dict(answer)
