"""From a model to what runs, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.api import kernel
from jupyter_containeriter.arguments import check, packages
from jupyter_containeriter.magic_arguments import number
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.show.live import watched

if TYPE_CHECKING:
    from jupyter_containeriter.capture.snapshot import CaptureRequest
    from jupyter_containeriter.deployment import Deployment
    from jupyter_containeriter.measurement import LoadTest


def containerize(  # noqa: PLR0913 (keyword-only: the same words as the magic)
    model: Any,
    *,
    name: str | None = None,
    sample: Any = None,
    expect: Any = None,
    predict: str | Callable[[Any, Any], Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    note: str = "",
    engine: str | None = None,
    base: str | None = None,
    platform: str | None = None,
    memory: str | None = None,
    cpus: float | None = None,
    gpus: str | int | None = None,
    port: int | None = None,
    token: bool = True,
    deploy: bool = True,
    fresh: bool = False,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    allow_data: bool = False,
    allow_secrets: bool = False,
    namespace: Mapping[str, Any] | None = None,
) -> Deployment:
    """Take a model to a running container that is proven to predict what it predicts here.

    Parameters
    ----------
    model
        A fitted object with ``predict``, or any callable.
    name
        Lower-case letters and digits with ``- _ .`` between; made from the type of the model by default.
    sample
        A few rows to predict: DataFrame, array or list. Without it nothing is proven.
    expect
        Predictions that must come back instead of the ones made here.
    predict
        A method of the model, or a function ``f(model, data)`` (or its name in ``namespace``).
    metrics, params, tags, note
        Kept with the iteration.
    engine
        ``docker``, ``sandbox``, ``process`` or ``auto``.
    base
        What to build on: ``kernel`` (this interpreter), or an image with the same Python: ``"python:3.12-slim"``.
    platform
        ``linux/amd64`` or ``linux/arm64``; what the engine runs by default. Only with a base from a registry.
    memory, cpus
        Limits, for example ``"1g"`` and ``2``.
    gpus
        ``"all"`` or a count (Docker only).
    port
        Port on 127.0.0.1; by default one that is the name's own, the same for every version.
    token
        False to serve without a bearer token.
    deploy
        False to build and load the image only.
    fresh
        True to start a new container from the exact image, also where the running one could load the model.
    include, exclude
        Packages to add to, or leave out of, the image.
    allow_data
        True to capture data that hangs on functions, and tables held by the model, however large.
    allow_secrets
        True to capture what looks like a password or key.
    namespace
        Where ``predict`` is looked up by name.

    Returns
    -------
    Deployment
        The handle of what runs.

    Raises
    ------
    ContainerIterError
        A subclass that says what is wrong and what to do. What ran before keeps running.
    """
    from jupyter_containeriter.capture.snapshot import CaptureRequest
    from jupyter_containeriter.names import name_from

    check(name=name, predict=predict, metrics=metrics, params=params, tags=tags, note=note, namespace=namespace)
    check(base=base, platform=platform)
    check(engine=engine, memory=memory, cpus=cpus, gpus=gpus, port=port, token=token, deploy=deploy)
    check(fresh=fresh)
    check(include=include, exclude=exclude, allow_data=allow_data, allow_secrets=allow_secrets)
    options = RunOptions(
        engine=engine,
        base=base,
        platform=platform,
        memory=memory,
        cpus=None if cpus is None else float(cpus),
        gpus=None if gpus is None else str(gpus),
        port=None if port is None else int(port),
        token=token,
        deploy=deploy,
        fresh=fresh,
        params=params or {},
        metrics={key: number("metrics", key, value) for key, value in (metrics or {}).items()},
        tags=tags or {},
        note=note,
        notebook=kernel.notebook_name(),
    )
    name = name_from(type(model).__name__) if name is None else name
    request = CaptureRequest(
        name,
        model,
        name,
        namespace or {},
        sample,
        expect,
        predict,
        packages(include),
        packages(exclude),
        allow_data=allow_data,
        allow_secrets=allow_secrets,
    )
    return run_containerize(request, options)


def run_containerize(request: CaptureRequest, options: RunOptions) -> Deployment:
    """Containerize with progress shown."""
    return watched(f"Containerizing {request.name}", partial(kernel.session().containerize, request, options))


def deploy(reference: str, *, fresh: bool = False) -> Deployment:
    """Let ``NAME:VERSION`` serve again; it is verified before it replaces what runs.

    The running container loads it where that is enough; ``fresh`` starts a new one from the exact image.
    """
    check(reference=reference, fresh=fresh)
    return watched(f"Deploying {reference}", partial(kernel.session().deploy, reference, fresh=fresh))


def rollback(name: str, to: int | None = None) -> Deployment:
    """Deploy the version before the one that runs, or version ``to``."""
    check(name=name, to=to)
    return watched(f"Rolling back {name}", partial(kernel.session().rollback, name, to))


def undeploy(name: str) -> int:
    """Stop a model's containers and return the version that ran; images and history stay."""
    check(name=name)
    return kernel.session().undeploy(name)


def deployments() -> list[Deployment]:
    """Return what runs now."""
    return kernel.session().deployments()


def remarks() -> str:
    """Return what :func:`deployments` could not look at, and what should run and does not, as sentences; or ""."""
    return " ".join(kernel.session().remarks())


def loadtest(name: str, *, seconds: float = 3.0, connections: Sequence[int] | int = (1, 4, 16)) -> LoadTest:
    """Measure what the container of a model costs, against the kernel's own predictions of the same rows.

    Requests of one row of the sample each, in turn, at every number of connections; with its latencies and throughput,
    the container's CPU and memory over time.

    Parameters
    ----------
    name
        The model's name.
    seconds
        How long to measure at each number of connections, 0.5 to 600; a warm-up comes before each.
    connections
        How many connections to keep busy, 1 to 256.

    Raises
    ------
    NotFoundError
        Nothing of that name runs, or its sample is no longer in the layer cache.
    UsageError
        The model was containerized without a sample, or a number is out of bounds.
    """
    from jupyter_containeriter.load_test import PHASES

    check(name=name, seconds=seconds, connections=connections)
    levels = list(connections) if isinstance(connections, Sequence) else [connections]
    for level in levels:
        check(connection=level)
    call = partial(kernel.session().loadtest, name, float(seconds), [int(level) for level in levels])
    return watched(f"Measuring {name}", call, phases=PHASES)
