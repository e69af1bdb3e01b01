"""What the layer cache holds of an earlier version: its image, its snapshot, and the files of its model."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from jupyter_containeriter.image.build import stored_image
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.types import CONTAINER_ROOT, Image, Iteration, Layer

_ROOT = f"{CONTAINER_ROOT}/".lstrip("/")
_SNAPSHOT = f"{_ROOT}snapshot.json"
#: A version of this size or less is packed in memory.
_SPOOLED_BYTES = 64 * 1024 * 1024


def stored_document(cache: LayerCache, iteration: Iteration) -> tuple[Image | None, dict[str, Any]]:
    """Return the image of an iteration from the cache, and its ``snapshot.json``; None and {} where it is gone."""
    image = stored_image(iteration.image_digest, iteration.image_reference, cache) if iteration.image_digest else None
    if image is None:
        return None, {}
    try:
        document: dict[str, Any] = json.loads(_snapshot(image))
    except (tarfile.TarError, KeyError, ValueError):
        return None, {}
    return image, document


@contextmanager
def packed_model(image: Image) -> Iterator[IO[bytes]]:
    """Pack what a running server needs to load the version of an image: the model's files and ``snapshot.json``.

    They are read from the image's own layers: what a server is given and what the image holds are the same bytes.

    Yields
    ------
    binary file
        An uncompressed tar, at its beginning.
    """
    with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES) as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            _add(archive, "snapshot.json", _snapshot(image))
            with tarfile.open(_layer(image, "model").path) as layer:
                for member in layer:
                    if member.isfile():
                        member.name = member.name.removeprefix(_ROOT)
                        archive.addfile(member, layer.extractfile(member))
        packed.seek(0)
        yield packed


def _layer(image: Image, role: str) -> Layer:
    return next(layer for layer in image.layers if layer.role == role)


def _snapshot(image: Image) -> bytes:
    with tarfile.open(_layer(image, "code").path) as archive:
        file = archive.extractfile(_SNAPSHOT)
        return file.read() if file else b""


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
