"""Small valid images, for tests that need an image but no model."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_containeriter.types import Image, Layer, Role

#: 1980-01-02, as in real layers.
_MTIME = 315_619_200
_CREATED = "1980-01-02T00:00:00Z"
_ROLES: tuple[Role, ...] = ("base", "environment", "model", "code")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def tiny_image(
    directory: Path,
    *,
    name: str = "tiny",
    version: int = 1,
    layers: Sequence[Mapping[str, bytes]] = ({"base": b"base"}, {"model": b"model"}),
    config: Mapping[str, Any] | None = None,
) -> Image:
    """Build a valid image out of a few bytes, from nothing below it.

    Parameters
    ----------
    directory
        Where the layers are written, one file per digest; two images may share it, as they share a layer cache.
    name, version
        Parts of the reference ``localhost/containeriter/NAME:VERSION``. They do not enter the digest.
    layers
        Content of each layer, bottom up: bytes by their path in the image. Every file can be read and executed by
        everyone.
    config
        Members of the OCI execution configuration: ``Entrypoint``, ``Env``, ``User``, …

    Returns
    -------
    Image
        Equal arguments give an equal digest.
    """
    stack = tuple(_layer(directory, index, len(layers), content) for index, content in enumerate(layers))
    configuration = _json(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": _CREATED,
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in stack]},
            "history": [{"created": _CREATED, "created_by": "tiny_image", "comment": la.comment} for la in stack],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("config.v1+json", _digest(configuration), len(configuration)),
            "layers": [_descriptor("layer.v1.tar", layer.digest, layer.size_bytes) for layer in stack],
        }
    )
    return Image(
        reference=f"localhost/containeriter/{name}:{version}",
        layers=stack,
        config=configuration,
        config_digest=_digest(configuration),
        manifest=manifest,
        digest=_digest(manifest),
    )


def _layer(directory: Path, index: int, count: int, content: Mapping[str, bytes]) -> Layer:
    data = _tar(content)
    digest = _digest(data)
    path = directory / digest.removeprefix("sha256:")
    path.write_bytes(data)
    # The top layer is code, the bottom one the base, whatever lies between takes the next role.
    role = "code" if index == count - 1 > 0 else _ROLES[min(index, 2)]
    return Layer(digest, len(data), path, role, f"layer {index} of {count}")


def _tar(content: Mapping[str, bytes]) -> bytes:
    directories = {f"{parent}/" for name in content for parent in map(str, Path(name).parents) if parent != "."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted({*directories, *content}, key=str.encode):
            info = tarfile.TarInfo(name)
            info.mode, info.mtime = 0o755, _MTIME
            if name in directories:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(content[name])
            tar.addfile(info, io.BytesIO(content.get(name, b"")))
    return buffer.getvalue()


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": size}


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
