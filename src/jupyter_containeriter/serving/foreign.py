"""Arrays of torch and JAX as tensors: each goes as the numpy array of its values. Imported where one is needed.

A tensor on another device comes back on the CPU, and one that tracks gradients without them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from .arrays import Array, decode_array, encode_array, infer_array
from .tensors import Codec, Tensor, WireError


def _infer(value: Any, name: str, _prefix: str) -> dict[str, Any]:
    """Return the schema of an array of another library; ``of`` is its dtype there."""
    library = _library(value)
    return {**infer_array(_to_numpy(value, name), name), "kind": library, "of": _dtype_name(value)}


def _encode(value: Any, schema: dict[str, Any], _prefix: str, *, cast: bool) -> list[Tensor]:
    """Return the tensor of an array that fits the schema."""
    name = schema["name"]
    if not cast and _dtype_name(value) != schema["of"]:
        raise WireError(f"{name}: expected dtype {schema['of']}, got {_dtype_name(value)}")
    return [encode_array(_to_numpy(value, name), schema, cast=cast)]


def _decode(tensors: dict[str, Tensor], schema: dict[str, Any], _prefix: str) -> Any:
    """Return the array that a tensor carries."""
    array = decode_array(tensors[schema["name"]], schema)
    if schema["kind"] == "torch":
        torch = import_module("torch")
        return torch.from_numpy(array).to(getattr(torch, schema["of"]))
    jax = import_module("jax")
    # Without this a process that never asked for 64 bits would halve them. Older releases of JAX have it elsewhere.
    wide = jax.enable_x64 if hasattr(jax, "enable_x64") else import_module("jax.experimental").enable_x64
    with wide(True):
        return jax.numpy.asarray(array, dtype=schema["of"])


def _library(value: Any) -> str:
    return "torch" if type(value).__module__.partition(".")[0] == "torch" else "jax"


def _dtype_name(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")


def _to_numpy(value: Any, name: str) -> Array:
    """Return the values as numpy holds them; what it has no dtype for as the next wider floats, which lose nothing."""
    try:
        if _library(value) == "torch":
            if value.is_sparse or value.is_quantized:
                raise TypeError("it is sparse or quantized; give its to_dense() or dequantize()")
            value = value.detach().cpu().resolve_conj().resolve_neg()
            return np.asarray(value.float() if _is_narrow(value) else value)
        return np.asarray(value, dtype=np.float32) if _is_narrow(value) else np.asarray(value)
    except TypeError as error:
        raise WireError(f"{name}: cannot carry this array: {error}") from None


def _is_narrow(value: Any) -> bool:
    return _dtype_name(value).startswith(("bfloat16", "float8"))


CODECS = dict.fromkeys(("torch", "jax"), Codec(_infer, _encode, _decode))
