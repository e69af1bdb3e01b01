"""What an image contains, read back from the stored image itself: its layers, its manifest and its snapshot."""

from __future__ import annotations

import csv
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from jupyter_containeriter.errors import BuildError, NotFoundError
from jupyter_containeriter.names import parse_reference
from jupyter_containeriter.road.stored import stored_document
from jupyter_containeriter.settings import KERNEL_BASE
from jupyter_containeriter.show.contents import contents_card, contents_text
from jupyter_containeriter.show.shown import Shown
from jupyter_containeriter.types import CONTAINER_ROOT, Image, Iteration, Layer

if TYPE_CHECKING:
    from pandas import DataFrame

    from jupyter_containeriter.session import Session

_ROOT = f"{CONTAINER_ROOT}/".lstrip("/")
_SITE = f"{_ROOT}site-packages/"
#: Metadata of what is installed; packages that carry others inside themselves carry the metadata of those, too.
_METADATA = re.compile(rf"/{_SITE}([^/]+)\.dist-info/(METADATA|RECORD)")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an image: its path from the root, its size in bytes and the index of its layer."""

    path: str
    size_bytes: int
    layer: int


@dataclass(frozen=True, slots=True)
class Package:
    """A distribution in an image.

    Attributes
    ----------
    name, version
        As it is installed.
    size_bytes
        All its files in the image with their byte code.
    reason
        Why it is in; "" in images of early versions.
    layer
        Index of its layer, bottom up; None where no file of it was found.
    left_out, left_out_bytes
        Files of the installation that are not in the image (tests, headers), and their size.
    """

    name: str
    version: str
    size_bytes: int
    reason: str
    layer: int | None
    left_out: int = 0
    left_out_bytes: int = 0


@dataclass(frozen=True, repr=False)
class ImageContents(Shown):
    """What an image contains.

    Attributes
    ----------
    iteration
        The row of the history it is of.
    image
        The stored image: reference, digest, layers bottom up, sizes.
    snapshot
        Its ``snapshot.json``.
    packages
        The distributions, biggest first.
    files
        Every file of the image. Of the files of a base that is somebody else's none is told: its layers hide parts of
        one another.
    """

    iteration: Iteration
    image: Image
    snapshot: Mapping[str, Any]
    packages: tuple[Package, ...]
    files: tuple[StoredFile, ...]

    @property
    def architecture(self) -> str:
        """In OCI's words: ``amd64``, ``arm64``."""
        return str(json.loads(self.image.config)["architecture"])

    @property
    def is_foreign(self) -> bool:
        """Whether the base is somebody else's image, of which only the layers are told."""
        return _is_foreign(self.iteration)

    @property
    def base(self) -> str:
        """What the image is built on."""
        if self.is_foreign:
            return self.iteration.base
        return ", ".join(layer.comment for layer in self.image.layers if layer.role == "base")

    @cached_property
    def code(self) -> tuple[StoredFile, ...]:
        """Local code; its byte code is left out."""
        return tuple(file for file in self.below("code/") if not file.path.endswith(".pyc"))

    @cached_property
    def model(self) -> tuple[StoredFile, ...]:
        """The files of the model."""
        return self.below("model/")

    @cached_property
    def libraries(self) -> tuple[StoredFile, ...]:
        """The shared libraries that were copied from this machine, for the interpreter and for packages."""
        names = (file for prefix in ("lib/", "python/lib/") for file in self.below(prefix))
        return tuple(file for file in names if ".so" in file.path and "/python3." not in file.path)

    @property
    def left_out(self) -> Mapping[str, Any]:
        """What was left out on purpose, as the snapshot tells it; empty where it does not."""
        told: Mapping[str, Any] = self.snapshot.get("left_out") or {}
        return told

    def below(self, directory: str) -> tuple[StoredFile, ...]:
        """Return the files below a directory of ``/opt/containeriter``."""
        return tuple(file for file in self.files if file.path.startswith(f"/{_ROOT}{directory}"))

    def frame(self) -> DataFrame:
        """Return the packages as a DataFrame, biggest first."""
        import pandas as pd

        return pd.DataFrame([asdict(package) for package in self.packages])

    def html(self) -> str:
        """Return the card: sizes as bars, packages biggest first."""
        return contents_card(self)

    def text(self) -> str:
        """Return a line for each package."""
        return contents_text(self)

    def document(self) -> dict[str, Any]:
        """Return all of it but the list of files."""
        image = self.image
        return {
            "name": self.iteration.name,
            "version": self.iteration.version,
            "status": self.iteration.status,
            "reference": image.reference,
            "digest": image.digest,
            "size_bytes": image.size_bytes,
            "architecture": self.architecture,
            "base": self.base,
            "python": self.snapshot["python"],
            "layers": [
                {key: getattr(layer, key) for key in ("role", "comment", "digest", "size_bytes")}
                for layer in image.layers
            ],
            "packages": [asdict(package) for package in self.packages],
            "model": {**self.snapshot["model"], "files": [asdict(file) for file in self.model]},
            "code": [asdict(file) for file in self.code],
            "libraries": [asdict(file) for file in self.libraries],
            "left_out": dict(self.left_out),
        }


def inspect(session: Session, reference: str) -> ImageContents:
    """Read what the image of ``NAME[:VERSION]`` contains.

    Raises
    ------
    NotFoundError
        No such version, no image was built for it, or its image is no longer in the cache.
    """
    iteration = imaged_iteration(session, *parse_reference(reference))
    image, document = stored_document(session.cache, iteration)
    if image is None:
        raise NotFoundError(
            f"The image of {iteration.name}:{iteration.version} is no longer in the layer cache.",
            "Containerize the model again.",
        )
    files, records = _read(image, own_layers(image, iteration))
    return ImageContents(iteration, image, document, _packages(document, files, records), files)


def imaged_iteration(session: Session, name: str, version: int | None) -> Iteration:
    """Return the row of a version that an image was built for; of the newest one that may run, without a version.

    Raises
    ------
    NotFoundError
        There is no such version, or no image of it.
    """
    session.reconciler.reconcile()
    iteration = session.versions.row(name, version)
    if not iteration.image_digest:
        raise NotFoundError(
            f"{name}:{iteration.version} is {iteration.status}: no image was built for it.",
            f"Take another version; %iterations {name} lists them.",
        )
    return iteration


def metadata_of(path: str) -> tuple[str, str] | None:
    """Return the distribution (PEP 427) and the kind (``METADATA``, ``RECORD``) of a file of an image, if it is one."""
    found = _METADATA.fullmatch(path)
    return (str(canonicalize_name(found[1].partition("-")[0])), found[2]) if found else None


def own_layers(image: Image, iteration: Iteration) -> tuple[Layer, ...]:
    """Return the layers that were built here: these have no file in common, so nothing hides anything."""
    return tuple(layer for layer in image.layers if layer.role != "base" or not _is_foreign(iteration))


def _is_foreign(iteration: Iteration) -> bool:
    return iteration.base not in {"", KERNEL_BASE}


def read_files(layers: Iterable[Layer], wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files in these layers whose path is wanted.

    Raises
    ------
    BuildError
        A layer cannot be read.
    """
    for layer in layers:
        with _opened(layer) as archive:
            for member in archive:
                path = f"/{member.name}"
                if member.isfile() and wanted(path) and (file := archive.extractfile(member)):
                    yield path, file.read()


# --- layers --------------------------------------------------------------------------------------------------------


def _read(image: Image, layers: Iterable[Layer]) -> tuple[tuple[StoredFile, ...], dict[str, bytes]]:
    """Return the files in these layers of an image, and the ``RECORD`` of each distribution by its name."""
    files: list[StoredFile] = []
    records: dict[str, bytes] = {}
    for layer in layers:
        index = image.layers.index(layer)
        with _opened(layer) as archive:
            for member in archive:
                if not member.isdir():
                    files.append(StoredFile(f"/{member.name}", member.size, index))
                name, kind = metadata_of(f"/{member.name}") or ("", "")
                if kind == "RECORD" and member.isfile() and (content := archive.extractfile(member)):
                    records[name] = content.read()
    return tuple(files), records


@contextmanager
def _opened(layer: Layer) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(layer.path) as archive:
            yield archive
    except (tarfile.TarError, OSError) as error:
        raise BuildError(
            f"The layer {layer.comment} cannot be read: {error}.",
            "Containerize the model again: damaged layers are built anew.",
        ) from error


def _packages(
    document: Mapping[str, Any], files: Iterable[StoredFile], records: Mapping[str, bytes]
) -> tuple[Package, ...]:
    recorded = {name: dict(_recorded(record)) for name, record in records.items()}
    owners = {path: name for name, paths in recorded.items() for path in paths}
    found: dict[str, list[StoredFile]] = {}
    present: set[str] = set()
    for file in files:
        if file.path.startswith(f"/{_SITE}"):
            path = _source(file.path.removeprefix(f"/{_SITE}"))
            present.add(path)
            # What no RECORD names belongs to the distribution that is called like its directory.
            owner = owners.get(path) or str(canonicalize_name(path.partition("/")[0].removesuffix(".py")))
            found.setdefault(owner, []).append(file)
    packages = []
    for told in _told(document):
        own = found.get(told["name"], [])
        missing = [size for path, size in recorded.get(told["name"], {}).items() if path not in present]
        packages.append(
            Package(
                name=told["name"],
                version=told["version"],
                size_bytes=sum(file.size_bytes for file in own) if own else told.get("size_bytes", 0),
                reason=told.get("reason", ""),
                layer=own[0].layer if own else None,
                left_out=len(missing),
                left_out_bytes=sum(missing),
            )
        )
    return tuple(sorted(packages, key=lambda package: (-package.size_bytes, package.name)))


def package_versions(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the version of each distribution that a ``snapshot.json`` tells of, by name."""
    return {told["name"]: told["version"] for told in _told(document)}


def _told(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the snapshot's distributions; early versions wrote nothing but their versions by name."""
    told = document["distributions"]
    if isinstance(told, Mapping):
        return [{"name": name, "version": version} for name, version in told.items()]
    return list(told)


def _recorded(record: bytes) -> Iterator[tuple[str, int]]:
    """Yield path and size of the files below ``site-packages`` that a ``RECORD`` names, without byte code (PEP 376)."""
    for row in csv.reader(record.decode(errors="replace").splitlines()):
        path, size = (row[0], row[2]) if len(row) > 2 else ("", "")
        if path and not path.startswith(("../", "/")) and not path.endswith((".pyc", ".pyo")):
            yield path, int(size) if size.isdecimal() else 0


def _source(path: str) -> str:
    """Return the source that a file of byte code was compiled from; any other path as it is."""
    directory, cache, name = path.rpartition("__pycache__/")
    return f"{directory}{name.partition('.')[0]}.py" if cache and name.endswith(".pyc") else path
