"""The handle of a running version: what a person holds after ``containerize``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from jupyter_containeriter.client import InferenceClient
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import NotFoundError
from jupyter_containeriter.handles import Handle, HandleStore
from jupyter_containeriter.types import CALL_PHASES, Container, Iteration, LoadReport, Stats


@dataclass(frozen=True, eq=False)
class Deployment:
    """A version of a model and, while it runs, its container.

    Parameters
    ----------
    iteration
        Its row in the history.
    engine_handle
        The engine that holds it.
    container
        Its container, or None for an image that was built only.
    token
        The bearer token, "" for a deployment without one.
    schema
        The ``signature`` of its snapshot.
    example
        Body of a request to ``/invocations``: one row of the sample as JSON, or "".
    load
        How the image reached the engine, where this call loaded it.
    times
        Seconds of the phases where an earlier version was deployed again, None otherwise.
    store
        Where its token is kept.
    changes
        Params that are not those of the version before, each with its value before and after.
    """

    iteration: Iteration
    engine_handle: Engine = field(repr=False)
    container: Container | None = field(repr=False)
    token: str = field(default="", repr=False)
    schema: Mapping[str, Any] | None = field(default=None, repr=False)
    example: str = field(default="", repr=False)
    load: LoadReport | None = field(default=None, repr=False)
    times: Mapping[str, float] | None = field(default=None, repr=False)
    store: HandleStore | None = field(default=None, repr=False)
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        iteration: Iteration,
        engine: Engine,
        container: Container | None,
        store: HandleStore,
        load: LoadReport | None = None,
        times: Mapping[str, float] | None = None,
    ) -> Deployment:
        """Make one from what the store knows of the container."""
        handle = store.serving(container) if container else Handle()
        return cls(iteration, engine, container, handle.token, handle.schema, handle.example, load, times, store)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.iteration.name

    @property
    def version(self) -> int:
        """The version, counted for each name."""
        return self.iteration.version

    @property
    def engine(self) -> str:
        """``docker``, ``sandbox`` or ``process``."""
        # The sandbox's handle serves both ways of isolation; the container knows its own.
        return self.container.engine if self.container else self.engine_handle.name

    @property
    def image(self) -> str:
        """The image's reference."""
        return self.iteration.image_reference

    @property
    def parity(self) -> str:
        """``exact``, ``close`` or ``nondeterministic``; "" where no sample was given."""
        return self.iteration.parity

    @property
    def url(self) -> str:
        """Where it answers; "" where nothing runs."""
        return f"http://127.0.0.1:{self.container.port}" if self.container and self.container.running else ""

    @property
    def docs(self) -> str:
        """Where a person tries it in a browser, the token in the fragment, which no server sees; "" if nothing runs."""
        token = f"#token={quote(self.token, safe='')}" if self.token else ""
        return f"{self.url}/docs{token}" if self.url else ""

    @property
    def curl(self) -> str:
        """A command line that predicts one row of the sample, or asks for the metadata; "" where nothing runs."""
        if not self.url:
            return ""
        words = [f"-H 'Authorization: Bearer {self.token}'"] if self.token else []
        if not self.example:
            return " ".join(["curl", *words, f"{self.url}/v2/models/{self.name}"])
        body = self.example.replace("'", "'\\''")
        words += ["-H 'Content-Type: application/json'", f"-d '{body}'", f"{self.url}/invocations"]
        return " ".join(["curl", *words])

    @property
    def redeployed(self) -> bool:
        """Whether this handle comes from deploying an earlier version again."""
        return self.times is not None

    @property
    def hot(self) -> bool:
        """Whether the call that deployed it loaded the model into the container that ran already."""
        return self.load is None if self.redeployed else self.iteration.hot

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each phase of the call that deployed it, in order."""
        if self.times is not None:
            return dict(self.times)
        return {
            name: value for name in CALL_PHASES if (value := getattr(self.iteration, f"{name}_seconds")) is not None
        }

    @property
    def total(self) -> float:
        """Seconds of that call until it was verified."""
        whole = self.iteration.package_to_verified_seconds
        return whole if whole is not None and not self.redeployed else sum(self.seconds.values())

    def predict(self, data: Any) -> Any:
        """Predict over HTTP.

        Parameters
        ----------
        data
            A DataFrame, an array or a list, like the sample.

        Returns
        -------
        object
            What the model returns in the notebook, of the same kind.

        Raises
        ------
        UsageError
            The data does not fit the signature.
        EngineError
            The server does not answer, or its model failed.
        """
        self._running()
        return InferenceClient(self.url, self.token, self.name, self.schema, self.version).predict(data)

    def logs(self, tail: int = 50) -> str:
        """Return the last lines the server wrote."""
        return self.engine_handle.logs(self._running().id, tail)

    def stats(self) -> Stats:
        """Return what the container uses now."""
        return self.engine_handle.stats(self._running().id)

    def stop(self) -> None:
        """Stop and remove the container; the image and the history stay.

        Raises
        ------
        NotFoundError
            The container serves another version by now.
        """
        if self.container:
            promise = self.store.promise(self.name) if self.store else None
            if promise and (serving := promise.applied(self.container).version) != self.version:
                raise NotFoundError(
                    f"{self.name}:{self.version} does not serve any more: its container serves version {serving}.",
                    f"Stop that one: %undeploy {self.name}",
                )
            if self.store is not None:
                self.store.release(self.name)
            self.engine_handle.stop(self.container.id)
            if self.store is not None:
                self.store.forget(self.container.id)

    def _running(self) -> Container:
        if self.container is None:
            raise NotFoundError(
                f"{self.name}:{self.version} was built, not deployed.", f"Deploy it: %deploy {self.name}:{self.version}"
            )
        return self.container

    def _repr_html_(self) -> str:
        from jupyter_containeriter.show.card import deployment_card

        return deployment_card(self)

    def _ipython_display_(self) -> None:
        from jupyter_containeriter.show.live import show

        show(self)

    def __repr__(self) -> str:
        return f"<Deployment {self.name}:{self.version} {self.iteration.status} on {self.engine} {self.url}>"

    def __str__(self) -> str:
        from jupyter_containeriter.show.text import deployment_text

        return deployment_text(self)
