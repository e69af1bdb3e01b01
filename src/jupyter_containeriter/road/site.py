"""Where and how a version is to run, and who hears of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.client import InferenceClient
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import ContainerIterError, ParityError
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.parity import compare
from jupyter_containeriter.progress import PhaseTimes
from jupyter_containeriter.starter import Patience
from jupyter_containeriter.types import Comparison, Container, Image, Iteration

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that is to run: its row in the history, its image, and its ``snapshot.json``."""

    iteration: Iteration
    image: Image
    document: Mapping[str, Any]

    @property
    def label(self) -> str:
        """``NAME:VERSION``."""
        return f"{self.iteration.name}:{self.iteration.version}"


@dataclass(frozen=True, slots=True)
class Site:
    """Where and how a version is to run.

    Attributes
    ----------
    session
        Gives history, handles and settings.
    engine
        Where the container runs.
    options
        How to run it.
    times
        Times the phases and hears notes.
    """

    session: Session
    engine: Engine
    options: RunOptions
    times: PhaseTimes

    @property
    def patience(self) -> Patience:
        """How long to wait for a server."""
        settings = self.session.settings
        return Patience(settings.ready_seconds, self.session.limits(self.options).memory_bytes)

    def traits(self, candidate: Candidate) -> dict[str, Any]:
        """Return all that a container fixes when it starts, by how it is called in messages.

        A container whose traits are those of another version of its name can serve that one, too.
        """
        return {
            # By name, too: the sandbox and plain processes are at one place, and isolate differently.
            "the engine": f"{self.engine.name} {self.engine.describe().endpoint}",
            "Python or packages": candidate.iteration.environment_digest,
            "local code": candidate.iteration.code_digest,
            "variables that frameworks read": candidate.document.get("environ", {}),
            "limits": asdict(self.session.limits(self.options)),
            "GPUs": self.options.gpus,
            "whether there is a token": self.options.token,
        }

    def note(self, text: str) -> None:
        """Tell the person something."""
        self.times.progress.note(text)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Tell what goes wrong inside, and go on: the new version serves already."""
        try:
            yield
        except KeyboardInterrupt:
            raise
        except ContainerIterError as error:
            self.note(error.message)

    def retire(self, engine: Engine, container: Container) -> None:
        """Stop a container that is no longer needed."""
        try:
            self.session.standing.remove(engine, container)
        except ContainerIterError as error:
            label = f"{container.name}:{container.version}"
            self.note(f"{label} could not be stopped ({error.message}); see %undeploy.")


def compared(candidate: Candidate, client: InferenceClient) -> Comparison:
    """Compare the predictions that come back over HTTP with the notebook's.

    Raises
    ------
    EngineError
        The server did not predict.
    """
    from jupyter_containeriter.capture.snapshot import read_sample

    sample, expected = read_sample(candidate.document)
    return compare(expected, client.predict(sample), deterministic=candidate.document["deterministic"])


def insist_on_parity(candidate: Candidate, comparison: Comparison | None) -> None:
    """Raise ParityError if predictions differ by more than rounding."""
    if comparison is not None and comparison.parity == "failed":
        rows = "\n".join(f"  {line}" for line in comparison.differences)
        raise ParityError(f"{candidate.label} predicts something else than the notebook:\n{rows}")
