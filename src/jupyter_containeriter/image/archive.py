"""An Image as an archive or a directory that engines and other tools read.

There is one archive format here, a hybrid: an OCI image layout that also has Docker's ``manifest.json``. Docker with
its own store reads the latter, Docker with the containerd store and Podman read the former, and so do skopeo and
umoci. An engine that already holds some layers takes the archive without them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import tarfile
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jupyter_containeriter.errors import BuildError, DamagedLayerError, UsageError
from jupyter_containeriter.types import Image, Layer

_CHUNK = 1024 * 1024
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"

#: 1980-01-02, as in the layers: equal images give equal archives.
_MTIME = 315_619_200


def hybrid_archive(image: Image, omit: Container[str] = ()) -> Iterator[bytes]:
    """Yield the image as one tar, in pieces.

    The documents that make an engine accept the archive come last, after every layer was proven while it was read:
    an archive with a damaged layer breaks off before it is worth anything.

    Parameters
    ----------
    image
        The image; its layers are read from the cache.
    omit
        Digests of layers to leave out, because the engine holds them.

    Raises
    ------
    DamagedLayerError
        A layer is missing or no longer has the bytes its digest promises: discard it and build again.
    """
    yield _file("oci-layout", _LAYOUT)
    for layer in _distinct(image.layers):
        if layer.digest not in omit:
            yield _header(_blob(layer.digest), layer.size_bytes)
            yield from _proven(layer)
            if padding := _padding(layer.size_bytes):
                # Never an empty piece: in a chunked transfer that would be the end.
                yield padding
    for name, content in _documents(image):
        yield _file(name, content)
    yield _file("manifest.json", _docker_manifest(image))
    yield bytes(2 * tarfile.BLOCKSIZE)


def save_archive(image: Image, path: Path, written: Callable[[int], None] = lambda _: None) -> None:
    """Write the complete image to one file that ``docker load``, ``podman load`` and ``skopeo`` read.

    Parameters
    ----------
    image
        The image; its layers are read from the cache.
    path
        The file; one that is there is replaced when the new one is complete.
    written
        Hears how many bytes have been written so far.

    Raises
    ------
    BuildError
        The file cannot be written, or (as :class:`~jupyter_containeriter.errors.DamagedLayerError`) a layer is
        damaged: build again.
    """
    with _arriving(path) as temporary, temporary.open("wb") as file:
        file.writelines(_counted(hybrid_archive(image), written))


def save_layout(image: Image, directory: Path, written: Callable[[int], None] = lambda _: None) -> None:
    """Write the complete image as an OCI image layout: a directory, for tools such as ``umoci`` that want one.

    Parameters
    ----------
    image
        The image; its layers are read from the cache.
    directory
        Must not exist yet, or be empty.
    written
        Hears how many bytes of layers have been written so far.

    Raises
    ------
    UsageError
        The directory exists already and holds something: choose another.
    BuildError
        It cannot be written, or (as :class:`~jupyter_containeriter.errors.DamagedLayerError`) a layer is damaged:
        build again.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} exists already.", "Choose a directory that does not exist yet.")
    done = 0
    with _arriving(directory) as temporary:
        (temporary / "blobs" / "sha256").mkdir(parents=True)
        for layer in _distinct(image.layers):
            with (temporary / _blob(layer.digest)).open("wb") as file:
                file.writelines(_counted(_proven(layer), written, done))
            done += layer.size_bytes
        for name, content in (("oci-layout", _LAYOUT), *_documents(image)):
            (temporary / name).write_bytes(content)


# --- contents ------------------------------------------------------------------------------------------------------


def _documents(image: Image) -> tuple[tuple[str, bytes], ...]:
    return (
        (_blob(image.config_digest), image.config),
        (_blob(image.digest), image.manifest),
        ("index.json", _index(image)),
    )


def _index(image: Image) -> bytes:
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                {
                    "mediaType": _MANIFEST_TYPE,
                    "digest": image.digest,
                    "size": len(image.manifest),
                    "annotations": {
                        # containerd and Podman take the name from here; it has to be fully qualified.
                        "io.containerd.image.name": image.reference,
                        "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
                    },
                }
            ],
        }
    )


def _docker_manifest(image: Image) -> bytes:
    layers = [_blob(layer.digest) for layer in image.layers]
    return _json([{"Config": _blob(image.config_digest), "RepoTags": [image.reference], "Layers": layers}])


def _distinct(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    """Equal layers (two empty ones, say) are one blob."""
    return iter({layer.digest: layer for layer in layers}.values())


def _proven(layer: Layer) -> Iterator[bytes]:
    """Yield exactly ``size_bytes`` of the layer, then insist that they had its digest."""
    sha256 = hashlib.sha256()
    left = layer.size_bytes
    try:
        with layer.path.open("rb") as file:
            # A piece more than promised is read too: a layer that grew is as damaged as one that shrank.
            while chunk := file.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise DamagedLayerError(layer.digest)
                sha256.update(chunk)
                yield chunk
    except OSError as error:
        raise DamagedLayerError(layer.digest) from error
    if left or f"sha256:{sha256.hexdigest()}" != layer.digest:
        raise DamagedLayerError(layer.digest)


def _counted(pieces: Iterator[bytes], written: Callable[[int], None], count: int = 0) -> Iterator[bytes]:
    """Pass pieces on and tell how many bytes they have been, counted from ``count``."""
    for piece in pieces:
        yield piece
        count += len(piece)
        written(count)


# --- formats -------------------------------------------------------------------------------------------------------


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _file(name: str, content: bytes) -> bytes:
    return _header(name, len(content)) + content + _padding(len(content))


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, _MTIME, 0o644
    # GNU's form of sizes from 8 GiB on is read by every engine, and without a second header.
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


@contextmanager
def _arriving(path: Path) -> Iterator[Path]:
    """Let something be written beside ``path``, and give it that name only when it is complete."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise BuildError(
            f"{path} cannot be written: {error.strerror or error}.",
            f"Check free disk space and permissions of {path.absolute().parent}, or choose another path.",
        ) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
