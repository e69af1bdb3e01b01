"""Small images with something that looks like a Python, and a registry in memory that has them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_containeriter.errors import NotFoundError, RegistryError
from jupyter_containeriter.image.registry import Manifest

MINOR = sys.version_info.minor
PYTHON = f"3.{MINOR}"
_MACHINES = {"amd64": 62, "arm64": 183, "riscv64": 243}


def executable(architecture: str = "amd64", linker: str = "/lib64/ld-linux.so.2") -> bytes:
    """Return the smallest ELF file that names a machine and a dynamic linker (``man 5 elf``)."""
    path = linker.encode() + b"\0"
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    count = 1 if linker else 0
    header = struct.pack("<HHIQQQIHHHHHH", 3, _MACHINES[architecture], 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(path), len(path), 1)
    return identity + header + (segment + path if linker else b"")


def glibc(version: str, architecture: str = "amd64") -> bytes:
    """Return a C library that tells its version."""
    banner = f"GNU C Library (Debian GLIBC {version}-9) stable release version {version}.\n".encode()
    return executable(architecture, "") + banner


def python_files(architecture: str = "amd64", prefix: str = "usr/local", minor: int = MINOR) -> dict[str, bytes]:
    """Return the files of a base with a Python on glibc 2.36."""
    return {
        f"{prefix}/bin/python3.{minor}": executable(architecture),
        f"{prefix}/lib/python3.{minor}/asyncio/__init__.py": b"",
        "lib/libc.so.6": glibc("2.36", architecture),
    }


def layer(files: Mapping[str, bytes | str], *more: tarfile.TarInfo) -> bytes:
    """Return a tar of files (bytes), links (texts), directories (names with a slash) and other members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            elif name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                info.size, info.mode = len(content), 0o755
                tar.addfile(info, io.BytesIO(content))
        for member in more:
            tar.addfile(member)
    return buffer.getvalue()


def digest(content: bytes) -> str:
    """Return its SHA-256."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def config(layers: list[bytes], architecture: str = "amd64", **more: Any) -> bytes:
    """Return an image configuration."""
    rootfs = {"type": "layers", "diff_ids": [digest(one) for one in layers]}
    own = {"Env": ["PATH=/usr/local/bin:/usr/bin", "LANG=C"]}
    return json.dumps({"architecture": architecture, "os": "linux", "config": own, "rootfs": rootfs, **more}).encode()


def archive(layers: list[bytes], configuration: bytes) -> bytes:
    """Return what ``docker save`` writes of an image."""
    names = [f"{number}/layer.tar" for number, _ in enumerate(layers)]
    manifest = [{"Config": "config.json", "RepoTags": ["local:1"], "Layers": names}]
    files = dict(zip(names, layers, strict=True))
    return layer({**files, "config.json": configuration, "manifest.json": json.dumps(manifest).encode()})


@dataclass
class MemoryRegistry:
    """A registry in memory that counts what it is asked; ``down`` makes it unreachable."""

    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    down: bool = False

    def __call__(self, host: str) -> MemoryRegistry:
        """Connect to it under any host's name."""
        return self

    def manifest(self, repository: str, reference: str) -> Manifest:
        """Return a manifest by tag or digest."""
        self._count(f"manifest {reference}")
        if reference not in self.manifests:
            raise NotFoundError(f"{repository}:{reference} is not in the registry.")
        media_type, content = self.manifests[reference]
        return Manifest(media_type, content, digest(content))

    def blob(self, repository: str, name: str) -> Iterator[bytes]:
        """Yield a blob."""
        self._count(f"blob {name}")
        yield self.blobs[name]

    def push(self, tag: str, layers: list[bytes], architecture: str = "amd64", **more: Any) -> str:
        """Keep an image with compressed layers and return its manifest's digest."""
        configuration = config(layers, architecture, **more)
        packed = [gzip.compress(one, 1) for one in layers]
        self.blobs.update({digest(blob): blob for blob in (configuration, *packed)})
        described = [{"digest": digest(blob), "size": len(blob)} for blob in packed]
        manifest = json.dumps({"config": {"digest": digest(configuration)}, "layers": described}).encode()
        self.manifests[tag] = self.manifests[digest(manifest)] = ("application/json", manifest)
        return digest(manifest)

    def index(self, tag: str, platforms: Mapping[str, dict[str, str]]) -> None:
        """Keep an index: the platform of each manifest by its digest."""
        manifests = [{"digest": name, "platform": platform} for name, platform in platforms.items()]
        self.manifests[tag] = ("application/json", json.dumps({"manifests": manifests}).encode())

    def _count(self, request: str) -> None:
        if self.down:
            raise RegistryError("The registry cannot be reached.")
        self.asked.append(request)
