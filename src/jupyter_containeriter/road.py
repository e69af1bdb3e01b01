"""The road of one iteration: capture, build, load, start, verify, promote; and what is undone when it ends early."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.bases import BaseChoice
from jupyter_containeriter.bytesize import parse_size
from jupyter_containeriter.capture.guards import Rules
from jupyter_containeriter.capture.snapshot import CaptureRequest, capture, read_sample
from jupyter_containeriter.client import InferenceClient, example_body
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import (
    CaptureError,
    ContainerIterError,
    DamagedLayerError,
    EngineError,
    IterationInterruptedError,
    NotFoundError,
    ParityError,
    UsageError,
)
from jupyter_containeriter.handles import Handle, new_token, token_environment
from jupyter_containeriter.image.build import build, stored_image
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.names import image_reference
from jupyter_containeriter.parity import compare
from jupyter_containeriter.progress import PhaseTimes, Progress
from jupyter_containeriter.starter import Patience, explain_end, explain_failure, wait_until_ready
from jupyter_containeriter.types import (
    CONTAINER_ROOT,
    Comparison,
    Container,
    Image,
    Iteration,
    LoadReport,
    RunSpec,
    Snapshot,
    Status,
)

if TYPE_CHECKING:
    from jupyter_containeriter.session import RunOptions, Session


class Road:
    """One walk down the road.

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
    """

    def __init__(self, session: Session, engine: Engine, options: RunOptions, progress: Progress) -> None:
        self._session = session
        self._engine = engine
        self._options = options
        self._times = PhaseTimes(progress)
        self._candidate: Container | None = None
        self._promoted = False
        if engine.name == "process":
            progress.note("Engine process: this machine forbids namespaces, so the model runs WITHOUT any isolation.")

    # --- the two ways down -------------------------------------------------------------------------------------------

    def containerize(self, request: CaptureRequest, choice: BaseChoice) -> Deployment:
        """Walk the whole road and record it, however it ends."""
        iteration = self._begin(request.name, choice)
        try:
            return self._walk(request, choice)
        except BaseException as error:
            self._undo()
            if isinstance(error, UsageError):
                self._session.history.delete(iteration.id)
            else:
                self._record_failure(error)
            if isinstance(error, KeyboardInterrupt):
                raise self._interruption() from None
            raise
        finally:
            self._session.clock.mark(request.name)

    def deploy(self, iteration: Iteration) -> Deployment:
        """Run the stored image of an iteration instead of what runs now."""
        image, document = stored_document(self._session.cache, iteration)
        if image is None:
            raise NotFoundError(
                f"The image of {iteration.name}:{iteration.version} is no longer in the layer cache.",
                "Containerize the model again.",
            )
        self._insist_on_platform(image)
        self._iteration = iteration
        try:
            with self._times.phase("load"):
                report = self._load_stored(image)
            container = self._start(image, document)
            comparison = self._verify(container, document)
            if iteration.status == "built":
                self._note(status="verified" if comparison else "deployed")
                self._session.history.update(self._iteration)
            container = self._promote(image, container, document)
        except BaseException as error:
            self._undo()
            if isinstance(error, KeyboardInterrupt):
                raise self._interruption() from None
            raise
        return self._deployment(container, report, self._times.seconds)

    def _walk(self, request: CaptureRequest, choice: BaseChoice) -> Deployment:
        with self._times.phase("capture"):
            unserved = choice.foreign or not self._options.deploy
            request = replace(request, gpus=bool(self._options.gpus), afresh=unserved)
            snapshot = capture(request, self._session.workspace, self._rules())
        for note in snapshot.notes:
            self._times.progress.note(note)
        self._note(
            model_digest=snapshot.model_digest, code_digest=snapshot.code_digest, data_digest=snapshot.data_digest
        )
        with self._times.phase("build"):
            image = self._build(snapshot, choice)
        self._note(
            image_digest=image.digest, image_size_bytes=image.size_bytes, environment_digest=image.environment_digest
        )
        if choice.foreign:
            self._finish("built")
            return self._deployment(None)
        with self._times.phase("load"):
            image, report = self._load(image, snapshot, choice)
        self._note(sent_bytes=report.sent_bytes)
        document = json.loads(snapshot.files["snapshot.json"])
        if not self._options.deploy:
            self._finish("built")
            return self._deployment(None, report)
        try:
            container = self._start(image, document)
            comparison = self._verify(container, document)
        except (EngineError, ParityError) as error:
            if snapshot.remembered:
                self._look_closer(request, error)
            raise
        self._finish("verified" if comparison else "deployed")
        container = self._promote(image, container, document)
        return self._deployment(container, report)

    def _look_closer(self, request: CaptureRequest, error: ContainerIterError) -> None:
        """Raise what a proof says, where it fails too: it says more than a container for which none ran."""
        self._undo()
        self._times.progress.note("The model fails in the container; looking for the cause in a clean process.")
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
        self._note(base=base.name)
        fitted = bases.fitted(snapshot, base, progress)
        return build(fitted, base, self._session.cache, self._iteration.image_reference)

    def _load(self, image: Image, snapshot: Snapshot, choice: BaseChoice) -> tuple[Image, LoadReport]:
        """Load the image; a damaged layer is found by its digest when it is read, and built again."""
        for _ in image.layers:
            try:
                return image, self._engine.load(image)
            except DamagedLayerError as error:
                self._times.progress.note(f"{error.message} Building it again.")
                self._session.cache.discard(error.digest)
                image = self._build(snapshot, choice)
        return image, self._engine.load(image)

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

    def _start(self, image: Image, document: Any) -> Container:
        # A port that the live version holds is moved to when that one has stopped: after this one is proven.
        port = self._options.port
        if port is not None and port in self._live_ports():
            port = None
        with self._times.phase("start"):
            self._candidate = self._run(image, document, port)
            self._wait(self._candidate)
        return self._candidate

    def _run(self, image: Image, document: Any, port: int | None) -> Container:
        options = self._options
        asked = {name: getattr(options, name) for name in ("memory", "cpus", "gpus", "port", "token")}
        token = new_token() if options.token else ""
        example = example_body(document["sample"], document["signature"])
        handle = Handle(token, document["signature"], example, asked, self._engine.describe().endpoint)
        container = self._engine.run(image, self._spec(token, port))
        try:
            self._session.handles.save(container.id, handle)
        except BaseException:
            with suppress(ContainerIterError):
                self._engine.stop(container.id)
            raise
        return container

    def _wait(self, container: Container) -> None:
        wait_until_ready(self._engine, container, self._client(container), self._patience)

    def _live_ports(self) -> set[int | None]:
        return {container.port for _, container in self._session.live(self._iteration.name)}

    def _verify(self, container: Container, document: Any) -> Comparison | None:
        """Compare the predictions that come back over HTTP with the notebook's; None without a sample."""
        if document["sample"] is None:
            self._check_alive(container)
            return None
        sample, expected = read_sample(document)
        with self._times.phase("verify"):
            client = self._client(container)
            try:
                actual = client.predict(sample)
            except EngineError as error:
                raise explain_failure(self._engine, container, client, self._patience, error) from error
            comparison = compare(expected, actual, deterministic=document["deterministic"])
            self._check_alive(container)
        self._note(parity=comparison.parity, max_abs_difference=comparison.max_abs_difference)
        if comparison.parity == "failed":
            rows = "\n".join(f"  {line}" for line in comparison.differences)
            raise ParityError(
                f"{container.name}:{container.version} predicts something else than the notebook:\n{rows}"
            )
        return comparison

    def _check_alive(self, container: Container) -> None:
        """Predicting may have cost more memory than allowed: what was proven must still be there."""
        error = explain_end(self._engine, container, self._patience)
        if error is not None:
            raise error

    def _promote(self, image: Image, container: Container, document: Any) -> Container:
        """Stop every other container of the name; from here on nothing can fail the iteration any more."""
        self._candidate, self._promoted = None, True
        with self._noting():
            self._session.handles.promote(container.name, container.id)
        with self._noting():
            for engine, other in self._session.live(container.name):
                if other.id != container.id:
                    self._retire(engine, other)
        if self._options.port in {None, container.port}:
            return container
        return self._move(image, container, document)

    def _retire(self, engine: Engine, container: Container) -> None:
        try:
            self._session.remove(engine, container)
        except ContainerIterError as error:
            label = f"{container.name}:{container.version}"
            self._times.progress.note(f"{label} could not be stopped ({error.message}); see %undeploy.")

    def _move(self, image: Image, container: Container, document: Any) -> Container:
        """Start and verify the version once more on the port that the version before it held until now."""
        moved: Container | None = None
        try:
            with self._times.phase("start"):
                moved = self._run(image, document, self._options.port)
                self._wait(moved)
            self._verify(moved, document)
        except ContainerIterError as error:
            self._times.progress.note(f"It stays on port {container.port}: {error.message}")
            if moved is not None:
                self._retire(self._engine, moved)
            return container
        with self._noting():
            self._session.handles.promote(moved.name, moved.id)
        self._retire(self._engine, container)
        return moved

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Tell what goes wrong inside, and go on: the new version serves already."""
        try:
            yield
        except ContainerIterError as error:
            self._times.progress.note(error.message)

    # --- record ------------------------------------------------------------------------------------------------------

    def _begin(self, name: str, choice: BaseChoice) -> Iteration:
        session, options = self._session, self._options
        think, run = session.clock.read(name)
        self._iteration = session.history.begin(
            name,
            started_at=datetime.now(UTC) - timedelta(seconds=think + run),
            think_seconds=think,
            run_seconds=run,
            engine=self._engine.name,
            method="containeriter",
            base=choice.reference,
            params=dict(options.params),
            metrics=dict(options.metrics),
            tags=dict(options.tags),
            note=options.note,
            notebook=options.notebook,
            user=session.user,
            host=session.host,
        )
        self._note(image_reference=image_reference(name, self._iteration.version))
        return self._iteration

    def _note(self, **fields: Any) -> None:
        self._iteration = replace(self._iteration, **fields)

    def _finish(self, status: Status, error: str = "") -> None:
        """Write the row once and for all."""
        total = self._times.total
        before = (self._iteration.think_seconds or 0.0) + (self._iteration.run_seconds or 0.0)
        phases: dict[str, Any] = {f"{phase}_seconds": seconds for phase, seconds in self._times.seconds.items()}
        self._note(
            status=status,
            finished_at=datetime.now(UTC),
            cycle_seconds=before + total,
            package_to_verified_seconds=total if status in {"verified", "deployed"} else None,
            error=error,
            **phases,
        )
        self._session.history.update(self._iteration)

    def _record_failure(self, error: BaseException) -> None:
        if self._iteration.status == "running":
            message = error.message if isinstance(error, ContainerIterError) else f"{type(error).__name__}: {error}"
            self._finish("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", message)

    def _interruption(self) -> IterationInterruptedError:
        """Say what an interrupt left behind."""
        if not self._promoted:
            return IterationInterruptedError(f"Interrupted during {self._times.current}; nothing was deployed.")
        label = f"{self._iteration.name}:{self._iteration.version}"
        return IterationInterruptedError(
            f"Interrupted after {label} was deployed; the version before it may still run beside it.",
            f"Stop what is left of it with %deploy {label}.",
        )

    def _undo(self) -> None:
        """Leave no container behind that was not promoted."""
        if self._candidate is not None:
            with suppress(ContainerIterError):
                self._session.remove(self._engine, self._candidate)
            self._candidate = None

    # --- parts -------------------------------------------------------------------------------------------------------

    @property
    def _patience(self) -> Patience:
        return Patience(self._session.settings.ready_seconds, self._session.limits(self._options).memory_bytes)

    def _spec(self, token: str, port: int | None) -> RunSpec:
        return RunSpec(
            name=self._iteration.name,
            version=self._iteration.version,
            iteration=self._iteration.id,
            history=self._session.history.id,
            limits=self._session.limits(self._options),
            port=port,
            environment={"CONTAINERITER_VERSION": str(self._iteration.version), **token_environment(token)},
            gpus=self._options.gpus,
        )

    def _client(self, container: Container) -> InferenceClient:
        handle = self._session.handles.read(container.id)
        return InferenceClient(f"http://127.0.0.1:{container.port}", handle.token, container.name, handle.schema)

    def _deployment(
        self, container: Container | None, report: LoadReport | None = None, times: Mapping[str, float] | None = None
    ) -> Deployment:
        return Deployment.of(self._iteration, self._engine, container, self._session.handles, report, times)


def stored_document(cache: LayerCache, iteration: Iteration) -> tuple[Image | None, dict[str, Any]]:
    """Return the image of an iteration from the cache, and its ``snapshot.json``; None and {} where it is gone."""
    image = stored_image(iteration.image_digest, iteration.image_reference, cache) if iteration.image_digest else None
    if image is None:
        return None, {}
    code = next(layer for layer in image.layers if layer.role == "code")
    try:
        with tarfile.open(code.path) as archive:
            file = archive.extractfile(f"{CONTAINER_ROOT}/snapshot.json".lstrip("/"))
            document: dict[str, Any] = json.load(file) if file else {}
    except (tarfile.TarError, KeyError, ValueError):
        return None, {}
    return image, document
