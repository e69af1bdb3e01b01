"""From a Snapshot and a base to an Image."""

from __future__ import annotations

import getpass
import json
import re
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image import build as module
from jupyter_containeriter.image.base import Base, Target, kernel_base
from jupyter_containeriter.image.build import build, stored_image
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.members import LayerSpec, Member
from jupyter_containeriter.image.validate import validate
from jupyter_containeriter.types import Distribution, Image, Snapshot

_REFERENCE = "localhost/containeriter/churn:1"


@pytest.fixture
def cache(tmp_path: Path) -> LayerCache:
    """Give an empty cache."""
    return LayerCache(tmp_path / "cache")


@pytest.fixture
def base(cache: LayerCache) -> Base:
    """Make a base of one file."""
    layer = cache.layer(LayerSpec("base", "tiny", (Member("bin/python", data=b"python"),)))
    variables = ("PATH=/bin", "LD_LIBRARY_PATH=/lib")
    return Base("kernel", (layer,), frozenset(), "/bin/python", "amd64", environment=variables)


Distribute = Callable[..., Distribution]


@pytest.fixture
def distribute(tmp_path: Path) -> Distribute:
    """Install distributions of a few files."""

    def distribute(name: str, files: dict[str, str], size: int = 1000) -> Distribution:
        found = []
        for file, text in files.items():
            path = tmp_path / "site" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            found.append((file, path))
        return Distribution(name, "1.0", "the model uses it", size, tuple(found))

    return distribute


@pytest.fixture
def snapshot(tmp_path: Path, distribute: Distribute) -> Snapshot:
    """Make a snapshot with a big and two small distributions and a local module."""
    local = tmp_path / "features.py"
    local.write_text("x = 1\n")
    big = distribute("big", {"big/__init__.py": "big = 1\n"}, module.OWN_LAYER_BYTES)
    small = [distribute(name, {f"{name}/__init__.py": "small = 1\n"}) for name in ("small", "tiny")]
    return Snapshot(
        name="churn",
        files={"model/model.pkl": b"model", "snapshot.json": b'{"format": 1}'},
        code=(("features.py", local),),
        environment=(big, *small),
        expected=None,
        sample=None,
        schema=None,
        deterministic=True,
        model_digest="",
        code_digest="",
        data_digest="",
    )


def _names(image: Image, role: str) -> set[str]:
    layers = [layer for layer in image.layers if layer.role == role]
    return {member.name for layer in layers for member in tarfile.open(layer.path) if member.isfile()}


def _digests(image: Image) -> list[str]:
    return [layer.digest for layer in image.layers]


def test_a_built_image_is_valid(snapshot: Snapshot, base: Base, cache: LayerCache) -> None:
    """What is built follows the OCI specification, layer by layer."""
    image = build(snapshot, base, cache, _REFERENCE)
    validate(image)
    assert [layer.role for layer in image.layers] == ["base", "environment", "environment", "model", "code"]


def test_everything_has_its_place(snapshot: Snapshot, base: Base, cache: LayerCache) -> None:
    """Model, configuration, local code and packages lie where the server looks for them."""
    image = build(snapshot, base, cache, _REFERENCE)
    root, tag = "opt/containeriter", sys.implementation.cache_tag
    assert _names(image, "model") == {f"{root}/model/model.pkl"}
    assert _names(image, "code") == {
        f"{root}/snapshot.json",
        f"{root}/code/features.py",
        f"{root}/code/__pycache__/features.{tag}.pyc",
    }
    assert f"{root}/site-packages/big/__pycache__/__init__.{tag}.pyc" in _names(image, "environment")


def test_reference_is_not_part_of_the_digest(snapshot: Snapshot, base: Base, cache: LayerCache) -> None:
    """The same content under another version has the same digest."""
    one = build(snapshot, base, cache, _REFERENCE)
    two = build(snapshot, base, cache, "localhost/containeriter/churn:2")
    assert one.digest == two.digest
    assert two.reference.endswith(":2")


def test_another_cache_gives_the_same_image(snapshot: Snapshot, base: Base, cache: LayerCache, tmp_path: Path) -> None:
    """Where layers are kept does not matter."""
    other = build(snapshot, base, LayerCache(tmp_path / "other"), _REFERENCE)
    assert other.digest == build(snapshot, base, cache, _REFERENCE).digest


def test_another_model_changes_its_own_layers_only(snapshot: Snapshot, base: Base, cache: LayerCache) -> None:
    """Base and environment layers are shared by all versions of a model."""
    one = build(snapshot, base, cache, _REFERENCE)
    files = {"model/model.pkl": b"other", "snapshot.json": b'{"format": 1, "digest": "other"}'}
    two = build(replace(snapshot, files=files), base, cache, _REFERENCE)
    changed = [before.role for before, after in zip(one.layers, two.layers, strict=True) if before != after]
    assert changed == ["model", "code"]
    assert one.environment_digest == two.environment_digest
    assert one.digest != two.digest


def test_big_distributions_have_layers_of_their_own(
    snapshot: Snapshot, base: Base, cache: LayerCache, distribute: Distribute
) -> None:
    """A change of a small distribution leaves the layer of a big one as it is."""
    one = build(snapshot, base, cache, _REFERENCE)
    assert one.layers[1].comment == "big 1.0"
    changed = distribute("small", {"small/__init__.py": "small = 22\n"})
    two = build(replace(snapshot, environment=(snapshot.environment[0], changed)), base, cache, _REFERENCE)
    assert one.layers[1] == two.layers[1]
    assert one.layers[2] != two.layers[2]
    assert one.environment_digest != two.environment_digest


def test_the_server_has_a_layer_of_its_own(
    snapshot: Snapshot, base: Base, cache: LayerCache, distribute: Distribute
) -> None:
    """What serves is the same layer, right above the base, whatever else a model needs."""
    server = replace(distribute("server", {"server/__init__.py": "server = 1\n"}), server=True)
    one = build(replace(snapshot, environment=(*snapshot.environment, server)), base, cache, _REFERENCE)
    two = build(replace(snapshot, environment=(server,)), base, cache, _REFERENCE)
    assert one.layers[1].comment == "inference server"
    assert one.layers[1] == two.layers[1]


def test_two_installations_of_a_package_give_one_layer(
    snapshot: Snapshot, base: Base, cache: LayerCache, distribute: Distribute
) -> None:
    """Who installed a package, from where, and the hashes of its scripts leave no trace."""
    module_file = "one/__init__.py,sha256=abc,8"

    def installed(record: str, tool: str) -> Snapshot:
        information = {"RECORD": record, "INSTALLER": tool, "METADATA": "Name: one"}
        files = {f"one-1.0.dist-info/{name}": text for name, text in information.items()}
        return replace(snapshot, environment=(distribute("one", {"one/__init__.py": "one = 1\n", **files}),))

    here = installed(f"{module_file}\n../../bin/one,sha256=here,200\none/__pycache__/one.pyc,,\n", "pip")
    there = installed(f"../../bin/one,sha256=there,222\r\n{module_file}\r\none-1.0.dist-info/REQUESTED,,\r\n", "uv")
    assert build(here, base, cache, _REFERENCE).digest == build(there, base, cache, _REFERENCE).digest


def test_a_file_of_two_distributions_is_there_once(
    snapshot: Snapshot, base: Base, cache: LayerCache, distribute: Distribute
) -> None:
    """Of a file that two distributions claim the first one's counts, as it does in the proof."""
    first = distribute("first", {"shared/__init__.py": "first = 1\n"})
    second = distribute("second", {"shared/__init__.py": "second = 1\n", "shared/more.py": ""}, module.OWN_LAYER_BYTES)
    image = build(replace(snapshot, environment=(first, second)), base, cache, _REFERENCE)
    validate(image)
    name = "opt/containeriter/site-packages/shared/__init__.py"
    held = [tar for tar in map(tarfile.open, (layer.path for layer in image.layers)) if name in tar.getnames()]
    assert len(held) == 1
    content = held[0].extractfile(name)
    assert content is not None
    assert content.read() == b"first = 1\n"


def test_an_environment_without_files_is_fine(snapshot: Snapshot, base: Base, cache: LayerCache) -> None:
    """Nothing to install gives an empty layer, and a valid image."""
    validate(build(replace(snapshot, environment=(), code=()), base, cache, _REFERENCE))


def test_an_uninstalled_file_is_named(snapshot: Snapshot, base: Base, cache: LayerCache) -> None:
    """A captured file that is gone when the image is built is named."""
    snapshot.environment[1].files[0][1].unlink()
    with pytest.raises(BuildError, match=r"small/__init__\.py"):
        build(snapshot, base, cache, _REFERENCE)


def test_the_image_starts_the_server_as_nobody(snapshot: Snapshot, base: Base, cache: LayerCache) -> None:
    """The configuration names an unprivileged user, the server and its port, and no variable of this kernel."""
    config = json.loads(build(snapshot, base, cache, _REFERENCE).config)["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"][0] == base.interpreter
    assert config["Entrypoint"][-1].endswith("containeriter_serving/__main__.py")
    assert config["ExposedPorts"] == {"8080/tcp": {}}
    assert {entry.partition("=")[0] for entry in config["Env"]} == {"PATH", "LD_LIBRARY_PATH", "LANG", "HOME"}


def test_another_base_stays_what_it_is(snapshot: Snapshot, base: Base, cache: LayerCache, tmp_path: Path) -> None:
    """Its variables and variant are kept, but for homes and module paths, and no library of this machine is added."""
    path = tmp_path / "fast.so"
    path.write_bytes(Path(sys.executable).resolve().read_bytes())
    compiled = Distribution("fast", "1.0", "the model uses it", 1000, (("fast.so", path),))
    elsewhere = ("PYTHONPATH=/app", "PYTHONHOME=/usr")
    own = ("PATH=/opt/conda/bin", "LANG=de_DE.UTF-8", "HOME=/root", "EMPTY=", "A=b=c", "PYTHONHASHSEED=1")
    target = Target("3.12", "aarch64-manylinux_2_36", "arm64", (2, 36))
    other = replace(base, architecture="arm64", variant="v8", environment=own + elsewhere, target=target)
    image = build(replace(snapshot, environment=(compiled,)), other, cache, _REFERENCE)
    validate(image)
    config = json.loads(image.config)
    assert (config["architecture"], config["variant"]) == ("arm64", "v8")
    assert set(config["config"]["Env"]) == {*own, "HOME=/tmp"} - {"HOME=/root"}
    assert _names(image, "environment") == {"opt/containeriter/site-packages/fast.so"}


def test_a_stored_image_comes_back(snapshot: Snapshot, base: Base, cache: LayerCache) -> None:
    """An image is read back from its manifest, by any kernel that shares the cache."""
    image = build(snapshot, base, cache, _REFERENCE)
    stored = stored_image(image.digest, "localhost/containeriter/churn:9", LayerCache(cache.directory))
    assert stored is not None
    validate(stored)
    assert stored == replace(image, reference="localhost/containeriter/churn:9", environment_digest="")


@pytest.mark.parametrize("part", ["manifest", "config", "base", "environment", "model", "code"])
def test_an_incomplete_stored_image_is_none(snapshot: Snapshot, base: Base, cache: LayerCache, part: str) -> None:
    """Where any blob is gone, the image is; building it again brings it back."""
    image = build(snapshot, base, cache, _REFERENCE)
    digests = {"manifest": image.digest, "config": image.config_digest}
    digests |= {layer.role: layer.digest for layer in image.layers}
    cache.blob(digests[part]).unlink()
    assert stored_image(image.digest, _REFERENCE, cache) is None
    if part != "base":
        build(snapshot, base, cache, _REFERENCE)
        assert stored_image(image.digest, _REFERENCE, cache) is not None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel base is Linux's")
def test_a_real_image_holds_nothing_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A captured model on the kernel base is a valid image, and no path of this machine is in its own layers."""
    shared = tmp_path_factory.getbasetemp() / "shared-layers"
    cache = LayerCache(shared)
    namespace = {"__name__": "__main__"}
    exec("def double(rows):\n    return [2 * row for row in rows]\n", namespace)
    request = CaptureRequest("double", namespace["double"], "double", namespace, sample=[1, 2])
    image = build(capture(request, shared / "proofs"), kernel_base(cache), cache, _REFERENCE)
    validate(image)
    paths = {f"{Path.home()}/", f"{sys.base_prefix}/bin", sys.prefix, str(Path(__file__).parents[3]), str(shared)}
    if getpass.getuser() != "root":
        paths.add(f"/home/{getpass.getuser()}")
    contents = {layer.comment: layer.path.read_bytes() for layer in image.layers}
    assert [(path, comment) for comment, content in contents.items() for path in paths if _tells(content, path)] == []


def _tells(content: bytes, path: str) -> bool:
    """Whether an absolute path is in there; wheels hold their builders' own ones, such as /opt/toolset/root/usr."""
    places = (found.start() for found in re.finditer(re.escape(path.encode()), content))
    return any(not re.match(rb"[\w.-]", content[place - 1 : place]) for place in places)
