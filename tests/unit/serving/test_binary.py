"""The binary tensor data extension, asked without a socket."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_containeriter.serving import wire
from jupyter_containeriter.serving.compression import TooLargeError, inflate

from .conftest import Answer, Client

Serve = Callable[..., Client]

PATH = "/v2/models/churn/infer"
ROWS = np.array([[1.0, np.nan], [-0.0, np.inf]])
HEADER = "Inference-Header-Content-Length"


def request(inputs: list[dict[str, Any]], data: bytes = b"", **others: Any) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a request."""
    text = json.dumps({"inputs": inputs, **others}).encode()
    return text + data, {HEADER: str(len(text))}


def binary(shape: list[int], datatype: str, size: Any, name: str = "input-0", **others: Any) -> dict[str, Any]:
    """Return a tensor whose data follow."""
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}, **others}


def ask(client: Client, inputs: list[dict[str, Any]], data: bytes = b"", **others: Any) -> Answer:
    """Send a request."""
    body, headers = request(inputs, data, **others)
    return client("POST", PATH, body, headers)


def outputs(answer: Answer) -> tuple[dict[str, dict[str, Any]], dict[str, bytes]]:
    """Return the outputs of an answer by name, and their binary data."""
    assert answer.status == 200, answer.body
    length = int(answer.headers[HEADER.lower()])
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["content-type"] == "application/octet-stream"
    tensors, data, place = json.loads(answer.body[:length])["outputs"], {}, length
    for tensor in tensors:
        if size := tensor.get("parameters", {}).get("binary_data_size"):
            data[tensor["name"]] = answer.body[place : place + size]
            place += size
    assert place == len(answer.body)
    return {tensor["name"]: tensor for tensor in tensors}, data


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">f4", ">i8"])
def test_numbers_come_and_go_bit_by_bit(serve: Serve, dtype: str) -> None:
    """An array of every dtype arrives as it was, may be written to, and is sent back as the bytes it came as."""
    value = np.array([[0, 1, 2], [3, 1, 0]]).astype(dtype)
    seen: list[Any] = []

    def model(data: Any) -> Any:
        seen.append(data.copy())
        data[:] = data.copy()
        return data

    schema = wire.infer_schema(value)
    sent = value.astype(value.dtype.newbyteorder("<")).tobytes()
    answer = ask(
        serve(model, value, value),
        [binary([2, 3], schema["datatype"], len(sent))],
        sent,
        parameters={"binary_data_output": True},
    )
    tensors, data = outputs(answer)
    assert data == {"output-0": sent}
    assert tensors["output-0"]["shape"] == [2, 3]
    assert seen[0].dtype == value.dtype
    assert (seen[0] == value).all()


def test_texts_are_lengths_and_bytes(serve: Serve) -> None:
    """An element of a BYTES tensor is preceded by its length."""
    texts = np.array(["", "ä", "three"], dtype=object)
    data = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    client = serve(lambda value: value, texts, texts)
    tensors, back = outputs(
        ask(client, [binary([3], "BYTES", len(data))], data, parameters={"binary_data_output": True})
    )
    assert back == {"output-0": data}
    assert tensors["output-0"]["shape"] == [3]


def test_bytes_that_are_no_text_go_as_they_are(serve: Serve) -> None:
    """A model that takes and gives bytes gets those of the request, and its own are sent without base64."""
    value = np.array([b"\xff\xfe", b"ab"])
    data = struct.pack("<I", 2) + b"\xff\xfe" + struct.pack("<I", 2) + b"ab"
    client = serve(lambda given: given[::-1], value, value)
    tensors, back = outputs(
        ask(client, [binary([2], "BYTES", len(data))], data, parameters={"binary_data_output": True})
    )
    assert back == {"output-0": data[6:] + data[:6]}
    assert tensors["output-0"]["parameters"]["content_type"] == "bytes"


def test_outputs_decide_for_themselves(serve: Serve) -> None:
    """An output's ``binary_data`` goes before the request's ``binary_data_output``."""
    value = {"a": np.array([1.0]), "b": np.array([2.0])}
    client = serve(lambda _: value, 1, value)
    one = {"name": "input-0", "shape": [1], "datatype": "INT64", "data": [1]}
    named = [{"name": "a", "parameters": {"binary_data": True}}, {"name": "b"}]
    tensors, data = outputs(ask(client, [one], outputs=named))
    assert data == {"a": struct.pack("<d", 1.0)}
    assert tensors["b"]["data"] == [2.0]
    named = [{"name": "a", "parameters": {"binary_data": False}}, {"name": "b"}]
    tensors, data = outputs(ask(client, [one], outputs=named, parameters={"binary_data_output": True}))
    assert data == {"b": struct.pack("<d", 2.0)}


def test_json_and_binary_inputs_mix(serve: Serve) -> None:
    """The columns of a frame may come in either form."""
    frame = pd.DataFrame({"x": [1.5, 2.5], "y": [1, 2], "z": ["a", "b"]})
    client = serve(lambda given: given["x"] * given["y"] + given["z"].map(len), frame)
    inputs = [
        binary([2], "FP64", 16, "x"),
        {"name": "y", "shape": [2], "datatype": "INT64", "data": [3, 4]},
        binary([2, 1], "BYTES", 11, "z"),
    ]
    data = struct.pack("<2d", 1.0, 2.0) + struct.pack("<I2sI1s", 2, b"aa", 1, b"b")
    answer = ask(client, inputs, data)
    assert answer.json["outputs"][0]["data"] == [5.0, 9.0]


def test_missing_values_have_no_binary_form(serve: Serve) -> None:
    """What binary data cannot hold is sent as JSON, also where binary data were asked for."""
    for value in (pd.Series([1, None], dtype="Int64"), pd.Series([True, None], dtype="boolean")):
        answer = serve(lambda _, value=value: value, 1)(
            "POST",
            PATH,
            {
                "inputs": [{"name": "input-0", "shape": [1], "datatype": "INT64", "data": [1]}],
                "parameters": {"binary_data_output": True},
            },
        )
        assert answer.headers["content-type"] == "application/json"
        assert answer.json["outputs"][0]["data"][1] is None


def test_plain_lists_go_binary_too(serve: Serve) -> None:
    """A model of plain Python takes and gives binary data; NaN is a number there."""
    client = serve(lambda rows: [2 * row for row in rows], [1.0])
    data = struct.pack("<2d", 1.0, float("nan"))
    _, back = outputs(ask(client, [binary([2], "FP64", 16)], data, parameters={"binary_data_output": True}))
    assert back["output-0"][:8] == struct.pack("<d", 2.0)
    assert np.isnan(struct.unpack("<d", back["output-0"][8:])[0])


def test_array_that_a_model_keeps_may_change(serve: Serve) -> None:
    """What is sent is what the model gave, also if it writes to that array in its next prediction."""
    kept = np.zeros(2)

    def model(rows: Any) -> Any:
        kept[:] = rows[0]
        return kept

    client = serve(model, ROWS, kept)
    sent = ROWS.tobytes()
    wanted = {"parameters": {"binary_data_output": True}}
    first = ask(client, [binary([2, 2], "FP64", len(sent))], sent, **wanted)
    ask(client, [binary([2, 2], "FP64", len(sent))], bytes(len(sent)), **wanted)
    assert outputs(first)[1] == {"output-0": ROWS[0].tobytes()}


FOUR = bytes(32)


@pytest.mark.parametrize(
    ("inputs", "data", "said"),
    [
        ([binary([2, 2], "FP64", 31)], FOUR[:31], ["input-0", "needs 32 bytes", "got 31"]),
        ([binary([2, 2], "FP64", 40)], FOUR, ["input-0", "40", "32 bytes"]),
        ([binary([2, 2], "FP64", -1)], FOUR, ["input-0", "binary_data_size", "-1"]),
        ([binary([2, 2], "FP64", True)], FOUR, ["input-0", "binary_data_size", "True"]),
        ([binary([2, 2], "FP64", "32")], FOUR, ["input-0", "binary_data_size", "'32'"]),
        ([binary([2, 2], "FP64", 32.0)], FOUR, ["input-0", "binary_data_size", "32.0"]),
        ([binary([2, 2], "FP64", 2**70)], FOUR, ["input-0", str(2**70)]),
        ([binary([2**62, 2**62], "FP64", 32)], FOUR, ["input-0", "needs"]),
        ([binary([1] * 100_000, "FP64", 8)], FOUR[:8], ["input-0", "dimensions"]),
        ([binary([-2, -2], "FP64", 32)], FOUR, ["input-0", "non-negative"]),
        ([binary([2, 2], "FP64", 32)], FOUR + b"x", ["inputs", "1 bytes"]),
        ([binary([2, 2], "FP64", 32), binary([2, 2], "FP64", 32)], FOUR, ["input-0", "twice"]),
        ([binary([2, 2], "FP64", 32), binary([2, 2], "FP64", 32, "other")], FOUR, ["other", "0 bytes"]),
        ([binary([2, 2], "FP64", 32, data=[1, 2, 3, 4])], FOUR, ["input-0", "both"]),
        ([binary([2, 2], "FP32", 16)], FOUR[:16], ["input-0", "FP64"]),
        ([binary([2, 8], "BF16", 32)], FOUR, ["input-0", "BF16"]),
        ([binary([2, 2], ["FP64"], 32)], FOUR, ["input-0", "datatype"]),
        ([binary([2], "BYTES", 32)], FOUR, ["input-0", "2 elements"]),
        ([binary([2**40], "BYTES", 32)], FOUR, ["input-0", "elements"]),
        ([binary([1], "BYTES", 4)], b"\xff\xff\xff\xff", ["input-0", "4294967295 bytes"]),
        ([binary([1], "BYTES", 3)], b"\0\0\0", ["input-0", "1 elements"]),
        ([binary([2], "BOOL", 2)], b"\0\2", ["input-0", "0 or 1"]),
        (
            [{**binary([2], "BOOL", 2), "parameters": {"binary_data_size": 2, "content_type": "bytes"}}],
            b"\0\1",
            ["input-0", "FP64"],
        ),
        (
            [{"name": "input-0", "shape": [2, 2], "datatype": "FP64", "parameters": {"shared_memory_region": "r"}}],
            b"",
            ["input-0", "shared memory"],
        ),
    ],
    ids=range(24),
)
def test_malformed_binary_data_names_the_tensor(
    serve: Serve, inputs: list[dict[str, Any]], data: bytes, said: list[str]
) -> None:
    """Sizes, shapes and data that do not agree are refused with 400 and the tensor."""
    answer = ask(serve(lambda rows: rows, ROWS), inputs, data)
    assert answer.status == 400, answer.body
    assert all(word in answer.json["error"] for word in said), answer.json["error"]


@pytest.mark.parametrize("length", ["99999", "-1", "1e3", "", "x", "\u0661", "9" * 5000, "+5", "1_0"])
def test_malformed_json_length_is_refused(serve: Serve, length: str) -> None:
    """The header must tell a number of bytes that the body has."""
    body, _ = request([binary([2, 2], "FP64", 32)], FOUR)
    answer = serve(lambda rows: rows, ROWS)("POST", PATH, body, {HEADER: length})
    assert answer.status == 400
    assert HEADER in answer.json["error"]


def test_binary_data_need_the_header(serve: Serve) -> None:
    """Without the header nothing follows the JSON."""
    body, _ = request([binary([2, 2], "FP64", 32)])
    answer = serve(lambda rows: rows, ROWS)("POST", PATH, body)
    assert (answer.status, HEADER in answer.json["error"]) == (400, True)


def test_shape_that_no_array_has_is_refused(serve: Serve) -> None:
    """An empty tensor may not claim sizes beyond any memory."""
    client = serve(lambda rows: rows)
    empty = {"name": "input-0", "shape": [0, 2**70], "datatype": "FP64", "data": []}
    for answer in (ask(client, [binary([0, 2**70], "FP64", 0)]), client("POST", PATH, {"inputs": [empty]})):
        assert (answer.status, "input-0" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"parameters": {"binary_data_output": "yes"}}, "binary_data_output"),
        ({"parameters": []}, "parameters"),
        ({"parameters": [1]}, "parameters"),
        ({"outputs": [{"name": "output-0", "parameters": {"binary_data": 1}}]}, "binary_data"),
        ({"outputs": [{"name": "output-0", "parameters": {"classification": 2}}]}, "classification"),
        ({"parameters": {"priority": 3, "timeout": 5, "whatever": {}}}, None),
    ],
    ids=range(6),
)
def test_parameters_are_checked_where_they_are_known(serve: Serve, others: dict[str, Any], said: str | None) -> None:
    """Parameters that mean something must be of their type; the others are ignored."""
    answer = ask(serve(lambda rows: rows, ROWS, ROWS), [binary([2, 2], "FP64", 32)], FOUR, **others)
    assert answer.status == (400 if said else 200)
    assert said is None or said in answer.json["error"]


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bodies_are_compressed_as_asked(serve: Serve, coding: str, compress: Callable[[bytes], bytes]) -> None:
    """A compressed request is read, and the response is compressed for who names that one coding."""
    rows = np.zeros((500, 2))
    client = serve(lambda given: given, rows, rows)
    body, headers = request([binary([500, 2], "FP64", 8000)], rows.tobytes(), parameters={"binary_data_output": True})
    headers |= {"Content-Encoding": coding, "Accept-Encoding": coding}
    answer = client("POST", PATH, compress(body), headers)
    assert answer.headers["content-encoding"] == coding
    assert answer.headers["content-length"] == str(len(answer.body))
    inflated = zlib.decompress(answer.body, 32 + zlib.MAX_WBITS)
    assert len(answer.body) < 1000 < len(inflated)
    assert inflated.endswith(rows.tobytes())
    plain = client("POST", PATH, compress(body), {**headers, "Accept-Encoding": "gzip, deflate, br"})
    assert (plain.body, "content-encoding" in plain.headers) == (inflated, False)


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize("size", [0, 1, 2**18 - 1, 2**18, 2**18 + 1, 3_000_000])
def test_any_body_is_inflated(coding: str, compress: Callable[[bytes], bytes], size: int) -> None:
    """Bodies of any size come back as they were, whether they compress well or not; one byte more is too large."""
    for body in (bytes(size), np.random.default_rng(0).bytes(size)):
        assert inflate(compress(body), coding, size) == body
        with pytest.raises(TooLargeError):
            inflate(compress(body + b"x"), coding, size)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", gzip.compress(bytes(10_000_000)), 413),
        ("deflate", zlib.compress(bytes(10_000_000)), 413),
        ("gzip", b"nonsense", 400),
        ("gzip", b"", 400),
        ("deflate", zlib.compress(b"{}" * 100)[:-4], 400),
        ("gzip", gzip.compress(b"{}") * 2, 400),
        ("gzip", gzip.compress(np.random.default_rng(0).bytes(2**18 - 200)) + bytes(2**18), 400),
        ("br", b"{}", 415),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}")), 415),
    ],
    ids=range(9),
)
def test_compressed_bodies_are_bounded(serve: Serve, coding: str, body: bytes, status: int) -> None:
    """A body that inflates beyond the limit is answered with 413, one that is not what it says with 400."""
    client = serve(lambda rows: rows, ROWS, max_body_bytes=1_000_000)
    for path in (PATH, "/invocations"):
        answer = client("POST", path, body, {"Content-Encoding": coding})
        assert (answer.status, "error" in answer.json) == (status, True)
