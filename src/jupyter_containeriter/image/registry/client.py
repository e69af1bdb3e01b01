"""Images to and from a registry, by the OCI Distribution Specification 1.1."""

from __future__ import annotations

import hashlib
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import urllib3

from jupyter_containeriter.errors import DamagedLayerError, RegistryError, RegistryUnreachableError
from jupyter_containeriter.image.registry.answers import discard, pieces, read_small, refusal
from jupyter_containeriter.image.registry.authorization import Authorization, login_error
from jupyter_containeriter.image.registry.connections import origin_of
from jupyter_containeriter.image.registry.credentials import Credentials, find_credentials
from jupyter_containeriter.image.registry.failures import TRANSIENT
from jupyter_containeriter.image.registry.transport import PAUSES, Body, Transport

#: What a manifest may be: of one platform, or a list of them; in OCI's words or in Docker's.
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)

#: A registry should refuse larger ones (specification, "Pushing Manifests").
_MAX_MANIFEST = 4 * 1024 * 1024
_BLOCK = 1024 * 1024

#: Hears how many bytes of a blob have been sent so far. What it raises ends the upload.
Sent = Callable[[int], None]


class Manifest(NamedTuple):
    """A manifest as the registry holds it; ``content`` has the digest."""

    media_type: str
    content: bytes
    digest: str


@dataclass
class _Upload:
    """An upload under way: where it goes on, and how much the registry has."""

    url: str
    offset: int = 0


class Registry:
    """A registry. Safe to share between threads.

    Parameters
    ----------
    host
        As in a reference: ``docker.io``, ``registry.example.com``, ``localhost:5000``. Plain HTTP is spoken to this
        machine only.
    credentials
        Returns what to log in with, asked only if the registry wants to know; by default what ``docker login`` and
        ``podman login`` left. They are sent over TLS (or on this machine), to the registry and the authorization
        server that it names, and appear in no message.

    Raises
    ------
    RegistryError
        By every method: no connection, no permission, a failure on the other side. The remedy says what to do.
    """

    def __init__(self, host: str, credentials: Callable[[str], Credentials | None] = find_credentials) -> None:
        self.host = host
        self._transport = Transport(host)
        self._authorization = Authorization(self._transport, credentials)

    @property
    def plain(self) -> bool:
        """Whether it speaks plain HTTP, as registries on this machine may."""
        return self._transport.origin.startswith("http://")

    # --- pull --------------------------------------------------------------------------------------------------------

    def manifest(self, repository: str, reference: str, accept: tuple[str, ...] = MANIFEST_TYPES) -> Manifest:
        """Return a manifest or an index.

        Parameters
        ----------
        repository
            For example ``library/python``.
        reference
            A tag or a digest.
        accept
            Media types to ask for.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        path = f"/v2/{repository}/manifests/{reference}"
        headers = {"Accept": ", ".join(accept)}
        response = self._request("GET", path, _pull(repository), headers=headers)
        wanted = f"{self.host}/{repository}{'@' if ':' in reference else ':'}{reference}"
        self._expect(response, (200,), wanted)
        content = read_small(response, _MAX_MANIFEST)
        if len(content) > _MAX_MANIFEST:
            raise RegistryError(f"The manifest of {wanted} is larger than 4 MiB.", "Choose another image.")
        digest = _sha256(content)
        promised = reference if ":" in reference else response.headers.get("Docker-Content-Digest", digest)
        if promised.startswith("sha256:") and promised != digest:
            raise _wrong_content(wanted)
        return Manifest(response.headers.get("Content-Type", "").partition(";")[0].strip(), content, digest)

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """Yield a blob in pieces; after the last one it is proven that they have the digest.

        Raises
        ------
        NotFoundError
            The registry has no such blob.
        """
        path = f"/v2/{repository}/blobs/{digest}"
        sha256, received = hashlib.sha256(), 0
        for pause in (*PAUSES, None):
            headers = {"Range": f"bytes={received}-"} if received else {}
            response = self._request("GET", path, _pull(repository), headers=headers)
            self._expect(response, (200, 206), f"{self.host}/{repository}@{digest}")
            try:
                for piece in _rest(pieces(response), received if response.status == 200 else 0):
                    sha256.update(piece)
                    received += len(piece)
                    yield piece
                break
            except RegistryUnreachableError:
                if pause is None:
                    raise
                time.sleep(pause)
        response.release_conn()
        if f"sha256:{sha256.hexdigest()}" != digest:
            raise _wrong_content(f"{self.host}/{repository}@{digest}")

    # --- push --------------------------------------------------------------------------------------------------------

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a repository holds a blob."""
        response = self._request("HEAD", f"/v2/{repository}/blobs/{digest}", _push(repository))
        if response.status == 404:
            discard(response)
            return False
        self._expect(response, (200,), f"{self.host}/{repository}")
        discard(response)
        return True

    def mount_blob(self, repository: str, digest: str, source_repository: str) -> bool:
        """Let a repository have a blob of another one of this registry; False where that is not to be had."""
        query = urllib.parse.urlencode({"mount": digest, "from": source_repository})
        scope = f"{_push(repository)} {_pull(source_repository)}"
        try:
            response = self._request("POST", f"/v2/{repository}/blobs/uploads/?{query}", scope)
        except RegistryError:
            # Whoever may not read the source can still send the blob; if that fails too, it says why.
            return False
        discard(response)
        # Anything else, an upload that was begun instead or a refusal, means the same.
        return response.status == 201

    def upload_blob(self, repository: str, digest: str, size: int, path: Path, sent: Sent | None = None) -> None:
        """Send a file as a blob; where the connection breaks, go on from what has arrived.

        Parameters
        ----------
        repository
            Where to.
        digest, size
            What the file must hold, in bytes.
        path
            The file.
        sent
            Hears how many bytes have been sent so far.

        Raises
        ------
        DamagedLayerError
            The file has not that content.
        """
        upload: _Upload | None = None
        for pause in (*PAUSES, None):
            try:
                upload = self._resumed(upload, repository) if upload else self._begun(repository)
                if upload is None:
                    # Gone: either complete, and only the answer was lost, or forgotten by the registry.
                    if self.has_blob(repository, digest):
                        return
                    upload = self._begun(repository)
                self._send_rest(upload, repository, path, digest, size, sent)
                return
            except RegistryUnreachableError:
                if pause is None:
                    raise
                time.sleep(pause)

    def put_manifest(self, repository: str, reference: str, media_type: str, content: bytes) -> None:
        """Give a repository a manifest under a tag (or its digest); its blobs must be there."""
        path = f"/v2/{repository}/manifests/{reference}"
        response = self._request("PUT", path, _push(repository), headers={"Content-Type": media_type}, body=content)
        self._expect(response, (201,), f"{self.host}/{repository}:{reference}")
        discard(response)
        digest = _sha256(content)
        if response.headers.get("Docker-Content-Digest", digest) != digest:
            raise _wrong_content(f"{self.host}/{repository}:{reference}")

    # --- uploads -----------------------------------------------------------------------------------------------------

    def _begun(self, repository: str) -> _Upload:
        response = self._request("POST", f"/v2/{repository}/blobs/uploads/", _push(repository))
        self._expect(response, (202,), f"{self.host}/{repository}")
        discard(response)
        return _Upload(self._location(response))

    def _resumed(self, upload: _Upload, repository: str) -> _Upload | None:
        """Ask how much has arrived; None where the registry knows nothing of the upload.

        The Distribution project's registry forgets one whose request was broken off, others keep what has arrived.
        """
        response = self._request("GET", upload.url, _push(repository))
        if response.status == 404:
            discard(response)
            return None
        self._expect(response, (204,), f"{self.host}/{repository}")
        discard(response)
        received = re.fullmatch(r"(?:bytes=)?0-(\d+)", response.headers.get("Range", ""))
        if not received or received[1] == "0":
            # "0-0" may be one byte or none, so such an upload is begun again.
            return self._begun(repository)
        return _Upload(self._location(response), int(received[1]) + 1)

    def _send_rest(
        self, upload: _Upload, repository: str, path: Path, digest: str, size: int, sent: Sent | None
    ) -> None:
        url = upload.url
        if upload.offset < size:
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(size - upload.offset),
                "Content-Range": f"{upload.offset}-{size - 1}",
            }
            body = _read_from(path, upload.offset, size, digest, sent)
            response = self._request("PATCH", url, _push(repository), headers=headers, body=body)
            self._expect_upload(response, (202,), repository)
            url = self._location(response)
        separator = "&" if urllib.parse.urlsplit(url).query else "?"
        url = f"{url}{separator}{urllib.parse.urlencode({'digest': digest})}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": "0"}
        # An empty iterator: sent once, as whoever lost the answer to it has to ask what became of the upload.
        response = self._request("PUT", url, _push(repository), headers=headers, body=iter(()))
        if response.status == 400 and _file_digest(path) != digest:
            raise DamagedLayerError(digest)
        self._expect_upload(response, (201,), repository)

    def _expect_upload(self, response: urllib3.BaseHTTPResponse, statuses: tuple[int, ...], repository: str) -> None:
        """Let a momentary failure, or an upload out of step, be tried again."""
        if response.status in TRANSIENT or response.status in {404, 416}:
            error = refusal(response, self.host, f"{self.host}/{repository}")
            raise RegistryUnreachableError(error.message, error.remedy)
        self._expect(response, statuses, f"{self.host}/{repository}")
        discard(response)

    def _location(self, response: urllib3.BaseHTTPResponse) -> str:
        location = response.headers.get("Location")
        if not location:
            raise RegistryError(f"{self.host} does not say where to send a layer.", "Tell whoever runs the registry.")
        return urllib.parse.urljoin(response.url or self._transport.origin, location)

    # --- requests ----------------------------------------------------------------------------------------------------

    def _request(
        self, method: str, path: str, scope: str, *, headers: Mapping[str, str] | None = None, body: Body = None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, and once more with an answer to the challenge where there is one."""
        origin = self._transport.origin
        url = urllib.parse.urljoin(origin, path)
        # A registry may have layers sent elsewhere; who sends them is nobody's business there.
        own = origin_of(url) == origin_of(origin)
        authorization = self._authorization.header(scope) if own else ""
        response = self._transport.send(method, url, headers=headers, authorization=authorization, body=body)
        if response.status != 401 or not own:
            return response
        challenge = response.headers.get("WWW-Authenticate", "")
        if not self._authorization.answer(challenge, scope, authorization):
            discard(response)
            raise login_error(self.host, known=self._authorization.known)
        if body is not None and not isinstance(body, bytes):
            # Part of it is gone: whoever sends it has to begin again, now with permission.
            raise RegistryUnreachableError(f"{self.host} forgot who asks.", f"Log in again: docker login {self.host}")
        discard(response)
        authorization = self._authorization.header(scope)
        response = self._transport.send(method, url, headers=headers, authorization=authorization, body=body)
        if response.status == 401 and authorization.startswith("Basic "):
            discard(response)
            raise login_error(self.host, known=True)
        return response

    def _expect(self, response: urllib3.BaseHTTPResponse, statuses: tuple[int, ...], wanted: str) -> None:
        if response.status not in statuses:
            raise refusal(response, self.host, wanted)


# --- content -------------------------------------------------------------------------------------------------------


def _read_from(path: Path, offset: int, size: int, digest: str, sent: Sent | None) -> Iterator[bytes]:
    """Yield a file from an offset on, exactly as many bytes as promised."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while offset < size and (piece := file.read(min(_BLOCK, size - offset))):
                yield piece
                offset += len(piece)
                if sent:
                    sent(offset)
    except OSError as error:
        raise DamagedLayerError(digest) from error
    if offset != size:
        raise DamagedLayerError(digest)


def _rest(content: Iterator[bytes], skipped: int) -> Iterator[bytes]:
    """Yield what comes after the first ``skipped`` bytes."""
    for piece in content:
        if len(piece) > skipped:
            yield piece[skipped:]
        skipped = max(0, skipped - len(piece))


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError:
        return ""


def _sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _wrong_content(wanted: str) -> RegistryError:
    return RegistryError(
        f"What came of {wanted} is not what its digest promises.", "Try again; if it stays so, the registry is damaged."
    )


def _pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def _push(repository: str) -> str:
    return f"repository:{repository}:pull,push"
