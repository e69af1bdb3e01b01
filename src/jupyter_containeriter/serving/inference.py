"""From the bytes of a request to the bytes of its response: all the work of one prediction, for one thread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from . import wire
from .answers import plain_answer
from .model import LoadedModel, ModelError
from .tensors import arrow_types, by_name, type_name
from .wire import WireError

_DTYPES = {"BOOL": "bool", "BYTES": "<U1", "FP16": "float16", "FP32": "float32", "FP64": "float64"}


def parse_json(body: bytes) -> Any:
    """Parse a request's body; :class:`WireError` tells where it is malformed."""
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno} (character {error.pos})"
        raise WireError(f"malformed JSON at {place}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise WireError(f"malformed JSON at byte {error.start}: it is not UTF-8") from None
    except RecursionError:
        raise WireError("malformed JSON: it is nested too deeply") from None
    except ValueError as error:  # An integer of thousands of digits.
        raise WireError(f"malformed JSON: {error}") from None


def write_json(value: Any) -> bytes:
    """Write a response as strict JSON, in ASCII: a lone surrogate in some text is no reason to fail."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A request to predict, decoded.

    Attributes
    ----------
    data
        What the model takes.
    wanted
        Names of the outputs asked for, in their order; empty for all of them.
    id
        To be given back; None where the request has none.
    """

    data: Any
    wanted: tuple[str, ...] = ()
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a response is made of.

    Attributes
    ----------
    chunks
        Its body, in parts that are sent one after the other.
    headers
        Those that tell what the body is.
    """

    chunks: Sequence[bytes | memoryview]
    headers: Mapping[str, str]


def infer(model: LoadedModel, version: str, body: bytes) -> Reply:
    """Answer an inference request of the Open Inference Protocol: decode, predict, encode.

    Raises
    ------
    WireError
        If the request is malformed. The message names the field.
    ModelError
        If the model fails on a well-formed input, or its output cannot be sent.
    """
    request = decode_request(model, body)
    return encode_response(model, version, request, model.predict(request.data))


def decode_request(model: LoadedModel, body: bytes) -> InferenceRequest:
    """Read a request's body.

    If the model has no signature, the request's parameter ``schema`` may describe its inputs as JSON text.
    """
    request = parse_json(body)
    if not isinstance(request, dict):
        raise WireError(f"expected a JSON object, got {type_name(request)}")
    if not isinstance(request.get("id", ""), str):
        raise WireError(f"id: expected a string, got {type_name(request['id'])}")
    if "inputs" not in request:
        raise WireError("inputs: missing")
    wanted = tuple(by_name(request.get("outputs") or [], "outputs"))
    data = read_value(model, request["inputs"], request.get("parameters"))
    return InferenceRequest(data, wanted, request.get("id"))


def encode_response(model: LoadedModel, version: str, request: InferenceRequest, result: Any) -> Reply:
    """Write what the model gave for a request.

    Where the outputs are not as the signature says, or there is none, the response's parameter ``schema`` describes
    them as JSON text.
    """
    tensors, schema = write_value(model, result)
    response: dict[str, Any] = {
        "model_name": model.name,
        "model_version": version,
        "outputs": _requested(tensors, request.wanted),
    }
    if request.id is not None:
        response["id"] = request.id
    if schema != model.outputs:
        response["parameters"] = {"schema": json.dumps(schema)}
    return Reply([write_json(response)], {"Content-Type": "application/json"})


def _requested(tensors: list[dict[str, Any]], wanted: tuple[str, ...]) -> list[dict[str, Any]]:
    if not wanted:
        return tensors
    named = {tensor["name"]: tensor for tensor in tensors}
    for name in wanted:
        if name not in named:
            raise WireError(f"outputs: the model has no output {name!r}, only {', '.join(named)}")
    return [named[name] for name in wanted]


def read_value(model: LoadedModel, tensors: Any, parameters: Any = None) -> Any:
    """Decode a model's input by its signature, by the request's own schema, or by the tensors alone."""
    if model.inputs is not None:
        return wire.decode(tensors, model.inputs)
    if isinstance(parameters, dict) and "schema" in parameters:
        return _decode_by_request(tensors, parameters["schema"])
    values = {name: _decode_alone(tensor) for name, tensor in by_name(tensors).items()}
    if not values:
        raise WireError("inputs: expected at least one tensor")
    return values if len(values) > 1 else next(iter(values.values()))


def _decode_by_request(tensors: Any, text: Any) -> Any:
    try:
        schema = json.loads(text)
        if arrow_types(schema):
            raise WireError("parameters.schema: Arrow types come from a signature only; containerize with a sample")
        return wire.decode(tensors, schema)
    except WireError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise WireError(f"parameters.schema: does not describe a value: {type(error).__name__}: {error}") from None


def _decode_alone(tensor: dict[str, Any]) -> Any:
    name, datatype, shape = tensor["name"], tensor.get("datatype"), tensor.get("shape")
    parameters = tensor.get("parameters")
    if isinstance(parameters, dict) and parameters.get("content_type") == "json":
        return wire.decode([tensor], {"kind": "json", "name": name})
    dtype = _DTYPES.get(str(datatype), str(datatype).lower())
    if dtype not in _DTYPES.values() and not dtype.startswith(("int", "uint")):
        raise WireError(f"{name}: unknown datatype {datatype!r}")
    if not isinstance(shape, list):
        raise WireError(f"{name}: expected a shape, got {type_name(shape)}")
    kind = "ndarray" if find_spec("numpy") else "list"
    schema = {"kind": kind, "name": name, "type": "", "dtype": dtype, "datatype": datatype, "shape": [-1] * len(shape)}
    return wire.decode([tensor], schema)


def warm(model: LoadedModel) -> None:
    """Import what the first request needs (numpy, pandas), so that a server that says it is ready is ready."""
    if model.sample is not None:
        read_value(model, model.sample)


def write_value(model: LoadedModel, result: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Encode a model's output, as values of plain types.

    Returns
    -------
    tensors, schema
        The signature's schema where the output fits it, else one inferred from the output.
    """
    try:
        result = plain_answer(result)
        if model.outputs is not None:
            with suppress(WireError):
                return wire.encode(result, model.outputs), model.outputs
        # Another type or dtype than the sample's: sent as what it is, so that nobody takes it for the same.
        schema = wire.infer_schema(result, name="output-0")
        return wire.encode(result, schema), schema
    except WireError as error:
        raise ModelError(f"the model's output cannot be sent: {error}") from error
