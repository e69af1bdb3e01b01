"""Images go to real registries and come back: the same digest everywhere, run by Docker and Podman."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from notebook_bench import WAIT_SECONDS, Lab, Notebook, until
from registry_bench import (
    PASSWORD,
    RealRegistry,
    TokenServer,
    bad_line,
    log_in,
    make_authority,
    password_file,
    start_registry,
)
from test_images import run

from jupyter_containeriter.errors import RegistryError
from jupyter_containeriter.image.registry import Registry, parse_image_reference
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import Image

#: A model of a megabyte that does not compress.
MODEL = """
import random

class Big:
    def __init__(self, seed):
        self.weights = random.Random(seed).randbytes(1_000_000)
        self.seed = seed
    def predict(self, rows):
        return [sum(row) + self.seed for row in rows]

rows = [[1.0, 2.0], [3.0, 5.0]]
big = Big(1)
"""


@pytest.fixture
def registries(tmp_path: Path) -> Iterator[Callable[..., RealRegistry]]:
    """Return a function that starts registries."""
    started: list[RealRegistry] = []

    def start(name: str = "registry", **options: Any) -> RealRegistry:
        started.append(start_registry(tmp_path / name, **options))
        return started[-1]

    yield start
    for registry in started:
        registry.stop()


@pytest.fixture
def registry(registries: Callable[..., RealRegistry]) -> RealRegistry:
    """Start a registry that everybody may use."""
    return registries()


@dataclass(frozen=True)
class Desk:
    """A notebook that built version 1 of a model, with no engine in reach but the sandbox."""

    lab: Lab
    notebook: Notebook
    name: str

    @property
    def model(self) -> str:
        """The version, as a reference."""
        return f"{self.name}:1"

    @property
    def digest(self) -> str:
        """The digest of its image, as the history has it."""
        return str(self.lab.rows(self.name)[0]["image_digest"])

    @property
    def logins(self) -> Path:
        """Where Docker keeps this person's logins."""
        return self.lab.directory / "docker"

    def push(self, target: str, version: int = 1) -> dict[str, Any]:
        """Push and return what the answer tells."""
        self.notebook.ok(f"pushed = %containeriter push {self.name}:{version} {target}")
        return dict(self.notebook.value("pushed.document()"))


@pytest.fixture(scope="module")
def desk(shared_lab: Lab, sandbox_working: None, new_name: Callable[[str], str]) -> Desk:
    """Open the notebook."""
    logins = shared_lab.directory / "docker"
    notebook = shared_lab.open(DOCKER_CONFIG=str(logins), DOCKER_HOST="unix:///nowhere")
    notebook.ok(MODEL)
    name = new_name("shipped")
    notebook.ok(f"%containerize big --name {name} --sample rows --no-deploy")
    return Desk(shared_lab, notebook, name)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Return an image with a layer of some megabytes."""
    (tmp_path / "layers").mkdir()
    return tiny_image(tmp_path / "layers", layers=({"base": os.urandom(8_000_000)}, {"model": b"model"}))


def send(registry: Registry, image: Image, repository: str = "tiny") -> None:
    """Push an image with the client alone."""
    for layer in image.layers:
        registry.upload_blob(repository, layer.digest, layer.size_bytes, layer.path)
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(image.config)
        registry.upload_blob(repository, image.config_digest, len(image.config), Path(file.name))
    registry.put_manifest(repository, "1", "application/vnd.oci.image.manifest.v1+json", image.manifest)


# --- there and back ------------------------------------------------------------------------------------------------


@pytest.mark.engine
def test_docker_pulls_and_runs_what_was_pushed(desk: Desk, registry: RealRegistry, docker_running: None) -> None:
    """The very command on the card runs the model; the digest is the one of the history."""
    (card,) = desk.notebook.ok(f"%containeriter push {desk.model} {registry.host}/team/churn").shown("text/html")
    assert desk.digest in card
    told = desk.push(f"{registry.host}/team/churn")
    assert told["reference"] == f"{registry.host}/team/churn@{desk.digest}"
    assert told["tag"] == f"{registry.host}/team/churn:1"
    pull, start, _ = told["commands"]
    assert desk.digest in run(*pull.split())
    # Any port, as 8080 may be taken; and in the background.
    start = start.replace("127.0.0.1:8080:", "127.0.0.1::").replace("docker run --rm", "docker run --rm --detach")
    container = run(*start.split()).strip()
    try:
        port = run("docker", "port", container, "8080/tcp").strip()
        assert until(lambda: predicted(port)) == {"predictions": [4.0, 9.0]}
    finally:
        run("docker", "rm", "--force", container)
        run("docker", "rmi", "--force", told["reference"])


def predicted(address: str) -> Any:
    """Return what a server predicts for the sample; None while it starts."""
    body = json.dumps({"instances": [[1.0, 2.0], [3.0, 5.0]]})
    headers = {"Content-Type": "application/json"}
    try:
        answer = urllib3.request("POST", f"http://{address}/invocations", body=body, headers=headers, retries=False)
    except urllib3.exceptions.HTTPError:
        return None
    return answer.json() if answer.status == 200 else None


def test_podman_runs_what_was_pushed(desk: Desk, registry: RealRegistry) -> None:
    """Podman pulls by digest, and the model in the container predicts its sample."""
    reference = desk.push(f"{registry.host}/churn:best")["reference"]
    assert reference.endswith(desk.digest)
    # Podman insists on a short path.
    with tempfile.TemporaryDirectory(prefix="podman-") as own:
        state = ("--root", f"{own}/root", "--runroot", f"{own}/run", "--tmpdir", f"{own}/tmp")
        podman = ("podman", *state, "--cgroup-manager", "cgroupfs")
        try:
            run(*podman, "pull", "--tls-verify=false", reference)
            # Podman as root raises these limits by default, which not every machine lets it.
            limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
            confined = ("--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", *limits)
            said = run(*podman, "run", *confined, reference, "--prove", "/dev/stdout")
        finally:
            run(*podman, "rmi", "--all", "--force")
    assert [tensor["data"] for tensor in json.loads(said)["outputs"]] == [[4.0, 9.0]]


def test_the_digest_is_the_same_everywhere(desk: Desk, registry: RealRegistry, tmp_path: Path) -> None:
    """History, registry, archive and layout agree, and skopeo with them."""
    desk.push(f"{registry.host}/churn")
    desk.notebook.ok(f"%containeriter save {desk.model} {tmp_path}/churn.tar")
    desk.notebook.ok(f"%containeriter save {desk.model} {tmp_path}/churn/")
    for place in (f"docker://{registry.host}/churn:1", f"oci:{tmp_path}/churn:1", f"oci-archive:{tmp_path}/churn.tar"):
        told = json.loads(run("skopeo", "inspect", "--tls-verify=false", place))
        assert told["Digest"] == desk.digest
    manifest = Registry(registry.host).manifest("churn", "1")
    assert (manifest.content, manifest.digest) == (desk.lab.image(desk.name, 1).manifest, desk.digest)


def test_a_shell_pushes_and_saves(desk: Desk, registry: RealRegistry) -> None:
    """The verbs answer as JSON, too."""
    pushed = desk.lab.shell("push", desk.model, f"{registry.host}/churn")
    saved = desk.lab.shell("save", desk.model, str(desk.lab.directory / "churn.tar"))
    assert pushed["digest"] == saved["digest"] == desk.digest


# --- little is sent ------------------------------------------------------------------------------------------------


def test_a_changed_model_sends_little(desk: Desk, registry: RealRegistry) -> None:
    """A new megabyte of weights sends less than two, and the registry gets no other layer."""
    first = desk.push(f"{registry.host}/churn")
    desk.notebook.ok(f"%containerize Big(2) --name {desk.name} --sample rows --no-deploy")
    before = len(registry.requests("PATCH"))
    second = desk.push(f"{registry.host}/churn", version=2)
    assert first["sent_bytes"] > 20_000_000
    assert 1_000_000 < second["sent_bytes"] < 2_000_000
    # Model, code and configuration.
    assert len(registry.requests("PATCH")) - before == 3
    assert first["digest"] != second["digest"]


def test_a_second_repository_gets_its_layers_from_the_first(desk: Desk, registry: RealRegistry) -> None:
    """Blobs are mounted within the registry; only the manifest travels, for another tag as well."""
    desk.push(f"{registry.host}/team/churn")
    before = len(registry.requests("PATCH"))
    for target in ("other/churn", "team/churn:again"):
        assert desk.push(f"{registry.host}/{target}")["sent_bytes"] < 10_000
    assert len(registry.requests("PATCH")) == before
    assert {status for _, path, status in registry.requests("POST") if "mount=" in path} == {201}


# --- who asks ------------------------------------------------------------------------------------------------------


def test_a_login_of_docker_is_used(desk: Desk, registries: Callable[..., RealRegistry], tmp_path: Path) -> None:
    """Nobody and a wrong password are refused with the remedy; after the login it works, and no secret is shown."""
    registry = registries(auth=password_file(tmp_path))
    push = f"%containeriter push {desk.model} {registry.host}/churn"
    refusal = desk.notebook.run(push).refusal()
    assert (refusal.kind, refusal.remedy) == ("RegistryError", f"Log in first: docker login {registry.host}")
    log_in(desk.logins, registry.host, "wrong")
    refusal = desk.notebook.run(push).refusal()
    assert refusal.remedy == f"Log in again: docker login {registry.host}"
    assert "wrong" not in refusal.message
    log_in(desk.logins, registry.host)
    cell = desk.notebook.ok(push)
    assert PASSWORD not in json.dumps(cell.outputs)


def test_a_token_is_asked_for_what_is_needed(
    desk: Desk, registries: Callable[..., RealRegistry], tmp_path: Path
) -> None:
    """An authorization server grants one token a repository, and one for mounting from another."""
    issuer = TokenServer(tmp_path / "issuer")
    try:
        registry = registries(auth=issuer.configuration)
        log_in(desk.logins, registry.host, "wrong")
        refusal = desk.notebook.run(f"%containeriter push {desk.model} {registry.host}/a").refusal()
        assert refusal.remedy == f"Log in again: docker login {registry.host}"
        log_in(desk.logins, registry.host)
        desk.push(f"{registry.host}/a")
        assert issuer.granted == [("ada", "repository:a:pull,push")]
        assert desk.push(f"{registry.host}/b")["layers_sent"] == 0
        assert set(issuer.granted[1:]) == {("ada", "repository:b:pull,push"), ("ada", "repository:a:pull")}
    finally:
        issuer.close()


def test_tls_needs_an_authority_that_is_trusted(
    registries: Callable[..., RealRegistry], image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate of an unknown authority is refused, until its certificate is where Docker looks for it."""
    authority, http = make_authority(tmp_path / "tls")
    registry = registries(http=http)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RegistryError, match="is not trusted") as caught:
        send(Registry(registry.host), image)
    place = tmp_path / ".config/docker/certs.d" / registry.host / "ca.crt"
    assert str(place).replace(str(tmp_path), "~") in caught.value.remedy
    place.parent.mkdir(parents=True)
    place.write_bytes(authority.read_bytes())
    client = Registry(registry.host)
    send(client, image)
    assert client.manifest("tiny", "1").digest == image.digest
    assert not client.plain


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("nowhere.invalid/churn", "nowhere.invalid cannot be found"),
        ("127.0.0.1:1/churn", "127.0.0.1:1 cannot be reached"),
        # A spelling of 127.0.0.1 that only the resolver understands: a name like any other.
        ("127.1:PORT/churn", "does not speak HTTPS"),
    ],
)
def test_what_is_no_registry_is_told(desk: Desk, registry: RealRegistry, target: str, complaint: str) -> None:
    """An unknown name, nobody at home, and plain HTTP to what is not plainly this machine."""
    target = target.replace("PORT", registry.host.rpartition(":")[2])
    assert complaint in desk.notebook.run(f"%containeriter push {desk.model} {target}").refusal().message
    assert not registry.requests()


# --- bad lines -----------------------------------------------------------------------------------------------------


def test_a_broken_upload_is_completed(registry: RealRegistry, image: Image) -> None:
    """The registry forgets what a broken request brought, so the layer is sent again; nobody has to care."""
    layer = image.layers[0]
    with bad_line(registry.host, 5_000_000) as line:
        client = Registry(line.host)
        client.upload_blob("tiny", layer.digest, layer.size_bytes, layer.path)
        assert line.happened.is_set()
        assert sum(map(len, client.blob("tiny", layer.digest))) == layer.size_bytes
    assert registry.stored(layer.digest).read_bytes() == layer.path.read_bytes()


def test_a_broken_download_goes_on_where_it_broke(registry: RealRegistry, image: Image) -> None:
    """Only the rest of a layer is asked for."""
    send(Registry(registry.host), image)
    layer = image.layers[0]
    with bad_line(registry.host, 5_000_000, downstream=True) as line:
        assert b"".join(Registry(line.host).blob("tiny", layer.digest)) == layer.path.read_bytes()
        assert line.happened.is_set()
    assert [status for _, path, status in registry.requests("GET") if layer.digest in path] == [200, 206]


def test_an_interrupted_push_is_repeated(desk: Desk, registry: RealRegistry) -> None:
    """A line on which nothing goes on is left at once when the person interrupts; the next push is complete."""
    with bad_line(registry.host, 3_000_000, stall=True) as line:
        running = desk.notebook.start(f"%containeriter push {desk.model} {line.host}/churn")
        assert line.happened.wait(WAIT_SECONDS)
        desk.notebook.interrupt()
        refusal = running.result(WAIT_SECONDS).refusal()
    assert "was not pushed" in refusal.message
    desk.push(f"{registry.host}/churn")
    assert Registry(registry.host).manifest("churn", "1").digest == desk.digest


def test_an_image_that_another_tool_pushed_is_pulled(registry: RealRegistry, image: Image, tmp_path: Path) -> None:
    """What skopeo copied, compressed and in Docker's format, is read and proven."""
    send(Registry(registry.host), image)
    source, target = f"docker://{registry.host}/tiny:1", f"docker://{registry.host}/copied:1"
    options = (
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--format",
        "v2s2",
        "--dest-compress-format",
        "gzip",
    )
    run("skopeo", "copy", *options, source, target)
    client, reference = Registry(registry.host), parse_image_reference(f"{registry.host}/copied:1")
    manifest = client.manifest(reference.repository, reference.wanted)
    assert manifest.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    for part in json.loads(manifest.content)["layers"]:
        assert sum(map(len, client.blob(reference.repository, part["digest"]))) == part["size"]
