"""An engine in memory: it loads, runs and forgets like a real one, and fails on demand."""

from __future__ import annotations

import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from jupyter_containeriter.errors import EngineError, NotFoundError
from jupyter_containeriter.image.archive import hybrid_archive
from jupyter_containeriter.image.base import architecture
from jupyter_containeriter.types import Container, EngineInfo, HeldImage, Image, LoadReport, RunSpec, Stats

Verb = Literal[
    "describe",
    "load",
    "holds",
    "remove_image",
    "leftovers",
    "held",
    "export",
    "run",
    "containers",
    "inspect",
    "logs",
    "stats",
    "watch",
    "stop",
]

_FIRST_PORT = 49152


@dataclass(slots=True)
class _Record:
    container: Container
    spec: RunSpec
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FakeWatch:
    """Who is told of the containers of a history; a test ends it as an engine that goes away does."""

    history: str
    changed: Callable[[], None]
    is_over: bool = False

    def close(self) -> None:
        """Tell no more."""
        self.is_over = True


class FakeEngine:
    """A working :class:`~jupyter_containeriter.engines.base.Engine` without containers.

    It keeps the rules of the real ones: an image must be loaded before it runs, layers it holds are not read again,
    a damaged layer is found out while it is read, two containers cannot have one port, containers of other histories
    stay out of sight.

    Parameters
    ----------
    name
        What the engine calls itself.
    serve
        Called with image and spec when a container starts; returns the port on which a server of the test's own
        answers. Without it containers get ports on which nobody listens.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from jupyter_containeriter.testing import FakeEngine, tiny_image
    >>> from jupyter_containeriter.types import RunSpec
    >>> engine = FakeEngine()
    >>> with TemporaryDirectory() as directory:
    ...     image = tiny_image(Path(directory))
    ...     engine.load(image).method
    'full'
    >>> engine.run(image, RunSpec("tiny", 1, "iteration", "history")).running
    True
    """

    def __init__(self, name: str = "fake", serve: Callable[[Image, RunSpec], int] | None = None) -> None:
        self.name = name
        self._serve = serve
        self._images: dict[str, Image] = {}
        self._held: dict[str, HeldImage] = {}
        self._archives: dict[str, bytes] = {}
        self._layers: set[str] = set()
        self._records: dict[str, _Record] = {}
        self._failures: defaultdict[str, deque[BaseException]] = defaultdict(deque)
        self._exits: deque[tuple[int, str]] = deque()
        self._ports = itertools.count(_FIRST_PORT)
        self._ids = itertools.count(1)
        self._watches: list[FakeWatch] = []

    # --- the protocol ----------------------------------------------------------------------------------------------

    def describe(self) -> EngineInfo:
        """Say that this is a fake."""
        self._maybe_fail("describe")
        return EngineInfo(self.name, "1", "directory", f"memory:{self.name}", "none", architecture())

    def load(self, image: Image) -> LoadReport:
        """Read the layers that are not held yet, as an archive, and keep the image under its reference."""
        self._maybe_fail("load")
        present = any(held.digest == image.digest for held in self._images.values())
        omit = {layer.digest for layer in image.layers} & self._layers
        sent = 0 if present else sum(len(piece) for piece in hybrid_archive(image, omit))
        self._images[image.reference] = image
        self._layers.update(layer.digest for layer in image.layers)
        if present:
            return LoadReport("present", 0, 0, len(image.layers))
        reused = sum(layer.digest in omit for layer in image.layers)
        return LoadReport("partial" if reused else "full", sent, len(image.layers) - reused, reused)

    def holds(self, image: Image) -> bool:
        """Whether exactly this image is held under its reference."""
        self._maybe_fail("holds")
        held = self._images.get(image.reference)
        return held is not None and held.digest == image.digest

    def remove_image(self, image: Image, keep: Collection[str] = ()) -> bool:
        """Forget this image, unless a container uses it; layers that no other image has are forgotten, too."""
        self._maybe_fail("remove_image")
        used = any(record.container.image_digest == image.digest for record in self._records.values())
        if used or not self.holds(image):
            return False
        del self._images[image.reference]
        self._layers = {layer.digest for held in self._images.values() for layer in held.layers}
        return True

    def leftovers(self, known: Collection[str]) -> list[Path]:
        """Return nothing: it has no files."""
        self._maybe_fail("leftovers")
        return []

    def held(self, reference: str) -> HeldImage | None:
        """Look for an image given to :meth:`hold`."""
        self._maybe_fail("held")
        return self._held.get(reference)

    def export(self, reference: str) -> Iterator[bytes]:
        """Yield the archive given to :meth:`hold`."""
        self._maybe_fail("export")
        yield self._archives[self._held[reference].id if reference in self._held else reference]

    def run(self, image: Image, spec: RunSpec) -> Container:
        """Record a container as running, or as ended where :meth:`exit_at_start` said so."""
        self._maybe_fail("run")
        held = self._images.get(image.reference)
        if held is None or held.digest != image.digest:
            raise EngineError(f"The engine does not hold {image.reference}.", "Load the image first.")
        if any(r.container.running and r.container.port == spec.port for r in self._records.values() if spec.port):
            raise EngineError(f"Port {spec.port} on 127.0.0.1 is in use.", "Choose another with --port, or none.")
        container = Container(
            id=sha256(f"{self.name} {next(self._ids)}".encode()).hexdigest(),
            name=spec.name,
            version=spec.version,
            iteration=spec.iteration,
            history=spec.history,
            engine=self.name,
            image_reference=image.reference,
            image_digest=image.digest,
            running=True,
            port=self._serve(image, spec) if self._serve else spec.port or next(self._ports),
            started_at=datetime.now(UTC),
        )
        self._records[container.id] = _Record(container, spec)
        self._tell(container)
        if self._exits:
            code, log = self._exits.popleft()
            self.exit(container.id, code, log=log)
        return self._records[container.id].container

    def containers(self, history: str) -> list[Container]:
        """List the containers of one history, newest first."""
        self._maybe_fail("containers")
        return [r.container for r in reversed(self._records.values()) if r.container.history == history]

    def inspect(self, container_id: str) -> Container:
        """Look at one container."""
        self._maybe_fail("inspect")
        return self._record(container_id).container

    def logs(self, container_id: str, tail: int = 50) -> str:
        """Return the last lines given to :meth:`write_log`."""
        self._maybe_fail("logs")
        lines = self._record(container_id).lines
        return "".join(f"{line}\n" for line in lines[max(0, len(lines) - tail) :])

    def stats(self, container_id: str) -> Stats:
        """Return the same small usage for every running container."""
        self._maybe_fail("stats")
        record = self._record(container_id)
        if not record.container.running:
            return Stats(0, 0, 0.0)
        return Stats(64 * 1024**2, record.spec.limits.memory_bytes, 1.0)

    def watch(self, history: str, changed: Callable[[], None]) -> FakeWatch:
        """Call ``changed``, in the thread that changes something."""
        self._maybe_fail("watch")
        self._watches.append(FakeWatch(history, changed))
        return self._watches[-1]

    def stop(self, container_id: str) -> None:
        """Forget a container."""
        self._maybe_fail("stop")
        record = self._records.pop(container_id, None)
        if record is not None:
            self._tell(record.container)

    # --- what a test can do to it ----------------------------------------------------------------------------------

    def fail(self, verb: Verb, error: BaseException, times: int = 1) -> None:
        """Let the next calls of ``verb`` raise ``error``, once each, before they change anything."""
        self._failures[verb].extend([error] * times)

    def hold(self, reference: str, image: HeldImage, archive: bytes) -> None:
        """Hold an image of somebody else, with the archive that ``docker save`` would write of it.

        One that was under this reference before is still held by its id.
        """
        self._held[reference] = image
        self._archives[image.id] = archive

    def exit(self, container_id: str, code: int, *, oom_killed: bool = False, log: str = "") -> None:
        """Let a running container end."""
        record = self._record(container_id)
        record.container = replace(record.container, running=False, port=None, exit_code=code, oom_killed=oom_killed)
        record.lines += log.splitlines()
        self._tell(record.container)

    def exit_at_start(self, code: int, log: str = "") -> None:
        """Let the next container end as soon as it starts."""
        self._exits.append((code, log))

    def write_log(self, container_id: str, text: str) -> None:
        """Append lines to a container's log."""
        self._record(container_id).lines += text.splitlines()

    def spec(self, container_id: str) -> RunSpec:
        """Return what a container was started with."""
        return self._record(container_id).spec

    @property
    def watches(self) -> list[FakeWatch]:
        """Who is told of changes now."""
        return [watch for watch in self._watches if not watch.is_over]

    def forget_images(self) -> None:
        """Lose all images and layers, as ``docker system prune`` does."""
        self._images.clear()
        self._layers.clear()

    # --- inside ----------------------------------------------------------------------------------------------------

    def _tell(self, container: Container) -> None:
        for watch in self._watches:
            if watch.history == container.history and not watch.is_over:
                watch.changed()

    def _maybe_fail(self, verb: Verb) -> None:
        if self._failures[verb]:
            raise self._failures[verb].popleft()

    def _record(self, container_id: str) -> _Record:
        try:
            return self._records[container_id]
        except KeyError:
            raise NotFoundError(f"There is no container {container_id[:12]} any more.") from None
