"""One blob on its way to a registry, however often the connection breaks."""

from __future__ import annotations

import hashlib
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import urllib3

from jupyter_containeriter.errors import DamagedLayerError, RegistryError, RegistryUnreachableError
from jupyter_containeriter.image.registry.answers import discard, refusal
from jupyter_containeriter.image.registry.connections import resolved
from jupyter_containeriter.image.registry.exchange import Exchange
from jupyter_containeriter.image.registry.failures import TRANSIENT
from jupyter_containeriter.image.registry.transport import PAUSES

_BLOCK = 1024 * 1024
_BINARY = "application/octet-stream"

#: The specification says 202; some registries say the others.
_TAKEN = (202, 201, 204)

#: Hears how many bytes of a blob have been sent so far. What it raises ends the upload.
Sent = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an upload goes on, and how much the registry has."""

    url: str
    offset: int = 0


class BlobUpload:
    """Sends a file as a blob: begin, send all in one request, finish; where it breaks, ask what has arrived and go on.

    Parameters
    ----------
    exchange
        Requests to the registry.
    repository, scope
        Where to, and what to ask an authorization server for.
    digest, size
        What the file must hold, in bytes.
    path
        The file.
    sent
        Hears how many bytes have been sent so far.
    """

    def __init__(
        self, exchange: Exchange, repository: str, scope: str, digest: str, size: int, path: Path, sent: Sent
    ) -> None:
        self._exchange = exchange
        self._repository = repository
        self._scope = scope
        self._digest = digest
        self._size = size
        self._path = path
        self._sent = sent
        self._wanted = f"{exchange.host}/{repository}"

    def run(self, is_there: Callable[[], bool]) -> None:
        """Send it.

        Parameters
        ----------
        is_there
            Tells whether the registry holds the blob: asked where it forgot the upload.
        """
        place: _Place | None = None
        for pause in (*PAUSES, None):
            try:
                place = self._resumed(place) if place else self._begun()
                if place is None:
                    # Gone: complete, and only the answer was lost, or forgotten by the registry.
                    if is_there():
                        return
                    place = self._begun()
                self._send_rest(place)
                return
            except RegistryUnreachableError:
                if pause is None:
                    raise
                time.sleep(pause)

    def _begun(self) -> _Place:
        response = self._exchange.request("POST", f"/v2/{self._repository}/blobs/uploads/", self._scope)
        self._exchange.expect(response, (202,), self._wanted)
        discard(response)
        return _Place(self._location(response))

    def _resumed(self, place: _Place) -> _Place | None:
        """Ask how much has arrived; None where the registry knows nothing of the upload.

        The Distribution project's registry forgets one whose request was broken off, others keep what has arrived.
        """
        response = self._exchange.request("GET", place.url, self._scope)
        if response.status == 404:
            discard(response)
            return None
        self._exchange.expect(response, _TAKEN, self._wanted)
        discard(response)
        received = re.fullmatch(r"(?:bytes=)?0-(\d+)", response.headers.get("Range", ""))
        if not received or received[1] == "0":
            # "0-0" may be one byte or none, so such an upload is begun again.
            return self._begun()
        return _Place(self._location(response), int(received[1]) + 1)

    def _send_rest(self, place: _Place) -> None:
        url = place.url
        if place.offset < self._size:
            headers = {
                "Content-Type": _BINARY,
                "Content-Length": str(self._size - place.offset),
                "Content-Range": f"{place.offset}-{self._size - 1}",
            }
            body = self._content(place.offset)
            response = self._exchange.request("PATCH", url, self._scope, headers=headers, body=body)
            self._expect(response, _TAKEN)
            url = self._location(response)
        separator = "&" if urllib.parse.urlsplit(url).query else "?"
        url = f"{url}{separator}{urllib.parse.urlencode({'digest': self._digest})}"
        headers = {"Content-Type": _BINARY, "Content-Length": "0"}
        # An empty iterator: sent once, as whoever lost the answer to it has to ask what became of the upload.
        response = self._exchange.request("PUT", url, self._scope, headers=headers, body=iter(()))
        if response.status == 400:
            self._insist_on_content()
        self._expect(response, (201,))

    def _content(self, offset: int) -> Iterator[bytes]:
        """Yield the file from an offset on, exactly as many bytes as promised."""
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                while offset < self._size and (piece := file.read(min(_BLOCK, self._size - offset))):
                    yield piece
                    offset += len(piece)
                    self._sent(offset)
        except OSError as error:
            raise DamagedLayerError(self._digest) from error
        if offset != self._size:
            raise DamagedLayerError(self._digest)

    def _insist_on_content(self) -> None:
        """Tell a damaged file from whatever else a registry dislikes."""
        with self._path.open("rb") as file:
            if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" != self._digest:
                raise DamagedLayerError(self._digest)

    def _expect(self, response: urllib3.BaseHTTPResponse, statuses: tuple[int, ...]) -> None:
        """Let a momentary failure, or an upload out of step, be tried again."""
        if response.status in TRANSIENT or response.status in {404, 416}:
            error = refusal(response, self._exchange.host, self._wanted)
            raise RegistryUnreachableError(error.message, error.remedy)
        self._exchange.expect(response, statuses, self._wanted)
        discard(response)

    def _location(self, response: urllib3.BaseHTTPResponse) -> str:
        location = response.headers.get("Location")
        if not location:
            raise RegistryError(
                f"{self._exchange.host} does not say where to send a layer.", "Tell whoever runs the registry."
            )
        return resolved(response.url or self._exchange.origin, location)
