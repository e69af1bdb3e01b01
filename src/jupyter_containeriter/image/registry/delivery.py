"""A whole image on its way into a repository: what is there, what another repository has, what must be sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.registry.client import Registry
from jupyter_containeriter.types import Image

#: Layers that travel at the same time: one connection alone seldom fills a line.
_PARALLEL = 3

#: Blobs of a registry whose place is remembered beside those of the last push.
_REMEMBERED = 1000

#: Hears how many bytes of how many have been sent, and what is being sent. Any thread may tell.
Told = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer or the configuration of an image, as a file."""

    digest: str
    size: int
    path: Path
    comment: str


class Delivery:
    """Brings blobs into a repository: found there, mounted from another one, or sent.

    Parameters
    ----------
    registry, repository
        Where to.
    elsewhere
        Repositories of this registry that may hold a blob, by digest.
    told
        Hears how far it is.
    """

    def __init__(self, registry: Registry, repository: str, elsewhere: Mapping[str, str], told: Told) -> None:
        self._registry = registry
        self._repository = repository
        self._elsewhere = elsewhere
        self._told = told
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._arrived: dict[str, int] = {}
        self._total = 0

    def deliver(self, blobs: Sequence[Blob]) -> list[Blob]:
        """Return what had to be sent, when all of it has arrived.

        Raises
        ------
        DamagedLayerError
            A file has not the content that its digest promises.
        RegistryError
            The registry refuses or cannot be reached.
        """
        pool = ThreadPoolExecutor(_PARALLEL)
        try:
            there = pool.map(self._is_there, blobs)
            missing = [blob for blob, found in zip(blobs, there, strict=True) if not found]
            self._total = sum(blob.size for blob in missing)
            # The big ones first, so that none of them ends alone.
            for _ in pool.map(self._send, sorted(missing, key=lambda blob: -blob.size)):
                pass
        finally:
            # After a failure or an interrupt, what is under way ends with its next piece; nobody waits for it.
            self._stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return missing

    def _is_there(self, blob: Blob) -> bool:
        if self._registry.has_blob(self._repository, blob.digest):
            return True
        source = self._elsewhere.get(blob.digest, self._repository)
        return source != self._repository and self._registry.mount_blob(self._repository, blob.digest, source)

    def _send(self, blob: Blob) -> None:
        def arrived(count: int) -> None:
            if self._stopped.is_set():
                raise _StoppedError
            with self._lock:
                self._arrived[blob.digest] = count
                done = sum(self._arrived.values())
            self._told(done, self._total, blob.comment)

        self._registry.upload_blob(self._repository, blob.digest, blob.size, blob.path, arrived)


class _StoppedError(Exception):
    """Another layer failed, or the person interrupted: this one need not go on."""


def blobs_of(image: Image, cache: LayerCache) -> list[Blob]:
    """Return what the manifest is made of, each once."""
    manifest = json.loads(image.manifest)
    comments = {layer.digest: layer.comment for layer in image.layers}
    found = {
        part["digest"]: Blob(
            part["digest"], part["size"], cache.blob(part["digest"]), comments.get(part["digest"], "configuration")
        )
        for part in (manifest["config"], *manifest["layers"])
    }
    return list(found.values())


class KnownPlaces:
    """Which repository of a registry got a blob last, so that others there can have it from it.

    No more than a hint: what is wrong or lost in it costs an upload.

    Parameters
    ----------
    path
        The file that remembers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, registry: str) -> Mapping[str, str]:
        """Return repositories by digest."""
        found = self._read().get(registry)
        return found if isinstance(found, dict) else {}

    def add(self, registry: str, repository: str, digests: Sequence[str]) -> None:
        """Note where blobs are now."""
        document = self._read()
        old = {digest: place for digest, place in self.of(registry).items() if digest not in digests}
        document[registry] = {**dict(list(old.items())[-_REMEMBERED:]), **dict.fromkeys(digests, repository)}
        temporary = self._path.with_name(f".{self._path.name}.{threading.get_native_id()}")
        try:
            temporary.write_text(json.dumps(document))
            temporary.replace(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
