"""Clients that other people wrote, unmodified, against a server in a container of each engine."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from notebook_bench import ENGINES, need
from protocol_bench import SAMPLE, Served, kserve_python, serve
from tritonclient.utils import InferenceServerException

SUMS, HALVES, WORDS = [3.0, 8.0], [[0.5, 1.0], [1.5, 2.5]], ["A", "Ä"]


@pytest.fixture(scope="module", params=ENGINES)
def served(
    request: pytest.FixtureRequest,
    new_name: Callable[[str], str],
    cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """Run one server for all tests of an engine."""
    kind = need(request, request.param)
    with serve(kind, new_name("protocol"), cache, tmp_path_factory.mktemp("state")) as served:
        yield served


@pytest.fixture
def client(served: Served) -> Iterator[triton.InferenceServerClient]:
    """Open Triton's client."""
    with triton.InferenceServerClient(served.address) as client:
        yield client


def inputs(binary: bool, library: Any = triton) -> list[Any]:
    """Return the sample as Triton's client sends it."""
    made = []
    for name, datatype in (("rows", "FP32"), ("words", "BYTES")):
        made.append(library.InferInput(name, list(SAMPLE[name].shape), datatype))
        made[-1].set_data_from_numpy(SAMPLE[name], binary_data=binary)
    return made


def values(answer: triton.InferResult) -> list[Any]:
    """Return what a server predicted."""
    words = [word.decode() if isinstance(word, bytes) else word for word in answer.as_numpy("words")]
    assert (answer.as_numpy("sums").dtype, answer.as_numpy("halves").dtype) == (np.float32, np.float16)
    return [answer.as_numpy("sums").tolist(), answer.as_numpy("halves").tolist(), words]


@pytest.mark.parametrize("binary_in", [True, False], ids=["binary-in", "json-in"])
@pytest.mark.parametrize("binary_out", [True, False], ids=["binary-out", "json-out"])
def test_triton_predicts(
    client: triton.InferenceServerClient, served: Served, binary_in: bool, binary_out: bool
) -> None:
    """Inputs and requested outputs go in either form, texts and half floats among them."""
    wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("words", "sums", "halves")]
    answer = client.infer(served.name, inputs(binary_in), outputs=wanted, request_id="7", headers=served.headers)
    assert values(answer) == [SUMS, HALVES, WORDS]
    told = answer.get_response()
    assert (told["id"], told["model_name"], told["model_version"]) == ("7", served.name, "1")
    assert [output["name"] for output in told["outputs"]] == ["words", "sums", "halves"]
    assert all(("binary_data_size" in output.get("parameters", {})) is binary_out for output in told["outputs"])


def test_triton_predicts_by_version_and_without_naming_outputs(
    client: triton.InferenceServerClient, served: Served
) -> None:
    """The version's own path answers, with every output; a version that is not there is an error."""
    answer = client.infer(
        served.name, inputs(True), model_version="1", headers=served.headers, parameters={"whatever": 1}
    )
    assert values(answer) == [SUMS, HALVES, WORDS]
    with pytest.raises(InferenceServerException, match="no version '9'"):
        client.infer(served.name, inputs(True), model_version="9", headers=served.headers)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_triton_compresses(client: triton.InferenceServerClient, served: Served, coding: str) -> None:
    """Requests and responses are compressed both ways."""
    answer = client.infer(
        served.name,
        many_rows(),
        request_compression_algorithm=coding,
        response_compression_algorithm=coding,
        headers=served.headers,
    )
    assert answer.as_numpy("sums").tolist() == [3.0] * 2000


def many_rows() -> list[triton.InferInput]:
    """Return so much that it is worth compressing."""
    rows = triton.InferInput("rows", [2000, 2], "FP32")
    rows.set_data_from_numpy(np.tile(np.array([1, 2], dtype=np.float32), (2000, 1)))
    words = triton.InferInput("words", [2000], "BYTES")
    words.set_data_from_numpy(np.array(["w"] * 2000, dtype=object))
    return [rows, words]


def test_triton_is_told_what_is_wrong(client: triton.InferenceServerClient, served: Served) -> None:
    """An input of another datatype is an error that names it."""
    rows = triton.InferInput("rows", [1, 2], "FP64")
    rows.set_data_from_numpy(np.zeros((1, 2)))
    with pytest.raises(InferenceServerException, match="rows: expected datatype FP32"):
        client.infer(served.name, [rows, inputs(True)[1]], headers=served.headers)
    with pytest.raises(InferenceServerException, match="bearer token"):
        client.infer(served.name, inputs(True))


def test_triton_reads_what_the_server_is(client: triton.InferenceServerClient, served: Served) -> None:
    """Health, metadata, configuration, statistics and the index of the repository are as its client expects them."""
    name, headers = served.name, served.headers
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(name, headers=headers)
    assert client.is_model_ready(name, "1", headers=headers)
    assert not client.is_model_ready(name, "9", headers=headers)
    assert not client.is_model_ready("other", headers=headers)
    assert "binary_tensor_data" in client.get_server_metadata(headers=headers)["extensions"]
    metadata = client.get_model_metadata(name, headers=headers)
    assert {one["name"]: (one["datatype"], one["shape"]) for one in metadata["inputs"]} == {
        "rows": ("FP32", [-1, 2]),
        "words": ("BYTES", [-1]),
    }
    assert client.get_model_metadata(name, "1", headers=headers) == metadata
    config = client.get_model_config(name, headers=headers)
    assert {"name": "halves", "data_type": "TYPE_FP16", "dims": [-1, 2]} in config["output"]
    client.infer(name, inputs(True), headers=headers)
    (counted,) = client.get_inference_statistics(name, "1", headers=headers)["model_stats"]
    assert counted["inference_stats"]["success"]["count"] == counted["inference_count"] > 0
    assert client.get_inference_statistics(headers=headers)["model_stats"][0]["name"] == name
    (entry,) = client.get_model_repository_index(headers=headers)
    assert (entry["name"], entry["version"], entry["state"]) == (name, "1", "READY")


def test_triton_unloads_and_loads(client: triton.InferenceServerClient, served: Served) -> None:
    """With the manager's token the model is taken from clients and given back; a client's does not do it."""
    with pytest.raises(InferenceServerException, match="whoever deployed"):
        client.unload_model(served.name, headers=served.headers)
    client.unload_model(served.name, headers=served.managing)
    try:
        assert not client.is_model_ready(served.name, headers=served.headers)
        (entry,) = client.get_model_repository_index(headers=served.headers)
        assert entry["state"] == "UNAVAILABLE"
        with pytest.raises(InferenceServerException, match="unloaded"):
            client.infer(served.name, inputs(True), headers=served.headers)
    finally:
        client.load_model(served.name, headers=served.managing)
    config = client.get_model_config(served.name, headers=served.headers)
    client.load_model(served.name, headers=served.managing, config=json.dumps(config))
    with pytest.raises(InferenceServerException, match="max_batch_size"):
        client.load_model(served.name, headers=served.managing, config=json.dumps({"max_batch_size": 8}))
    assert client.is_model_ready(served.name, headers=served.headers)


def test_tritons_asynchronous_client_predicts(served: Served) -> None:
    """Requests of the asynchronous client are answered side by side, compressed ones too."""

    async def ask() -> list[Any]:
        async with triton_aio.InferenceServerClient(served.address) as client:
            assert await client.is_model_ready(served.name, headers=served.headers)
            given = inputs(True, triton_aio)
            codings = (None, "gzip", "deflate")
            asked = [
                client.infer(
                    served.name,
                    given,
                    headers=dict(served.headers),
                    request_compression_algorithm=coding,
                    response_compression_algorithm=coding,
                )
                for coding in codings
            ]
            return [values(answer) for answer in await asyncio.gather(*asked)]

    assert asyncio.run(ask()) == [[SUMS, HALVES, WORDS]] * 3


def test_own_client_predicts_the_same_at_any_size(served: Served) -> None:
    """Few rows go as JSON and many as binary data; what comes back is the same bit by bit."""
    client = served.client()
    rng = np.random.default_rng(0)
    for count in (1, 100_000):
        rows = rng.normal(size=(count, 2)).astype(np.float32)
        rows[0] = [np.nan, -0.0]
        back = client.predict({"rows": rows, "words": np.array(["w"] * count, dtype=object)})
        assert back["sums"].tobytes() == rows.sum(axis=1).tobytes()
        assert back["halves"].tobytes() == (rows.astype("float16") / 2).tobytes()
        assert back["words"].tolist() == ["W"] * count
        assert all(array.flags.writeable for array in back.values())


@pytest.fixture(scope="module")
def kserve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with KServe's client."""
    return kserve_python(tmp_path_factory.mktemp("kserve"))


def test_kserves_client_predicts(served: Served, kserve: Path) -> None:
    """KServe's client finds the server ready, and predicts with JSON and with binary data."""
    calls = Path(__file__).with_name("kserve_calls.py")
    command = [kserve, "-W", "ignore", calls, served.address, served.token, served.name]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert finished.returncode == 0, finished.stderr
    predicted = ["7", SUMS, HALVES, WORDS]
    told = json.loads(finished.stdout.splitlines()[-1])
    assert told == {"live": True, "ready": True, "model_ready": True, "json": predicted, "binary": predicted}
