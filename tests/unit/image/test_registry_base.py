"""Bases from a registry, an engine or the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_bases import MINOR, PYTHON, MemoryRegistry, archive, config, digest, layer, python_files

from jupyter_containeriter.errors import BuildError, NotFoundError, RegistryError, UsageError
from jupyter_containeriter.image import pull
from jupyter_containeriter.image.base import Base
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.registry_base import RegistryBases
from jupyter_containeriter.progress import Silent
from jupyter_containeriter.testing import FakeEngine
from jupyter_containeriter.types import HeldImage

_REFERENCE = "registry.example/team/python:1"


class _Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class _Lab:
    """A cache, an engine and a registry; each kernel has bases of its own."""

    def __init__(self, directory: Path) -> None:
        self.cache = LayerCache(directory)
        self.registry = MemoryRegistry()
        self.engine = FakeEngine()
        self.progress = _Notes()
        self.kernel = RegistryBases(self.cache)

    def restart(self) -> None:
        self.kernel = RegistryBases(self.cache)

    def base(self, reference: str = _REFERENCE, architecture: str = "amd64") -> Base:
        return self.kernel.base(reference, architecture, self.engine, self.progress)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Lab:
    """Set up a lab in which every registry is the one in memory."""
    lab = _Lab(tmp_path)
    monkeypatch.setattr(pull, "Registry", lab.registry)
    return lab


def _layers(architecture: str = "amd64") -> list[bytes]:
    return [layer({**python_files(architecture)}), layer({"upper": b""})]


def test_a_base_comes_from_its_registry(lab: _Lab) -> None:
    """Layers are kept uncompressed by their diff IDs; name, interpreter and variables are the base's own."""
    layers = _layers()
    manifest = lab.registry.push("1", layers)
    base = lab.base()
    assert base.name == f"{_REFERENCE}@{manifest}"
    assert [one.digest for one in base.layers] == [digest(one) for one in layers]
    assert [one.path.read_bytes() for one in base.layers] == layers
    assert {one.role for one in base.layers} == {"base"}
    assert base.interpreter == f"/usr/local/bin/python{PYTHON}"
    assert base.environment == ("PATH=/usr/local/bin:/usr/bin", "LANG=C")
    assert base.libraries == {"libc.so.6"}
    assert base.target is not None
    assert (base.target.python, base.target.platform) == (PYTHON, "x86_64-manylinux_2_36")


def test_a_kernel_asks_once(lab: _Lab) -> None:
    """A tag that moves while a kernel runs does not move its base; the next kernel sees it."""
    first = lab.registry.push("1", _layers())
    assert lab.base().name.endswith(first)
    asked = list(lab.registry.asked)
    second = lab.registry.push("1", [*_layers(), layer({"newer": b""})])
    assert lab.base().name.endswith(first)
    assert lab.registry.asked == asked
    lab.restart()
    assert lab.base().name.endswith(second)


def test_what_is_there_is_not_fetched_again(lab: _Lab) -> None:
    """A newer base that shares layers with the one before fetches the others only."""
    lab.registry.push("1", _layers())
    lab.base()
    lab.restart()
    lab.registry.asked.clear()
    lab.registry.push("1", [*_layers(), layer({"newer": b""})])
    lab.base()
    assert len([request for request in lab.registry.asked if request.startswith("blob")]) == 2  # config and layer


def test_an_unreachable_registry_leaves_the_base_as_it_was(lab: _Lab) -> None:
    """A new kernel without network builds on what was used last, and says so."""
    manifest = lab.registry.push("1", _layers())
    lab.base()
    lab.restart()
    lab.registry.down = True
    assert lab.base().name.endswith(manifest)
    assert "cannot be reached" in lab.progress.notes[-1]
    assert manifest in lab.progress.notes[-1]


@pytest.mark.parametrize("gone", ["everything", "a layer"])
def test_an_unreachable_registry_is_told_where_it_is_needed(lab: _Lab, gone: str) -> None:
    """Without the base in the cache nothing can be done."""
    layers = _layers()
    lab.registry.push("1", layers)
    if gone == "a layer":
        lab.base()
        lab.cache.discard(digest(layers[0]))
        lab.restart()
    lab.registry.down = True
    with pytest.raises(RegistryError, match="cannot be reached"):
        lab.base()


def test_a_digest_is_never_asked_for_twice(lab: _Lab) -> None:
    """What a digest means cannot change, so a new kernel does not ask."""
    manifest = lab.registry.push("1", _layers())
    reference = f"registry.example/team/python@{manifest}"
    assert lab.base(reference).name == reference
    lab.restart()
    asked = list(lab.registry.asked)
    assert lab.base(reference).name == reference
    assert lab.registry.asked == asked


def test_a_lost_layer_is_fetched_again(lab: _Lab) -> None:
    """Within the same kernel, too: a damaged layer is discarded and comes back."""
    layers = _layers()
    lab.registry.push("1", layers)
    lab.base()
    lab.cache.discard(digest(layers[1]))
    assert lab.base().layers[1].path.read_bytes() == layers[1]


@pytest.mark.parametrize("again", ["in the same kernel", "under another tag"])
def test_every_use_of_a_base_is_a_use_of_its_layers(lab: _Lab, again: str) -> None:
    """Their times tell the garbage collector that an iteration needs them, also where nothing is fetched."""
    layers = _layers()
    lab.registry.push("1", layers)
    paths = [one.path for one in lab.base().layers]
    for path in paths:
        os.utime(path, (0, 0))
    if again == "under another tag":
        lab.registry.push("2", [*layers, layer({"newer": b""})])
        lab.base("registry.example/team/python:2")
    else:
        lab.base()
    assert all(path.stat().st_mtime > 0 for path in paths)


def test_layers_are_in_use_while_others_are_fetched(lab: _Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download takes long: what needs none must not be collected meanwhile."""
    layers = _layers()
    lab.registry.push("1", layers)
    shared = lab.base().layers[0].path
    os.utime(shared, (0, 0))
    lab.registry.push("2", [*layers, layer({"newer": b""})])
    times, blob = [], lab.registry.blob

    def watched(repository: str, name: str) -> Iterator[bytes]:
        times.append(shared.stat().st_mtime)
        return blob(repository, name)

    monkeypatch.setattr(lab.registry, "blob", watched)
    lab.base("registry.example/team/python:2")
    assert times[-1] > 0


def test_an_image_of_a_model_is_no_base(lab: _Lab) -> None:
    """What it holds would be in the new image, too; the person is told where to read what to build on."""
    lab.registry.push("1", [*_layers(), layer({"opt/containeriter/snapshot.json": b"{}"})])
    with pytest.raises(BuildError, match="is itself the image of a model") as caught:
        lab.base()
    assert "%iterations" in caught.value.remedy


def test_a_layer_with_other_content_is_refused(lab: _Lab) -> None:
    """A layer must have the diff ID that the image promises."""
    lab.registry.push("1", _layers(), rootfs={"type": "layers", "diff_ids": [digest(b"1"), digest(b"2")]})
    with pytest.raises(BuildError, match="damaged"):
        lab.base()


# --- platforms -----------------------------------------------------------------------------------------------------


def test_an_index_is_followed_to_the_platform(lab: _Lab) -> None:
    """Of several platforms, and of what is no platform at all, the wanted one is taken."""
    arm = lab.registry.push("arm", _layers("arm64"), "arm64", variant="v8")
    intel = lab.registry.push("intel", _layers())
    platforms = {
        "sha256:attestation": {"os": "unknown", "architecture": "unknown"},
        intel: {"os": "linux", "architecture": "amd64"},
        arm: {"os": "linux", "architecture": "arm64", "variant": "v8"},
    }
    lab.registry.index("1", platforms)
    assert lab.base().name.endswith(intel)
    base = lab.base(architecture="arm64")
    assert base.name.endswith(arm)
    assert (base.architecture, base.variant) == ("arm64", "v8")
    assert base.target is not None
    assert base.target.platform == "aarch64-manylinux_2_36"


def test_the_plain_variant_is_taken(lab: _Lab) -> None:
    """An image for newer processors only is passed over where there is one for all."""
    newer = lab.registry.push("newer", [*_layers(), layer({"newer": b""})])
    plain = lab.registry.push("plain", _layers())
    platform = {"os": "linux", "architecture": "amd64"}
    lab.registry.index("1", {newer: {**platform, "variant": "v3"}, plain: platform})
    assert lab.base().name.endswith(plain)


@pytest.mark.parametrize("indexed", [True, False])
def test_a_missing_platform_is_told(lab: _Lab, indexed: bool) -> None:
    """With those that are there."""
    manifest = lab.registry.push("1", _layers())
    if indexed:
        lab.registry.index("1", {manifest: {"os": "linux", "architecture": "amd64"}})
    with pytest.raises(NotFoundError, match="not there for linux/arm64, only for linux/amd64"):
        lab.base(architecture="arm64")


def test_an_unknown_tag_is_told(lab: _Lab) -> None:
    """As the registry says it."""
    with pytest.raises(NotFoundError, match="not in the registry"):
        lab.base()


def test_no_reference_is_told(lab: _Lab) -> None:
    """What cannot be the name of an image is refused before anything is asked."""
    with pytest.raises(UsageError):
        lab.base("Not A Name")
    assert lab.registry.asked == []


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schemaVersion": 1, "fsLayers": []}',
        b'{"manifests": [1]}',
        b'{"config": {"digest": "../c"}}',
    ],
)
def test_what_is_no_image_is_told(lab: _Lab, manifest: bytes) -> None:
    """Registries hold other things too: charts, signatures, images of formats long gone."""
    lab.registry.manifests["1"] = ("application/json", manifest)
    with pytest.raises(BuildError, match="no image of today's formats"):
        lab.base()


def test_a_platform_named_by_no_digest_is_told(lab: _Lab) -> None:
    """What is asked for by it could not be proven."""
    lab.registry.push("1.0", _layers())
    lab.registry.index("1", {"1.0": {"os": "linux", "architecture": "amd64"}})
    with pytest.raises(BuildError, match="no image of today's formats"):
        lab.base()


@pytest.mark.parametrize("diff_ids", [["sha256:../../secret"], [], [digest(b"1")] * 3])
def test_layers_that_cannot_be_are_told(lab: _Lab, diff_ids: list[str]) -> None:
    """A diff ID becomes the name of a file, so it must be a digest, one for each layer."""
    lab.registry.push("1", _layers(), rootfs={"type": "layers", "diff_ids": diff_ids})
    with pytest.raises(BuildError, match="no image of today's formats"):
        lab.base()


def test_another_python_is_told(lab: _Lab) -> None:
    """A base whose Python has another minor version does not fit."""
    lab.registry.push("1", [layer({**python_files(minor=MINOR + 1)})])
    with pytest.raises(BuildError, match=f"the kernel has {PYTHON}"):
        lab.base()


# --- engines -------------------------------------------------------------------------------------------------------


def test_an_image_of_the_engine_is_taken_from_there(lab: _Lab) -> None:
    """No registry is asked, and it is the same base as from a registry."""
    layers = _layers()
    held = HeldImage("sha256:held", "amd64", ("registry.example/team/python@sha256:pulled",))
    lab.engine.hold(_REFERENCE, held, archive(layers, config(layers)))
    base = lab.base()
    assert base.name == f"{_REFERENCE}@sha256:pulled"
    assert lab.registry.asked == []
    lab.registry.push("other", layers)
    assert lab.base("registry.example/team/python:other").layers == base.layers


def test_an_image_that_was_never_in_a_registry_has_its_id(lab: _Lab) -> None:
    """What was built here is named by what the engine calls it."""
    layers = _layers()
    lab.engine.hold("mine:1", HeldImage("sha256:held", "amd64"), archive(layers, config(layers)))
    assert lab.base("mine:1").name == "mine:1@sha256:held"


def test_an_engine_exports_an_image_once(lab: _Lab) -> None:
    """The next kernel knows what the image's id stands for."""
    layers = _layers()
    lab.engine.hold("mine:1", HeldImage("sha256:held", "amd64"), archive(layers, config(layers)))
    lab.base("mine:1")
    lab.restart()
    lab.engine.fail("export", AssertionError("exported again"))
    assert lab.base("mine:1").layers[0].digest == digest(layers[0])


def test_an_image_whose_tag_moved_is_still_the_kernel_s_base(lab: _Lab) -> None:
    """Collected layers come back from the image that the tag meant, which the engine holds by its id."""
    layers = _layers()
    lab.engine.hold("mine:1", HeldImage("sha256:held", "amd64"), archive(layers, config(layers)))
    base = lab.base("mine:1")
    lab.cache.discard(digest(layers[1]))
    newer = [*layers[:1], layer({"newer": b""})]
    lab.engine.hold("mine:1", HeldImage("sha256:newer", "amd64"), archive(newer, config(newer)))
    assert lab.base("mine:1") == base
    assert base.layers[1].path.read_bytes() == layers[1]


def test_an_image_that_is_another_one_now_is_refused(lab: _Lab) -> None:
    """Nothing else is built on in its place."""
    layers, newer = _layers(), [layer({"newer": b""})]
    lab.engine.hold("mine:1", HeldImage("sha256:held", "amd64"), archive(layers, config(layers)))
    lab.base("mine:1")
    lab.cache.discard(digest(layers[1]))
    lab.engine.hold("mine:1", HeldImage("sha256:held", "amd64"), archive(newer, config(newer)))
    with pytest.raises(BuildError, match="not to be had any more"):
        lab.base("mine:1")


def test_an_image_of_another_platform_is_not_the_engine_s(lab: _Lab) -> None:
    """The registry may have it for the wanted one."""
    lab.engine.hold(_REFERENCE, HeldImage("sha256:held", "amd64"), b"")
    manifest = lab.registry.push("1", _layers("arm64"), "arm64")
    assert lab.base(architecture="arm64").name.endswith(manifest)
