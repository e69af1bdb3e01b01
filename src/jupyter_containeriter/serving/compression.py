"""Bodies compressed on their way: ``gzip``, and ``deflate`` in zlib's format, as the clients of Triton offer them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

CODINGS = ("gzip", "deflate")

#: zlib's window, and for gzip its header.
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_STEP = 256 * 1024
#: What is smaller takes as long to compress as to send.
_SMALLEST = 1024
#: The fastest: on the networks that models are asked over, more takes longer than it saves.
_LEVEL = 1


class CompressionError(ValueError):
    """A body is not what its ``Content-Encoding`` says."""


class TooLargeError(ValueError):
    """A body is larger than it may be once it is inflated."""


def inflate(body: bytes | bytearray, coding: str, limit: int) -> bytearray:
    """Undo the compression of a request's body.

    Parameters
    ----------
    body
        As it was received.
    coding
        One of :data:`CODINGS`.
    limit
        How many bytes it may become.

    Raises
    ------
    CompressionError
        It is not compressed that way, is cut off, or something follows it.
    TooLargeError
        It would become larger; the rest of it was not inflated.
    """
    stream, inflated, view = zlib.decompressobj(_WINDOWS[coding]), bytearray(), memoryview(body)
    # In steps: a small input may become large, and what is left of an input is copied.
    for start in range(0, len(view), _STEP):
        piece: bytes | memoryview = view[start : start + _STEP]
        while piece and not stream.eof:
            try:
                inflated += stream.decompress(piece, _STEP)
            except zlib.error as error:
                raise CompressionError(f"Content-Encoding: the body is not {coding}: {error}") from None
            if len(inflated) > limit:
                raise TooLargeError
            piece = stream.unconsumed_tail
        if stream.unused_data or (stream.eof and start + _STEP < len(view)):
            raise CompressionError(f"Content-Encoding: something follows the {coding} body")
    if not stream.eof:
        raise CompressionError(f"Content-Encoding: the {coding} body is cut off")
    return inflated


def deflate(chunks: Iterable[bytes], coding: str) -> list[bytes]:
    """Compress a response's body."""
    stream = zlib.compressobj(_LEVEL, wbits=_WINDOWS[coding])
    return [*map(stream.compress, chunks), stream.flush()]


def wanted_coding(accepted: str, chunks: Sequence[bytes]) -> str | None:
    """Return how a client wants a response compressed; None for not at all.

    Only a client that names one coding wants it, as those of Triton do: HTTP libraries list all they know by
    themselves, and would wait longer for their answer.
    """
    coding = accepted.strip().lower()
    return coding if coding in CODINGS and sum(map(len, chunks)) >= _SMALLEST else None
