"""The one composition root: picks engine, base and store, and offers the verbs."""

from __future__ import annotations

import functools
import getpass
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.clock import CellClock
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.engines.select import reachable_engines, select_engine
from jupyter_containeriter.errors import NotFoundError
from jupyter_containeriter.handles import HandleStore
from jupyter_containeriter.history import History
from jupyter_containeriter.locks import NameLocks
from jupyter_containeriter.names import check_name, parse_reference
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.progress import Progress, Silent
from jupyter_containeriter.reconciliation import Reconciler
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.standing import Standing
from jupyter_containeriter.types import PROMOTED, Container, Limits
from jupyter_containeriter.versions import Versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jupyter_containeriter.bases import Bases
    from jupyter_containeriter.capture.kernel import KernelModels
    from jupyter_containeriter.capture.restored import RestoredModels
    from jupyter_containeriter.capture.snapshot import CaptureRequest
    from jupyter_containeriter.comparison import VersionChanges
    from jupyter_containeriter.contents import ImageContents
    from jupyter_containeriter.exchange import Exported, Merged
    from jupyter_containeriter.garbage import GarbageCollector
    from jupyter_containeriter.image.cache import LayerCache
    from jupyter_containeriter.measurement import LoadTest
    from jupyter_containeriter.restoring import Restored
    from jupyter_containeriter.road.timed import TimedIteration
    from jupyter_containeriter.shipping import Pushed, Saved
    from jupyter_containeriter.show.bill import Bill
    from jupyter_containeriter.show.garbage import Collected
    from jupyter_containeriter.show.iterations import Iterations
    from jupyter_containeriter.show.report import Report


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
        self.locks = NameLocks(settings.data_path / "locks")
        self.standing = Standing(self)
        self.versions = Versions(self)
        self.reconciler = Reconciler(self)

    # --- parts -------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def history(self) -> History:
        """The store of iterations."""
        with suppress(OSError):  # the history itself says best what is wrong
            # Rows, tokens and unpacked models are nobody else's business.
            self.settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = self.standing.highest_version
        return History(self.settings.history_location, self._spool, self.locks.owner, known)

    @property
    def _spool(self) -> Path:
        return self.settings.data_path / "spool"

    @functools.cached_property
    def cache(self) -> LayerCache:
        """The layer cache."""
        from jupyter_containeriter.image.cache import LayerCache, Tenant

        cache = LayerCache(self.settings.cache_path)
        cache.sign_in(Tenant(self.history.id, self.locks.owner, self.history.shown, str(self._spool)))
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

    @functools.cached_property
    def restored_models(self) -> RestoredModels:
        """The models that were restored into this kernel."""
        from jupyter_containeriter.capture.restored import RestoredModels

        return RestoredModels()

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

    def look_again(self) -> None:
        """Forget which engines answered: a session that outlives an engine's restart asks again from time to time."""
        type(self)._engine.cache_clear()  # noqa: SLF001 (its own)

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
        from jupyter_containeriter.road.walk import Road

        began = time.monotonic()
        check_name(request.name)
        options = options or RunOptions()
        self.limits(options)
        engine = self.engine(options.engine)
        base = choose(options.base or self.settings.base, options.platform, engine, deploy=options.deploy)
        self.reconciler.reconcile()
        progress = progress or Silent()
        with self.locks.exclusive(request.name), _telling(self.history, progress):
            deployment = Road(self, engine, options, progress, began).containerize(request, base)
        self.kernel_models.remember(request, deployment.iteration.id)
        self.garbage.tidy(progress)
        return deployment

    def iteration(self, name: str, method: str, **written: Any) -> TimedIteration:
        """Time any other way of deploying; see :class:`jupyter_containeriter.road.timed.TimedIteration`."""
        from jupyter_containeriter.road.timed import TimedIteration

        return TimedIteration(self, name, method, **written)

    def deploy(self, reference: str, progress: Progress | None = None, *, fresh: bool = False) -> Deployment:
        """Let an earlier version serve, as the live one was asked to run; it is verified before it replaces that one.

        Parameters
        ----------
        reference
            ``NAME:VERSION``, or ``NAME`` for its newest version.
        progress
            Hears of the phases.
        fresh
            True to start a new container from its exact image, also where the running one could load the model.

        Raises
        ------
        NotFoundError
            No such version, or its image is no longer in the cache.
        ParityError
            It predicts something else than it did; what runs keeps running.
        """
        from jupyter_containeriter.road.events import recorded
        from jupyter_containeriter.road.walk import Road

        name, version = parse_reference(reference)
        progress = progress or Silent()
        self.reconciler.reconcile()
        iteration = self.versions.find(name, version)
        serving = self.standing.serving(name)
        options = replace(self._options_of_live(serving), fresh=fresh)
        with self.locks.exclusive(name), recorded(self, iteration, serving, progress):
            return Road(self, self.engine(options.engine), options, progress).deploy(iteration)

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
        self.reconciler.reconcile()
        serving = self.standing.serving(name)
        if serving is None:
            raise NotFoundError(
                f"No container of {name} runs that could be rolled back.",
                f"Choose a version with %iterations {name}, then %deploy it.",
            )
        earlier = self.history.latest(name, PROMOTED, before=serving.version)
        if earlier is None:
            self.history.check()
            raise NotFoundError(f"There is no version of {name} to roll back to.", f"See %iterations {name}.")
        return self.deploy(f"{name}:{earlier.version}", progress=progress)

    def undeploy(self, name: str) -> int:
        """Stop every container of a model and return the version that ran; images and history stay.

        Raises
        ------
        NotFoundError
            Nothing of that name runs.
        """
        from jupyter_containeriter.road.events import recorded

        check_name(name)
        self.reconciler.reconcile()
        with self.locks.exclusive(name):
            live = self.standing.live(name)
            if not live:
                if self.handles.engine(name) in {engine.describe().endpoint for engine in self.engines()}:
                    # Its container was removed from outside, and need not be missed any more.
                    self.handles.release(name)
                told = " ".join(filter(None, [f"No container of {name} runs.", self.standing.unreachable()]))
                raise NotFoundError(told, "See %deployments for what runs.")
            serving = self.standing.serving(name) or live[0][1]
            with recorded(self, None, serving, Silent()):
                self.handles.release(name)
                for engine, container in live:
                    self.standing.remove(engine, container)
        return serving.version

    def deployments(self) -> list[Deployment]:
        """Return what runs now, as the engines report it, by name."""
        self.reconciler.reconcile()
        self.reconciler.keep_promises()
        found = self.standing.deployments(self.standing.containers())
        return sorted(found, key=lambda deployment: deployment.name)

    def iterations(self, name: str | None = None, last: int | None = None, where: str | None = None) -> Iterations:
        """Return the history as a DataFrame, oldest first; one row an iteration.

        ``last`` are the last ones of those ``where`` an expression is true.
        """
        from jupyter_containeriter.analytics.where import where as chosen
        from jupyter_containeriter.show.iterations import Iterations

        self.reconciler.reconcile()
        self.versions.check_known(name)
        frame = self.history.frame(name, last if where is None else None)
        if where is not None:
            frame = chosen(frame, where)
            frame = frame.tail(len(frame) if last is None else last).reset_index(drop=True)
        return Iterations.of(frame, self.versions.params_before)

    def compare(self, name: str, before: int, after: int) -> VersionChanges:
        """Tell what changed; see :func:`jupyter_containeriter.comparison.compare_versions`."""
        from jupyter_containeriter.comparison import compare_versions

        self.reconciler.reconcile()
        return compare_versions(self, name, before, after)

    def inspect(self, reference: str) -> ImageContents:
        """Read what the image of ``NAME[:VERSION]`` contains; see :func:`jupyter_containeriter.contents.inspect`."""
        from jupyter_containeriter.contents import inspect

        return inspect(self, reference)

    def restore(self, reference: str, progress: Progress | None = None) -> Restored:
        """Bring the model of a version back; see :func:`jupyter_containeriter.restoring.restore`."""
        from jupyter_containeriter.restoring import restore

        return restore(self, reference, progress or Silent())

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

    def export(self, path: str, name: str | None = None) -> Exported:
        """Write iterations to a file; see :func:`jupyter_containeriter.exchange.export`."""
        from jupyter_containeriter.exchange import export

        return export(self, path, name)

    def merge(self, source: str) -> Merged:
        """Bring in another history; see :func:`jupyter_containeriter.exchange.merge`."""
        from jupyter_containeriter.exchange import merge

        return merge(self, source)

    def loadtest(
        self, name: str, seconds: float, connections: Sequence[int], progress: Progress | None = None
    ) -> LoadTest:
        """Measure what the container of a name costs; see :func:`jupyter_containeriter.load_test.load_test`."""
        from jupyter_containeriter.load_test import load_test

        return load_test(self, name, seconds, connections, progress or Silent())

    def gc(self, budget: int | None = None, *, dry_run: bool = False) -> Collected:
        """Give disk back; see :meth:`jupyter_containeriter.garbage.GarbageCollector.collect`."""
        return self.garbage.collect(self.settings.budget_bytes if budget is None else budget, dry_run=dry_run)

    def plot(self, kind: str = "phases", name: str | None = None, **options: str | None) -> Figure:
        """Draw the history; see :func:`jupyter_containeriter.drawing.draw`."""
        from jupyter_containeriter.drawing import draw

        return draw(self, kind, name, options)

    def report(self, name: str, path: str = "") -> Report:
        """Write a model's history as one page; see :func:`jupyter_containeriter.reporting.report`."""
        from jupyter_containeriter.reporting import report

        return report(self, name, path)

    def report_page(self, name: str) -> str:
        """Return that page without writing it; see :func:`jupyter_containeriter.reporting.page`."""
        from jupyter_containeriter.reporting import page

        return page(self, name)

    def remarks(self) -> list[str]:
        """Say what :meth:`deployments` could not look at, and what should run and does not."""
        return [*filter(None, [self.standing.unreachable()]), *self.reconciler.remarks, *self.history.remarks()]

    def _options_of_live(self, serving: Container | None) -> RunOptions:
        """Return how the live version was asked to run, so that another version takes its place as it is."""
        if serving is None:
            return RunOptions()
        return RunOptions.as_started(serving.engine, self.handles.read(serving.id).options)


@contextmanager
def _telling(history: History, progress: Progress) -> Iterator[None]:
    """Tell in the end what happened to the history meanwhile."""
    try:
        yield
    finally:
        for remark in history.remarks():
            progress.note(remark)
