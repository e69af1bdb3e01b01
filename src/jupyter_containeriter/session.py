"""The one composition root: picks engine, base and store, and offers the verbs."""

from __future__ import annotations

import functools
import getpass
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from jupyter_containeriter.clock import CellClock
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.engines.select import reachable_engines, select_engine
from jupyter_containeriter.errors import BusyError, EngineError, NotFoundError, UsageError
from jupyter_containeriter.handles import HandleStore
from jupyter_containeriter.history import History
from jupyter_containeriter.names import check_name, parse_reference
from jupyter_containeriter.progress import Progress, Silent
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.types import PROMOTED, RUNNABLE, Container, Iteration, Limits

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from jupyter_containeriter.bases import Bases
    from jupyter_containeriter.capture.kernel import KernelModels
    from jupyter_containeriter.capture.snapshot import CaptureRequest
    from jupyter_containeriter.contents import ImageContents
    from jupyter_containeriter.garbage import GarbageCollector
    from jupyter_containeriter.image.cache import LayerCache
    from jupyter_containeriter.measurement import LoadTest
    from jupyter_containeriter.shipping import Pushed, Saved
    from jupyter_containeriter.show.bill import Bill
    from jupyter_containeriter.show.garbage import Collected


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run, and what to write beside the iteration.

    Attributes
    ----------
    engine
        ``auto``, ``docker``, ``sandbox`` or ``process``; None for the setting.
    base
        ``kernel`` or an image; None for the setting.
    platform
        ``linux/amd64`` or ``linux/arm64``; None for the engine's own.
    memory, cpus
        Limits, None for the settings.
    gpus
        As for ``docker run --gpus``.
    port
        Host port, None for any free one.
    token
        Whether requests need a bearer token.
    deploy
        False to build and load only.
    params, metrics, tags, note
        Written into the history.
    notebook
        Name of the notebook, "" where unknown.
    """

    engine: str | None = None
    base: str | None = None
    platform: str | None = None
    memory: str | None = None
    cpus: float | None = None
    gpus: str | None = None
    port: int | None = None
    token: bool = True
    deploy: bool = True
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    notebook: str = ""

    def __post_init__(self) -> None:
        if self.port is not None and not 0 < self.port < 65536:
            raise UsageError(
                f"--port {self.port}: there is no such port.", "Give one from 1 to 65535, or leave it out."
            )


class Session:
    """The verbs, over one history, one layer cache and the engines.

    Parameters
    ----------
    settings
        Where things are kept and what is the default.
    clock
        Tells how long a person thought and cells ran between iterations.
    """

    def __init__(self, settings: ContainerIter, clock: CellClock | None = None) -> None:
        self.settings = settings
        self.clock = clock or CellClock()
        self.host = socket.gethostname()
        self._locks: dict[str, FileLock] = {}
        self._reconciled = False

    # --- parts -------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def history(self) -> History:
        """The store of iterations."""
        with suppress(OSError):  # the history itself says best what is wrong
            # Rows, tokens and unpacked models are nobody else's business.
            self.settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return History(self.settings.data_path / "history.sqlite")

    @functools.cached_property
    def cache(self) -> LayerCache:
        """The layer cache."""
        from jupyter_containeriter.image.cache import LayerCache

        cache = LayerCache(self.settings.cache_path)
        cache.sign_in(self.history.id, self.history.path)
        return cache

    @functools.cached_property
    def garbage(self) -> GarbageCollector:
        """What keeps the disk under its budget."""
        from jupyter_containeriter.garbage import GarbageCollector

        return GarbageCollector(self)

    @functools.cached_property
    def bases(self) -> Bases:
        """What images are built on."""
        from jupyter_containeriter.bases import Bases

        return Bases(self.cache)

    @functools.cached_property
    def handles(self) -> HandleStore:
        """How to talk to containers that run, and which of them are promoted."""
        return HandleStore(self.settings.data_path / "handles")

    @functools.cached_property
    def kernel_models(self) -> KernelModels:
        """The models that were containerized in this kernel, where it still holds them."""
        from jupyter_containeriter.capture.kernel import KernelModels

        return KernelModels()

    @property
    def workspace(self) -> Path:
        """Where proofs run and are remembered."""
        return self.settings.cache_path / "proofs"

    @property
    def user(self) -> str:
        """Who iterates."""
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return str(os.getuid())

    def engine(self, wanted: str | None = None) -> Engine:
        """Return the engine of that name, or the one the settings say."""
        return self._engine(wanted or self.settings.engine)

    @functools.cache  # noqa: B019 (a session lives as long as its kernel)
    def _engine(self, wanted: str) -> Engine:
        return select_engine(wanted, self._sandbox_state)

    def engines(self) -> list[Engine]:
        """Return every engine that may hold containers of ours."""
        return reachable_engines(self._sandbox_state)

    @property
    def _sandbox_state(self) -> Path:
        return self.settings.data_path / "sandbox"

    def limits(self, options: RunOptions) -> Limits:
        """Return the limits for a run."""
        return self.settings.limits(options.memory, options.cpus)

    # --- verbs -------------------------------------------------------------------------------------------------------

    def containerize(
        self, request: CaptureRequest, options: RunOptions | None = None, progress: Progress | None = None
    ) -> Deployment:
        """Take a model from the kernel to a verified container and record the iteration.

        Raises
        ------
        ContainerIterError
            A subclass for each way it can fail; what ran before keeps running.
        """
        from jupyter_containeriter.bases import choose
        from jupyter_containeriter.road import Road

        check_name(request.name)
        options = options or RunOptions()
        self.limits(options)
        engine = self.engine(options.engine)
        base = choose(options.base or self.settings.base, options.platform, engine, deploy=options.deploy)
        self.reconcile()
        progress = progress or Silent()
        with self.exclusive(request.name):
            deployment = Road(self, engine, options, progress).containerize(request, base)
        self.kernel_models.remember(request, deployment.iteration.id)
        self.garbage.tidy(progress)
        return deployment

    def deploy(self, reference: str, options: RunOptions | None = None, progress: Progress | None = None) -> Deployment:
        """Run the exact image of an earlier version; it is verified before it replaces what runs.

        Parameters
        ----------
        reference
            ``NAME:VERSION``, or ``NAME`` for its newest version.

        Raises
        ------
        NotFoundError
            No such version, or its image is no longer in the cache.
        ParityError
            It predicts something else than it did; what runs keeps running.
        """
        from jupyter_containeriter.road import Road

        name, version = parse_reference(reference)
        self.reconcile()
        iteration = self.find(name, version)
        options = options or self._options_of_live(name)
        with self.exclusive(name):
            return Road(self, self.engine(options.engine), options, progress or Silent()).deploy(iteration)

    def rollback(self, name: str, to: int | None = None, progress: Progress | None = None) -> Deployment:
        """Deploy the version before the one that runs, or version ``to``.

        Raises
        ------
        NotFoundError
            There is no earlier version that was verified or deployed.
        """
        check_name(name)
        if to is not None:
            return self.deploy(f"{name}:{to}", progress=progress)
        self.reconcile()
        live = self.live(name)
        before = live[0][1].version if live else None
        earlier = self.history.latest(name, PROMOTED, before=before)
        if earlier is None:
            raise NotFoundError(f"There is no version of {name} to roll back to.", f"See %iterations {name}.")
        return self.deploy(f"{name}:{earlier.version}", progress=progress)

    def undeploy(self, name: str) -> int:
        """Stop every container of a model and return the version that ran; images and history stay.

        Raises
        ------
        NotFoundError
            Nothing of that name runs.
        """
        check_name(name)
        self.reconcile()
        with self.exclusive(name):
            live = self.live(name)
            if not live:
                told = f" {self.unreachable()}" if self.unreachable() else ""
                raise NotFoundError(f"No container of {name} runs.{told}", "See %deployments for what runs.")
            for engine, container in live:
                self.remove(engine, container)
        return live[0][1].version

    def deployments(self) -> list[Deployment]:
        """Return what runs now, as the engines report it, by name."""
        self.reconcile()
        pairs = self.containers()
        iterations = self.history.by_ids(container.iteration for _, container in pairs)
        found = [
            self.handle(engine, container, iterations[container.iteration])
            for engine, container in pairs
            if container.iteration in iterations
            and iterations[container.iteration].status in PROMOTED
            and self.handles.promoted(container.name) in {"", container.id}
        ]
        return sorted(found, key=lambda deployment: deployment.name)

    def iterations(self, name: str | None = None, last: int | None = None) -> DataFrame:
        """Return the history as a DataFrame, oldest first; one row an iteration."""
        self.reconcile()
        if name is not None and check_name(name) not in (known := self.history.names()):
            raise NotFoundError(
                f"There is no model {name} in the history.", f"There are: {', '.join(known) or 'none'}."
            )
        return self.history.frame(name, last)

    def inspect(self, reference: str) -> ImageContents:
        """Read what the image of ``NAME[:VERSION]`` contains; see :func:`jupyter_containeriter.contents.inspect`."""
        from jupyter_containeriter.contents import inspect

        return inspect(self, reference)

    def push(self, reference: str, target: str, progress: Progress | None = None) -> Pushed:
        """Push the image of ``NAME[:VERSION]`` to a registry; see :func:`jupyter_containeriter.shipping.push`."""
        from jupyter_containeriter.shipping import push

        return push(self, reference, target, progress or Silent())

    def save(self, reference: str, path: str, progress: Progress | None = None) -> Saved:
        """Save the image of ``NAME[:VERSION]`` to a file; see :func:`jupyter_containeriter.shipping.save`."""
        from jupyter_containeriter.shipping import save

        return save(self, reference, path, progress or Silent())

    def sbom(self, reference: str, path: str = "") -> Bill:
        """Write a bill of materials; see :func:`jupyter_containeriter.bill.bill_of_materials`."""
        from jupyter_containeriter.bill import bill_of_materials

        return bill_of_materials(self, reference, path)

    def loadtest(
        self, name: str, seconds: float, connections: Sequence[int], progress: Progress | None = None
    ) -> LoadTest:
        """Measure what the container of a name costs; see :func:`jupyter_containeriter.loadtest.load_test`."""
        from jupyter_containeriter.loadtest import load_test

        return load_test(self, name, seconds, connections, progress or Silent())

    def gc(self, budget: int | None = None, *, dry_run: bool = False) -> Collected:
        """Give disk back; see :meth:`jupyter_containeriter.garbage.GarbageCollector.collect`."""
        return self.garbage.collect(self.settings.budget_bytes if budget is None else budget, dry_run=dry_run)

    def plot(self, kind: str = "phases", name: str | None = None) -> Figure:
        """Draw the history."""
        from jupyter_containeriter import analytics

        return analytics.plot(self.iterations(name), kind, name)

    # --- what runs ---------------------------------------------------------------------------------------------------

    def find(self, name: str, version: int | None) -> Iteration:
        """Return a version that may run, or the newest one.

        Raises
        ------
        NotFoundError
            There is none.
        UsageError
            It failed, so it was never proven.
        """
        iteration = self.history.latest(name, RUNNABLE) if version is None else self.history.get(name, version)
        if iteration is None:
            wanted = name if version is None else f"{name}:{version}"
            known = f"See %iterations {name}." if name in self.history.names() else "See %iterations."
            raise NotFoundError(f"There is no {wanted}.", known)
        if iteration.status not in RUNNABLE:
            raise UsageError(
                f"{name}:{iteration.version} was never proven (status: {iteration.status}).",
                f"Choose a version that is verified, deployed or built: see %iterations {name}.",
            )
        return iteration

    def containers(self, engines: Iterable[Engine] | None = None) -> list[tuple[Engine, Container]]:
        """Return every container of this history on these engines (on all that answer), newest first."""
        asked = self.engines() if engines is None else engines
        pairs = [(engine, c) for engine in asked for c in engine.containers(self.history.id)]
        oldest = datetime.min.replace(tzinfo=UTC)
        return sorted(pairs, key=lambda pair: pair[1].started_at or oldest, reverse=True)

    def live(self, name: str) -> list[tuple[Engine, Container]]:
        """Return the containers of a name with their engines, newest first."""
        return [(engine, container) for engine, container in self.containers() if container.name == name]

    def handle(self, engine: Engine, container: Container, iteration: Iteration) -> Deployment:
        """Return the handle of a running container."""
        return Deployment.of(iteration, engine, container, self.handles)

    def remove(self, engine: Engine, container: Container) -> None:
        """Stop a container and forget its token."""
        engine.stop(container.id)
        self.handles.forget(container.id)

    def unreachable(self) -> str:
        """Say that an engine which ran something before cannot be asked now; "" where all can."""
        if any(engine.name == "docker" for engine in self.engines()):
            return ""
        latest = (self.history.latest(name, PROMOTED) for name in self.history.names())
        if any(iteration and iteration.engine == "docker" for iteration in latest):
            return "Docker does not answer, so what it may run is not known here."
        return ""

    def _options_of_live(self, name: str) -> RunOptions:
        """Return how the live version was asked to run, so that another version takes its place as it is."""
        live = self.live(name)
        if not live:
            return RunOptions()
        _, container = live[0]
        return RunOptions(engine=container.engine, **self.handles.read(container.id).options)

    # --- order -------------------------------------------------------------------------------------------------------

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold the name against other kernels; the lock goes with the process.

        Raises
        ------
        BusyError
            Another kernel holds it.
        """
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise BusyError(f"Another kernel is working on {name} right now.") from error
        try:
            yield
        finally:
            lock.release()

    def is_busy(self, name: str) -> bool:
        """Whether another kernel holds the name now."""
        try:
            with self.exclusive(name):
                return False
        except BusyError:
            return True

    def _lock(self, name: str) -> FileLock:
        if name not in self._locks:
            directory = self.settings.data_path / "locks"
            directory.mkdir(parents=True, exist_ok=True)
            self._locks[name] = FileLock(directory / f"{name}.lock")
        return self._locks[name]

    def reconcile(self) -> None:
        """Mark iterations of killed kernels as interrupted and remove their containers; once a session.

        Where an engine fails, the verb goes on (it tells by itself, if it needs that engine), and the next one tries
        again. An iteration holds its name's lock: one that is ``running`` while the lock is free has lost its kernel.
        """
        if self._reconciled:
            return
        self._forget_proofs()
        for iteration in self.history.running(self.host):
            try:
                with self.exclusive(iteration.name):
                    now = self.history.by_ids([iteration.id]).get(iteration.id)
                    if now is not None and now.status == "running":
                        self.history.update(replace(now, status="interrupted", error="The kernel ended."))
            except BusyError:
                continue
        with suppress(EngineError):
            self._remove_orphans()
            self._reconciled = True

    def _forget_proofs(self) -> None:
        from jupyter_containeriter.capture.proof import forget

        forget(self.workspace)

    def _remove_orphans(self) -> None:
        for name in sorted({container.name for _, container in self._orphans()}):
            try:
                with self.exclusive(name):
                    for engine, container in self._orphans(name):
                        self.remove(engine, container)
            except BusyError:
                # Its kernel is starting one beside the other, and tidies up by itself.
                continue

    def _orphans(self, name: str | None = None) -> list[tuple[Engine, Container]]:
        pairs = [pair for pair in self.containers() if name in {None, pair[1].name}]
        iterations = self.history.by_ids(container.iteration for _, container in pairs)
        promoted = {one for _, container in pairs if (one := self.handles.promoted(container.name))}
        # A name whose promoted container is gone (or was never noted) keeps its newest one.
        noted = {container.name for _, container in pairs if container.id in promoted}
        found: list[tuple[Engine, Container]] = []
        for engine, container in pairs:
            iteration = iterations.get(container.iteration)
            status = iteration.status if iteration else "interrupted"
            serves = container.id in promoted or container.name not in noted
            if status in PROMOTED and serves:
                noted.add(container.name)
            elif status != "running":
                found.append((engine, container))
        return found
