"""Bases for tests: Debian with its own Python, for two architectures, pushed to a real registry in several layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_bench import missing

from jupyter_containeriter.image.registry import Registry

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
_TYPES = {
    "oci": (f"{OCI}.manifest.v1+json", f"{OCI}.config.v1+json", f"{OCI}.layer.v1.tar+gzip"),
    "docker": (
        f"{DOCKER}.distribution.manifest.v2+json",
        f"{DOCKER}.container.image.v1+json",
        f"{DOCKER}.image.rootfs.diff.tar.gzip",
    ),
}

#: Unpacked, not configured: nothing of another architecture has to run. Kept, as the packages are fetched from Debian.
_KEPT = Path(__file__).parents[2] / "build" / "bases"

#: What Debian's Python calls itself in the release that is used.
SUITE, PYTHON = "bookworm", "3.11"


def debian(architecture: str) -> Path:
    """Return the tar of a Debian with Python, made on first use."""
    path = _KEPT / f"{SUITE}-{architecture}.tar"
    if path.exists():
        return path
    if shutil.which("mmdebstrap") is None:
        missing("mmdebstrap is not installed (apt-get install mmdebstrap)")
    _KEPT.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tar")
    command = ["mmdebstrap", "--variant=extract", f"--architectures={architecture}", "--include=python3,libstdc++6"]
    run = subprocess.run([*command, SUITE, str(temporary)], capture_output=True, text=True, check=False)
    if run.returncode:
        temporary.unlink(missing_ok=True)
        missing(f"mmdebstrap failed: {run.stderr[-500:]}")
    temporary.replace(path)
    return path


def tar_of(files: Mapping[str, bytes], more: Iterable[tarfile.TarInfo] = ()) -> bytes:
    """Return a tar of files by name, and of members without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
        for member in more:
            tar.addfile(member)
    return buffer.getvalue()


@dataclass(frozen=True)
class Pushed:
    """A manifest in the registry."""

    digest: str
    size: int
    media_type: str
    architecture: str


def push(
    host: str,
    repository: str,
    tag: str,
    layers: Iterable[bytes],
    architecture: str = "amd64",
    words: str = "oci",
) -> Pushed:
    """Push an image of these tars, compressed, in OCI's or in Docker's words."""
    registry = Registry(host)
    manifest_type, config_type, layer_type = _TYPES[words]
    tars = list(layers)
    config = _json(
        {
            "architecture": architecture,
            "os": "linux",
            **({"variant": "v8"} if architecture == "arm64" else {}),
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "BASE_SAYS=hello"], "User": "1000"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(tar) for tar in tars]},
        }
    )
    blobs = [gzip.compress(tar, 1, mtime=0) for tar in tars]
    for content in (config, *blobs):
        _upload(registry, repository, content)
    descriptors = [_descriptor(layer_type, blob) for blob in blobs]
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": _descriptor(config_type, config),
            "layers": descriptors,
        }
    )
    registry.put_manifest(repository, tag, manifest_type, manifest)
    return Pushed(_digest(manifest), len(manifest), manifest_type, architecture)


def push_index(host: str, repository: str, tag: str, images: Iterable[Pushed]) -> None:
    """Push an image index of images that are there already."""
    manifests = [
        {
            "mediaType": image.media_type,
            "digest": image.digest,
            "size": image.size,
            "platform": {"os": "linux", "architecture": image.architecture},
        }
        for image in images
    ]
    media_type = f"{OCI}.index.v1+json"
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
    Registry(host).put_manifest(repository, tag, media_type, _json(document))


def _upload(registry: Registry, repository: str, content: bytes) -> None:
    path = _KEPT / f".upload-{os.getpid()}"
    path.write_bytes(content)
    try:
        registry.upload_blob(repository, _digest(content), len(content), path)
    finally:
        path.unlink()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
