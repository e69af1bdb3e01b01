"""What every engine can do. Engines speak only our types; they never see a Snapshot."""

from __future__ import annotations

from typing import Protocol

from jupyter_containeriter.types import Container, EngineInfo, Image, LoadReport, RunSpec, Stats


class Engine(Protocol):
    """Loads images and runs them as containers.

    Every method raises :class:`~jupyter_containeriter.errors.EngineUnreachableError` when the engine does not answer
    (start it, or choose another) and :class:`~jupyter_containeriter.errors.EngineError` when it refuses.
    """

    name: str

    def describe(self) -> EngineInfo:
        """Say which engine this is, where it listens, how it stores images and how it isolates."""

    def load(self, image: Image) -> LoadReport:
        """Make ``image`` runnable under its reference, sending only what the engine does not hold.

        Raises
        ------
        DamagedLayerError
            A layer to be sent no longer matches its digest: discard it and build again.
        """

    def holds(self, image: Image) -> bool:
        """Whether exactly this image (by digest and layers) can be run without loading it."""

    def run(self, image: Image, spec: RunSpec) -> Container:
        """Start a hardened container of a loaded image, published on 127.0.0.1 only.

        Raises
        ------
        EngineError
            The port is taken, or the engine refuses a limit: the message says which.
        """

    def containers(self, history: str) -> list[Container]:
        """List the containers of one history, running or not, newest first."""

    def inspect(self, container_id: str) -> Container:
        """Look at one container.

        Raises
        ------
        NotFoundError
            It is gone.
        """

    def logs(self, container_id: str, tail: int = 50) -> str:
        """Return the last ``tail`` lines that the server wrote."""

    def stats(self, container_id: str) -> Stats:
        """Measure memory and CPU now."""

    def stop(self, container_id: str) -> None:
        """Stop and remove a container; one that is already gone is not an error."""
