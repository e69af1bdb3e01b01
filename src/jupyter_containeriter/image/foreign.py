"""Layers that somebody else made, uncompressed: from a registry's blobs, or from an engine's archive."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, cast

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.cache import LayerCache, cache_error

_CHUNK = 1024 * 1024
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the uncompressed content of a layer: gzip, zstd or plain, as its first bytes tell.

    Media types are not believed: engines write plain layers into archives that call them compressed.

    Raises
    ------
    BuildError
        The content is damaged, or zstd and the package for it is missing.
    """
    yield from _unpacked(io.BufferedReader(_Pieces(pieces), _CHUNK))


def archived_layers(archive: Iterable[bytes], cache: LayerCache) -> str:
    """Bring the image of an archive (as ``docker save`` writes it) into the cache; return its configuration's digest.

    Raises
    ------
    BuildError
        It is no such archive, or a layer has not the content that its diff ID promises.
    """
    with _filed(archive, cache) as file:
        try:
            with tarfile.open(fileobj=file) as tar:
                (image,) = json.loads(_member(tar, "manifest.json").read())
                config = _member(tar, image["Config"]).read()
                for name, diff_id in zip(image["Layers"], diff_ids(config), strict=True):
                    if not cache.use(diff_id):
                        cache.keep(diff_id, _unpacked(cast("io.BufferedReader", _member(tar, name))))
        except (tarfile.TarError, KeyError, ValueError, TypeError) as error:
            raise BuildError(f"The engine's archive of the base cannot be read: {error!r}.", _REMEDY) from error
    return keep_document(config, cache)


_REMEDY = "Pull the base again into the engine, or remove it there: then it comes from its registry."


@contextmanager
def _filed(archive: Iterable[bytes], cache: LayerCache) -> Iterator[IO[bytes]]:
    """Let an archive be read in any order: what its members mean is said by one of the last."""
    try:
        cache.directory.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=cache.directory)  # noqa: SIM115 (closed below)
        file.writelines(archive)
    except OSError as error:
        raise cache_error(cache.directory, error) from error
    with file:
        file.seek(0)
        yield file


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    # Equal layers are in there once, with links to them; this follows links.
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file


def _unpacked(reader: io.BufferedReader) -> Iterator[bytes]:
    magic = reader.peek(4)
    if magic.startswith(_ZSTD):
        yield from _zstd(reader)
        return
    source = cast("IO[bytes]", gzip.GzipFile(fileobj=reader)) if magic.startswith(_GZIP) else reader
    try:
        while piece := source.read(_CHUNK):
            yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(error) from error


def _zstd(reader: io.BufferedReader) -> Iterator[bytes]:
    try:
        from zstandard import ZstdDecompressor, ZstdError
    except ImportError:
        raise BuildError(
            "The base has layers in zstd.", 'Install what reads it: pip install "jupyter_containeriter[registry]"'
        ) from None
    # A layer may be several frames: that is how zstd:chunked makes parts of it accessible.
    source = ZstdDecompressor().stream_reader(reader, read_across_frames=True)
    try:
        while piece := source.read(_CHUNK):
            yield piece
    except ZstdError as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> BuildError:
    return BuildError(f"A layer of the base is damaged: {error}.", "Try again, or use another base.")


def keep_document(content: bytes, cache: LayerCache) -> str:
    """Keep a manifest or a configuration of somebody else; return its digest.

    Not among the blobs: those belong to images of ours, and what belongs to none is given back before long.
    """
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    cache.remember(_document_key(digest), {"content": base64.b64encode(content).decode()})
    return digest


def document(digest: str, cache: LayerCache) -> bytes | None:
    """Return a manifest or a configuration that was kept, None for none."""
    kept = cache.recall(_document_key(digest))
    content = base64.b64decode(kept["content"]) if kept else b""
    return content if f"sha256:{hashlib.sha256(content).hexdigest()}" == digest else None


def diff_ids(config: bytes) -> list[str]:
    """Return the digests of the uncompressed layers, bottom up, that an image configuration lists."""
    return [digest_of(text) for text in json.loads(config)["rootfs"]["diff_ids"]]


def digest_of(text: str) -> str:
    """Return a digest that somebody else wrote, if it is one: it becomes part of a file's name."""
    if not _DIGEST.fullmatch(text):
        raise ValueError(f"{text!r} is no digest")
    return text


def _document_key(digest: str) -> str:
    return f"document-{digest.removeprefix('sha256:')}"


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
