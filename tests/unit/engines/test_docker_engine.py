"""The Docker engine against a daemon that gives the answers real ones do not give on demand."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docker_double import DIES, LOADED, DaemonDouble, Reply

from jupyter_containeriter.engines._docker_connect import endpoints
from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.errors import DamagedLayerError, EngineError, EngineUnreachableError, NotFoundError
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import Image, LoadReport, RunSpec

_SPEC = RunSpec("tiny", 1, "0123456789abcdef", "history")

#: What real daemons answered to loads that failed.
FAILURES = {
    "an error line": (
        Reply(lines=({"errorDetail": {"message": "open x: no such file"}, "error": "open x: no such file"},)),
        "no such file",
    ),
    "only a detail": (Reply(lines=({"errorDetail": {"message": "no space left"}},)), "no space left"),
    "unpacking failed after success": (
        Reply(lines=({"stream": "Loaded image: x"}, {"stream": "Error unpacking image x: missing parent"})),
        "missing parent",
    ),
    "an error after success": (Reply(lines=({"stream": "Loaded image: x"}, {"error": "too late"})), "too late"),
    "Podman's refusal": (Reply(500, {"cause": "x", "message": "blob not found", "response": 500}), "blob not found"),
    "silence": (Reply(lines=()), "200 without saying"),
    "success with an error's status": (Reply(500, lines=({"stream": "Loaded image: x"},)), "answered 500"),
    "not JSON": (Reply(502, body=None, lines=None), "answered 502"),
}


@pytest.fixture
def image(daemon: DaemonDouble, tmp_path: Path) -> Image:
    """Build the image that arrives when the daemon says it is loaded."""
    daemon.arriving = _image(tmp_path, 2)
    return daemon.arriving


def _image(directory: Path, version: int, **layers: bytes) -> Image:
    content = {"base": b"base", "model": b"model", **layers}
    return tiny_image(directory, version=version, layers=[{name: data} for name, data in content.items()])


# --- which engine --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("store", "engine"), [("overlay2", "docker"), ("containerd", "docker"), ("podman", "podman")])
def test_the_store_is_found_out(store: str, engine: str) -> None:
    """The kind of image store is what the engine says of itself, and it is asked once."""
    with DaemonDouble(store) as daemon:
        subject = docker_engine(daemon.address)
        info = subject.describe()
        subject.describe()
    assert (info.store, info.engine, info.endpoint) == (store, engine, daemon.address)
    assert daemon.seen.count("GET /_ping") == 1
    assert daemon.seen.count("GET /info") == (0 if store == "podman" else 1)


# --- load ----------------------------------------------------------------------------------------------------------


def test_a_load_is_believed_only_when_the_image_is_there(daemon: DaemonDouble, image: Image) -> None:
    """A load that succeeds is inspected, and reported with the bytes that really went."""
    report = docker_engine(daemon.address).load(image)
    assert report == LoadReport("full", len(daemon.bodies[0]), 2, 0)
    assert f"GET /images/{image.reference}/json" in daemon.seen[daemon.seen.index("POST /images/load") :]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_success_that_is_none_is_an_error(daemon: DaemonDouble, image: Image, failure: str) -> None:
    """Whatever way an engine has to say that a load failed, the error has its words."""
    reply, words = FAILURES[failure]
    daemon.loads = [reply]
    with pytest.raises(EngineError, match=words):
        docker_engine(daemon.address).load(image)


def test_an_image_that_is_not_there_after_loading_is_an_error(daemon: DaemonDouble, image: Image) -> None:
    """An engine that says it loaded an image, and does not know it, is not believed."""
    daemon.arriving = None
    with pytest.raises(EngineError, match="not there after loading"):
        docker_engine(daemon.address).load(image)


def test_another_image_after_loading_is_an_error(daemon: DaemonDouble, image: Image, tmp_path: Path) -> None:
    """An engine that shows another image under the reference is not believed."""
    daemon.arriving = _image(tmp_path, 2, model=b"another")
    with pytest.raises(EngineError, match="another image"):
        docker_engine(daemon.address).load(image)


def test_an_image_without_its_layers_is_an_error(daemon: DaemonDouble, image: Image) -> None:
    """An engine that shows the image without layers is not believed, neither before nor after loading."""
    daemon.hold(image, diff_ids=[])
    daemon.arriving = None
    engine = docker_engine(daemon.address)
    assert not engine.holds(image)
    with pytest.raises(EngineError, match="other layers"):
        engine.load(image)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_partial_load_is_followed_by_a_full_one(
    daemon: DaemonDouble, image: Image, tmp_path: Path, failure: str
) -> None:
    """When an engine does not take the archive of new layers, it gets all; the report counts both."""
    daemon.hold(_image(tmp_path, 1, model=b"earlier"))
    daemon.loads = [FAILURES[failure][0], LOADED]
    report = docker_engine(daemon.address).load(image)
    assert report == LoadReport("full", sum(map(len, daemon.bodies)), 2, 0)
    assert len(daemon.bodies[0]) < len(daemon.bodies[1])


def test_the_containerd_store_is_rid_of_the_broken_image(tmp_path: Path) -> None:
    """The reference that a failed load leaves in the containerd store is removed; elsewhere nothing is removed."""
    image = _image(tmp_path, 1)
    for store, removals in (("containerd", 1), ("overlay2", 0), ("podman", 0)):
        with DaemonDouble(store) as daemon:
            daemon.loads = [FAILURES["unpacking failed after success"][0]]
            with pytest.raises(EngineError, match="missing parent"):
                docker_engine(daemon.address).load(image)
            assert daemon.seen.count(f"DELETE /images/{image.reference}") == removals


@pytest.mark.parametrize(("store", "reused"), [("overlay2", 1), ("containerd", 2), ("podman", 2)])
def test_what_is_left_out_depends_on_the_store(tmp_path: Path, store: str, reused: int) -> None:
    """Docker's own store reuses what an image begins with, the others reuse any layer."""
    with DaemonDouble(store) as daemon:
        daemon.hold(_image(tmp_path, 1, model=b"earlier", code=b"code"))
        daemon.arriving = _image(tmp_path, 2, code=b"code")
        assert docker_engine(daemon.address).load(daemon.arriving).layers_reused == reused


def test_the_longest_common_beginning_is_found(daemon: DaemonDouble, tmp_path: Path) -> None:
    """Not only the version before counts, but the image that begins most alike."""
    big = bytes(9 * 1024**2)
    for version, changes in ((1, {}), (5, {"model": b"other"}), (9, {"base": b"other"})):
        daemon.hold(_image(tmp_path, version, **{"model": big, "code": b"1", **changes}))
    daemon.arriving = _image(tmp_path, 10, model=big, code=b"2")
    assert docker_engine(daemon.address).load(daemon.arriving).layers_reused == 2


def test_images_of_other_names_share_their_layers(daemon: DaemonDouble, tmp_path: Path) -> None:
    """The first image of a name begins like the newest ones of other names."""
    daemon.hold(_image(tmp_path, 3))
    daemon.arriving = tiny_image(tmp_path, name="other", layers=({"base": b"base"}, {"model": b"other"}))
    assert docker_engine(daemon.address).load(daemon.arriving).method == "partial"


def test_an_early_refusal_is_heard(daemon: DaemonDouble, tmp_path: Path) -> None:
    """An engine may refuse and hang up before it has read the archive: its words still arrive."""
    daemon.hasty = True
    daemon.loads = [Reply(500, {"message": "no space left on device"})]
    with pytest.raises(EngineError, match="no space left on device"):
        docker_engine(daemon.address).load(_image(tmp_path, 1, model=bytes(20_000_000)))


def test_a_damaged_layer_comes_through_as_itself(daemon: DaemonDouble, image: Image) -> None:
    """An error of ours in the middle of a transfer is not turned into one of the engine's."""
    image.layers[1].path.write_bytes(b"damaged")
    with pytest.raises(DamagedLayerError) as caught:
        docker_engine(daemon.address).load(image)
    assert caught.value.digest == image.layers[1].digest


# --- the engine goes away ------------------------------------------------------------------------------------------


def test_a_daemon_that_dies_while_loading_is_unreachable(daemon: DaemonDouble, image: Image) -> None:
    """When the connection breaks in the middle, the error says that the engine went away and where it was."""
    daemon.loads = [DIES]
    with pytest.raises(EngineUnreachableError, match=daemon.socket):
        docker_engine(daemon.address).load(image)


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine, image: engine.describe(),
        lambda engine, image: engine.load(image),
        lambda engine, image: engine.holds(image),
        lambda engine, image: engine.run(image, _SPEC),
        lambda engine, image: engine.containers("history"),
        lambda engine, image: engine.inspect("c"),
        lambda engine, image: engine.logs("c"),
        lambda engine, image: engine.stats("c"),
        lambda engine, image: engine.stop("c"),
    ],
    ids=["describe", "load", "holds", "run", "containers", "inspect", "logs", "stats", "stop"],
)
def test_a_daemon_that_is_gone_is_unreachable(ask: Callable[[Any, Image], Any], tmp_path: Path) -> None:
    """Each verb says that the engine is unreachable when it is."""
    image = _image(tmp_path, 1)
    with DaemonDouble() as daemon:
        engine = docker_engine(daemon.address)
    with pytest.raises(EngineUnreachableError):
        ask(engine, image)


def test_a_refusal_has_the_engines_words(daemon: DaemonDouble) -> None:
    """What the engine answers is what the person reads, without the HTTP around it."""
    daemon.routes["GET /containers/c/json"] = Reply(500, {"message": "the disk is on fire"})
    with pytest.raises(EngineError) as caught:
        docker_engine(daemon.address).inspect("c")
    assert caught.value.message == "The engine refused: the disk is on fire"


# --- containers ----------------------------------------------------------------------------------------------------


def test_a_container_of_somebody_else_is_not_found(daemon: DaemonDouble) -> None:
    """A container without our labels is none of ours."""
    daemon.routes["GET /containers/c/json"] = Reply(body={"Id": "c", "Config": {"Labels": None}, "State": {}})
    with pytest.raises(NotFoundError):
        docker_engine(daemon.address).inspect("c")


def test_a_container_that_goes_while_being_listed_is_left_out(daemon: DaemonDouble) -> None:
    """A container that disappears between list and inspect is not an error."""
    daemon.routes["GET /containers/json"] = Reply(body=[{"Id": "c", "Created": 1}])
    daemon.routes["GET /containers/c/json"] = Reply(404, {"message": "No such container: c"})
    assert docker_engine(daemon.address).containers("history") == []


def test_containers_of_the_same_second_are_in_order(daemon: DaemonDouble) -> None:
    """Containers are sorted by their exact start, and those that never started come last."""
    labels = {f"io.containeriter.{key}": "1" for key in ("name", "version", "iteration", "history")}
    starts = {"older": "2026-01-02T03:04:05.1Z", "never": "0001-01-01T00:00:00Z", "newer": "2026-01-02T03:04:05.2Z"}
    daemon.routes["GET /containers/json"] = Reply(body=[{"Id": name, "Created": 1} for name in starts])
    for name, start in starts.items():
        state = {"Running": False, "StartedAt": start, "ExitCode": 0}
        body = {"Id": name, "Config": {"Labels": labels, "Image": "i"}, "State": state}
        daemon.routes[f"GET /containers/{name}/json"] = Reply(body=body)
    assert [found.id for found in docker_engine(daemon.address).containers("1")] == ["newer", "older", "never"]


def test_podman_is_not_asked_for_gpus(tmp_path: Path) -> None:
    """Podman would ignore the request without a word, so it is refused before anything is created."""
    with DaemonDouble("podman") as daemon:
        with pytest.raises(EngineError, match="no GPU"):
            docker_engine(daemon.address).run(_image(tmp_path, 1), RunSpec("tiny", 1, "i", "h", gpus="all"))
        assert "POST /containers/create" not in daemon.seen


def test_a_container_that_does_not_start_is_removed(daemon: DaemonDouble, image: Image) -> None:
    """Where the engine creates a container and cannot start it, it is removed, and the error has the reason."""
    daemon.routes |= {
        "POST /containers/create": Reply(201, {"Id": "c"}),
        "GET /containers/c/json": Reply(body={"Id": "c", "Image": image.config_digest}),
        "POST /containers/c/start": Reply(500, {"message": "cgroups are broken"}),
        "DELETE /containers/.*": Reply(204),
    }
    with pytest.raises(EngineError, match="cgroups are broken"):
        docker_engine(daemon.address).run(image, _SPEC)
    assert daemon.seen[-1].startswith("DELETE /containers/containeriter-tiny-1-")


def test_a_name_that_is_taken_is_not_ours_to_remove(daemon: DaemonDouble, image: Image) -> None:
    """Where another container has the name, that one stays."""
    daemon.routes["POST /containers/create"] = Reply(409, {"message": "Conflict. The name is in use"})
    with pytest.raises(EngineError, match="in use"):
        docker_engine(daemon.address).run(image, _SPEC)
    assert not [request for request in daemon.seen if request.startswith("DELETE")]


@pytest.mark.parametrize("status", [404, 409])
def test_a_container_that_is_being_removed_counts_as_stopped(daemon: DaemonDouble, status: int) -> None:
    """Somebody else may remove a container at the same moment."""
    daemon.routes |= {
        "POST /containers/c/stop": Reply(204),
        "DELETE /containers/c": Reply(status, {"message": "removal of container c is already in progress"}),
    }
    docker_engine(daemon.address).stop("c")
    assert "DELETE /containers/c" in daemon.seen


# --- finding the engine --------------------------------------------------------------------------------------------


def test_a_chosen_address_is_the_only_one_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an address was chosen, no other engine is used instead, and the error says why it failed."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(EngineUnreachableError) as caught:
        docker_engine()
    assert caught.value.message == (
        f"No container engine answers. Tried unix://{tmp_path}/nobody.sock (no such file or directory)."
    )


def test_the_call_comes_before_the_environment(daemon: DaemonDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address given in the call wins over DOCKER_HOST."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    assert docker_engine(daemon.address).describe().endpoint == daemon.address


def test_an_engine_that_denies_access_says_whom_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where permission is what is missing, the remedy is about permission."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", denied)
    with pytest.raises(EngineUnreachableError, match="permission denied") as caught:
        docker_engine(f"unix://{tmp_path}/theirs.sock")
    assert "usermod" in caught.value.remedy


def test_the_current_context_is_used(daemon: DaemonDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another choice the engine is the one of Docker's current context, by configuration or variable."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    meta = tmp_path / "contexts" / "meta" / hashlib.sha256(b"mine").hexdigest()
    meta.mkdir(parents=True)
    context = {"Name": "mine", "Metadata": {}, "Endpoints": {"docker": {"Host": daemon.address}}}
    (meta / "meta.json").write_text(json.dumps(context))
    (tmp_path / "config.json").write_text('{"currentContext": "mine"}')
    assert docker_engine().describe().endpoint == daemon.address
    monkeypatch.setenv("DOCKER_CONTEXT", "absent")
    with pytest.raises(EngineUnreachableError, match="'absent' does not exist"):
        docker_engine()


def test_without_a_choice_the_usual_sockets_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's sockets come before Podman's, the user's own before the machine's where both are Podman's."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert [endpoint.address for endpoint in endpoints(None, {"XDG_RUNTIME_DIR": "/run/user/1000"})] == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/1000/docker.sock",
        "unix:///run/user/1000/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]


def test_a_silent_engine_is_given_up_soon(tmp_path: Path) -> None:
    """An engine that accepts the connection and says nothing is reported, not waited for."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/silent.sock")
        silent.listen()
        with pytest.raises(EngineUnreachableError, match="silent"):
            docker_engine(f"unix://{tmp_path}/silent.sock")
