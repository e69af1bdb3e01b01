"""Calls of models that have no method ``predict``: ONNX, by sessions that tell what they were given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_containeriter.serving.calls import CALLS


class Session:
    """An inference session that gives back what it got."""

    def __init__(self, inputs: dict[str, tuple[str, int]], outputs: int = 1) -> None:
        self._inputs = inputs
        self._outputs = [SimpleNamespace(name=f"out{number}") for number in range(outputs)]

    def get_inputs(self) -> list[Any]:
        """Describe the inputs."""
        return [SimpleNamespace(name=n, type=kind, shape=[None] * rank) for n, (kind, rank) in self._inputs.items()]

    def get_outputs(self) -> list[Any]:
        """Describe the outputs."""
        return self._outputs

    def run(self, names: None, feed: dict[str, Any]) -> list[Any]:
        """Return the inputs for every output."""
        assert names is None
        return [feed for _ in self._outputs]


def test_one_input_takes_one_array_of_its_type() -> None:
    """Rows of doubles reach a model of floats as floats, under the name of its input."""
    fed = CALLS["onnx"](Session({"X": ("tensor(float)", 2)}))([[1.0, 2.0]])
    assert fed["X"].dtype == np.float32
    assert fed["X"].tolist() == [[1.0, 2.0]]


def test_several_outputs_come_by_name() -> None:
    """Each output of several is under its name."""
    assert set(CALLS["onnx"](Session({"X": ("tensor(float)", 2)}, outputs=2))(np.ones((1, 2)))) == {"out0", "out1"}


def test_a_data_frame_feeds_several_inputs() -> None:
    """Columns go to the inputs of their names, in the shape of a table of one column where that is declared."""
    session = Session({"a": ("tensor(float)", 2), "town": ("tensor(string)", 1)})
    fed = CALLS["onnx"](session)(pd.DataFrame({"town": ["Basel"], "a": [1.5]}))
    assert fed["a"].tolist() == [[1.5]]
    assert fed["town"].tolist() == ["Basel"]


def test_numbers_are_not_cut_off() -> None:
    """Fractions do not become whole numbers for a model that takes these."""
    with pytest.raises(TypeError, match="cast"):
        CALLS["onnx"](Session({"X": ("tensor(int64)", 1)}))([1.5])


def test_a_missing_input_is_named() -> None:
    """An input that is not given is named."""
    with pytest.raises(KeyError, match="town"):
        CALLS["onnx"](Session({"a": ("tensor(float)", 1), "town": ("tensor(string)", 1)}))({"a": [1.0]})
