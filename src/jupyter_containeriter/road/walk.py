"""One walk down the road: capture, build, load, start, verify, promote; and what is undone when it ends early."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.analytics.changes import changed
from jupyter_containeriter.bases import BaseChoice
from jupyter_containeriter.bytesize import parse_size
from jupyter_containeriter.capture.guards import Rules
from jupyter_containeriter.capture.params import model_params
from jupyter_containeriter.capture.snapshot import CaptureRequest, capture
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import (
    BuildError,
    CaptureError,
    ContainerIterError,
    DamagedLayerError,
    EngineError,
    HistoryError,
    IterationInterruptedError,
    NotFoundError,
    ParityError,
    UsageError,
)
from jupyter_containeriter.image.build import build
from jupyter_containeriter.lead import model_names
from jupyter_containeriter.names import image_reference
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.progress import PhaseTimes, Progress
from jupyter_containeriter.road.record import Record
from jupyter_containeriter.road.same import same_version
from jupyter_containeriter.road.service import IntoService
from jupyter_containeriter.road.site import Candidate, Site
from jupyter_containeriter.road.stored import stored_document
from jupyter_containeriter.types import Container, Image, Iteration, LoadReport, Snapshot, Status

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session


class Road:
    """One walk.

    Parameters
    ----------
    session
        Gives history, cache, handles and settings.
    engine
        Where the container will run.
    options
        How to run it.
    progress
        Hears of the phases.
    began
        When the call began, on the monotonic clock; now by default.
    """

    def __init__(
        self, session: Session, engine: Engine, options: RunOptions, progress: Progress, began: float | None = None
    ) -> None:
        self._session = session
        self._engine = engine
        self._options = options
        self._times = PhaseTimes(progress, began)
        self._site = Site(session, engine, options, self._times)
        if engine.name == "process":
            progress.note("Engine process: this machine forbids namespaces, so the model runs WITHOUT any isolation.")

    # --- where roads begin -------------------------------------------------------------------------------------------

    def containerize(self, request: CaptureRequest, choice: BaseChoice) -> Deployment:
        """Walk the whole road and record it, however it ends."""
        record = self._record = self._begin(request, choice)
        self._into = IntoService(self._site, record)
        try:
            return self._from_kernel(request, choice)
        except BaseException as error:
            self._into.undo()
            if isinstance(error, UsageError):
                record.forget()
            else:
                record.fail(error)
            self._restore()
            if isinstance(error, KeyboardInterrupt):
                raise self._interruption() from None
            raise

    def deploy(self, iteration: Iteration) -> Deployment:
        """Run the stored image of an iteration instead of what runs now."""
        record = self._record = Record(self._session, self._times, iteration)
        self._into = IntoService(self._site, record)
        image, document = stored_document(self._session.cache, iteration)
        if image is None:
            raise NotFoundError(
                f"The image of {iteration.name}:{iteration.version} is no longer in the layer cache.",
                "Containerize the model again.",
            )
        self._insist_on_platform(image)
        try:
            report = self._into.verify_stored(Candidate(iteration, image, document), lambda: self._load_stored(image))
            if iteration.status == "built":
                record.note(status=_proven(document))
                record.save()
            container = self._into.promote()
        except BaseException as error:
            self._into.undo()
            self._restore()
            if isinstance(error, KeyboardInterrupt):
                raise self._interruption() from None
            raise
        return self._deployment(container, report, self._times.seconds)

    def _begin(self, request: CaptureRequest, choice: BaseChoice) -> Record:
        options = self._options
        record = Record.begin(
            self._session,
            self._times,
            request.name,
            engine=self._engine.name,
            method="containeriter",
            base=choice.reference,
            params={**model_params(request.model), **options.params},
            metrics=dict(options.metrics),
            tags=dict(options.tags),
            note=options.note,
            notebook=options.notebook,
        )
        record.note(image_reference=image_reference(request.name, record.iteration.version))
        record.look_back(partial(model_names, request.label, request.model))
        return record

    def _from_kernel(self, request: CaptureRequest, choice: BaseChoice) -> Deployment:
        with self._times.phase("capture"):
            same = same_version(self._session, request, self._options, choice)
        if same is not None:
            return self._again(same, choice)
        record = self._record
        with self._times.phase("capture"):
            afresh = choice.foreign or not self._options.deploy
            request = replace(request, gpus=bool(self._options.gpus), afresh=afresh)
            snapshot = capture(request, self._session.workspace, self._rules())
        for note in snapshot.notes:
            self._site.note(note)
        record.note(
            model_digest=snapshot.model_digest, code_digest=snapshot.code_digest, data_digest=snapshot.data_digest
        )
        with self._times.phase("build"):
            image = self._build(snapshot, choice)
        record.note(
            image_digest=image.digest, image_size_bytes=image.size_bytes, environment_digest=image.environment_digest
        )
        document = json.loads(snapshot.files["snapshot.json"])
        load = partial(self._load, image, snapshot, choice)
        if (unserved := self._unserved(load, choice)) is not None:
            return unserved
        try:
            report = self._into.verify(Candidate(record.iteration, image, document), load)
        except (EngineError, ParityError) as error:
            if snapshot.remembered:
                self._look_closer(request, error)
            raise
        return self._served(document, report)

    def _again(self, same: Candidate, choice: BaseChoice) -> Deployment:
        """Take the image of an earlier version, where the model is restored from it and all is as it was."""
        record, was = self._record, same.iteration
        image = replace(same.image, reference=record.iteration.image_reference)
        self._site.note(f"The same model as {same.label}: its image is taken as it is, nothing is built.")
        record.note(
            model_digest=was.model_digest,
            code_digest=was.code_digest,
            data_digest=was.data_digest,
            image_digest=was.image_digest,
            image_size_bytes=was.image_size_bytes,
            environment_digest=was.environment_digest,
        )
        load = partial(self._load_again, image)
        if (unserved := self._unserved(load, choice)) is not None:
            return unserved
        report = self._into.verify(Candidate(record.iteration, image, same.document), load)
        return self._served(same.document, report)

    def _unserved(self, load: Callable[[], tuple[Image, LoadReport]], choice: BaseChoice) -> Deployment | None:
        """End an iteration that is not to serve; None for one that is."""
        record = self._record
        if choice.foreign:
            record.finish("built")
            return self._deployment(None)
        if self._options.deploy:
            return None
        with self._times.phase("load"):
            _, report = load()
        record.note(sent_bytes=report.sent_bytes)
        record.finish("built")
        return self._deployment(None, report)

    def _served(self, document: Mapping[str, Any], report: LoadReport) -> Deployment:
        """End an iteration that was verified, and let it serve."""
        self._record.finish(_proven(document))
        return replace(self._deployment(self._into.promote(), report), changes=self._changes())

    # --- failures ----------------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        """Bring the live version back, should the candidate have ended the server they shared."""
        if self._into.tried:
            iteration = self._record.iteration
            with self._site.noting():
                self._session.reconciler.keep(iteration.name, self._times.progress, iteration.id)

    def _look_closer(self, request: CaptureRequest, error: ContainerIterError) -> None:
        """Raise what a proof says, where it fails too: it says more than a container for which none ran."""
        self._into.undo()
        self._site.note("The model fails in the container; looking for the cause in a clean process.")
        with self._times.phase("capture"), suppress(UsageError):
            try:
                capture(replace(request, afresh=True), self._session.workspace, self._rules())
            except (CaptureError, ParityError) as cause:
                raise cause from error

    # --- phases ------------------------------------------------------------------------------------------------------

    def _rules(self) -> Rules:
        limit = parse_size(self._session.settings.data_limit)
        return Rules(limit, self._session.handles.tokens())

    def _build(self, snapshot: Snapshot, choice: BaseChoice) -> Image:
        bases, progress = self._session.bases, self._times.progress
        base = bases.base(choice, self._engine, progress)
        self._record.note(base=base.name)
        fitted = bases.fitted(snapshot, base, progress)
        return build(fitted, base, self._session.cache, self._record.iteration.image_reference)

    def _load(self, image: Image, snapshot: Snapshot, choice: BaseChoice) -> tuple[Image, LoadReport]:
        """Load the image; a damaged layer is found by its digest when it is read, and built again."""
        for _ in image.layers:
            try:
                return image, self._engine.load(image)
            except DamagedLayerError as error:
                self._site.note(f"{error.message} Building it again.")
                self._session.cache.discard(error.digest)
                image = self._build(snapshot, choice)
        return image, self._engine.load(image)

    def _load_again(self, image: Image) -> tuple[Image, LoadReport]:
        """Load the image of an earlier version; a damaged layer is forgotten, so that it is built the next time."""
        try:
            return image, self._engine.load(image)
        except DamagedLayerError as error:
            self._session.cache.discard(error.digest)
            raise BuildError(
                f"The image {image.reference} is damaged in the layer cache.", "Run the cell again: it is built anew."
            ) from error

    def _insist_on_platform(self, image: Image) -> None:
        own, needed = self._engine.describe().architecture, json.loads(image.config)["architecture"]
        if needed != own:
            raise UsageError(
                f"{image.reference} is for linux/{needed}, the engine {self._engine.name} runs linux/{own}.",
                "Run it where it is meant for: push or save the image.",
            )

    def _load_stored(self, image: Image) -> LoadReport:
        try:
            return self._engine.load(image)
        except DamagedLayerError as error:
            raise NotFoundError(
                f"The image {image.reference} is damaged in the layer cache.", "Containerize the model again."
            ) from error

    # --- results -----------------------------------------------------------------------------------------------------

    def _interruption(self) -> IterationInterruptedError:
        """Say what an interrupt left behind."""
        if not self._into.promoted:
            return IterationInterruptedError(f"Interrupted during {self._times.current}; nothing was deployed.")
        label = f"{self._record.iteration.name}:{self._record.iteration.version}"
        return IterationInterruptedError(
            f"Interrupted after {label} was deployed; the version before it may still run beside it.",
            f"Stop what is left of it with %deploy {label}.",
        )

    def _changes(self) -> dict[str, tuple[Any, Any]]:
        """Return the params that are not those of the version before, where that one has some."""
        iteration = self._record.iteration
        with suppress(HistoryError):
            before = self._session.versions.params_before(iteration.name, iteration.version)
            if before and iteration.params:
                return changed(before, iteration.params)
        return {}

    def _deployment(
        self, container: Container | None, report: LoadReport | None = None, times: Mapping[str, float] | None = None
    ) -> Deployment:
        iteration, handles = self._record.iteration, self._session.handles
        return Deployment.of(iteration, self._engine, container, handles, report, times)


def _proven(document: Mapping[str, Any]) -> Status:
    """Return what a version is that came through: without a sample nothing was proven."""
    return "deployed" if document["sample"] is None else "verified"
