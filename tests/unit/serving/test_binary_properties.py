"""Binary requests that nobody thought of: each is answered, or refused with the field that is wrong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Client, loaded, serving_of

# The same examples every time, on machines as busy as they are.
settings.register_profile("binary", deadline=None, database=None, derandomize=True, max_examples=200)

ROWS = np.zeros((2, 2), dtype=np.float32)
CLIENTS = {
    "signature": Client(serving_of(loaded(lambda rows: rows, ROWS, ROWS))),
    "none": Client(serving_of(loaded(lambda rows: rows))),
}

SIZES = st.one_of(st.integers(-2, 40), st.sampled_from([2**31, 2**63, 2**70]), st.sampled_from([None, True, 1.5, "8"]))
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "binary_data_size": SIZES,
        "content_type": st.sampled_from(["json", "base64", "bytes", 3]),
        "missing": st.sampled_from(["nan", "other"]),
    },
)
DATATYPES = st.sampled_from(["FP32", "FP32", "FP16", "BOOL", "INT8", "UINT64", "BYTES", "BF16", "fp32", "", None, 7])
TENSORS = st.fixed_dictionaries(
    {"name": st.sampled_from(["input-0", "other"]), "datatype": DATATYPES},
    optional={
        "shape": st.one_of(st.lists(st.one_of(st.integers(0, 4), SIZES), max_size=3), SIZES),
        "parameters": st.one_of(PARAMETERS, PARAMETERS, PARAMETERS, SIZES),
        "data": st.lists(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3)), max_size=4),
    },
)


@settings(settings.get_profile("binary"))
@given(
    st.sampled_from(sorted(CLIENTS)),
    st.one_of(st.lists(TENSORS, max_size=3), SIZES),
    st.binary(max_size=40),
    st.one_of(st.none(), st.integers(-3, 3)),
)
def test_no_request_breaks_the_server(kind: str, inputs: Any, data: bytes, shift: int | None) -> None:
    """Whatever sizes, shapes, datatypes and bytes come, the answer is a prediction or says what is wrong."""
    text = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    headers = {} if shift is None else {"Inference-Header-Content-Length": str(len(text) + shift)}
    answer = CLIENTS[kind]("POST", "/v2/models/churn/infer", text + data, headers)
    assert answer.status in (200, 400), answer.body
    assert answer.status == 200 or answer.json["error"]
