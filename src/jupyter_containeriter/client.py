"""The kernel's side of the Open Inference Protocol: asks whether a server is ready, and for predictions."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import urllib3

from jupyter_containeriter.errors import EngineError, NotFoundError, UsageError
from jupyter_containeriter.serving import binary, wire

#: From this size of arrays on they are sent as binary data; below it JSON takes no longer.
_BINARY_BYTES = 1024

_SECONDS = 300.0


class InferenceClient:
    """Talks to one server.

    Parameters
    ----------
    url
        For example ``http://127.0.0.1:49153``.
    token
        The deployment's bearer token; "" for none.
    name
        The model's name.
    schema
        The ``signature`` member of ``snapshot.json``, or None.
    version
        The version to ask, whatever other one the server may have switched to.
    seconds
        How long to wait for an answer.
    """

    def __init__(
        self,
        url: str,
        token: str,
        name: str,
        schema: Mapping[str, Any] | None,
        version: int,
        *,
        seconds: float = _SECONDS,
    ) -> None:
        self._url = url
        self._name = name
        self._label = f"{name}:{version}"
        self._path = f"/v2/models/{name}/versions/{version}"
        self._schema = schema or {}
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=seconds))

    def is_ready(self) -> bool:
        """Whether the model answers; False also while nothing listens yet."""
        try:
            response = self._pool.request("GET", f"{self._url}/v2/health/ready", timeout=2)
        except urllib3.exceptions.HTTPError:
            return False
        return response.status == 200

    def predict(self, data: Any) -> Any:
        """Predict over HTTP and return the same kind of value as in the notebook.

        Raises
        ------
        UsageError
            The data does not fit the signature: the message names the field.
        EngineError
            The server does not answer, or its model failed: look at ``logs()``.
        """
        body, headers = self._body(self._encode(data))
        url = f"{self._url}{self._path}/infer"
        try:
            response = self._pool.request("POST", url, body=body, headers={**self._headers, **headers})
        except urllib3.exceptions.HTTPError as error:
            raise EngineError(
                f"{self._name} does not answer at {self._url}: {error}", "See %deployments for what runs."
            ) from error
        return self._decode(response)

    def _encode(self, data: Any) -> list[dict[str, Any]]:
        try:
            schema = self._schema.get("inputs") or wire.infer_schema(data)
            return wire.encode(data, schema, cast=True, packed=True)
        except wire.WireError as error:
            raise UsageError(
                f"The data does not fit the signature of {self._name}: {error}", "Give data like the sample."
            ) from error

    def _body(self, inputs: list[dict[str, Any]]) -> tuple[Any, dict[str, str]]:
        """Return the body of a request and the headers that tell what it is; large arrays go as binary data."""
        arrays = [tensor for tensor in inputs if type(tensor["data"]) is not list]
        large = sum(tensor["data"].nbytes for tensor in arrays) >= _BINARY_BYTES and self._takes_binary_data
        chunks = [chunk for tensor in arrays if (chunk := binary.detach(tensor)) is not None] if large else []
        request = {"inputs": list(map(wire.listed, inputs)), "parameters": {"binary_data_output": True}}
        text = json.dumps(request).encode()
        if not chunks:
            return text, {"Content-Type": "application/json"}
        text = binary.padded(text)
        length = len(text) + sum(map(len, chunks))
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
        return [text, *chunks], {**headers, binary.JSON_LENGTH: str(len(text))}

    @functools.cached_property
    def _takes_binary_data(self) -> bool:
        """Whether the server takes binary data; one in an image of an earlier release does not."""
        try:
            response = self._pool.request("GET", f"{self._url}/v2", headers=self._headers)
        except urllib3.exceptions.HTTPError:
            return False  # The request itself tells what is wrong.
        extensions = _read(response).get("extensions")
        return isinstance(extensions, list) and "binary_tensor_data" in extensions

    def _decode(self, response: urllib3.BaseHTTPResponse) -> Any:
        if response.status == 200:
            return self._outputs(response)
        message = f"{self._name} answered {response.status}: {_read(response).get('error', '')}"
        if response.status == 404:
            raise NotFoundError(message, f"Let that version serve again: %deploy {self._label}")
        if response.status == 400:
            raise UsageError(message, "Give data like the sample.")
        raise EngineError(message, "See logs() of the deployment for the traceback.")

    def _outputs(self, response: urllib3.BaseHTTPResponse) -> Any:
        try:
            text, data = binary.split_body(response.data, response.headers.get(binary.JSON_LENGTH))
            answer = json.loads(text)
            binary.attach(answer["outputs"], data, "outputs")
            schema = answer.get("parameters", {}).get("schema") or self._schema.get("outputs")
            return wire.decode(answer["outputs"], json.loads(schema) if isinstance(schema, str) else schema or {})
        except (wire.WireError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise EngineError(
                f"{self._name} at {self._url} answered with no prediction: {error}",
                "See %deployments: something else may listen on this port.",
            ) from error


def _read(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    try:
        answer = json.loads(response.data)
    except ValueError:
        return {"error": response.data[:200].decode(errors="replace")}
    return answer if isinstance(answer, dict) else {"error": str(answer)}


def example_body(sample: Mapping[str, Any] | None, schema: Mapping[str, Any] | None) -> str:
    """Return one row of a snapshot's sample as a body for ``/invocations``, or "" where there is none.

    Parameters
    ----------
    sample, schema
        The members ``sample`` and ``signature`` of ``snapshot.json``.
    """
    if not sample or not schema:
        return ""
    data = wire.decode(sample["inputs"], schema["inputs"])
    kind = schema["inputs"]["kind"]
    if kind == "dataframe":
        columns = {column["name"] for column in schema["inputs"]["columns"]}
        tensors = wire.encode(data.head(1), schema["inputs"])
        row = {tensor["name"]: tensor["data"][0] for tensor in tensors if tensor["name"] in columns}
        return json.dumps({"dataframe_records": [row]})
    if kind in ("ndarray", "torch", "jax"):
        return json.dumps({"inputs": data[:1].tolist()}, default=str)
    return json.dumps({"inputs": data[:1]}) if kind == "list" else ""
