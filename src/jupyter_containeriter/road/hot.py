"""Hot redeploy: the container that runs loads the model beside the live one, and switches once it is verified."""

from __future__ import annotations

from contextlib import suppress

from jupyter_containeriter.client import InferenceClient, example_body
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import ContainerIterError, EngineError
from jupyter_containeriter.handles import Handle, Promise
from jupyter_containeriter.management import ManagementClient
from jupyter_containeriter.road.site import Candidate, Site, compared
from jupyter_containeriter.road.stored import packed_model
from jupyter_containeriter.types import Comparison, Container

#: A version in memory predicts its sample in less time, or is loaded once more.
_HELD_SECONDS = 5.0


class HotLoad:
    """One load into a running container; the same steps as :class:`~jupyter_containeriter.road.launch.Launch`.

    Parameters
    ----------
    site
        Where and how the version is to run.
    candidate
        What to run.
    container, handle
        The container that runs, and how to talk to it.
    others
        What else runs of the name: left by a kernel that was killed, or that could not be stopped.
    """

    def __init__(
        self,
        site: Site,
        candidate: Candidate,
        container: Container,
        handle: Handle,
        others: list[tuple[Engine, Container]],
    ) -> None:
        self.candidate = candidate
        self._site = site
        self._container = container
        self._handle = handle
        self._others = others
        self._url = f"http://127.0.0.1:{container.port}"
        self._manager = ManagementClient(self._url, handle.manager)
        self._loaded = self._was_held = False

    @classmethod
    def find(cls, site: Site, candidate: Candidate) -> HotLoad | None:
        """Return a load into the live container; None where only a new container will do, which is noted."""
        name, session = candidate.iteration.name, site.session
        promise = session.handles.promise(name)
        if site.options.fresh or promise is None:
            return None
        live = session.standing.live(name)
        container = next((found for _, found in live if found.id == promise.container), None)
        handle = session.handles.read(promise.container)
        if container is None or not container.running or not handle.manager:
            return None
        changed = [what for what, value in site.traits(candidate).items() if handle.traits.get(what) != value]
        if site.options.port not in {None, container.port}:
            changed.append("the port")
        if changed:
            site.note(f"A new container: {', '.join(changed)} changed.")
            return None
        return cls(site, candidate, container, handle, [pair for pair in live if pair[1] is not container])

    @property
    def held(self) -> bool:
        """Whether the server has the version in memory; what a killed kernel left there is loaded again."""
        with suppress(EngineError):
            return self._manager.versions().get(self._number, {}).get("state") in {"live", "kept"}
        return False

    def start(self) -> None:
        """Let the server load the model.

        Raises
        ------
        EngineError
            It cannot: the message has its words.
        """
        with self._site.times.phase("start"):
            self._was_held = self.held
            if not self._was_held:
                self._load()

    def verify(self) -> Comparison | None:
        """Compare its predictions of the sample with the notebook's, before any client gets one; None without a sample.

        Raises
        ------
        EngineError
            It does not predict.
        """
        if self.candidate.document["sample"] is None:
            return None
        with self._site.times.phase("verify"):
            comparison = self._compared()
            # Predicting may have cost more memory than allowed: what was proven must still be there.
            self._manager.versions()
        return comparison

    def promise(self) -> None:
        """Note durably that this version serves the name: should this kernel be killed now, the next one switches.

        Raises
        ------
        EngineError
            That cannot be noted; nothing has changed.
        """
        self._site.session.handles.promote(self.candidate.iteration.name, self._promise)

    def promote(self) -> Container:
        """Switch; what the server is asked from now on is answered by this version.

        Raises
        ------
        EngineError
            The server went away.
        """
        self._loaded = False
        self._manager.switch(self._number)
        for engine, other in self._others:
            self._site.retire(engine, other)
        return self._promise.applied(self._container)

    def undo(self) -> None:
        """Let the server forget a version that was not promoted."""
        if self._loaded:
            self._loaded = False
            with suppress(ContainerIterError):
                self._manager.drop(self._number)

    def _load(self) -> None:
        self._loaded = True
        with packed_model(self.candidate.image) as packed:
            self._manager.load(self._number, packed, self._site.patience.seconds)

    def _compared(self) -> Comparison:
        if self._was_held:
            # Its thread may be busy with a request that never ends, which may be why it is asked for again.
            with suppress(EngineError):
                return compared(self.candidate, self._client(seconds=_HELD_SECONDS))
            self._manager.drop(self._number)
            self._load()
        return compared(self.candidate, self._client(seconds=self._site.patience.seconds))

    def _client(self, seconds: float) -> InferenceClient:
        iteration, schema = self.candidate.iteration, self.candidate.document["signature"]
        return InferenceClient(
            self._url, self._handle.manager, iteration.name, schema, iteration.version, seconds=seconds
        )

    @property
    def _promise(self) -> Promise:
        iteration, document = self.candidate.iteration, self.candidate.document
        example = example_body(document["sample"], document["signature"])
        return Promise(self._container.id, iteration.id, iteration.version, document["signature"], example)

    @property
    def _number(self) -> str:
        return str(self.candidate.iteration.version)
