"""What the container costs: requests of one row at several numbers of connections, and the kernel's own predictions."""

from __future__ import annotations

import copy
import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.capture.snapshot import read_sample
from jupyter_containeriter.client import InferenceClient
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.errors import (
    ContainerIterError,
    EngineError,
    IterationInterruptedError,
    NotFoundError,
    UsageError,
)
from jupyter_containeriter.inprocess import KernelTimes, rows_of, time_predictions
from jupyter_containeriter.measurement import LoadTest, level_frame, usage_frame
from jupyter_containeriter.names import check_name
from jupyter_containeriter.parity import compare
from jupyter_containeriter.progress import PhaseTimes, Progress
from jupyter_containeriter.road.events import record_levels
from jupyter_containeriter.road.stored import stored_document
from jupyter_containeriter.serving import wire
from jupyter_containeriter.serving.answers import plain_answer
from jupyter_containeriter.show.measured import under_way
from jupyter_containeriter.starter import Patience, explain_failure
from jupyter_containeriter.traffic import Level, Tick, generate, post
from jupyter_containeriter.usage import Sampling

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

PHASES = ("kernel", "container")

SECONDS = (0.5, 600.0)
CONNECTIONS = (1, 256)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is sent: values as the model takes them, the same as requests, and the model's expected answer."""

    values: Sequence[Any]
    requests: Sequence[bytes]
    sample: Any
    expected: Any
    deterministic: bool
    rows: int


def load_test(session: Session, name: str, seconds: float, connections: Sequence[int], progress: Progress) -> LoadTest:
    """Measure what runs under a name.

    Parameters
    ----------
    session
        Knows what runs, and what the kernel holds.
    name
        The model's name.
    seconds
        How long to measure at each number of connections.
    connections
        How many connections to keep busy, one number after the other.
    progress
        Hears of the phases and how far they are.

    Raises
    ------
    UsageError
        Too short, too long, too many; or the model was containerized without a sample, so there is nothing to send.
    NotFoundError
        Nothing of that name runs, or its image, which holds the sample, is no longer in the layer cache.
    EngineError
        The container answers neither a row of the sample nor the whole of it.
    """
    levels = _checked(seconds, connections)
    deployment = _running(session, name)
    times = PhaseTimes(progress)
    try:
        plan = _plan(session, deployment)
        predict = _predictor(session, deployment, plan)
        # Sampled from before the requests, so that the first ones are known and what it uses without them is, too.
        with _sampling(deployment, seconds * len(levels)) as sampling:
            before = _in_kernel(times, predict, plan)
            with times.phase("container"):
                measured = _in_container(deployment, plan, levels, seconds, partial(_heard, sampling, progress))
        ended = _explained_end(session, deployment, measured)
        after = _in_kernel(times, predict, plan)
    except KeyboardInterrupt:
        raise IterationInterruptedError(
            f"Interrupted during {times.current or 'preparation'}; no request is sent any more.",
            "Run the cell again when you like; --seconds 1 takes less time.",
        ) from None
    kernel = KernelTimes(before, after) if before and after else None
    test = LoadTest(
        deployment.name,
        deployment.version,
        deployment.engine,
        level_frame(measured, sampling, kernel),
        usage_frame(sampling),
        plan.rows,
        kernel,
        ended,
    )
    record_levels(session, test, progress)
    return test


# --- before ---------------------------------------------------------------------------------------------------------


def _checked(seconds: float, connections: Sequence[int]) -> list[int]:
    shortest, longest = SECONDS
    if not shortest <= seconds <= longest:
        raise UsageError(f"--seconds {seconds:g}: too short or too long.", f"Give {shortest:g} to {longest:g}.")
    fewest, most = CONNECTIONS
    wrong = [count for count in connections if not fewest <= count <= most]
    if wrong or not connections:
        told = f"--connections {wrong[0]}: too few or too many." if wrong else "--connections: no number."
        raise UsageError(told, f"Give numbers from {fewest} to {most}, for example 1,4,16.")
    return sorted(set(connections))


def _running(session: Session, name: str) -> Deployment:
    check_name(name)
    for deployment in session.deployments():
        if deployment.name == name and deployment.url:
            return deployment
    told = f" {session.standing.unreachable()}" if session.standing.unreachable() else ""
    raise NotFoundError(f"No container of {name} runs.{told}", f"Start one: %containerize, or %deploy {name}.")


def _plan(session: Session, deployment: Deployment) -> _Plan:
    label = f"{deployment.name}:{deployment.version}"
    image, document = stored_document(session.cache, deployment.iteration)
    if image is None:
        raise NotFoundError(
            f"The image of {label}, which holds the sample, is no longer in the layer cache.",
            "Containerize the model again.",
        )
    if document["sample"] is None:
        raise UsageError(
            f"{label} was containerized without a sample: there is nothing to send.",
            "Containerize it with --sample X_test[:5].",
        )
    sample, expected = read_sample(document)
    schema = document["signature"]["inputs"]
    rows = _accepted_rows(deployment, rows_of(sample, schema["kind"]))
    values = rows or [sample]
    if not rows:
        _client(deployment).predict(sample)
    requests = [_request(deployment, value, schema) for value in values]
    return _Plan(values, requests, sample, expected, document["deterministic"], len(rows))


def _accepted_rows(deployment: Deployment, rows: list[Any]) -> list[Any]:
    """Return the rows if the model takes a single one; a vector looks like rows, and is none."""
    try:
        for row in rows[:1]:
            _client(deployment).predict(row)
    except (UsageError, EngineError):
        return []
    return rows


def _client(deployment: Deployment) -> InferenceClient:
    return InferenceClient(deployment.url, deployment.token, deployment.name, deployment.schema, deployment.version)


def _request(deployment: Deployment, value: Any, schema: dict[str, Any]) -> bytes:
    body = json.dumps({"inputs": wire.encode(value, schema, cast=True)}).encode()
    host = deployment.url.removeprefix("http://")
    return post(
        f"/v2/models/{deployment.name}/versions/{deployment.version}/infer", body, host=host, token=deployment.token
    )


# --- the kernel -----------------------------------------------------------------------------------------------------


def _predictor(session: Session, deployment: Deployment, plan: _Plan) -> Callable[[Any], Any] | None:
    """Return what predicts in this kernel, if it still predicts what the container was proven to predict."""
    predict = session.kernel_models.find(deployment.name, deployment.iteration.id)
    if predict is None:
        return None
    try:
        actual = plain_answer(predict(copy.deepcopy(plan.sample)))
    except ContainerIterError:
        return None
    same = compare(plan.expected, actual, deterministic=plan.deterministic).parity != "failed"
    return predict if same else None


def _in_kernel(times: PhaseTimes, predict: Callable[[Any], Any] | None, plan: _Plan) -> array[float] | None:
    if predict is None:
        return None
    try:
        with times.phase("kernel"):
            return time_predictions(predict, plan.values)
    except ContainerIterError:  # a model that takes the sample, and not one row of it
        return None


# --- the container --------------------------------------------------------------------------------------------------


def _sampling(deployment: Deployment, seconds: float) -> Sampling:
    assert deployment.container is not None
    return Sampling(deployment.engine_handle, deployment.container.id, seconds)


def _heard(sampling: Sampling, progress: Progress, tick: Tick) -> None:
    sampling.connections = tick.connections
    progress.detail(under_way(tick))


def _in_container(
    deployment: Deployment, plan: _Plan, levels: Sequence[int], seconds: float, heard: Callable[[Tick], None]
) -> list[Level]:
    assert deployment.container is not None
    assert deployment.container.port is not None
    # The port of the deployment on 127.0.0.1, and no other address.
    return generate(plan.requests, deployment.container.port, levels=levels, seconds=seconds, heard=heard)


def _explained_end(session: Session, deployment: Deployment, measured: Sequence[Level]) -> str:
    """Say why the container went away; "" where it is still there."""
    if not measured[-1].ended:
        return ""
    engine, container = deployment.engine_handle, deployment.container
    assert container is not None
    try:
        engine.inspect(container.id)
    except NotFoundError:
        return f"{deployment.name}:{deployment.version} was stopped or replaced while it was tested."
    options = session.handles.read(container.id).options
    memory = session.settings.limits(options.get("memory"), options.get("cpus")).memory_bytes
    patience = Patience(session.settings.ready_seconds, memory)
    error = EngineError(f"It takes no connection any more: {measured[-1].ended}")
    return explain_failure(engine, container, _client(deployment), patience, error).message
