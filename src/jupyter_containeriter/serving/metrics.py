"""What ``/metrics`` tells, in the text format of Prometheus.

Written by hand: the library of Prometheus takes longer to import than this server takes to start. Counting costs a
request about a microsecond; everything else is done when somebody asks. Only the event loop's thread counts.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from .service import Service

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)

#: Kinds of routes that are told by a whole path; the others by how they begin.
_KINDS = {"/invocations": "invocations", "/metrics": "metrics", "/ping": "health", "/health": "health"}
_BEGINNINGS = (
    ("/v2/health", "health"),
    ("/v2/repository", "management"),
    ("/v2", "metadata"),
    ("/containeriter/", "management"),
)

_Samples = Sequence[tuple[dict[str, Any], float]]


class Histogram:
    """How often a value was how large."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self, name: str, labels: Mapping[str, Any] | None = None) -> Iterator[str]:
        """Return the lines that tell of it."""
        labels = labels or {}
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield _sample(f"{name}_bucket", total, {**labels, "le": bound})
        yield _sample(f"{name}_sum", self._sum, labels)
        yield _sample(f"{name}_count", total, labels)


class Metrics:
    """What was counted since the process started.

    Attributes
    ----------
    in_flight
        How many requests are being answered.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: Counter[tuple[str, int]] = Counter()
        self._latencies = {"infer": Histogram(_SECONDS), "invocations": Histogram(_SECONDS)}

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        route = _route(path)
        self._requests[route, status] += 1
        if route in self._latencies:
            self._latencies[route].observe(seconds)

    def text(self, service: Service) -> str:
        """Tell all of it."""
        return "".join(f"{line}\n" for line in (*self._traffic(service), *_models(service), *_process()))

    def _traffic(self, service: Service) -> Iterator[str]:
        requests = [
            ({"route": route, "status": status}, count) for (route, status), count in sorted(self._requests.items())
        ]
        yield from _family("containeriter_requests_total", "counter", "Requests answered.", requests)
        name = "containeriter_request_seconds"
        yield from _head(name, "histogram", "From a request's headers to the end of its answer.")
        for route, latencies in self._latencies.items():
            yield from latencies.samples(name, {"route": route})
        gauge = "containeriter_requests_in_flight"
        yield from _family(gauge, "gauge", "Requests being answered.", [({}, self.in_flight)])


async def metrics(service: Service, request: Request) -> Response:
    """Tell what was counted."""
    return Response(service.metrics.text(service), headers={"Content-Type": _CONTENT_TYPE})


def _route(path: str) -> str:
    """Return the kind of a route: few, whatever clients ask for."""
    if path.endswith("/infer"):
        return "infer"
    known = _KINDS.get(path)
    return known or next((kind for beginning, kind in _BEGINNINGS if path.startswith(beginning)), "other")


def _models(service: Service) -> Iterator[str]:
    if (live := service.versions.live) is not None:
        labels = {"model": live.model.name, "version": live.number, "platform": live.model.platform}
        yield from _family("containeriter_model_info", "gauge", "The live version.", [(labels, 1)])
    loads = [({"version": version.number}, version.load_seconds) for version in service.versions]
    yield from _family("containeriter_load_seconds", "gauge", "How long each version in memory took to load.", loads)
    states = Counter(service.versions.state(version) for version in service.versions)
    held = [({"state": state}, states[state]) for state in ("live", "kept", "candidate")]
    yield from _family("containeriter_versions", "gauge", "Versions in memory.", held)
    waiting = [({"version": version.number}, len(version.batcher)) for version in service.versions]
    yield from _family("containeriter_queue_requests", "gauge", "Requests waiting for the model.", waiting)
    name = "containeriter_batch_requests"
    yield from _head(name, "histogram", "Requests that were predicted together.")
    for version in service.versions:
        yield from version.batcher.sizes.samples(name, {"version": version.number})


def _process() -> Iterator[str]:
    """Tell of this process as Prometheus' own libraries do (``man 5 proc_pid_stat``)."""
    cpu: _Samples = [({}, time.process_time())]
    yield from _family("process_cpu_seconds_total", "counter", "CPU time of this process.", cpu)
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        resident = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    except (OSError, LookupError, ValueError):
        return
    yield from _family("process_resident_memory_bytes", "gauge", "Memory of this process.", [({}, resident)])
    yield from _family("process_open_fds", "gauge", "Open files and connections.", [({}, files)])


def _family(name: str, kind: str, text: str, samples: _Samples) -> Iterator[str]:
    yield from _head(name, kind, text)
    for labels, value in samples:
        yield _sample(name, value, labels)


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, value: float, labels: Mapping[str, Any]) -> str:
    told = ",".join(f'{key}="{_escaped(str(text))}"' for key, text in labels.items())
    return f"{name}{{{told}}} {value}" if told else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
