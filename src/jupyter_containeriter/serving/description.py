"""What a model is and how it was used, in the words of the protocol and of Triton's extensions of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .wire import tensor_metadata

if TYPE_CHECKING:
    from .versions import Version

#: What Triton calls datatypes in configurations, where that is not the datatype itself.
_TYPES = {"BYTES": "STRING"}


@dataclass(slots=True)
class Usage:
    """How often one version was asked since it was loaded, and for how long. Only the event loop's thread counts."""

    answered: int = 0
    answered_ns: int = 0
    failed: int = 0
    failed_ns: int = 0
    last_ms: int = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count one request, from when its body was there to its answer."""
        began = time.perf_counter_ns()
        self.last_ms = time.time_ns() // 1_000_000
        try:
            yield
        except BaseException:
            self.failed += 1
            self.failed_ns += time.perf_counter_ns() - began
            raise
        self.answered += 1
        self.answered_ns += time.perf_counter_ns() - began


def metadata(version: Version, numbers: list[str]) -> dict[str, Any]:
    """Return a model's metadata; ``numbers`` are the versions that clients may ask."""
    model = version.model
    inputs, outputs = (tensor_metadata(schema) if schema else [] for schema in (model.inputs, model.outputs))
    about = {"name": model.name, "versions": numbers, "platform": model.platform}
    return {**about, "inputs": inputs, "outputs": outputs}


def configuration(version: Version, live: Version) -> dict[str, Any]:
    """Return what Triton's model configuration has a word for."""
    model = version.model
    tensors = {"input": model.inputs, "output": model.outputs}
    return {
        "name": model.name,
        "platform": model.platform,
        # The one that paths without a version mean.
        "version_policy": {"specific": {"versions": [int(live.number) if live.number.isdecimal() else live.number]}},
        # The first dimension of a tensor is told with the others.
        "max_batch_size": 0,
        **{part: [_tensor(leaf) for leaf in tensor_metadata(schema)] for part, schema in tensors.items() if schema},
    }


def _tensor(leaf: dict[str, Any]) -> dict[str, Any]:
    datatype = leaf["datatype"]
    return {"name": leaf["name"], "data_type": f"TYPE_{_TYPES.get(datatype, datatype)}", "dims": leaf["shape"]}


def statistics(version: Version) -> dict[str, Any]:
    """Return what was counted of one version."""
    usage = version.usage
    return {
        "name": version.model.name,
        "version": version.number,
        "last_inference": usage.last_ms,
        "inference_count": usage.answered,
        "inference_stats": {
            "success": {"count": usage.answered, "ns": usage.answered_ns},
            "fail": {"count": usage.failed, "ns": usage.failed_ns},
        },
    }
