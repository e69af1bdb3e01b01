"""Images leave this machine: pushed to a registry or saved to a file, with the very bytes of the layer cache.

No engine takes part, so the digest is the same everywhere: here, in the registry, in the archive, and in the history.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.errors import DamagedLayerError, IterationInterruptedError, NotFoundError, UsageError
from jupyter_containeriter.image.archive import save_archive, save_layout
from jupyter_containeriter.image.build import stored_image
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.registry import ImageReference, Registry, parse_image_reference
from jupyter_containeriter.image.registry.delivery import Delivery, KnownPlaces, blobs_of
from jupyter_containeriter.names import parse_reference
from jupyter_containeriter.progress import PhaseTimes, Progress
from jupyter_containeriter.show import words
from jupyter_containeriter.show.live import show
from jupyter_containeriter.show.shipped import pushed_card, pushed_text, saved_card, saved_text
from jupyter_containeriter.show.shown import Shown
from jupyter_containeriter.types import Image, Iteration

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

#: What a container needs to run as hardened as ours do; Docker and Podman know all of it.
_HARDENED = (
    "--read-only --tmpfs /tmp:exec --cap-drop ALL --security-opt no-new-privileges --memory 2g --pids-limit 256 "
    "-p 127.0.0.1:8080:8080"
)


class _Answer(Shown):
    """An answer whose card is shown by the call that was watched, and not again by its cell."""

    def _ipython_display_(self) -> None:
        show(self)


@dataclass(frozen=True, eq=False, repr=False)
class Pushed(_Answer):
    """A version in a registry.

    Attributes
    ----------
    name, version
        The version.
    target
        Where it is: registry, repository, tag and digest.
    sent_bytes
        What travelled.
    layers_sent, layers_reused
        Layers that were sent, and layers that the registry had already, in this repository or in another one.
    seconds
        How long it took.
    plain
        Whether the registry, on this machine, speaks plain HTTP.
    """

    name: str
    version: int
    target: ImageReference
    sent_bytes: int
    layers_sent: int
    layers_reused: int
    seconds: float
    plain: bool = False

    @property
    def reference(self) -> str:
        """``REGISTRY/REPOSITORY@sha256:…``: exactly these bytes, whatever becomes of the tag."""
        return f"{self.target.name}@{self.target.digest}"

    @property
    def commands(self) -> tuple[str, ...]:
        """What to type where it shall run."""
        plain = " --tls-verify=false" if self.plain else ""
        return (
            f"docker pull {self.reference}",
            f"docker run --rm {_HARDENED} {self.reference}",
            f"podman run --rm{plain} {_HARDENED} {self.reference}",
        )

    def html(self) -> str:
        """Return the card."""
        return pushed_card(self)

    def text(self) -> str:
        """Return the lines."""
        return pushed_text(self)

    def document(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "name": self.name,
            "version": self.version,
            "tag": str(replace(self.target, digest="")),
            "reference": self.reference,
            "digest": self.target.digest,
            "sent_bytes": self.sent_bytes,
            "layers_sent": self.layers_sent,
            "layers_reused": self.layers_reused,
            "seconds": self.seconds,
            "commands": list(self.commands),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Saved(_Answer):
    """A version in a file or a directory.

    Attributes
    ----------
    name, version
        The version.
    path
        The archive, or the directory of the OCI image layout.
    digest
        Of the image, as everywhere.
    size_bytes
        What was written.
    replaced
        Whether there was such a file before.
    """

    name: str
    version: int
    path: Path
    digest: str
    size_bytes: int
    replaced: bool

    @property
    def commands(self) -> tuple[str, ...]:
        """What to type where it shall run."""
        if self.path.is_dir():
            layout = shlex.quote(f"oci:{self.path}:{self.version}")
            return (f"podman run --rm {_HARDENED} {layout}", f"skopeo copy {layout} docker://REGISTRY/{self.name}")
        file = shlex.quote(str(self.path))
        return (f"docker load -i {file}", f"podman load -i {file}")

    def html(self) -> str:
        """Return the card."""
        return saved_card(self)

    def text(self) -> str:
        """Return the lines."""
        return saved_text(self)

    def document(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "name": self.name,
            "version": self.version,
            "path": str(self.path),
            "digest": self.digest,
            "size_bytes": self.size_bytes,
            "replaced": self.replaced,
            "commands": list(self.commands),
        }


# --- push ----------------------------------------------------------------------------------------------------------


def push(session: Session, reference: str, target: str, progress: Progress) -> Pushed:
    """Push the image of ``NAME[:VERSION]`` to a registry; only what it lacks is sent.

    Raises
    ------
    NotFoundError
        No such version, or its image is no longer whole in the cache: containerize again.
    UsageError
        The target is no name of an image in a registry.
    RegistryError
        The registry refuses or cannot be reached.
    """
    iteration, image = _stored(session, reference)
    destination = _destination(target, iteration, image)
    known = KnownPlaces(session.settings.data_path / "pushed.json")
    times = PhaseTimes(progress)
    registry = Registry(destination.registry)

    def told(done: int, total: int, comment: str) -> None:
        progress.detail(f"{words.size(done)} of {words.size(total)} sent: {comment}")

    with _told_plainly(session.cache, image, f"{replace(destination, digest='')} was not pushed."), times.phase("push"):
        delivery = Delivery(registry, destination.repository, known.of(destination.registry), told)
        blobs = blobs_of(image, session.cache)
        sent = delivery.deliver(blobs)
        registry.put_manifest(destination.repository, destination.tag, _media_type(image), image.manifest)
        known.add(destination.registry, destination.repository, [blob.digest for blob in blobs])
    layers = {layer.digest for layer in image.layers}
    sent_layers = [blob for blob in sent if blob.digest in layers]
    return Pushed(
        name=iteration.name,
        version=iteration.version,
        target=destination,
        sent_bytes=sum(blob.size for blob in sent) + len(image.manifest),
        layers_sent=len(sent_layers),
        layers_reused=len(layers) - len(sent_layers),
        seconds=times.seconds["push"],
        plain=registry.plain,
    )


def _media_type(image: Image) -> str:
    return str(json.loads(image.manifest)["mediaType"])


def _destination(text: str, iteration: Iteration, image: Image) -> ImageReference:
    target = parse_image_reference(text)
    if target.digest:
        raise UsageError(
            f"{text}: an image is pushed under a tag; its digest follows from its bytes.", f"Use {target.name}."
        )
    if target.name.startswith("docker.io/library/"):
        raise UsageError(
            f"{text} names neither a registry nor a user of Docker Hub.",
            f"For example registry.example.com/{iteration.name} or docker.io/USER/{iteration.name}.",
        )
    return replace(target, tag=target.tag or str(iteration.version), digest=image.digest)


# --- save ----------------------------------------------------------------------------------------------------------


def save(session: Session, reference: str, path: str, progress: Progress) -> Saved:
    """Save the image of ``NAME[:VERSION]`` as an archive (``….tar``) or as an OCI image layout (``…/``).

    Raises
    ------
    NotFoundError
        No such version, or its image is no longer whole in the cache: containerize again.
    UsageError
        The path is neither, its directory does not exist, or there is something else.
    BuildError
        It cannot be written.
    """
    file = Path(path).expanduser()
    layout = path.endswith("/") or file.is_dir()
    _check_path(path, file, layout=layout)
    iteration, image = _stored(session, reference)
    replaced = file.exists() and not layout

    def written(count: int) -> None:
        progress.detail(f"{words.size(count)} of {words.size(image.size_bytes)} written")

    with _told_plainly(session.cache, image, f"{file} was not written."), PhaseTimes(progress).phase("save"):
        (save_layout if layout else save_archive)(image, file, written)
    parts = [part for part in file.rglob("*") if part.is_file()] if layout else [file]
    size = sum(part.stat().st_size for part in parts)
    return Saved(iteration.name, iteration.version, file, image.digest, size, replaced)


def _check_path(path: str, file: Path, *, layout: bool) -> None:
    if not path:
        raise UsageError("The path to save to is empty.", "Name a file (churn.tar) or a directory (churn/).")
    if not layout and file.suffix != ".tar":
        raise UsageError(
            f"{path!r} tells neither a file nor a directory.",
            "End it with .tar for an archive (it is not compressed), or with / for a directory (OCI image layout).",
        )
    if not file.absolute().parent.is_dir():
        raise UsageError(f"There is no directory {file.absolute().parent}.", "Make it first, or choose another path.")


# --- both ----------------------------------------------------------------------------------------------------------


def _stored(session: Session, reference: str) -> tuple[Iteration, Image]:
    name, version = parse_reference(reference)
    session.reconciler.reconcile()
    iteration = session.versions.find(name, version)
    image = stored_image(iteration.image_digest, iteration.image_reference, session.cache)
    if image is None:
        raise NotFoundError(
            f"The image of {name}:{iteration.version} is no longer in the layer cache.", "Containerize again."
        )
    return iteration, image


@contextmanager
def _told_plainly(cache: LayerCache, image: Image, outcome: str) -> Iterator[None]:
    """Say what a damaged layer or an interrupt means here."""
    try:
        yield
    except DamagedLayerError as error:
        cache.discard(error.digest)
        raise NotFoundError(
            f"The image {image.reference} is damaged in the layer cache.", "Containerize again."
        ) from error
    except KeyboardInterrupt:
        raise IterationInterruptedError(
            f"Interrupted; {outcome}", "Do it again when you like: what has arrived in a registry is not sent again."
        ) from None
