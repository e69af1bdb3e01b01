"""A container of its own for a version: started beside the live one, verified, promoted; or undone."""

from __future__ import annotations

import time
from contextlib import suppress

from jupyter_containeriter.client import InferenceClient, example_body
from jupyter_containeriter.errors import ContainerIterError, EngineError
from jupyter_containeriter.handles import Handle, Promise, new_token, token_environment
from jupyter_containeriter.road.ports import own_port, series
from jupyter_containeriter.road.site import Candidate, Site, compared, insist_on_parity
from jupyter_containeriter.starter import explain_end, explain_failure, wait_until_ready
from jupyter_containeriter.types import Comparison, Container, RunSpec


class Launch:
    """One start.

    Parameters
    ----------
    site
        Where and how to run.
    candidate
        What to run; the engine holds its image.
    """

    def __init__(self, site: Site, candidate: Candidate) -> None:
        self.candidate = candidate
        self._site = site
        self._container: Container | None = None
        self._asked: int | None = None
        self._port: int | None = None

    def start(self) -> None:
        """Start the container and wait until its model is loaded.

        Raises
        ------
        EngineError
            The engine refuses, or the container ends; the message says why.
        """
        with self._site.times.phase("start"):
            taken = self._taken()
            self._asked = self._site.options.port or self._asked_before()
            self._port = self._asked or self._own_port(taken)
            # A port that the live version holds is moved to when that one has stopped: after this one is proven.
            self._container = self._run(None if self._port in taken else self._port)
            self._wait(self._container)

    def verify(self) -> Comparison | None:
        """Compare its predictions of the sample with the notebook's; None without a sample.

        Raises
        ------
        EngineError
            It does not predict, or ended.
        """
        assert self._container is not None
        return self._verify(self._container)

    def promise(self) -> None:
        """Note durably that this container serves the name.

        Raises
        ------
        EngineError
            That cannot be noted; nothing has changed.
        """
        assert self._container is not None
        self._promise(self._container)

    def promote(self) -> Container:
        """Stop every other container of the name, and take over its port."""
        container, self._container = self._container, None
        assert container is not None
        with self._site.noting():
            began = time.monotonic()
            for engine, other in self._site.session.standing.live(container.name):
                if other.id != container.id:
                    self._site.retire(engine, other)
            if self._port not in {None, container.port}:
                container = self._move(container, began)
        return container

    def undo(self) -> None:
        """Leave no container behind that was not promoted."""
        container, self._container = self._container, None
        if container is not None:
            with suppress(ContainerIterError):
                self._site.session.standing.remove(self._site.engine, container)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _taken(self) -> set[int]:
        """Return the ports that the live version holds."""
        live = self._site.session.standing.live(self.candidate.iteration.name)
        return {container.port for _, container in live if container.port}

    def _asked_before(self) -> int | None:
        """Return the port that was asked for when the live container started."""
        port: int | None = self._live_handle().options.get("port")
        return port

    def _own_port(self, taken: set[int]) -> int | None:
        name, history = self.candidate.iteration.name, self._site.session.history.id
        port, usual = own_port(name, history, taken), next(series(name, history))
        if port != usual and port not in taken:
            self._site.note(f"Something else listens on port {usual} of {name}, which answers on port {port} now.")
        return port

    def _live_handle(self) -> Handle:
        promise = self._site.session.handles.promise(self.candidate.iteration.name)
        return self._site.session.handles.read(promise.container) if promise else Handle()

    def _run(self, port: int | None) -> Container:
        site, candidate = self._site, self.candidate
        # Who asks the model keeps address and token, whichever container answers.
        token, manager = (self._live_handle().token or new_token()) if site.options.token else "", new_token()
        handle = Handle(
            token,
            candidate.document["signature"],
            example_body(candidate.document["sample"], candidate.document["signature"]),
            {**site.options.run_options(), "port": self._asked},
            site.engine.describe().endpoint,
            manager,
            site.traits(candidate),
        )
        container = site.engine.run(candidate.image, self._spec(token, manager, port))
        try:
            site.session.handles.save(container.id, handle)
        except BaseException:
            with suppress(ContainerIterError):
                site.engine.stop(container.id)
            raise
        return container

    def _spec(self, token: str, manager: str, port: int | None) -> RunSpec:
        site, iteration = self._site, self.candidate.iteration
        return RunSpec(
            name=iteration.name,
            version=iteration.version,
            iteration=iteration.id,
            history=site.session.history.id,
            limits=site.session.limits(site.options),
            port=port,
            environment={"CONTAINERITER_VERSION": str(iteration.version), **token_environment(token, manager)},
            gpus=site.options.gpus,
        )

    def _wait(self, container: Container) -> None:
        wait_until_ready(self._site.engine, container, self._client(container), self._site.patience)

    def _client(self, container: Container) -> InferenceClient:
        handle = self._site.session.handles.read(container.id)
        url = f"http://127.0.0.1:{container.port}"
        return InferenceClient(url, handle.token, container.name, handle.schema, container.version)

    def _verify(self, container: Container) -> Comparison | None:
        if self.candidate.document["sample"] is None:
            self._check_alive(container)
            return None
        engine, patience = self._site.engine, self._site.patience
        with self._site.times.phase("verify"):
            client = self._client(container)
            try:
                comparison = compared(self.candidate, client)
            except EngineError as error:
                raise explain_failure(engine, container, client, patience, error) from error
            self._check_alive(container)
        return comparison

    def _check_alive(self, container: Container) -> None:
        """Predicting may have cost more memory than allowed: what was proven must still be there."""
        error = explain_end(self._site.engine, container, self._site.patience)
        if error is not None:
            raise error

    def _promise(self, container: Container) -> None:
        self._site.session.handles.promote(container.name, Promise(container.id))

    def _move(self, container: Container, began: float) -> Container:
        """Start and verify the version once more on the port that the version before it held until now.

        An engine publishes a port when a container starts, and for one container at a time.
        """
        moved: Container | None = None
        try:
            with self._site.times.phase("start"):
                moved = self._run(self._port)
                self._wait(moved)
            seconds = time.monotonic() - began
            insist_on_parity(self.candidate, self._verify(moved))
            self._promise(moved)
        except ContainerIterError as error:
            self._site.note(f"It stays on port {container.port}: {error.message}")
            if moved is not None:
                self._site.retire(self._site.engine, moved)
            return container
        self._site.note(f"Port {self._port} passed to the new container; it did not answer for {seconds:.1f} s.")
        self._site.retire(self._site.engine, container)
        return moved
