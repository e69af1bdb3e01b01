"""From the bytes of a request to the bytes of its response: all the work of one prediction, for one thread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

from . import wire
from .answers import plain_answer
from .binary import JSON_LENGTH, Buffer, attach, detach, padded, split_body
from .model import LoadedModel, ModelError
from .tensors import arrow_types, by_name, parameters_of, type_name
from .wire import WireError

_DTYPES = {"BOOL": "bool", "BYTES": "<U1", "FP16": "float16", "FP32": "float32", "FP64": "float64"}


def parse_json(body: Buffer) -> Any:
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


#: Made once: with settings of its own, ``json.dumps`` makes an encoder for each call.
_to_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def write_json(value: Any) -> bytes:
    """Write a response as strict JSON, in ASCII: a lone surrogate in some text is no reason to fail."""
    return _to_json(value).encode("ascii")


@dataclass(slots=True)
class InferenceRequest:
    """A request to predict, decoded.

    Attributes
    ----------
    data
        What the model takes.
    wanted
        Names of the outputs asked for, in their order, and whether each is to be binary data; empty for all of them.
    binary
        Whether outputs that are not named are to be binary data.
    id
        To be given back; None where the request has none.
    """

    data: Any
    wanted: Mapping[str, bool] = field(default_factory=dict)
    binary: bool = False
    id: str | None = None


@dataclass(slots=True)
class Reply:
    """What a response is made of.

    Attributes
    ----------
    chunks
        Its body, in parts that are sent one after the other.
    headers
        Those that tell what the body is.
    """

    chunks: Sequence[bytes]
    headers: Mapping[str, str]


def decode_request(model: LoadedModel, body: Buffer, json_length: str | None = None) -> InferenceRequest:
    """Read the body of an inference request of the Open Inference Protocol.

    If the model has no signature, the request's parameter ``schema`` may describe its inputs as JSON text.

    Parameters
    ----------
    model
        What is to predict.
    body
        JSON, and the binary data of inputs. It belongs to the request from now on: arrays may be views of it.
    json_length
        The request's header of that meaning (see ``binary.py``), if it has one.

    Raises
    ------
    WireError
        If it is malformed. The message names the field.
    """
    text, data = split_body(body, json_length)
    request = parse_json(text)
    if not isinstance(request, dict):
        raise WireError(f"expected a JSON object, got {type_name(request)}")
    if not isinstance(request.get("id", ""), str):
        raise WireError(f"id: expected a string, got {type_name(request['id'])}")
    if "inputs" not in request:
        raise WireError("inputs: missing")
    # null is as good as nothing, as some clients write it; any other value is what it seems.
    given = {key: value for key, value in request.items() if value is not None}
    parameters = given.get("parameters", {})
    if not isinstance(parameters, dict):
        raise WireError(f"parameters: expected an object, got {type_name(parameters)}")
    binary = _flag(parameters, "binary_data_output", default=False)
    wanted = {
        name: _wants_binary(output, default=binary)
        for name, output in by_name(given.get("outputs", []), "outputs").items()
    }
    attach(request["inputs"], data)
    return InferenceRequest(read_value(model, request["inputs"], parameters), wanted, binary, request.get("id"))


def _wants_binary(output: dict[str, Any], *, default: bool) -> bool:
    parameters = parameters_of(output)
    if "classification" in parameters:
        raise WireError(f"{output['name']}: classification is not supported; ask for the output itself")
    return _flag(parameters, "binary_data", default=default)


def _flag(parameters: dict[str, Any], name: str, *, default: bool) -> bool:
    flag = parameters.get(name, default)
    if type(flag) is not bool:
        raise WireError(f"{name}: expected true or false, got {type_name(flag)}")
    return flag


def encode_response(model: LoadedModel, version: str, request: InferenceRequest, result: Any) -> Reply:
    """Write what the model gave for a request.

    Where the outputs are not as the signature says, or there is none, the response's parameter ``schema`` describes
    them as JSON text.

    Raises
    ------
    WireError
        If the request asks for an output that the model does not have.
    ModelError
        If the output cannot be sent.
    """
    tensors, schema = write_value(model, result, packed=True)
    outputs, chunks = [], []
    for tensor, binary in _requested(tensors, request):
        # A copy: the model may hold on to its array and change it before all of it is sent.
        if binary and (chunk := detach(tensor)) is not None:
            chunks.append(bytes(chunk))
        outputs.append(wire.listed(tensor))
    response: dict[str, Any] = {"model_name": model.name, "model_version": version, "outputs": outputs}
    if request.id is not None:
        response["id"] = request.id
    if schema != model.outputs:
        response["parameters"] = {"schema": json.dumps(schema)}
    text = write_json(response)
    if not chunks:
        return Reply([text], {"Content-Type": "application/json"})
    text = padded(text)
    return Reply([text, *chunks], {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(text))})


def _requested(tensors: list[dict[str, Any]], request: InferenceRequest) -> list[tuple[dict[str, Any], bool]]:
    """Return the tensors asked for, in the order of the request, and whether each is to be binary data."""
    if not request.wanted:
        return [(tensor, request.binary) for tensor in tensors]
    named = {tensor["name"]: tensor for tensor in tensors}
    for name in request.wanted:
        if name not in named:
            raise WireError(f"outputs: the model has no output {name!r}, only {', '.join(named)}")
    return [(named[name], binary) for name, binary in request.wanted.items()]


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
    except Exception as error:  # noqa: BLE001 - a description can be wrong in every way that libraries know
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


def warm(model: LoadedModel) -> LoadedModel:
    """Predict the sample, so that what the first request needs is imported, and see whether rows may be joined."""
    from .rows import examine

    return replace(model, batching=examine(model))


def write_value(
    model: LoadedModel, result: Any, *, packed: bool = False
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Encode a model's output, as values of plain types; ``packed`` leaves arrays what they are.

    Returns
    -------
    tensors, schema
        The signature's schema where the output fits it, else one inferred from the output.
    """
    try:
        result = plain_answer(result)
        if model.outputs is not None:
            with suppress(WireError):
                return wire.encode(result, model.outputs, packed=packed), model.outputs
        # Another type or dtype than the sample's: sent as what it is, so that nobody takes it for the same.
        schema = wire.infer_schema(result, name="output-0")
        return wire.encode(result, schema, packed=packed), schema
    except WireError as error:
        raise ModelError(f"the model's output cannot be sent: {error}") from error
