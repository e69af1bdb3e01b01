"""The nouns of the road, as frozen dataclasses. They hold data, never a connection, and import nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Status = Literal["running", "verified", "deployed", "built", "failed", "interrupted"]
"""State of an iteration; ``deployed`` means that no sample was given, so nothing was proven."""

PROMOTED: tuple[Status, ...] = ("verified", "deployed")
"""Versions of these may serve."""

RUNNABLE: tuple[Status, ...] = (*PROMOTED, "built")
"""Versions of these may be run again."""

Parity = Literal["exact", "close", "failed", "nondeterministic"]
"""Outcome of comparing the container's predictions with the notebook's."""

Role = Literal["base", "environment", "model", "code"]
"""What a layer holds; layers are stacked in this order, bottom up."""

PHASES = ("think", "run", "capture", "build", "load", "start", "verify")
"""The phases of an iteration, in order. ``think`` and ``run`` happen before the call, the others within it."""

CALL_PHASES = PHASES[2:]
"""The phases within the call, in order."""

#: Everything of ours in a container lives below this directory.
CONTAINER_ROOT = "/opt/containeriter"


# --- capture -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution that the model needs, at its exact files.

    ``files`` are pairs of the path below ``site-packages`` in the image and the file on this machine; ``size_bytes``
    is the sum of those that go there as they are. ``server`` marks what the inference server is made of, which is the
    same for every model.
    """

    name: str
    version: str
    reason: str
    size_bytes: int
    files: tuple[tuple[str, Path], ...] = field(repr=False)
    server: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was captured from the kernel: immutable, complete, and proven in a clean process.

    Attributes
    ----------
    name
        The model's name.
    files
        Small generated files by path below :data:`CONTAINER_ROOT` (the model, ``snapshot.json``), as bytes.
    code
        Local modules: pairs of the path below ``code/`` and the file on this machine.
    environment
        The closure of distributions the model needs. (The shared libraries these link to are the image's affair.)
    expected
        The notebook's own predictions of the sample (any Python value), or None without a sample.
    sample
        The sample itself, or None.
    schema
        Input and output schema from the sample (the ``signature`` member of ``snapshot.json``), or None.
    deterministic
        False where the model's own two predictions of the sample differed in the kernel.
    model_digest, code_digest, data_digest
        ``sha256:…`` of the model's files, of the local code, and of the sample's content ("" without a sample).
    notes
        What the person should know of the capture.
    libraries
        Shared libraries that no distribution holds and that the clean process had loaded in the end.
    remembered
        Whether the clean process was an earlier one with the same packages and code: this model's values are unproven.
    """

    name: str
    files: Mapping[str, bytes] = field(repr=False)
    code: tuple[tuple[str, Path], ...]
    environment: tuple[Distribution, ...]
    expected: Any = field(repr=False)
    sample: Any = field(repr=False)
    schema: Mapping[str, Any] | None
    deterministic: bool
    model_digest: str
    code_digest: str
    data_digest: str
    notes: tuple[str, ...] = ()
    libraries: tuple[Path, ...] = ()
    remembered: bool = False


# --- image ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layer:
    """An uncompressed tar in the layer cache. Uncompressed, so its digest is its diff ID as well."""

    digest: str
    size_bytes: int
    path: Path
    role: Role
    comment: str


@dataclass(frozen=True, slots=True)
class Image:
    """An OCI image: layers bottom up, its config and manifest as the exact bytes that the digests are of.

    Terms and formats: OCI Image Format Specification 1.1.
    """

    reference: str
    layers: tuple[Layer, ...]
    config: bytes = field(repr=False)
    config_digest: str
    manifest: bytes = field(repr=False)
    digest: str
    environment_digest: str = ""

    @property
    def size_bytes(self) -> int:
        """Unpacked size: the sum of the layers, in bytes."""
        return sum(layer.size_bytes for layer in self.layers)


# --- engines -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine says of itself.

    ``store`` is ``overlay2``, ``containerd``, ``podman`` or ``directory``; ``architecture``, in OCI's words, is that of
    the images it runs.
    """

    engine: str
    version: str
    store: str
    endpoint: str
    isolation: str
    architecture: str


@dataclass(frozen=True, slots=True)
class HeldImage:
    """An image of anybody's that an engine holds.

    ``architecture`` is in OCI's words; ``digests`` are ``NAME@sha256:…``, one for each registry it came from.
    """

    id: str
    architecture: str
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadReport:
    """How an image reached the engine: ``present`` (nothing sent), ``partial`` (new layers only) or ``full``."""

    method: Literal["present", "partial", "full"]
    sent_bytes: int
    layers_sent: int
    layers_reused: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use at most. Enforced by cgroups on Docker; see ``docs/engines.md`` for the sandbox."""

    memory_bytes: int = 2 * 1024**3
    cpus: float | None = None
    pids: int = 256


@dataclass(frozen=True, slots=True)
class RunSpec:
    """How to run an image.

    Attributes
    ----------
    name, version, iteration, history
        Identity, kept by the engine as the labels ``io.containeriter.name``, ``.version``, ``.iteration`` and
        ``.history`` (the last one is the id of the history that knows this iteration).
    port
        Host port on 127.0.0.1, or None for one the engine picks.
    environment
        Environment variables of the server (``CONTAINERITER_…``).
    gpus
        ``all`` or a count, as for ``docker run --gpus``; None for none.
    """

    name: str
    version: int
    iteration: str
    history: str
    limits: Limits = Limits()
    port: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    gpus: str | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A container of ours as its engine reports it now."""

    id: str
    name: str
    version: int
    iteration: str
    history: str
    engine: str
    image_reference: str
    image_digest: str
    running: bool
    port: int | None
    started_at: datetime | None
    exit_code: int | None = None
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class Stats:
    """What a container uses now. ``cpu_percent`` is of one core (200 = two cores busy)."""

    memory_bytes: int
    memory_limit_bytes: int
    cpu_percent: float


# --- verify --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """The container's predictions against the notebook's.

    ``differences`` are readable lines, one for each row that differs (the first few), with both values.
    """

    parity: Parity
    max_abs_difference: float | None
    differences: tuple[str, ...] = ()


# --- record --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration: from the end of the previous one to its own verified end. One row of the history.

    Times are UTC; units are in the names. Seconds are None for a phase that did not happen. ``lead_seconds`` is the
    lead time: from the end of the cell that changed the model last to its verified end. ``cell`` is the source of the
    cell that asked for the iteration, ``execution_count`` its number. ``owner`` tells whose lock on the name it holds
    while it runs; it is no column of the history as users see it.
    """

    id: str
    name: str
    version: int
    status: Status
    started_at: datetime
    finished_at: datetime | None = None
    think_seconds: float | None = None
    run_seconds: float | None = None
    capture_seconds: float | None = None
    build_seconds: float | None = None
    load_seconds: float | None = None
    start_seconds: float | None = None
    verify_seconds: float | None = None
    package_to_verified_seconds: float | None = None
    cycle_seconds: float | None = None
    lead_seconds: float | None = None
    engine: str = ""
    method: str = ""
    hot: bool = False
    image_reference: str = ""
    image_digest: str = ""
    image_size_bytes: int | None = None
    sent_bytes: int | None = None
    base: str = ""
    environment_digest: str = ""
    code_digest: str = ""
    model_digest: str = ""
    data_digest: str = ""
    parity: str = ""
    max_abs_difference: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    notebook: str = ""
    execution_count: int | None = None
    cell: str = ""
    user: str = ""
    host: str = ""
    error: str = ""
    owner: str = ""


ITERATION_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Iteration) if f.name not in {"id", "owner"})
"""The history's columns as users see them, in order."""


@dataclass(frozen=True, slots=True)
class Event:
    """A version that went into service, or out of it, without a new iteration: by rollback, deploy or undeploy.

    Attributes
    ----------
    id
        Random; the same wherever the event is copied to.
    name, version
        What serves from now on; of ``undeploy``, what served until now.
    previous
        The version that served before; None where nothing did.
    kind
        The verb. A deploy of an earlier version than the one that served is a rollback, whichever verb said so.
    happened_at
        When it was done (UTC).
    seconds
        How long the verb took.
    user, host
        Who did it, and where.
    """

    id: str
    name: str
    version: int
    previous: int | None
    kind: Literal["rollback", "deploy", "undeploy"]
    happened_at: datetime
    seconds: float
    user: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class LoadLevel:
    """What one number of connections came to in a load test of a version; one row each.

    ``test`` is the random id of the test; the other fields are the columns of
    :class:`~jupyter_containeriter.measurement.LoadTest`'s frame of the same names.
    """

    id: str
    test: str
    name: str
    version: int
    engine: str
    measured_at: datetime
    connections: int
    seconds: float
    requests: int
    errors: int
    refused: int
    requests_per_second: float
    p50_seconds: float | None = None
    p90_seconds: float | None = None
    p99_seconds: float | None = None
    max_seconds: float | None = None
    kernel_p50_seconds: float | None = None
    added_p50_seconds: float | None = None
    cpu_fraction: float | None = None
    memory_bytes: int | None = None
    user: str = ""
    host: str = ""


EVENT_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Event) if f.name != "id")
"""Columns of the events as users see them, in order."""

LOAD_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(LoadLevel) if f.name != "id")
"""Columns of the load tests as users see them, in order."""


# --- show ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of the doctor: what was looked at, how it stands, and what to do where it is not well."""

    topic: str
    status: Literal["ok", "warning", "error"]
    message: str
    remedy: str = ""
