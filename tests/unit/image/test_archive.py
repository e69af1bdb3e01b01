"""Archives of an image."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_containeriter.errors import BuildError, DamagedLayerError, UsageError
from jupyter_containeriter.image.archive import hybrid_archive, save_archive, save_layout
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import Image


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Build an image of two layers."""
    directory = tmp_path / "layers"
    directory.mkdir()
    return tiny_image(directory, layers=({"bin/base": b"base"}, {"model": bytes(3_000_000)}))


def _members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def test_the_archive_holds_layers_and_documents(image: Image) -> None:
    """Every blob is in the archive under its digest, with the exact bytes that the digest is of."""
    members = _members(b"".join(hybrid_archive(image)))
    assert members[_blob(image.config_digest)] == image.config
    assert members[_blob(image.digest)] == image.manifest
    for layer in image.layers:
        assert members[_blob(layer.digest)] == layer.path.read_bytes()


def test_an_archive_without_some_layers_still_names_them(image: Image) -> None:
    """Layers that are left out are missing as blobs only: an engine that holds them finds them by their names."""
    base = image.layers[0].digest
    members = _members(b"".join(hybrid_archive(image, omit={base})))
    assert _blob(base) not in members
    [described] = json.loads(members["manifest.json"])
    assert described["Layers"] == [_blob(layer.digest) for layer in image.layers]
    assert described["RepoTags"] == [image.reference]


def test_the_index_names_the_image_for_each_kind_of_tool(image: Image) -> None:
    """The index has the full name for containerd and Podman, and the tag for tools that select by it."""
    [descriptor] = json.loads(_members(b"".join(hybrid_archive(image)))["index.json"])["manifests"]
    assert descriptor["digest"] == image.digest
    assert descriptor["annotations"] == {
        "io.containerd.image.name": "localhost/containeriter/tiny:1",
        "org.opencontainers.image.ref.name": "1",
    }


def test_equal_images_give_equal_archives(image: Image) -> None:
    """An archive has no time, owner or order of its own."""
    assert b"".join(hybrid_archive(image)) == b"".join(hybrid_archive(image))
    with tarfile.open(fileobj=io.BytesIO(b"".join(hybrid_archive(image)))) as tar:
        assert {(info.uid, info.gid, info.uname, info.gname, info.mtime) for info in tar} == {
            (0, 0, "", "", 315_619_200)
        }


def test_pieces_are_small_and_never_empty(image: Image) -> None:
    """An archive streams: no piece is larger than a mebibyte, and none is empty, which would end a transfer."""
    assert all(0 < len(piece) <= 1024 * 1024 for piece in hybrid_archive(image))


def test_equal_layers_are_one_blob(tmp_path: Path) -> None:
    """A layer that an image has twice is in the archive once."""
    image = tiny_image(tmp_path, layers=({"a": b""}, {"a": b""}))
    with tarfile.open(fileobj=io.BytesIO(b"".join(hybrid_archive(image)))) as tar:
        assert tar.getnames().count(_blob(image.layers[0].digest)) == 1


@pytest.mark.parametrize("damage", [b"", b"short", bytes(4_000_000), None])
def test_a_damaged_layer_breaks_the_archive_off(image: Image, damage: bytes | None) -> None:
    """A layer with other bytes, or none, is named, before any document that would make the archive acceptable."""
    layer = image.layers[1]
    layer.path.unlink()
    if damage is not None:
        layer.path.write_bytes(damage)
    sent = io.BytesIO()
    with pytest.raises(DamagedLayerError) as caught:
        sent.writelines(hybrid_archive(image))
    assert caught.value.digest == layer.digest
    assert b"manifest" not in sent.getvalue()


def test_a_layer_that_is_left_out_is_not_read(image: Image) -> None:
    """A layer that is not sent may be missing."""
    image.layers[0].path.unlink()
    assert b"".join(hybrid_archive(image, omit={image.layers[0].digest}))


def test_a_saved_archive_is_the_whole_image(image: Image, tmp_path: Path) -> None:
    """A saved archive has the same bytes as a sent one, and nothing else is left in the directory."""
    target = tmp_path / "saved" / "image.tar"
    target.parent.mkdir()
    save_archive(image, target)
    assert target.read_bytes() == b"".join(hybrid_archive(image))
    assert list(target.parent.iterdir()) == [target]


def test_a_save_that_fails_keeps_what_was_there(image: Image, tmp_path: Path) -> None:
    """Where a save fails, an earlier file of that name stays, and nothing half is left."""
    target = tmp_path / "saved" / "image.tar"
    target.parent.mkdir()
    target.write_bytes(b"earlier")
    image.layers[1].path.unlink()
    with pytest.raises(DamagedLayerError):
        save_archive(image, target)
    with pytest.raises(DamagedLayerError):
        save_layout(image, target.with_name("layout"))
    assert target.read_bytes() == b"earlier"
    assert list(target.parent.iterdir()) == [target]


def test_a_directory_that_is_not_there_is_named(image: Image, tmp_path: Path) -> None:
    """Where the file cannot be written, the error names it."""
    with pytest.raises(BuildError, match="absent") as caught:
        save_archive(image, tmp_path / "absent" / "image.tar")
    assert str(tmp_path / "absent") in caught.value.remedy
    assert "cache" not in caught.value.remedy


def test_a_layout_holds_the_same_files(image: Image, tmp_path: Path) -> None:
    """A layout directory has the same files as the archive, but for Docker's own."""
    save_layout(image, tmp_path / "layout")
    found = {
        str(path.relative_to(tmp_path / "layout")): path.read_bytes()
        for path in (tmp_path / "layout").rglob("*")
        if path.is_file()
    }
    expected = _members(b"".join(hybrid_archive(image)))
    del expected["manifest.json"]
    assert found == expected


def test_a_layout_never_replaces_a_directory(image: Image, tmp_path: Path) -> None:
    """A directory that exists is left alone."""
    with pytest.raises(UsageError):
        save_layout(image, tmp_path)


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_skopeo_reads_the_archive_both_ways(image: Image, tmp_path: Path, transport: str) -> None:
    """One file is an OCI archive and a Docker archive."""
    save_archive(image, tmp_path / "image.tar")
    copy = ["skopeo", "copy", "--quiet", f"{transport}:{tmp_path}/image.tar", f"dir:{tmp_path}/copy"]
    subprocess.run(copy, check=True, capture_output=True)
    for layer in image.layers:
        assert (tmp_path / "copy" / layer.digest.removeprefix("sha256:")).read_bytes() == layer.path.read_bytes()


@pytest.mark.skipif(not shutil.which("umoci"), reason="umoci is not installed")
def test_umoci_unpacks_the_layout(image: Image, tmp_path: Path) -> None:
    """A layout directory unpacks to the files of the layers."""
    save_layout(image, tmp_path / "layout")
    unpack = ["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/layout:1", str(tmp_path / "bundle")]
    subprocess.run(unpack, check=True, capture_output=True)
    assert (tmp_path / "bundle" / "rootfs" / "bin" / "base").read_bytes() == b"base"


def test_the_reference_is_not_part_of_the_digest(image: Image) -> None:
    """An image saved under another name has the same manifest."""
    other = replace(image, reference="localhost/containeriter/other:7")
    members = _members(b"".join(hybrid_archive(other)))
    assert members[_blob(image.digest)] == image.manifest
