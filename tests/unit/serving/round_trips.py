"""Send values over the wire, and compare what comes back."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from jupyter_containeriter.serving import binary, wire


def round_trip(value: Any) -> Any:
    """Send a value through its schema, JSON and a shuffle of its tensors; as binary data it must come back the same."""
    schema = json.loads(json.dumps(wire.infer_schema(value), allow_nan=False))
    tensors = json.loads(json.dumps(wire.encode(value, schema), allow_nan=False))
    random.Random(0).shuffle(tensors)
    back = wire.decode(tensors, schema)
    assert_same(_binary_round_trip(value, schema), back)
    return back


def _binary_round_trip(value: Any, schema: dict[str, Any]) -> Any:
    """Send a value through a body of JSON and binary data."""
    tensors = wire.encode(value, schema, packed=True)
    chunks = [chunk for tensor in tensors if (chunk := binary.detach(tensor)) is not None]
    text = binary.padded(json.dumps(list(map(wire.listed, tensors)), allow_nan=False).encode())
    received, data = binary.split_body(b"".join([text, *chunks]), str(len(text)))
    tensors = json.loads(received)
    binary.attach(tensors, data)
    return wire.decode(tensors, schema)


def assert_same(actual: Any, expected: Any) -> None:
    """Compare value, dtype and container type, NaN being equal to NaN."""
    assert type(actual) is type(expected)
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(actual, expected, check_exact=True, check_column_type="exact", check_freq=True)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(actual, expected, check_exact=True, check_index_type="exact")
    elif wire.kind_of(expected) in ("ndarray", "torch", "jax"):
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        for left, right in zip(actual.ravel().tolist(), expected.ravel().tolist(), strict=True):
            assert_same(left, right)
    elif sparse.issparse(expected):
        _assert_same_sparse(actual, expected)
    elif isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for left, right in zip(actual, expected, strict=True):
            assert_same(left, right)
    else:
        assert actual is expected or actual == expected or (pd.isna(actual) and pd.isna(expected))


def _assert_same_sparse(actual: Any, expected: Any) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    for part in ("data", "indices", "indptr") if hasattr(expected, "indptr") else ("data", "row", "col"):
        left, right = (getattr(value if hasattr(value, part) else value.tocoo(), part) for value in (actual, expected))
        if isinstance(right, np.ndarray):
            assert_same(left, right)
