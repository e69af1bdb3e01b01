"""How models are called that neither have a method ``predict`` nor are callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Element types of ONNX Runtime (``NodeArg.type``) and numpy's; strings are objects to numpy.
_ONNX_TYPES = {
    **{f"tensor({name})": name for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")},
    "tensor(uint64)": "uint64",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "object",
}


def call_onnx(model: Any) -> Callable[[Any], Any]:
    """Return the call of an ONNX model.

    Parameters
    ----------
    model
        An ``onnxruntime.InferenceSession``, or an ``onnx.ModelProto`` that gets one.

    Returns
    -------
    callable
        Takes one array where the model has one input, else a mapping (or a DataFrame) of inputs by name; numbers
        of another precision than the model declares are converted to it. Gives one array where the model has one
        output, else a dict of outputs by name.
    """
    session = model if hasattr(model, "get_inputs") else _session(model)
    inputs, outputs = session.get_inputs(), [output.name for output in session.get_outputs()]

    def predict(data: Any) -> Any:
        single = len(inputs) == 1 and not isinstance(data, dict)
        values = {inputs[0].name: data} if single else {node.name: data[node.name] for node in inputs}
        results = session.run(None, {node.name: _as_declared(values[node.name], node) for node in inputs})
        return results[0] if len(outputs) == 1 else dict(zip(outputs, results, strict=True))

    return predict


def _session(model: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(model.SerializeToString(), providers=onnxruntime.get_available_providers())


def _as_declared(value: Any, node: Any) -> Any:
    import numpy as np

    if node.type not in _ONNX_TYPES:  # A sequence or a map: no array.
        return value
    array = np.asarray(value).astype(_ONNX_TYPES[node.type], casting="same_kind", copy=False)
    # A column of a table, where the model wants a table of one column.
    return array[:, np.newaxis] if array.ndim == 1 and len(node.shape) == 2 else array


def call_of(kind: type) -> str | None:
    """Return the kind of call for models of a type, None where there is none."""
    return _CALLED.get(f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}")


_CALLED = {"onnxruntime.InferenceSession": "onnx", "onnx.ModelProto": "onnx"}

#: By kind, as in the ``predict`` member of ``snapshot.json``.
CALLS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {"onnx": call_onnx}
