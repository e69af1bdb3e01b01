"""What leaves the machine: images, hardened where they run, equal wherever built, silent about their maker."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from leaks import leaks
from notebook_bench import Desk, Lab, missing, open_desk

from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.image.archive import save_archive, save_layout
from jupyter_containeriter.image.validate import validate
from jupyter_containeriter.types import CONTAINER_ROOT, Image

PERSON = "wanda.the.data.scientist"
CALL = "%containerize fitted --name {} --sample X.head(3) --no-deploy"
NOTEBOOK = """
import numpy as np, pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
import local_scaling

X = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) ** 2})

def half(frame):
    return frame / 2

class Rounded(LinearRegression):
    def predict(self, X):
        return np.round(super().predict(X), 6)

fitted = make_pipeline(FunctionTransformer(half), FunctionTransformer(local_scaling.scale), Rounded()).fit(X, X["a"])
"""


# --- hardened ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk(shared_lab: Lab, docker_running: None, new_name: Callable[[str], str]) -> Desk:
    """Run a good model on Docker."""
    return open_desk(shared_lab, "docker", new_name("hard"))


@pytest.fixture(scope="module")
def inspected(desk: Desk) -> dict[str, Any]:
    """Return what Docker says of its container."""
    import docker

    client = docker.APIClient(docker_engine().describe().endpoint, version="auto")
    attributes: dict[str, Any] = client.inspect_container(desk.live.id)
    return attributes


@pytest.mark.engine
def test_container_has_no_rights(inspected: dict[str, Any]) -> None:
    """The container runs as user 65532 on a read-only root, without capabilities and without a way to gain any."""
    host = inspected["HostConfig"]
    assert inspected["Config"]["User"].startswith("65532")
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["Privileged"] is False
    assert "no-new-privileges" in host["SecurityOpt"]
    assert not host["Binds"]


@pytest.mark.engine
def test_container_has_limits(inspected: dict[str, Any]) -> None:
    """The container has a limit of memory, swap included, and of processes."""
    host = inspected["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 2 * 1024**3
    assert host["PidsLimit"] == 256


@pytest.mark.engine
def test_container_is_published_here_only(inspected: dict[str, Any]) -> None:
    """The container's port is published on 127.0.0.1 and nowhere else."""
    published = [binding for ports in inspected["NetworkSettings"]["Ports"].values() for binding in ports or ()]
    assert [binding["HostIp"] for binding in published] == ["127.0.0.1"]


@pytest.mark.engine
def test_container_does_not_know_its_token(desk: Desk, inspected: dict[str, Any]) -> None:
    """The token is nowhere in what Docker tells of the container."""
    assert desk.notebook.value("good.token") not in json.dumps(inspected)


@pytest.mark.engine
def test_token_is_asked_for(desk: Desk) -> None:
    """Every route but health answers 401 without the token or with another one, and 200 with it."""
    token = desk.notebook.value("good.token")
    routes = ("/v2", f"/v2/models/{desk.name}")
    assert [ask(desk, route) for route in routes] == [401, 401]
    assert [ask(desk, route, "guessed") for route in routes] == [401, 401]
    assert [ask(desk, route, token) for route in routes] == [200, 200]
    assert [ask(desk, route) for route in ("/v2/health/live", "/v2/health/ready", "/ping")] == [200, 200, 200]


@pytest.mark.engine
def test_token_is_for_its_owner_only(desk: Desk) -> None:
    """The file that keeps the token cannot be read by other users."""
    files = [path for path in (desk.lab.data / "handles").iterdir() if path.is_file()]
    assert files
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


@pytest.mark.engine
def test_token_can_be_left_out(desk: Desk) -> None:
    """With --no-token every route answers without one, and the shown command needs none."""
    desk.notebook.ok(f"good = %containerize mean --name {desk.name} --sample rows --no-token")
    assert ask(desk, "/v2") == 200
    assert "Bearer" not in desk.notebook.value("good.curl")
    desk.succeed()


def ask(desk: Desk, route: str, token: str = "") -> int:
    """Return the status of an answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return urllib3.request("GET", f"{desk.notebook.value('good.url')}{route}", headers=headers, retries=False).status


# --- equal and silent ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(
    labs: Callable[[], Lab], sandbox_working: None, new_name: Callable[[str], str]
) -> Iterator[tuple[Lab, Image]]:
    """Build the image of a model with code from a file, from the notebook and from packages."""
    lab = labs()
    try:
        yield lab, build(lab, new_name("built"))
    finally:
        lab.close()


def build(lab: Lab, name: str, **environment: str) -> Image:
    """Live through the notebook once and return its image."""
    (lab.directory / "local_scaling.py").write_text("def scale(frame):\n    return frame * 10\n")
    notebook = lab.open("sandbox", LOGNAME=PERSON, USER=PERSON, **environment)
    notebook.ok(NOTEBOOK)
    notebook.ok(CALL.format(name))
    return lab.image(name, 1)


def test_image_is_valid(built: tuple[Lab, Image]) -> None:
    """The image of a real model keeps every rule of the OCI image format that we check."""
    validate(built[1])


def test_same_notebook_gives_the_same_image(
    built: tuple[Lab, Image], new_name: Callable[[str], str], tmp_path: Path
) -> None:
    """The same notebook, run by another person elsewhere with an empty cache, gives the same digests."""
    other = Lab(tmp_path / "elsewhere", tmp_path / "cache")
    try:
        image = build(other, new_name("built"))
    finally:
        other.close()
    assert [layer.digest for layer in image.layers] == [layer.digest for layer in built[1].layers]
    assert image.digest == built[1].digest


def test_image_knows_nothing_of_this_machine(built: tuple[Lab, Image], tmp_path: Path) -> None:
    """No file or name in the saved image holds a path, the user name or the host name of this machine."""
    lab, image = built
    archive = tmp_path / "image.tar"
    save_archive(image, archive)
    texts = [PERSON, sys.prefix, sys.base_prefix, str(lab.directory), str(lab.data), str(lab.cache), str(Path.home())]
    # These are in every Linux image; a host name as short would be found by chance.
    needles = [text for text in texts if text not in {"/usr", "/usr/local", "/root"}]
    if len(socket.gethostname()) > 8:
        needles.append(socket.gethostname())
    assert list(leaks(archive, [b"local_scaling"])), "the search finds nothing at all"
    assert list(leaks(archive, [needle.encode() for needle in needles])) == []


# --- other tools ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(labs: Callable[[], Lab], sandbox_working: None, new_name: Callable[[str], str]) -> Iterator[Image]:
    """Build the image of a model in plain Python."""
    lab = labs()
    name = new_name("small")
    try:
        lab.open().ok(f"%containerize mean --name {name} --sample rows --no-deploy")
        yield lab.image(name, 1)
    finally:
        lab.close()


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_skopeo_reads_the_archive(small: Image, transport: str, tmp_path: Path) -> None:
    """A saved archive is an OCI archive and a Docker archive at once, and skopeo finds our layers in both."""
    save_archive(small, tmp_path / "image.tar")
    told = json.loads(run("skopeo", "inspect", f"{transport}:{tmp_path / 'image.tar'}"))
    assert told["Layers"] == [layer.digest for layer in small.layers]
    if transport == "oci-archive":
        assert told["Digest"] == small.digest


def test_umoci_unpacks_the_layout(small: Image, tmp_path: Path) -> None:
    """A saved layout is one that umoci unpacks to the files of the image."""
    save_layout(small, tmp_path / "layout")
    rootless = () if os.geteuid() == 0 else ("--rootless",)
    image = f"{tmp_path / 'layout'}:{small.reference.rpartition(':')[2]}"
    run("umoci", "unpack", *rootless, "--image", image, str(tmp_path / "bundle"))
    root = tmp_path / "bundle" / "rootfs"
    assert json.loads((root / CONTAINER_ROOT.lstrip("/") / "snapshot.json").read_text())["format"] == 2


def test_podman_runs_the_archive(small: Image, tmp_path: Path) -> None:
    """Podman loads a saved archive, and the model in it predicts its sample there."""
    save_archive(small, tmp_path / "image.tar")
    # Podman insists on a short path.
    with tempfile.TemporaryDirectory(prefix="podman-") as own:
        state = ("--root", f"{own}/root", "--runroot", f"{own}/run", "--tmpdir", f"{own}/tmp")
        podman = ("podman", *state, "--cgroup-manager", "cgroupfs")
        try:
            run(*podman, "load", "--input", str(tmp_path / "image.tar"))
            # Podman as root raises these limits by default, which not every machine lets it.
            limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
            confined = ("--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", *limits)
            said = run(*podman, "run", *confined, small.reference, "--prove", "/dev/stdout")
        finally:
            run(*podman, "rmi", "--all", "--force")
    assert [tensor["data"] for tensor in json.loads(said)["outputs"]] == [[1.5, 4.0]]


def run(tool: str, *arguments: str) -> str:
    """Run a tool and return what it prints."""
    if shutil.which(tool) is None:
        missing(f"{tool} is not installed (apt-get install {tool})")
    finished = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
