"""What KServe's own client does with a server, run in an environment of its own: ADDRESS TOKEN NAME, prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferOutput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput


async def calls(address: str, token: str, name: str) -> dict[str, Any]:
    """Ask for health and for predictions, as JSON and as binary data."""
    client, url = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60)), f"http://{address}"
    headers = {"Authorization": f"Bearer {token}"}
    told: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model_ready": await client.is_model_ready(url, name, headers=dict(headers)),
    }
    for binary in (False, True):
        rows = InferInput("rows", [2, 2], "FP32")
        rows.set_data_from_numpy(np.array([[1, 2], [3, 5]], dtype=np.float32), binary_data=binary)
        words = InferInput("words", [2], "BYTES")
        words.set_data_from_numpy(np.array(["a", "ä"], dtype=object), binary_data=binary)
        outputs = [RequestedOutput(output, {"binary_data": binary}) for output in ("sums", "halves", "words")]
        request = InferRequest(name, [rows, words], "7", request_outputs=outputs)
        answer = await client.infer(url, request, name, headers=dict(headers))
        told["binary" if binary else "json"] = [answer.id, *map(_values, answer.outputs)]
    return told


def _values(output: InferOutput) -> Any:
    values = output.as_numpy().tolist()
    return [value.decode() if isinstance(value, bytes) else value for value in values]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(calls(*sys.argv[1:]))))  # noqa: T201
