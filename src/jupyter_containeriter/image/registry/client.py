"""Images to and from a registry, by the OCI Distribution Specification 1.1."""

from __future__ import annotations

import contextlib
import hashlib
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import urllib3

from jupyter_containeriter.errors import RegistryError, RegistryUnreachableError
from jupyter_containeriter.image.registry.answers import discard, pieces, read_small
from jupyter_containeriter.image.registry.connections import resolved
from jupyter_containeriter.image.registry.credentials import Credentials, find_credentials
from jupyter_containeriter.image.registry.exchange import Exchange
from jupyter_containeriter.image.registry.transport import PAUSES
from jupyter_containeriter.image.registry.uploads import BlobUpload, Sent

#: What a manifest may be: of one platform, or a list of them; in OCI's words or in Docker's.
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)

#: A registry should refuse larger ones (specification, "Pushing Manifests").
_MAX_MANIFEST = 4 * 1024 * 1024


def _nobody(_: int) -> None:
    """Hear how much was sent, and do nothing."""


class Manifest(NamedTuple):
    """A manifest as the registry holds it; ``content`` has the digest."""

    media_type: str
    content: bytes
    digest: str


class Registry:
    """A registry. Safe to share between threads.

    Parameters
    ----------
    host
        As in a reference: ``docker.io``, ``registry.example.com``, ``localhost:5000``. Plain HTTP is spoken to this
        machine only.
    credentials
        Returns what to log in with to ``HOST/REPOSITORY``, asked only if the registry wants to know; by default what
        ``docker login`` and ``podman login`` left. They are sent over TLS (or on this machine), to the
        registry and the authorization server that it names itself, and appear in no message.

    Raises
    ------
    RegistryError
        By every method: no connection, no permission, a failure on the other side. The remedy says what to do.
    """

    def __init__(self, host: str, credentials: Callable[[str], Credentials | None] = find_credentials) -> None:
        self.host = host
        self._exchange = Exchange(host, credentials)

    @property
    def plain(self) -> bool:
        """Whether it speaks plain HTTP, as registries on this machine may."""
        return self._exchange.origin.startswith("http://")

    # --- pull --------------------------------------------------------------------------------------------------------

    def manifest(self, repository: str, reference: str, accept: tuple[str, ...] = MANIFEST_TYPES) -> Manifest:
        """Return a manifest or an index.

        Parameters
        ----------
        repository
            For example ``library/python``.
        reference
            A tag or a digest: of SHA-256, as no other is proven.
        accept
            Media types to ask for.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        by_digest = ":" in reference
        wanted = f"{self.host}/{repository}{'@' if by_digest else ':'}{reference}"
        if by_digest:
            _insist_on_sha256(reference, wanted)
        path = f"/v2/{repository}/manifests/{reference}"
        headers = {"Accept": ", ".join(accept)}
        response = self._exchange.request("GET", path, _pull(repository), headers=headers)
        self._exchange.expect(response, (200,), wanted)
        content = read_small(response, _MAX_MANIFEST)
        if len(content) > _MAX_MANIFEST:
            raise RegistryError(f"The manifest of {wanted} is larger than 4 MiB.", "Choose another image.")
        digest = _sha256(content)
        promised = reference if by_digest else response.headers.get("Docker-Content-Digest", digest)
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
        wanted = f"{self.host}/{repository}@{digest}"
        _insist_on_sha256(digest, wanted)
        path = f"/v2/{repository}/blobs/{digest}"
        sha256, received = hashlib.sha256(), 0
        for pause in (*PAUSES, None):
            headers = {"Range": f"bytes={received}-"} if received else {}
            response = self._exchange.request("GET", path, _pull(repository), headers=headers)
            self._exchange.expect(response, (200, 206), wanted)
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
        if f"sha256:{sha256.hexdigest()}" != digest:
            raise _wrong_content(wanted)

    # --- push --------------------------------------------------------------------------------------------------------

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a repository holds a blob."""
        response = self._exchange.request("HEAD", f"/v2/{repository}/blobs/{digest}", _push(repository))
        if response.status == 404:
            discard(response)
            return False
        self._exchange.expect(response, (200,), f"{self.host}/{repository}")
        discard(response)
        return True

    def mount_blob(self, repository: str, digest: str, source_repository: str) -> bool:
        """Let a repository have a blob of another one of this registry; False where that is not to be had."""
        query = urllib.parse.urlencode({"mount": digest, "from": source_repository})
        scope = f"{_push(repository)} {_pull(source_repository)}"
        try:
            response = self._exchange.request("POST", f"/v2/{repository}/blobs/uploads/?{query}", scope)
        except RegistryError:
            # Whoever may not read the source can still send the blob; if that fails too, it says why.
            return False
        discard(response)
        if response.status == 202 and "Location" in response.headers:
            self._cancel_upload(repository, response)
        # Anything else, an upload that was begun instead or a refusal, means the same.
        return response.status == 201

    def _cancel_upload(self, repository: str, begun: urllib3.BaseHTTPResponse) -> None:
        """Let the registry forget an upload that was begun; one that cannot keeps it until it cleans up."""
        with contextlib.suppress(RegistryError):
            place = resolved(begun.url or self._exchange.origin, begun.headers["Location"])
            discard(self._exchange.request("DELETE", place, f"repository:{repository}:pull,push,delete"))

    def upload_blob(self, repository: str, digest: str, size: int, path: Path, sent: Sent = _nobody) -> None:
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
        upload = BlobUpload(self._exchange, repository, _push(repository), digest, size, path, sent)
        upload.run(lambda: self.has_blob(repository, digest))

    def put_manifest(self, repository: str, reference: str, media_type: str, content: bytes) -> None:
        """Give a repository a manifest under a tag (or its digest); its blobs must be there."""
        path = f"/v2/{repository}/manifests/{reference}"
        response = self._exchange.request(
            "PUT", path, _push(repository), headers={"Content-Type": media_type}, body=content
        )
        # The specification says 201; some registries say the others.
        self._exchange.expect(response, (201, 200, 202), f"{self.host}/{repository}:{reference}")
        discard(response)
        digest = _sha256(content)
        if response.headers.get("Docker-Content-Digest", digest) != digest:
            raise _wrong_content(f"{self.host}/{repository}:{reference}")


def _rest(content: Iterator[bytes], skipped: int) -> Iterator[bytes]:
    """Yield what comes after the first ``skipped`` bytes."""
    for piece in content:
        if len(piece) > skipped:
            yield piece[skipped:]
        skipped = max(0, skipped - len(piece))


def _insist_on_sha256(digest: str, wanted: str) -> None:
    if not digest.startswith("sha256:"):
        raise RegistryError(
            f"{wanted} is named by something else than SHA-256, so its content cannot be proven.",
            "Name it by its sha256 digest.",
        )


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
