"""Another base than the kernel: a real image with Python in a real registry, on every engine and for two platforms."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from base_bench import PYTHON, debian, push, push_index, tar_of
from notebook_bench import ENGINES, Lab, Notebook, missing, need
from registry_bench import RealRegistry, start_registry

from jupyter_containeriter.image.registry import Registry
from jupyter_containeriter.image.validate import validate
from jupyter_containeriter.types import Image

MODEL = """
import numpy as np
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
fitted = LogisticRegression().fit(X, X[:, 0] > 0)

class Looks:
    def predict(self, paths):
        import os
        return [os.path.exists(path) for path in paths]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """Run a registry that holds the bases."""
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        missing(f"the base has Python {PYTHON}, these tests run on another one")
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    upper = tar_of({"srv/.wh.hidden": b"", "srv/new": b"new", "opt/.wh..wh..opq": b"", "opt/own": b""})
    lower = tar_of({"srv/hidden": b"", "srv/shown": b"", "opt/emptied": b""})
    images = [push(registry.host, "python", a, [debian(a).read_bytes(), lower, upper], a) for a in ("amd64", "arm64")]
    push_index(registry.host, "python", PYTHON, images)
    push(registry.host, "docker", PYTHON, [debian("amd64").read_bytes()], words="docker")
    try:
        yield registry
    finally:
        registry.stop()


@pytest.fixture(scope="module", params=ENGINES)
def story(
    request: pytest.FixtureRequest, registry: RealRegistry, shared_lab: Lab, new_name: Callable[[str], str]
) -> tuple[Lab, Notebook, str]:
    """Open a notebook with a model that was containerized on the base; return its name, too."""
    notebook = shared_lab.open(need(request, request.param))
    notebook.ok(MODEL)
    name = new_name("based")
    notebook.ok(f"d = %containerize fitted --name {name} --sample X[:5] --base {registry.host}/python:{PYTHON}")
    return shared_lab, notebook, name


Story = tuple[Lab, Notebook, str]


def test_a_model_runs_on_another_base(story: Story, registry: RealRegistry) -> None:
    """On Debian's Python the model predicts exactly what it predicts here, and the history tells the base."""
    lab, notebook, name = story
    row = lab.rows(name)[0]
    assert (row["status"], row["parity"]) == ("verified", "exact")
    assert row["base"].startswith(f"{registry.host}/python:{PYTHON}@sha256:")
    assert notebook.value("d.predict(X[5:9]).tolist() == fitted.predict(X[5:9]).tolist()")


def test_the_image_is_valid_and_starts_the_base_s_python(story: Story) -> None:
    """The base's layers come first and uncompressed, its variables stay, its user does not."""
    lab, _, name = story
    image = lab.image(name, 1)
    base = [layer.digest for layer in image.layers if layer.role == "base"]
    validate(image, foreign=base)
    assert len(base) == 3
    config = json.loads(image.config)["config"]
    assert config["Entrypoint"][0] == f"/usr/bin/python{PYTHON}"
    assert "BASE_SAYS=hello" in config["Env"]
    assert config["User"] == "65532:65532"


def test_a_model_comes_back_from_another_base(story: Story) -> None:
    """What is read are the layers of the model and the code, whatever is below them."""
    _, notebook, name = story
    assert "exactly as it did" in notebook.ok(f"%restore {name}:1 --as old").html
    assert notebook.value("old.predict(X[5:9]).tolist() == fitted.predict(X[5:9]).tolist()")


def test_what_stands_on_another_base_can_be_pushed(story: Story, registry: RealRegistry) -> None:
    """The layers of the base go along as they are in the image, so that the digest stays."""
    lab, notebook, name = story
    notebook.ok(f"pushed = %containeriter push {name}:1 {registry.host}/team/based")
    image = lab.image(name, 1)
    client = Registry(registry.host)
    assert client.manifest("team/based", "1").digest == image.digest
    assert all(client.has_blob("team/based", layer.digest) for layer in image.layers)


def test_the_next_iteration_fetches_nothing(story: Story, registry: RealRegistry) -> None:
    """A changed model on the same base asks the registry nothing, and only its own layers are new."""
    lab, notebook, name = story
    before = len(registry.requests())
    notebook.ok("fitted.coef_ = fitted.coef_ * 2")
    notebook.ok(f"d = %containerize fitted --name {name} --sample X[:5] --base {registry.host}/python:{PYTHON}")
    assert len(registry.requests()) == before
    first, second = (lab.image(name, version) for version in (1, 2))
    changed = [one.role for one, two in zip(first.layers, second.layers, strict=True) if one.digest != two.digest]
    assert changed == ["model", "code"]


def test_upper_layers_of_the_base_hide_lower_ones(
    story: Story, registry: RealRegistry, new_name: Callable[[str], str]
) -> None:
    """What a layer of the base removes is gone in the container, and what it adds is there."""
    _, notebook, _ = story
    notebook.ok(f"looks = %containerize Looks() --name {new_name('looks')} --base {registry.host}/python:{PYTHON}")
    paths = ["/srv/hidden", "/srv/shown", "/srv/new", "/opt/emptied", "/opt/own", "/opt/containeriter"]
    assert notebook.value(f"looks.predict({paths})") == [False, True, True, False, True, True]


@pytest.mark.engine
def test_an_image_of_the_engine_is_taken_from_there(
    docker_running: None, lab: Lab, registry: RealRegistry, new_name: Callable[[str], str]
) -> None:
    """A base that only the engine holds needs no registry, and gives the same image as the one from a registry."""
    import docker

    local, name = f"{new_name('local')}:1", new_name("same")
    client = docker.from_env()
    client.images.pull(f"{registry.host}/docker", tag=PYTHON).tag(local)
    client.images.remove(f"{registry.host}/docker:{PYTHON}")
    try:
        notebook = lab.open("docker", CONTAINERITER_CACHE_DIR=str(lab.directory / "cache"))
        notebook.ok(f"%containerize mean --name {name} --sample rows --base {local}")
        asked = registry.requests()
        notebook.ok(f"%containerize mean --name {name} --sample rows --base {registry.host}/docker:{PYTHON}")
        assert len(registry.requests()) > len(asked)
    finally:
        client.images.remove(local)
    first, second = lab.rows(name)
    assert (first["parity"], second["parity"]) == ("exact", "exact")
    assert first["image_digest"] == second["image_digest"]


def test_without_the_registry_the_base_is_what_it_was(
    sandbox_working: None, lab: Lab, registry: RealRegistry, new_name: Callable[[str], str], tmp_path: Path
) -> None:
    """A kernel that cannot reach the registry builds on the base as it was, and says so; a digest is not asked for."""
    own = start_registry(tmp_path / "registry")
    pushed = push(own.host, "python", "1", [debian("amd64").read_bytes()])
    name, tagged, pinned = new_name("offline"), f"{own.host}/python:1", f"{own.host}/python@{pushed.digest}"
    call = "%containerize mean --name {} --sample rows --no-deploy --base {}"
    online = lab.open()
    for reference in (tagged, pinned):
        online.ok(call.format(name, reference))
    own.stop()
    told = lab.open().ok(call.format(name, tagged))
    assert "cannot be reached" in told.html
    assert pushed.digest in told.html
    assert "cannot be reached" not in lab.open().ok(call.format(name, pinned)).html
    assert len({row["image_digest"] for row in lab.rows(name)}) == 1


# --- another architecture ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def arm(
    sandbox_working: None, labs: Callable[[], Lab], registry: RealRegistry, new_name: Callable[[str], str]
) -> Iterator[Image]:
    """Build the image of a model for 64-bit ARM, here."""
    if platform.machine() != "x86_64":
        missing("these tests are written on amd64, for arm64")
    lab, name = labs(), new_name("arm")
    try:
        notebook = lab.open()
        notebook.ok(MODEL)
        options = f"--base {registry.host}/python:{PYTHON} --platform linux/arm64"
        assert "--no-deploy" in notebook.run(f"%containerize fitted --name {name} {options}").refusal().remedy
        notebook.ok(f"%containerize fitted --name {name} --sample X[:5] --no-deploy {options}")
        assert notebook.run(f"%deploy {name}").refusal().message.endswith("runs linux/amd64.")
        yield lab.image(name, 1)
    finally:
        lab.close()


def test_an_image_for_arm_is_for_arm_throughout(arm: Image) -> None:
    """Its configuration says arm64, and every ELF file of its packages is for that machine."""
    from elftools.elf.elffile import ELFFile

    config = json.loads(arm.config)
    assert (config["architecture"], config["variant"]) == ("arm64", "v8")
    machines = []
    for layer in arm.layers:
        if layer.role != "base":
            with tarfile.open(layer.path) as tar:
                contents = (tar.extractfile(member) for member in tar if member.isfile())
                elfs = [content for file in contents if file and (content := file.read()).startswith(b"\x7fELF")]
            machines += [ELFFile(BytesIO(content)).get_machine_arch() for content in elfs]
    assert len(machines) > 20
    assert set(machines) == {"AArch64"}


def test_an_image_for_arm_predicts_the_same(arm: Image, tmp_path: Path) -> None:
    """On an emulated ARM the image's own server loads the model and predicts what the notebook predicted."""
    qemu = shutil.which("qemu-aarch64-static")
    if qemu is None:
        missing("qemu-aarch64-static is not installed (apt-get install qemu-user-static)")
    root = tmp_path / "root"
    for layer in arm.layers:
        with tarfile.open(layer.path) as tar:
            members = [m for m in tar if not m.isdev() and ".wh." not in m.name]
            tar.extractall(root, members, filter="tar")
    interpreter, *options, main = json.loads(arm.config)["config"]["Entrypoint"]
    # Paths that the emulated programs open are looked up below the root first.
    command = [
        qemu,
        "-L",
        str(root),
        f"{root}{interpreter}",
        *options,
        f"{root}{main}",
        "--prove",
        str(tmp_path / "out"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    document = json.loads((root / "opt/containeriter/snapshot.json").read_text())
    proven = json.loads((tmp_path / "out").read_text())
    assert [one["data"] for one in proven["outputs"]] == [one["data"] for one in document["sample"]["outputs"]]
