"""How a version gets into service: in the container that runs where that is enough, else in one of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from jupyter_containeriter.errors import EngineError, ParityError
from jupyter_containeriter.road.hot import HotLoad
from jupyter_containeriter.road.launch import Launch
from jupyter_containeriter.road.record import Record
from jupyter_containeriter.road.site import Candidate, Site, insist_on_parity
from jupyter_containeriter.serving.wire import tensor_metadata
from jupyter_containeriter.types import Comparison, Container, Image, LoadReport


class IntoService:
    """Gets one version verified and promoted, or leaves nothing of it.

    Parameters
    ----------
    site
        Where and how to run.
    record
        Notes how it went.

    Attributes
    ----------
    tried
        Whether the container of the live version was asked to load this one.
    promoted
        Whether the version serves.
    """

    def __init__(self, site: Site, record: Record) -> None:
        self._site = site
        self._record = record
        self._way: Launch | HotLoad | None = None
        self._load: Callable[[], Any] = lambda: None
        self.tried = False
        self.promoted = False

    def verify(self, candidate: Candidate, load: Callable[[], tuple[Image, LoadReport]]) -> LoadReport:
        """Verify a version whose image is loaded meanwhile, or before, where a container of its own is needed.

        Raises
        ------
        EngineError, ParityError
            As :class:`~jupyter_containeriter.road.launch.Launch` does, and ``load``.
        """
        self._load = load
        hot = self._hot(candidate)
        loading = _beside(load) if hot else None
        succeeded = hot is not None and self._verify_hot(hot)
        # What passed beside the hot load is no time of the cycle.
        with self._site.times.phase("load"):
            image, report = loading.result() if loading else load()
        self._record.note(sent_bytes=report.sent_bytes)
        if not succeeded:
            self._verify_alone(Candidate(candidate.iteration, image, candidate.document))
        return report

    def verify_stored(self, candidate: Candidate, load: Callable[[], LoadReport]) -> LoadReport | None:
        """Verify an earlier version; None is returned where its image was not needed."""
        self._load = load
        hot = self._hot(candidate)
        if hot is not None and self._verify_hot(hot):
            return None
        with self._site.times.phase("load"):
            report = load()
        self._verify_alone(candidate)
        return report

    def promote(self) -> Container:
        """Let the verified version serve; once that is promised, nothing can fail the iteration any more.

        Raises
        ------
        EngineError
            It cannot be noted durably what serves: the version before does.
        """
        way = self._way
        assert way is not None
        self._tell_inputs(way.candidate)
        way.promise()
        self._way, self.promoted = None, True
        try:
            return way.promote()
        except EngineError as error:
            self._site.note(f"A new container, because the running one ended: {error.message}")
        with self._site.times.phase("load"):
            self._load()
        self._verify_alone(way.candidate)
        return self.promote()

    def _tell_inputs(self, candidate: Candidate) -> None:
        """Tell if clients of the version before have to change what they send."""
        handles, name = self._site.session.handles, candidate.iteration.name
        promise, signature = handles.promise(name), candidate.document["signature"]
        before = (promise.schema or handles.read(promise.container).schema) if promise else None
        if before and signature and _tensors(before) != _tensors(signature):
            self._site.note(f"{candidate.label} takes other inputs than the version before: its clients have to know.")

    def undo(self) -> None:
        """Leave nothing behind that was not promoted."""
        way, self._way = self._way, None
        if way is not None:
            way.undo()

    def _hot(self, candidate: Candidate) -> HotLoad | None:
        with self._site.times.phase("start"):
            return HotLoad.find(self._site, candidate)

    def _verify_hot(self, hot: HotLoad) -> bool:
        """Return whether the container that runs took the version; what fails there is tried once more, alone."""
        self._way, self.tried = hot, True
        try:
            hot.start()
            self._judge(hot)
        except (EngineError, ParityError) as error:
            self.undo()
            self._site.note(f"A new container, because the running one did not take the model: {error.message}")
            return False
        return True

    def _verify_alone(self, candidate: Candidate) -> None:
        way = self._way = Launch(self._site, candidate)
        way.start()
        self._judge(way)

    def _judge(self, way: Launch | HotLoad) -> None:
        comparison: Comparison | None = way.verify()
        self._record.note(hot=isinstance(way, HotLoad))
        if comparison is not None:
            self._record.note(parity=comparison.parity, max_abs_difference=comparison.max_abs_difference)
            insist_on_parity(way.candidate, comparison)


def _tensors(signature: Mapping[str, Any]) -> list[Any]:
    return tensor_metadata(signature["inputs"])


def _beside(load: Callable[[], tuple[Image, LoadReport]]) -> Future[tuple[Image, LoadReport]]:
    """Load in a thread that nobody has to wait for: an interrupt must not hang on an engine that says nothing."""
    future: Future[tuple[Image, LoadReport]] = Future()

    def work() -> None:
        try:
            future.set_result(load())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=work, name="load", daemon=True).start()
    return future
