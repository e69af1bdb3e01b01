"""What every engine can do. Engines speak only our types; they never see a Snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

from jupyter_containeriter.types import Container, EngineInfo, HeldImage, Image, LoadReport, RunSpec, Stats
from jupyter_containeriter.watching import Watch


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

    def remove_image(self, image: Image, keep: Collection[str] = ()) -> bool:
        """Forget an image and those of its layers that nothing else needs.

        Parameters
        ----------
        image
            Exactly this one: another image under the same reference stays.
        keep
            Digests of layers that other images need; an engine that knows its images by itself may ignore them.

        Returns
        -------
        bool
            Whether it was there and is gone. A container that uses it, running or not, keeps it.
        """

    def leftovers(self, known: Collection[str]) -> list[Path]:
        """Return files and directories of its own that nothing needs any more.

        These are what killed processes left behind, and unpacked layers whose digest is not among ``known`` and that no
        container uses. Something younger may be at work at this moment: look at its time before removing it.
        """

    def held(self, reference: str) -> HeldImage | None:
        """Look for an image of anybody's, such as ``python:3.12-slim``; None where the engine does not hold it."""

    def export(self, reference: str) -> Iterator[bytes]:
        """Yield an image that is held, by its reference or its id, as one archive, as ``docker save`` writes it."""

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

    def watch(self, history: str, changed: Callable[[], None]) -> Watch:
        """Call ``changed``, in a thread, whenever a container of a history has begun, ended or gone, until closed.

        It may be called once too often, and once where several things happened. A watch that loses its engine calls it
        a last time and is over.
        """

    def stop(self, container_id: str) -> None:
        """Stop and remove a container; one that is already gone is not an error."""
