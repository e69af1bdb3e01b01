"""The verbs as Python functions, over one session for the kernel."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.arguments import check, packages
from jupyter_containeriter.clock import kernel_clock
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.magic_arguments import number
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter, parse_budget
from jupyter_containeriter.show.live import watched

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jupyter_containeriter.capture.snapshot import CaptureRequest
    from jupyter_containeriter.comparison import VersionChanges
    from jupyter_containeriter.contents import ImageContents
    from jupyter_containeriter.deployment import Deployment
    from jupyter_containeriter.measurement import LoadTest
    from jupyter_containeriter.progress import Progress
    from jupyter_containeriter.restoring import Restored
    from jupyter_containeriter.road.timed import TimedIteration
    from jupyter_containeriter.settings import Setting
    from jupyter_containeriter.shipping import Pushed, Saved
    from jupyter_containeriter.show.bill import Bill
    from jupyter_containeriter.show.garbage import Collected
    from jupyter_containeriter.show.iterations import Iterations
    from jupyter_containeriter.show.report import Report
    from jupyter_containeriter.types import Finding


@functools.cache
def session() -> Session:
    """Return the session of this kernel, made on first use."""
    return Session(ContainerIter.instance(), kernel_clock())


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
        notebook=notebook_name(),
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
    return watched(f"Containerizing {request.name}", partial(session().containerize, request, options))


def iteration(
    name: str,
    *,
    method: str,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    note: str = "",
) -> TimedIteration:
    """Time any other way of deploying a model into the same history, so that ways can be compared.

    Parameters
    ----------
    name
        The model's name, whose versions are counted on.
    method
        How it is deployed, in words: ``"docker build"``.
    params, metrics, tags, note
        Kept with the iteration; they may be set within the block, too.

    Returns
    -------
    TimedIteration
        A block: ``with citer.iteration("churn", method="docker build") as it:``. In it, ``with it.phase("build"):``
        times a phase, ``it.check(expected, got)`` compares predictions, and ``it.done()`` ends the time before the
        block does. A block that raises is recorded as failed, one that is interrupted as interrupted.

    Raises
    ------
    BusyError
        The name is being worked on; by the block, when it begins.
    """
    check(name=name, params=params, metrics=metrics, tags=tags, note=note)
    check(method=method)
    given = {"params": dict(params or {}), "metrics": dict(metrics or {}), "tags": dict(tags or {}), "note": note}
    return session().iteration(name, method, notebook=notebook_name(), **given)


def deploy(reference: str, *, fresh: bool = False) -> Deployment:
    """Let ``NAME:VERSION`` serve again; it is verified before it replaces what runs.

    The running container loads it where that is enough; ``fresh`` starts a new one from the exact image.
    """
    check(reference=reference, fresh=fresh)
    return watched(f"Deploying {reference}", partial(session().deploy, reference, fresh=fresh))


def rollback(name: str, to: int | None = None) -> Deployment:
    """Deploy the version before the one that runs, or version ``to``."""
    check(name=name, to=to)
    return watched(f"Rolling back {name}", partial(session().rollback, name, to))


def undeploy(name: str) -> int:
    """Stop a model's containers and return the version that ran; images and history stay."""
    check(name=name)
    return session().undeploy(name)


def deployments() -> list[Deployment]:
    """Return what runs now."""
    return session().deployments()


def remarks() -> str:
    """Return what :func:`deployments` could not look at, and what should run and does not, as sentences; or ""."""
    return " ".join(session().remarks())


def iterations(name: str | None = None, last: int | None = None, *, where: str | None = None) -> Iterations:
    """Return the history as a typed DataFrame, one row an iteration, oldest first; a notebook shows the newest first.

    Parameters
    ----------
    name
        Only this model.
    last
        Only the last ones.
    where
        Only those where this is true: a pandas query over columns, metrics and params by their names, for example
        ``"accuracy > 0.9 and status == 'verified'"``.
    """
    check(name=name, last=last, where=where)
    if last is not None and last < 1:
        raise UsageError("--last must be at least 1.", "Leave it out for the whole history.")
    return session().iterations(name, last, where)


def compare(name: str, before: int, after: int) -> VersionChanges:
    """Tell what changed from one version of a model to another: params, metrics, times, packages, code, data, layers.

    What is no longer known, because an image is gone, is said in the answer.

    Raises
    ------
    NotFoundError
        There is no such version.
    """
    check(model=name, version=before)
    check(version=after)
    return session().compare(name, int(before), int(after))


def restore(reference: str) -> Any:
    """Bring the model of ``NAME[:VERSION]`` back from its image, and return it.

    How this kernel differs is told before anything is loaded; in the end its predictions of the stored sample are
    compared with those of then.

    Raises
    ------
    NotFoundError
        There is no such version, or its image is no longer in the layer cache.
    RestoreError
        It cannot be loaded in this kernel.
    """
    check(reference=reference)
    restored = run_restore(reference)
    if restored.failed:
        # Who only gets the object would not know.
        warnings.warn(restored.text(), stacklevel=2)
    return restored.model


def run_restore(reference: str, variable: str = "") -> Restored:
    """Restore with progress shown; ``variable`` is what the model will be called."""
    from jupyter_containeriter.restoring import PHASES

    def call(progress: Progress) -> Restored:
        return session().restore(reference, progress).named(variable)

    return watched(f"Restoring {reference}", call, phases=PHASES)


def plot(
    kind: str = "phases",
    name: str | None = None,
    *,
    metric: str | None = None,
    better: str | None = None,
    by: str | None = None,
) -> Figure:
    """Draw the history; returns a matplotlib Figure with the finding as its title.

    Parameters
    ----------
    kind
        ``phases`` (where the time went), ``trend`` (how long iterations take, with the running median), ``rhythm`` (by
        weekday and hour), ``metric`` (over iterations and over time spent), ``compare`` (methods or other groups),
        ``dora`` (deployments, lead time, failures, time to restore by week) or ``overhead`` (from load tests).
    name
        Only this model; all without it.
    metric
        Of ``metric``: which one; the first one recorded by default.
    better
        Of ``metric``: ``"higher"`` or ``"lower"``; by the metric's name where not given.
    by
        Of ``compare``: a column, or the key of a tag; ``method`` by default.

    Raises
    ------
    NotFoundError
        There is no such model in the history.
    UsageError
        There is no such kind, metric or group, or the kind takes no such option.
    """
    check(kind=kind, name=name, metric=metric, better=better, by=by)
    return session().plot(kind, name, metric=metric, better=better, by=by)


def report(name: str, path: str | os.PathLike[str] = "") -> Report:
    """Write the history of a model as one HTML page to send: findings, charts, iterations, definitions.

    Parameters
    ----------
    name
        The model's name.
    path
        The file, ``NAME-report.html`` by default. An earlier report is replaced, anything else is not.

    Raises
    ------
    NotFoundError
        There is no such model in the history.
    UsageError
        The file cannot be written, or is something else than a report.
    """
    check(model=name, path=path)
    return session().report(name, os.fspath(path))


def doctor() -> list[Finding]:
    """Look at everything a deployment needs; each finding has a remedy where one is needed."""
    from jupyter_containeriter.diagnosis import examine

    return examine(session().settings)


def inspect(reference: str) -> ImageContents:
    """Read what the image of ``NAME[:VERSION]`` contains: packages and why, model files, local code, layers.

    Raises
    ------
    NotFoundError
        No such version, no image was built for it, or its image is no longer in the cache.
    """
    check(reference=reference)
    return session().inspect(reference)


def push(reference: str, target: str) -> Pushed:
    """Push the image of ``NAME[:VERSION]`` to ``REGISTRY/REPOSITORY[:TAG]``; the tag is the version by default.

    Only what the registry lacks is sent, with the logins of ``docker login`` or ``podman login``.

    Raises
    ------
    NotFoundError
        No such version, or its image is no longer in the cache.
    RegistryError
        The registry refuses or cannot be reached.
    """
    check(reference=reference, target=target)
    title = f"Pushing {reference} to {target}"
    return watched(title, partial(session().push, reference, target), phases=("push",))


def save(reference: str, path: str | os.PathLike[str]) -> Saved:
    """Save the image of ``NAME[:VERSION]`` as an archive (``churn.tar``) or as an OCI image layout (``churn/``).

    Raises
    ------
    NotFoundError
        No such version, or its image is no longer in the cache.
    UsageError
        The path ends with neither ``.tar`` nor ``/``, or cannot be one of them.
    """
    check(reference=reference, path=path)
    title = f"Saving {reference} to {os.fspath(path)}"
    return watched(title, partial(session().save, reference, os.fspath(path)), phases=("save",))


def sbom(reference: str, path: str | os.PathLike[str] = "") -> Bill:
    """Write a software bill of materials of the image of ``NAME[:VERSION]``: CycloneDX 1.6, as JSON.

    Parameters
    ----------
    reference
        ``NAME:VERSION``, or ``NAME`` for its newest version.
    path
        The file to write; without it the returned object holds the document.

    Raises
    ------
    NotFoundError
        No such version, no image was built for it, or its image is no longer in the cache.
    UsageError
        The extra ``sbom`` is not installed, or the file cannot be written.
    """
    check(reference=reference, path=path)
    return session().sbom(reference, os.fspath(path))


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
    from jupyter_containeriter.loadtest import PHASES

    check(name=name, seconds=seconds, connections=connections)
    levels = list(connections) if isinstance(connections, Sequence) else [connections]
    for level in levels:
        check(connection=level)
    call = partial(session().loadtest, name, float(seconds), [int(level) for level in levels])
    return watched(f"Measuring {name}", call, phases=PHASES)


def gc(*, budget: str | None = None, dry_run: bool = False) -> Collected:
    """Remove leftovers, and old versions until the disk budget is met, oldest first.

    What runs, the two versions before it, the newest of each name and versions tagged ``keep`` stay.

    Parameters
    ----------
    budget
        A size such as ``"5g"``, or ``"0"`` to remove everything that is not kept; the setting by default.
    dry_run
        Only tell what would go.
    """
    check(budget=budget, dry_run=dry_run)
    wanted = None if budget is None else parse_budget(budget) or 0
    return session().gc(wanted, dry_run=dry_run)


def config() -> list[Setting]:
    """Return every setting as it stands, and whether a file, the environment or this kernel gave it its value."""
    return session().settings.table()


def notebook_name() -> str:
    """Return the path of the notebook where its front end tells it, "" elsewhere."""
    return os.environ.get("JPY_SESSION_NAME", "")
