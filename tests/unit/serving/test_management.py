"""The routes that replace the model, asked without a socket."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from jupyter_containeriter.serving.arrival import Arriving, load_arriving
from jupyter_containeriter.serving.guard import Keys
from jupyter_containeriter.serving.model import LoadedModel

from .conftest import Answer, Client, loaded, serving_of

MANAGER = {"Authorization": "Bearer manager"}
CLIENT = {"Authorization": "Bearer client"}
BODY = json.dumps({"inputs": [{"name": "input-0", "shape": [1], "datatype": "FP64", "data": [1.0]}]}).encode()


def digest(token: str) -> str:
    """Return what the server knows of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def payload(factor: float, **changes: Any) -> bytes:
    """Return the files of a version that multiplies, as a tar."""
    pickled = cloudpickle.dumps(lambda rows: [factor * row for row in rows])
    entry = {
        "path": "model/model.pkl",
        "format": "cloudpickle",
        "digest": f"sha256:{hashlib.sha256(pickled).hexdigest()}",
    }
    snapshot = {"format": 2, "name": "churn", "model": entry, "predict": {"kind": "callable"}, **changes}
    files = {"snapshot.json": json.dumps(snapshot).encode(), "model/model.pkl": pickled}
    return tar(files)


def tar(files: dict[str, bytes]) -> bytes:
    """Pack files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def client() -> Client:
    """Serve a model that returns what it gets, as version 1."""
    return Client(serving_of(loaded(list), keys=Keys(digest("client"), digest("manager"))))


def load(client: Client, number: int, body: bytes) -> Answer:
    """Load a version."""
    return client("PUT", f"/containeriter/versions/{number}", body, MANAGER)


def switch(client: Client, number: int) -> Answer:
    """Switch to a version."""
    return client("PUT", "/containeriter/live", {"version": str(number)}, MANAGER)


def predict(client: Client, path: str = "/v2/models/churn/infer", headers: Any = CLIENT) -> tuple[Any, str]:
    """Predict, and return the answer with the version that gave it."""
    answer = client("POST", path, BODY, headers)
    assert answer.status == 200, answer.body
    return answer.json["outputs"][0]["data"], answer.json["model_version"]


def states(answer: Answer) -> dict[str, str]:
    """Return the state of each version."""
    return {version["version"]: version["state"] for version in answer.json["versions"]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/containeriter/versions"),
        ("PUT", "/containeriter/versions/2"),
        ("DELETE", "/containeriter/versions/1"),
        ("PUT", "/containeriter/live"),
        ("POST", "/v2/repository/models/churn/unload"),
    ],
)
def test_ordinary_token_does_not_manage(client: Client, method: str, path: str) -> None:
    """Whoever may predict may not replace the model."""
    assert client(method, path, headers=CLIENT).status == 403
    assert client(method, path).status == 403


def test_nobody_manages_without_a_key() -> None:
    """A server that was given no digest of a management token takes none."""
    client = Client(serving_of(loaded(list)))
    assert client("GET", "/containeriter/versions", headers={"Authorization": "Bearer "}).status == 403


def test_candidate_answers_the_manager_only(client: Client) -> None:
    """A version that was loaded is not told of, nor asked, until it is switched to."""
    assert load(client, 2, payload(2.0)).json["state"] == "candidate"
    path = "/v2/models/churn/versions/2/infer"
    assert client("POST", path, BODY, CLIENT).status == 404
    assert predict(client, path, MANAGER) == ([2.0], "2")
    assert predict(client) == ([1.0], "1")
    assert client("GET", "/v2/models/churn", headers=CLIENT).json["versions"] == ["1"]


def test_switch_keeps_the_version_before(client: Client) -> None:
    """After a switch the new version answers; the old one still does at its own path, and may come back."""
    load(client, 2, payload(2.0))
    assert states(switch(client, 2)) == {"1": "kept", "2": "live"}
    assert predict(client) == ([2.0], "2")
    assert predict(client, "/v2/models/churn/versions/1/infer") == ([1.0], "1")
    assert states(switch(client, 1)) == {"2": "kept", "1": "live"}
    assert predict(client) == ([1.0], "1")


def test_two_versions_are_kept(client: Client) -> None:
    """The oldest goes when a third one would be kept."""
    for number in (2, 3, 4):
        load(client, number, payload(number))
        answer = switch(client, number)
    assert states(answer) == {"2": "kept", "3": "kept", "4": "live"}


def test_request_in_flight_is_answered_by_its_version(client: Client) -> None:
    """A request that was taken before the switch gets the version that took it."""
    entered, goes_on = threading.Event(), threading.Event()

    def slow(rows: Any) -> Any:
        entered.set()
        goes_on.wait(10)
        return list(rows)

    client = Client(serving_of(loaded(slow), keys=Keys(manager=digest("manager"))))
    load(client, 2, payload(2.0))

    async def both() -> tuple[Answer, Answer]:
        first = asyncio.ensure_future(client.send("POST", "/v2/models/churn/infer", BODY, {}))
        await asyncio.get_running_loop().run_in_executor(None, entered.wait, 10)
        await client.send("PUT", "/containeriter/live", b'{"version": "2"}', MANAGER)
        second = await client.send("POST", "/v2/models/churn/infer", BODY, {})
        goes_on.set()
        return await first, second

    first, second = asyncio.run(both())
    assert (first.json["model_version"], second.json["model_version"]) == ("1", "2")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no tar", "ReadError"),
        (payload(2.0, format=99), "format 99"),
        (payload(2.0, name="other"), "a version of 'other'"),
        (tar({"../outside": b""}), "no file below"),
        (tar({"snapshot.json": b"{}"}), "no format number"),
    ],
)
def test_version_that_does_not_load_changes_nothing(client: Client, body: bytes, said: str) -> None:
    """It is refused with its reason, and the live version answers as before."""
    answer = load(client, 2, body)
    assert (answer.status, said in answer.json["error"]) == (422, True), answer.body
    assert states(client("GET", "/containeriter/versions", headers=MANAGER)) == {"1": "live"}
    assert predict(client) == ([1.0], "1")


def test_candidate_nobody_promoted_goes_with_the_next(client: Client) -> None:
    """A kernel that was killed between load and switch leaves nothing for long."""
    load(client, 2, payload(2.0))
    load(client, 3, payload(3.0))
    assert states(client("GET", "/containeriter/versions", headers=MANAGER)) == {"1": "live", "3": "candidate"}


def test_version_that_nobody_waits_for_is_forgotten(client: Client) -> None:
    """A kernel that was interrupted while its version loaded leaves nothing in memory."""
    client("PUT", "/containeriter/versions/2", payload(2.0), MANAGER, impatient=True)
    assert states(client("GET", "/containeriter/versions", headers=MANAGER)) == {"1": "live"}
    assert predict(client) == ([1.0], "1")


def test_version_is_dropped_unless_live(client: Client) -> None:
    """The manager may let go of a version, but not of the one that answers."""
    load(client, 2, payload(2.0))
    assert states(client("DELETE", "/containeriter/versions/2", headers=MANAGER)) == {"1": "live"}
    assert client("DELETE", "/containeriter/versions/1", headers=MANAGER).status == 409
    assert client("DELETE", "/containeriter/versions/7", headers=MANAGER).status == 404


def test_held_version_is_not_loaded_again(client: Client) -> None:
    """A number stands for one model."""
    assert load(client, 1, payload(1.0)).status == 409


@pytest.mark.parametrize(("body", "status"), [(b"{}", 400), (b"nonsense", 400), (b'{"version": "9"}', 404)])
def test_switch_to_nothing_is_refused(client: Client, body: bytes, status: int) -> None:
    """What is not held cannot be live."""
    assert client("PUT", "/containeriter/live", body, MANAGER).status == status


def test_kept_versions_make_room(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory is short, kept versions go until there is enough; the live one lives."""
    body = payload(2.0)
    sized = {**MANAGER, "Content-Length": str(len(body))}
    for number in (2, 3):
        client("PUT", f"/containeriter/versions/{number}", body, sized)
        switch(client, number)
    left = iter((len(body), len(body), 10 * len(body)))
    monkeypatch.setattr("jupyter_containeriter.serving.memory.room", lambda: next(left))
    assert client("PUT", "/containeriter/versions/4", body, sized).status == 200
    assert states(client("GET", "/containeriter/versions", headers=MANAGER)) == {"3": "live", "4": "candidate"}


def test_version_without_room_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that would not fit anyway costs no other one, and is refused before it is sent."""
    load(client, 2, payload(2.0))
    switch(client, 2)
    monkeypatch.setattr("jupyter_containeriter.serving.memory.room", lambda: 0)
    answer = client("PUT", "/containeriter/versions/3", b"", {**MANAGER, "Content-Length": "100"}, gone=True)
    assert (answer.status, "300 bytes of memory" in answer.json["error"]) == (507, True)
    assert states(client("GET", "/containeriter/versions", headers=MANAGER)) == {"1": "kept", "2": "live"}


def test_version_without_room_for_its_files_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one whose files do not fit into the temporary directory."""
    monkeypatch.setattr("jupyter_containeriter.serving.arrival.free_bytes", lambda: 99)
    answer = client("PUT", "/containeriter/versions/2", b"", {**MANAGER, "Content-Length": "100"}, gone=True)
    assert (answer.status, "temporary files" in answer.json["error"]) == (507, True)


def test_files_are_unpacked_while_they_arrive(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives is not kept twice: at no time the directory holds more than the files themselves."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    packed, held = payload(2.0, padding="x" * 100_000), []

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(packed), 1000):
            held.append(sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()))
            yield packed[start : start + 1000]

    async def arrive() -> LoadedModel:
        return await asyncio.to_thread(load_arriving, Arriving(chunks()))

    assert asyncio.run(arrive()).predict([1.0]) == [2.0]
    assert 0 < max(held) < len(packed)


def test_one_version_is_loaded_at_a_time(client: Client) -> None:
    """Who comes while another version is loaded is refused, and may see which one it is."""
    meanwhile: list[Answer] = []
    packed = payload(2.0)

    async def both() -> Answer:
        asked = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield packed[:100]
            for number in (2, 3):
                headers = {**MANAGER, "Content-Length": str(len(packed))}
                meanwhile.append(await client.send("PUT", f"/containeriter/versions/{number}", packed, headers))
            meanwhile.append(await client.send("GET", "/containeriter/versions", b"", MANAGER))
            asked.set()
            yield packed[100:]

        return await client.send("PUT", "/containeriter/versions/2", body(), MANAGER)

    assert asyncio.run(both()).status == 200
    assert [answer.status for answer in meanwhile] == [409, 409, 200]
    assert meanwhile[-1].json["loading"] == "2"
    answer = client("GET", "/containeriter/versions", headers=MANAGER)
    assert (answer.json["loading"], states(answer)) == (None, {"1": "live", "2": "candidate"})


def test_candidate_that_nobody_switches_to_is_let_go(client: Client) -> None:
    """A kernel that was killed after its version was loaded leaves nothing in memory for good."""

    async def wait(seconds: float) -> dict[str, str]:
        client.service.expire(time.monotonic() + seconds)
        return states(await client.send("GET", "/containeriter/versions", b"", MANAGER))

    load(client, 2, payload(2.0))
    assert asyncio.run(wait(600)) == {"1": "live", "2": "candidate"}
    assert asyncio.run(wait(1000)) == {"1": "live"}


def test_unloaded_model_is_replaced_all_the_same(client: Client) -> None:
    """What the notebook deploys is served, also where somebody had unloaded the model from clients."""
    client("POST", "/v2/repository/models/churn/unload", b"", MANAGER)
    assert load(client, 2, payload(2.0)).status == 200
    assert predict(client, "/v2/models/churn/versions/2/infer", MANAGER) == ([2.0], "2")
    assert client("POST", "/v2/models/churn/infer", BODY, CLIENT).status == 503
    switch(client, 2)
    assert predict(client) == ([2.0], "2")


def test_files_of_a_version_go_once_it_is_loaded(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary file system is memory; nothing stays in it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    load(client, 2, payload(2.0))
    load(client, 3, b"no tar")
    assert list(tmp_path.iterdir()) == []


def test_thread_of_a_version_that_is_let_go_ends(client: Client) -> None:
    """Versions leave no threads behind."""
    before = set(threading.enumerate())
    for number in range(2, 12):
        load(client, number, payload(number))
        switch(client, number)
    threads = [thread for thread in threading.enumerate() if thread.name == "model" and thread not in before]
    for thread in threads[: -(2 + 1)]:
        thread.join(10)
    assert len(set(threading.enumerate()) - before) <= 3
