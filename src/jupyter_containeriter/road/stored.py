"""What the layer cache holds of an earlier version: its image, its snapshot, and the files of its model."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from jupyter_containeriter.errors import DamagedLayerError
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


def unpack_model(image: Image, directory: Path) -> None:
    """Write the files of the model, its ``snapshot.json`` and its local code (no byte code) below a directory.

    Raises
    ------
    DamagedLayerError
        A layer is not what its digest promises; nothing of it was written.
    """
    for layer in (_layer(image, "code"), _layer(image, "model")):
        # One open file: what was checked is what is unpacked, whatever becomes of its name.
        with layer.path.open("rb") as file:
            if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" != layer.digest:
                raise DamagedLayerError(layer.digest)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                for member in archive:
                    path = PurePosixPath(member.name.removeprefix(_ROOT))
                    if member.isfile() and path.suffix != ".pyc" and ".." not in path.parts:
                        _write(archive, member, directory / path)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(member)
    with path.open("wb") as file:
        shutil.copyfileobj(content or io.BytesIO(), file)


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
