"""Check an Image against the OCI specification and our own promises. Tests call it after every build."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Container, Iterator
from itertools import pairwise
from typing import Any

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.types import Image, Layer

_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

#: Fully qualified: registry or ``localhost``, repository, tag. Some engines cannot find shorter names again.
_REFERENCE = re.compile(r"(localhost|[a-z0-9.-]+[.:][a-z0-9.:-]+)/[a-z0-9._/-]+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

#: 1980-01-01: ``zipfile`` refuses earlier times.
_EARLIEST_MTIME = 315_532_800
_SHOWN = 10


def validate(image: Image, foreign: Container[str] = ()) -> None:
    """Insist that an image is well-formed, complete and reproducible.

    Parameters
    ----------
    image
        The image; every layer is read.
    foreign
        Digests of layers that somebody else made (of a registry base): only digest and tar are checked.

    Raises
    ------
    BuildError
        Something does not hold; the message lists all of it.
    """
    problems = [*_documents(image)]
    for layer in image.layers:
        found = list(_layer(layer, normalised=layer.digest not in foreign))
        problems += [f"layer {layer.digest[:19]} ({layer.comment}): {problem}" for problem in found]
    if problems:
        shown = [f"  {problem}" for problem in problems[:_SHOWN]]
        rest = [f"  and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise BuildError("\n".join([f"{image.reference} is not a valid image:", *shown, *rest]))


# --- documents -----------------------------------------------------------------------------------------------------


def _documents(image: Image) -> Iterator[str]:
    if not _REFERENCE.fullmatch(image.reference):
        yield f"reference {image.reference!r} is not fully qualified"
    if _digest(image.manifest) != image.digest:
        yield "the manifest does not have the image's digest"
    if _digest(image.config) != image.config_digest:
        yield "the config does not have its digest"
    try:
        manifest, config = json.loads(image.manifest), json.loads(image.config)
        yield from _manifest(manifest, image)
        yield from _config(config, image)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield f"manifest or config is malformed: {error!r}"


def _manifest(manifest: dict[str, Any], image: Image) -> Iterator[str]:
    if manifest["schemaVersion"] != 2 or manifest["mediaType"] != _MANIFEST_TYPE:
        yield "the manifest is not an OCI image manifest"
    expected = (_CONFIG_TYPE, image.config_digest, len(image.config))
    if _descriptor(manifest["config"]) != expected:
        yield "the manifest describes another config"
    layers = [(_LAYER_TYPE, layer.digest, layer.size_bytes) for layer in image.layers]
    if [_descriptor(layer) for layer in manifest["layers"]] != layers:
        yield "the manifest describes other layers"


def _config(config: dict[str, Any], image: Image) -> Iterator[str]:
    if not config["architecture"] or config["os"] != "linux":
        yield "the config names no platform that runs Linux containers"
    if config["rootfs"] != {"type": "layers", "diff_ids": [layer.digest for layer in image.layers]}:
        yield "the config lists other layers"
    entries = [entry for entry in config["history"] if not entry.get("empty_layer")]
    if len(entries) != len(image.layers):
        yield f"the config's history tells of {len(entries)} layers, not {len(image.layers)}"


def _descriptor(descriptor: dict[str, Any]) -> tuple[str, str, int]:
    return descriptor["mediaType"], descriptor["digest"], descriptor["size"]


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


# --- layers --------------------------------------------------------------------------------------------------------


def _layer(layer: Layer, *, normalised: bool) -> Iterator[str]:
    try:
        if layer.path.stat().st_size != layer.size_bytes:
            yield "the file has another size"
        with layer.path.open("rb") as file:
            if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" != layer.digest:
                yield "the file has another digest"
        with tarfile.open(layer.path, "r:") as tar:
            members = tar.getmembers()
    except (OSError, tarfile.TarError) as error:
        yield f"cannot be read: {error}"
        return
    if normalised:
        yield from _order(members)
        for member in members:
            yield from _member(member)
        if len({member.mtime for member in members}) > 1:
            yield "its members have several times"


def _order(members: list[tarfile.TarInfo]) -> Iterator[str]:
    names = [(m.name + "/" * m.isdir()).encode("utf-8", "surrogateescape") for m in members]
    for previous, name in pairwise(names):
        if name == previous:
            yield f"{name!r} is there twice"
        elif name < previous:
            # Sorted names are reproducible, and put each directory before what it holds.
            yield f"{name!r} comes after {previous!r}: names are not sorted"
            return


def _member(member: tarfile.TarInfo) -> Iterator[str]:
    if member.name.startswith("/") or not {"..", ".", ""}.isdisjoint(member.name.split("/")):
        yield f"{member.name!r} is not a plain relative name"
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        yield f"{member.name!r} is neither file, directory nor link"
    if (member.uid, member.gid, member.uname, member.gname) != (0, 0, "", ""):
        yield f"{member.name!r} has an owner other than 0:0 or a named one"
    if member.mode & 0o6000:
        yield f"{member.name!r} is set-user-ID or set-group-ID"
    if member.mtime < _EARLIEST_MTIME or member.mtime != int(member.mtime):
        yield f"{member.name!r} has a time before 1980 or below a second"
