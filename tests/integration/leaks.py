"""The search for words that must not be in an image."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path


def leaks(archive: Path, needles: list[bytes]) -> Iterator[str]:
    """Yield what holds one of the needles, down to the files in the layers."""
    with tarfile.open(archive) as outer:
        for blob in outer:
            file = outer.extractfile(blob)
            if file is None:
                continue
            try:
                with tarfile.open(fileobj=file) as layer:
                    yield from leaks_in_layer(layer, needles)
            except tarfile.ReadError:
                file.seek(0)
                yield from found(blob.name, file.read(), needles)


def leaks_in_layer(layer: tarfile.TarFile, needles: list[bytes]) -> Iterator[str]:
    """Yield what holds one of the needles in a layer."""
    for member in layer:
        content = layer.extractfile(member) if member.isfile() else None
        texts = f"{member.name} {member.linkname} {member.uname} {member.gname} {member.pax_headers}"
        yield from found(f"name of {member.name}", texts.encode(), needles)
        yield from found(member.name, content.read() if content else b"", needles)


def found(place: str, content: bytes, needles: list[bytes]) -> Iterator[str]:
    """Yield the needles in some content."""
    for needle in needles:
        if needle in content:
            yield f"{needle.decode()} in {place}"
