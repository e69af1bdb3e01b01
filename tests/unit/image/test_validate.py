"""Validation of an image."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.validate import validate
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import Image, Layer

_MTIME = 315_619_200


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Build a valid image."""
    return tiny_image(tmp_path)


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _edited(image: Image, document: str, edit: Callable[[dict[str, Any]], object]) -> Image:
    """Change a document, and give the image the digest that fits the changed one."""
    parsed = json.loads(getattr(image, document))
    edit(parsed)
    content = json.dumps(parsed).encode()
    if document == "manifest":
        return replace(image, manifest=content, digest=_digest(content))
    return replace(image, config=content, config_digest=_digest(content))


def _rebuilt(image: Image, layer: Layer) -> Image:
    """Put another top layer into an image, consistently."""
    old = image.layers[-1]
    config = image.config.replace(old.digest.encode(), layer.digest.encode())
    manifest = json.loads(image.manifest)
    manifest["layers"][-1] |= {"digest": layer.digest, "size": layer.size_bytes}
    manifest["config"] |= {"digest": _digest(config), "size": len(config)}
    content = json.dumps(manifest).encode()
    return replace(
        image,
        layers=(*image.layers[:-1], layer),
        config=config,
        config_digest=_digest(config),
        manifest=content,
        digest=_digest(content),
    )


def _with_members(image: Image, directory: Path, *members: tarfile.TarInfo) -> Image:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return _rebuilt(image, _layer(directory, buffer.getvalue()))


def _layer(directory: Path, content: bytes) -> Layer:
    path = directory / "other-layer"
    path.write_bytes(content)
    return Layer(_digest(content), len(content), path, "model", "other")


def _member(name: str, **changes: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mtime = _MTIME
    for key, value in changes.items():
        setattr(info, key, value)
    return info


def test_a_good_image_passes(image: Image) -> None:
    """A well-formed image raises nothing."""
    validate(image)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reference": "tiny:1"}, "not fully qualified"),
        ({"digest": "sha256:" + "0" * 64}, "the manifest does not have"),
        ({"config": b"{}"}, "the config does not have"),
        ({"manifest": b"not json"}, "malformed"),
        ({"layers": ()}, "other layers"),
    ],
)
def test_an_image_that_contradicts_itself_fails(image: Image, changes: dict[str, Any], words: str) -> None:
    """Digests, documents and layers have to agree."""
    with pytest.raises(BuildError, match=words):
        validate(replace(image, **changes))


@pytest.mark.parametrize(
    ("document", "edit", "words"),
    [
        ("manifest", lambda m: m.update(mediaType="application/json"), "not an OCI image manifest"),
        ("manifest", lambda m: m["config"].update(size=1), "another config"),
        ("manifest", lambda m: m["layers"].pop(), "other layers"),
        ("manifest", lambda m: m["layers"][0].update(mediaType="text/plain"), "other layers"),
        ("config", lambda c: c.update(os="plan9"), "no platform"),
        ("config", lambda c: c.update(architecture=""), "no platform"),
        ("config", lambda c: c["rootfs"]["diff_ids"].reverse(), "other layers"),
        ("config", lambda c: c["history"].pop(), "history tells of 1 layers, not 2"),
        ("config", lambda c: c.pop("rootfs"), "malformed"),
    ],
)
def test_documents_that_break_the_specification_fail(
    image: Image, document: str, edit: Callable[[dict[str, Any]], object], words: str
) -> None:
    """Each document follows the OCI image specification and describes this very image."""
    with pytest.raises(BuildError, match=words):
        validate(_edited(image, document, edit))


def test_a_layer_with_other_bytes_fails(image: Image) -> None:
    """A layer's file has the size and digest that the image promises."""
    image.layers[0].path.write_bytes(b"other")
    with pytest.raises(BuildError, match="another size") as caught:
        validate(image)
    assert "another digest" in caught.value.message
    assert "cannot be read" in caught.value.message


def test_a_missing_layer_fails(image: Image) -> None:
    """Every layer is there."""
    image.layers[0].path.unlink()
    with pytest.raises(BuildError, match="cannot be read"):
        validate(image)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([_member("/etc/passwd")], "not a plain relative name"),
        ([_member("a/../../b")], "not a plain relative name"),
        ([_member("./a")], "not a plain relative name"),
        ([_member("b"), _member("a")], "not sorted"),
        ([_member("a/b"), _member("a", type=tarfile.DIRTYPE)], "not sorted"),
        ([_member("a"), _member("a")], "there twice"),
        ([_member("a", uid=1000)], "owner"),
        ([_member("a", uname="alice")], "owner"),
        ([_member("a", mode=0o4755)], "set-user-ID"),
        ([_member("a", type=tarfile.CHRTYPE)], "neither file, directory nor link"),
        ([_member("a", mtime=0)], "before 1980"),
        ([_member("a"), _member("b", mtime=_MTIME + 1)], "several times"),
    ],
)
def test_layers_that_are_unsafe_or_not_reproducible_fail(
    image: Image, tmp_path: Path, members: list[tarfile.TarInfo], words: str
) -> None:
    """Members have plain sorted names, no owner, one time, and are files, directories or links."""
    changed = _with_members(image, tmp_path, *members)
    with pytest.raises(BuildError, match=words):
        validate(changed)


def test_a_compressed_layer_fails(image: Image, tmp_path: Path) -> None:
    """Layers are plain tars: a compressed one would have another diff ID than digest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(_member("a"))
    with pytest.raises(BuildError, match="cannot be read"):
        validate(_rebuilt(image, _layer(tmp_path, buffer.getvalue())))


def test_directories_sort_before_what_they_hold(image: Image, tmp_path: Path) -> None:
    """A directory sorts as its name with a slash, so that its content follows it."""
    members = [_member("a.txt"), _member("a", type=tarfile.DIRTYPE), _member("a/b"), _member("c")]
    validate(_with_members(image, tmp_path, *members))


def test_layers_made_by_others_need_not_be_normalised(image: Image, tmp_path: Path) -> None:
    """Of a registry base only the digests and the tar itself are checked."""
    changed = _with_members(image, tmp_path, _member("b", uid=1000), _member("a", mtime=0))
    validate(changed, foreign={changed.layers[-1].digest})


def test_many_problems_are_counted(image: Image, tmp_path: Path) -> None:
    """The message lists the first problems and says how many more there are."""
    members = [_member(f"f{number:02}", uid=1) for number in range(15)]
    with pytest.raises(BuildError, match="and 5 more"):
        validate(_with_members(image, tmp_path, *members))
