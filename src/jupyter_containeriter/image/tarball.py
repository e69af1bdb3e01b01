"""Deterministic layer tars: sorted names, owned by root, one constant time; equal members give equal bytes anywhere."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.bytecode import compile_members
from jupyter_containeriter.image.members import LayerSpec, Member

#: 1980-01-02: not 0, because zipfile refuses times before 1980.
MTIME = 315_619_200


def tar_stream(spec: LayerSpec) -> Iterator[bytes]:
    """Yield the layer's tar in pieces, directories before what they hold."""
    members = [*spec.members, *(compile_members(spec.members) if spec.compile_python else ())]
    made: set[str] = set()
    for member in sorted(members, key=lambda member: member.name.encode()):
        yield from _directories(member, made)
        if member.link:
            yield _header(member.name, tarfile.SYMTYPE, 0o777, 0, member.link)
        elif not member.name.endswith("/"):
            yield from _file(member)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _directories(member: Member, made: set[str]) -> Iterator[bytes]:
    parts = member.name.split("/")
    for depth in range(1, len(parts)):
        path = "/".join(parts[:depth]) + "/"
        if path not in made:
            made.add(path)
            yield _header(path, tarfile.DIRTYPE, member.mode if path == member.name else 0o755, 0)


def _file(member: Member) -> Iterator[bytes]:
    for size, chunks in member.stream():
        yield _header(member.name, tarfile.REGTYPE, member.mode, size)
        written = 0
        for chunk in chunks:
            written += len(chunk)
            yield chunk
        if written != size:
            raise BuildError(f"{member.source} changed while it was read.", "Run the cell again.")
        yield bytes(-size % tarfile.BLOCKSIZE)


def _header(name: str, kind: bytes, mode: int, size: int, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime, info.linkname = kind, mode, size, MTIME, link
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
