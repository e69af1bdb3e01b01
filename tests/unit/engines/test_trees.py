"""Unpacked layers, and the plan by which they make one tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_containeriter.engines._trees import Placement, Trees, stacks
from jupyter_containeriter.errors import BuildError, DamagedLayerError
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import Image


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    """Give an empty directory of trees."""
    return Trees(tmp_path / "trees")


def _image(directory: Path, *layers: Mapping[str, bytes]) -> Image:
    blobs = directory / "blobs"
    blobs.mkdir(exist_ok=True)
    return tiny_image(blobs, layers=layers)


def _planned(trees: Trees, tmp_path: Path, *layers: Mapping[str, bytes]) -> dict[str, int | None]:
    """Return the plan: each path with the number of the layer it comes from, None for one that is made."""
    image = _image(tmp_path, *layers)
    for layer in image.layers:
        trees.unpack(layer)
    numbers = {trees.path(layer.digest): number for number, layer in enumerate(image.layers)}
    plan = trees.plan([trees.path(layer.digest) for layer in image.layers])
    return {
        p.path: None if p.source is None else next(n for root, n in numbers.items() if p.source.is_relative_to(root))
        for p in plan
    }


def test_a_layer_is_unpacked_with_content_and_modes(trees: Trees, tmp_path: Path) -> None:
    """An unpacked layer can be read and executed by everyone."""
    (layer,) = _image(tmp_path, {"bin/run": b"#!/bin/sh"}).layers
    trees.unpack(layer)
    path = trees.path(layer.digest)
    assert (path / "bin" / "run").read_bytes() == b"#!/bin/sh"
    assert [entry.stat().st_mode & 0o777 for entry in (path, path / "bin", path / "bin/run")] == [0o755] * 3


@pytest.mark.parametrize("damage", ["truncated", "changed", "gone"])
def test_a_damaged_layer_leaves_nothing(trees: Trees, tmp_path: Path, damage: str) -> None:
    """A layer with other bytes than its digest promises is named, and nothing of it is unpacked."""
    (layer,) = _image(tmp_path, {"a": b"1"}).layers
    content = layer.path.read_bytes()
    if damage == "gone":
        layer.path.unlink()
    else:
        layer.path.write_bytes(content[:600] if damage == "truncated" else b"x" + content[1:])
    with pytest.raises(DamagedLayerError) as caught:
        trees.unpack(layer)
    assert caught.value.digest == layer.digest
    assert list(tmp_path.glob("trees/*")) == []


def test_a_layer_unpacked_twice_is_there_once(trees: Trees, tmp_path: Path) -> None:
    """Where another kernel was faster, its tree is used and none is left over."""
    (layer,) = _image(tmp_path, {"a": b"1"}).layers
    trees.unpack(layer)
    trees.unpack(layer)
    assert [path.name for path in (tmp_path / "trees").iterdir()] == [layer.digest.removeprefix("sha256:")]


def test_an_impossible_directory_is_named(tmp_path: Path) -> None:
    """Where layers cannot be unpacked the error says how to choose another place."""
    (layer,) = _image(tmp_path, {"a": b"1"}).layers
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="cannot be unpacked") as caught:
        Trees(tmp_path / "file" / "trees").unpack(layer)
    assert "CONTAINERITER_DATA_DIR" in caught.value.remedy


def test_directories_of_one_layer_are_shown_as_they_are(trees: Trees, tmp_path: Path) -> None:
    """A directory that only one layer has is placed as a whole."""
    assert _planned(trees, tmp_path, {"bin/a": b"", "bin/b": b""}, {"etc/c": b""}) == {"/bin": 0, "/etc": 1}


def test_shared_directories_are_made_and_filled(trees: Trees, tmp_path: Path) -> None:
    """A directory of several layers is made, before what they put into it."""
    plan = _planned(trees, tmp_path, {"opt/x/base/a": b""}, {"opt/x/model/b": b"", "opt/y": b""})
    assert plan == {"/opt": None, "/opt/x": None, "/opt/x/base": 0, "/opt/x/model": 1, "/opt/y": 1}
    assert list(plan) == sorted(plan)


def test_the_upper_file_counts(trees: Trees, tmp_path: Path) -> None:
    """Of two files with one name, the upper layer's is shown."""
    assert _planned(trees, tmp_path, {"d/a": b"1", "d/b": b"1"}, {"d/a": b"2"}) == {"/d": None, "/d/a": 1, "/d/b": 0}


def test_a_file_hides_a_directory_and_the_other_way_round(trees: Trees, tmp_path: Path) -> None:
    """What is a file in the upper layer is a file, what is a directory there is a directory."""
    assert _planned(trees, tmp_path, {"a/x": b"", "b": b"1"}, {"a": b"2", "b/y": b""}) == {"/a": 1, "/b": 1}


def test_a_link_is_placed_as_a_link(trees: Trees, tmp_path: Path) -> None:
    """A link to a directory is not merged with the directory."""
    image = _image(tmp_path, {"lib/a": b""}, {"other/b": b""})
    for layer in image.layers:
        trees.unpack(layer)
    upper = trees.path(image.layers[1].digest)
    (upper / "lib").symlink_to("other")
    plan = trees.plan([trees.path(layer.digest) for layer in image.layers])
    assert Placement("/lib", upper / "lib") in plan


def test_layers_of_a_base_make_one_tree(trees: Trees, tmp_path: Path) -> None:
    """The layers of a base hide parts of one another, so they are unpacked over one another; the others stay apart."""
    image = _image(tmp_path, {"a": b"1", "b": b"1"}, {"a": b"2", ".wh.b": b""}, {"model": b""}, {"code": b""})
    layers = [replace(layer, role="base") for layer in image.layers[:2]]
    based = replace(image, layers=(*layers, *image.layers[2:]))
    assert stacks(based) == [tuple(layers), (image.layers[2],), (image.layers[3],)]
    trees.unpack(*layers)
    tree = trees.path(*(layer.digest for layer in layers))
    assert sorted(path.name for path in tree.iterdir()) == ["a"]
    assert (tree / "a").read_bytes() == b"2"


def test_a_tree_of_several_layers_is_known_while_all_of_them_are(trees: Trees, tmp_path: Path) -> None:
    """It is left over when one of its layers is not needed any more, and nothing of it stays when it is discarded."""
    layers = _image(tmp_path, {"a": b"1"}, {"b": b"2"}).layers
    digests = [layer.digest for layer in layers]
    trees.unpack(*layers)
    assert trees.unknown(digests) == []
    assert trees.path(*digests) in trees.unknown(digests[:1])
    trees.discard(*digests)
    assert trees.unknown([]) == []
