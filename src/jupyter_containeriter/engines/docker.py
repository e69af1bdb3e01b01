"""Docker, and Podman through its Docker-compatible API."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyter_containeriter.engines import _labels
from jupyter_containeriter.engines._docker_connect import connect
from jupyter_containeriter.engines._docker_errors import translated, words
from jupyter_containeriter.engines._docker_images import Images, Store
from jupyter_containeriter.engines._docker_run import container_from, create_options, stats_from
from jupyter_containeriter.engines._docker_watch import EventWatch
from jupyter_containeriter.errors import EngineError, NotFoundError
from jupyter_containeriter.types import Container, EngineInfo, HeldImage, Image, LoadReport, RunSpec, Stats

#: Time for the server to finish its requests after SIGTERM, before it is killed; it takes somewhat less.
_GRACE_SECONDS = 10
_NEVER = datetime.min.replace(tzinfo=UTC)
#: A CPU rate over less than this says little: the kernel hands out a CPU limit in slices of a tenth of a second.
_SAMPLE_SECONDS = 0.25


def docker_engine(host: str | None = None) -> DockerEngine:
    """Connect to the container engine that the person means.

    Parameters
    ----------
    host
        Address such as ``unix:///run/podman/podman.sock``, ``tcp://…`` or ``ssh://…``. Without it: ``DOCKER_HOST``,
        else Docker's current context, else the usual sockets of Docker and then of Podman.

    Raises
    ------
    EngineUnreachableError
        Nothing answered: start the engine, or choose another. The message names everything that was tried.
    """
    api, address = connect(host)
    return DockerEngine(api, address)


class DockerEngine:
    """A Docker or Podman engine. Get one from :func:`docker_engine`.

    Parameters
    ----------
    api
        A connected ``docker.APIClient``.
    address
        Where it is connected to, for messages.
    """

    name = "docker"

    def __init__(self, api: Any, address: str) -> None:
        self._api = api
        self.address = address
        #: The latest sample of each container and when it was taken: a CPU rate needs two.
        self._samples: dict[str, tuple[float, dict[str, Any]]] = {}

    def describe(self) -> EngineInfo:
        """Say which engine this is, where it listens and how it stores images."""
        with self._speaking():
            return self._info

    # --- images ----------------------------------------------------------------------------------------------------

    def load(self, image: Image) -> LoadReport:
        """Make ``image`` runnable under its reference, sending only the layers that the engine does not hold.

        What the engine says of its success is not believed: the image is inspected. Where the engine cannot take a
        partial archive after all, the complete one is sent.

        Raises
        ------
        DamagedLayerError
            A layer to be sent no longer matches its digest: discard it and build again.
        EngineError
            The engine could not load it; the message has the engine's words.
        """
        with self._speaking():
            return self._images.load(image)

    def holds(self, image: Image) -> bool:
        """Whether exactly this image (by digest and layers) is there under its reference."""
        with self._speaking():
            return self._images.holds(image)

    def remove_image(self, image: Image, keep: Collection[str] = ()) -> bool:
        """Remove the reference of exactly this image; the engine removes what no other image needs."""
        with self._speaking():
            return self._images.remove(image)

    def leftovers(self, known: Collection[str]) -> list[Path]:
        """Return nothing: the engine tidies its own files."""
        return []

    def held(self, reference: str) -> HeldImage | None:
        """Look for an image of anybody's, such as ``python:3.12-slim``."""
        with self._speaking():
            return self._images.held(reference)

    def export(self, reference: str) -> Iterator[bytes]:
        """Yield an image, by its reference or its id, as one archive, as ``docker save`` writes it."""
        with self._speaking():
            yield from self._api.get_image(reference)

    # --- containers ------------------------------------------------------------------------------------------------

    def run(self, image: Image, spec: RunSpec) -> Container:
        """Start a hardened container of a loaded image, published on 127.0.0.1 only.

        It runs as an unprivileged user without capabilities on a read-only root, with a private ``/tmp`` and the
        limits of ``spec``. Whatever fails, no container is left behind.

        Raises
        ------
        EngineError
            The port is taken, the image is not loaded, or the engine refuses a limit: the message says which.
        """
        with self._speaking():
            if spec.gpus and self._info.store == "podman":
                # Podman takes Docker's way of asking for GPUs and ignores it (Podman issue 22645).
                raise EngineError(
                    "Podman gives no GPU to containers that are started through its Docker-compatible interface.",
                    "Leave out --gpus, or use Docker (set DOCKER_HOST or the Docker context).",
                )
            options = create_options(self._api, image, spec)
            with self._refusals(spec), self._removed_on_failure(options["name"]):
                container_id = self._api.create_container(**options)["Id"]
                attributes = self._api.inspect_container(container_id)
                if attributes["Image"] != self._images.id_of(image):
                    raise EngineError(
                        f"{image.reference} is another image in the engine than the one that was built.",
                        "Run the cell again: the image is loaded anew.",
                    )
                self._api.start(container_id)
            return self.inspect(container_id)

    def containers(self, history: str) -> list[Container]:
        """List the containers of one history, running or not, newest first."""
        with self._speaking():
            found = self._api.containers(all=True, filters={"label": f"{_labels.HISTORY}={history}"})
            containers = [container for summary in found if (container := self._look_at(summary["Id"]))]
        # By the time of start: the list itself knows times to the second only.
        return sorted(containers, key=lambda container: container.started_at or _NEVER, reverse=True)

    def inspect(self, container_id: str) -> Container:
        """Look at one container.

        Raises
        ------
        NotFoundError
            It is gone, or not one of ours.
        """
        with self._speaking():
            container = self._look_at(container_id)
        if container is None:
            raise NotFoundError(f"There is no container {container_id[:12]} any more.")
        return container

    def logs(self, container_id: str, tail: int = 50) -> str:
        """Return the last ``tail`` lines that the server wrote."""
        with self._speaking(), _known(container_id):
            output: bytes = self._api.logs(container_id, stdout=True, stderr=True, tail=tail)
        return output.decode(errors="replace")

    def stats(self, container_id: str) -> Stats:
        """Measure memory now, and CPU since the previous call (in the first one: over a quarter of a second)."""
        with self._speaking(), _known(container_id):
            taken, previous = self._samples.get(container_id) or self._sample(container_id)
            time.sleep(max(0.0, taken + _SAMPLE_SECONDS - time.monotonic()))
            self._samples[container_id] = latest = self._sample(container_id)
        return stats_from(latest[1], previous)

    def watch(self, history: str, changed: Callable[[], None]) -> EventWatch:
        """Call ``changed``, in a thread, whenever a container of a history has begun, ended or gone, until closed."""
        with self._speaking():
            return EventWatch(self._api, history, changed)

    def stop(self, container_id: str) -> None:
        """Stop and remove a container: first gently, then by force. One that is already gone is not an error."""
        import docker.errors

        self._samples.pop(container_id, None)
        with self._speaking(), suppress(docker.errors.NotFound):
            self._api.stop(container_id, timeout=_GRACE_SECONDS)
            self._remove(container_id)

    # --- inside ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        with translated(self.address):
            yield

    @cached_property
    def _info(self) -> EngineInfo:
        # Podman is recognised first and without `info`, which takes it a third of a second.
        ping = self._api.get(f"{self._api.base_url}/_ping", timeout=self._api.timeout)
        told = self._api.version()
        version, machine = told["Version"], told["Arch"]
        if "Libpod-Api-Version" in ping.headers:
            return EngineInfo("podman", version, "podman", self.address, "container", machine)
        status = self._api.info().get("DriverStatus") or ()
        # Never by version: an upgraded engine keeps the store it had.
        containerd = ["driver-type", "io.containerd.snapshotter.v1"] in status
        store = "containerd" if containerd else "overlay2"
        return EngineInfo("docker", version, store, self.address, "container", machine)

    @cached_property
    def _images(self) -> Images:
        store: Store = self._info.store  # type: ignore[assignment]
        return Images(self._api, store)

    def _look_at(self, container_id: str) -> Container | None:
        import docker.errors

        try:
            attributes = self._api.inspect_container(container_id)
        except docker.errors.NotFound:
            return None
        # Podman 4 does not always notice what the kernel did; nobody else kills a container that stop() would remove.
        return container_from(attributes, self.name, killed_by_kernel=self._info.engine == "podman")

    def _sample(self, container_id: str) -> tuple[float, dict[str, Any]]:
        import requests

        sample: dict[str, Any] = {}
        # Podman 4 says nothing at all of a container that has ended.
        with suppress(requests.exceptions.JSONDecodeError):
            sample = self._api.stats(container_id, stream=False, one_shot=True)
        return time.monotonic(), sample

    def _remove(self, container: str) -> None:
        import docker.errors

        try:
            self._api.remove_container(container, force=True, v=True)
        except docker.errors.APIError as error:
            # 409: somebody else is removing it at this moment.
            if error.status_code not in {404, 409}:
                raise

    @contextmanager
    def _removed_on_failure(self, container: str) -> Iterator[None]:
        import docker.errors

        try:
            yield
        except BaseException as error:
            # 409 on creation: the name belongs to another container, which is not ours to remove.
            if not (isinstance(error, docker.errors.APIError) and error.status_code == 409):
                # The failure itself is what counts, whatever happens here.
                with suppress(Exception):
                    self._remove(container)
            raise

    @contextmanager
    def _refusals(self, spec: RunSpec) -> Iterator[None]:
        """Say what to do where the engine's own words leave that open."""
        import docker.errors

        try:
            yield
        except docker.errors.ImageNotFound as error:
            raise EngineError(
                f"The engine does not hold the image: {words(error)}.", "Run the cell again: the image is loaded anew."
            ) from error
        except docker.errors.APIError as error:
            said = words(error)
            if any(sign in said for sign in ("port is already allocated", "address already in use")):
                raise EngineError(
                    f"Port {spec.port} on 127.0.0.1 is in use.",
                    "Choose another with --port, or leave it out: then a free one is found.",
                ) from error
            if "could not select device driver" in said:
                raise EngineError(
                    f"The engine offers no GPU: {said}", "Install nvidia-container-toolkit, or leave out --gpus."
                ) from error
            raise


@contextmanager
def _known(container_id: str) -> Iterator[None]:
    import docker.errors

    try:
        yield
    except docker.errors.NotFound as error:
        raise NotFoundError(f"There is no container {container_id[:12]} any more.") from error
