"""The kernel's client against the application: large arrays go as binary data, and come back as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import urllib3

from jupyter_containeriter.client import InferenceClient
from jupyter_containeriter.serving import open_inference, wire

from .conftest import Client
from .round_trips import assert_same

Serve = Callable[..., Client]

HEADER = "Inference-Header-Content-Length"


class Wire:
    """Stands in for a pool of connections, and notes what was sent."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.sent: list[tuple[str, dict[str, str]]] = []

    def request(self, method: str, url: str, body: Any = b"", headers: Any = None) -> urllib3.HTTPResponse:
        """Ask the application."""
        path, raw = url.removeprefix("http://kernel"), b"".join(body) if isinstance(body, list) else body
        self.sent.append((path, dict(headers)))
        assert int(headers.get("Content-Length", len(raw))) == len(raw)
        answer = self._client(method, path, raw, headers)
        return urllib3.HTTPResponse(answer.body, answer.headers, answer.status)


def connected(client: Client, sample: Any) -> tuple[InferenceClient, Wire]:
    """Return the kernel's client of an application."""
    schema = {"inputs": wire.infer_schema(sample), "outputs": wire.infer_schema(sample, name="output-0")}
    own, pool = InferenceClient("http://kernel", "", "churn", schema, 1), Wire(client)
    own._pool = pool  # type: ignore[assignment]
    return own, pool


LARGE = [
    *(np.arange(2000).reshape(500, 4).astype(dtype) for dtype in ("?", "i1", "u8", "f2", "f4", "f8", ">f4", "c16")),
    np.arange(500).astype("M8[h]"),
    np.arange(500).astype("m8[s]"),
    np.array(["ä", "b\0c"] * 300, dtype=object),
    np.array([b"\xff", b"a"] * 300),
    np.array([np.nan, np.inf, -0.0] * 200),
    np.asfortranarray(np.arange(2000.0).reshape(500, 4)),
    np.arange(4000.0).reshape(500, 8)[::2, ::2],
    np.arange(2000.0).reshape(-1, 4)[:0],
    pd.DataFrame({"x": np.arange(500.0), "n": pd.array([1, None] * 250, dtype="Int64"), "t": ["a", "b"] * 250}),
    pd.Series(np.arange(500), index=np.arange(500) * 2, name="s"),
    {"a": np.arange(500.0), "b": [np.arange(3), "text", {"c": 1}]},
]


@pytest.mark.parametrize("value", LARGE, ids=range(len(LARGE)))
def test_large_values_come_back_identical(serve: Serve, value: Any) -> None:
    """Whatever part of a value goes as binary data, all of it comes back as it was, and can be written to."""
    own, _ = connected(serve(lambda data: data, value, value), value)
    back = own.predict(value)
    assert_same(back, value)
    if isinstance(back, np.ndarray):
        assert back.flags.writeable
        assert back.flags.aligned


def test_form_follows_size(serve: Serve) -> None:
    """Small arrays go as JSON at once; before the first large one the server is asked whether it takes binary data."""
    own, pool = connected(serve(lambda data: data, np.zeros(3), np.zeros(3)), np.zeros(3))
    for size in (3, 500, 500):
        own.predict(np.zeros(size))
    infer = "/v2/models/churn/versions/1/infer"
    assert [path for path, _ in pool.sent] == [infer, "/v2", infer, infer]
    assert [HEADER in headers for path, headers in pool.sent if path == infer] == [False, True, True]


def test_server_of_an_earlier_release_gets_json(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not say that it takes binary data gets none."""
    monkeypatch.setattr(open_inference, "_EXTENSIONS", ())
    own, pool = connected(serve(lambda data: data, np.zeros(3), np.zeros(3)), np.zeros(3))
    assert_same(own.predict(np.zeros(500)), np.zeros(500))
    assert all(HEADER not in headers for _, headers in pool.sent)


def test_answer_that_is_cut_off_is_no_prediction(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Binary data that do not fit their tensors are told as what they are."""
    from jupyter_containeriter.errors import EngineError

    own, pool = connected(serve(lambda data: data, np.zeros(3), np.zeros(3)), np.zeros(3))
    text = json.dumps({"outputs": [{"name": "output-0", "parameters": {"binary_data_size": 24}}]}).encode()
    cut = urllib3.HTTPResponse(text + bytes(8), {HEADER: str(len(text))}, 200)
    monkeypatch.setattr(pool, "request", lambda *_, **__: cut)
    with pytest.raises(EngineError, match="only 8 bytes"):
        own.predict(np.zeros(3))
