"""Layers unpacked once each, and the plan by which several trees make one root file system.

The layers of a base, which may hide parts of one another, are unpacked over one another; every other layer is a tree
of its own. No tree is copied: a directory that only one tree has is shown as it is, one that several have is made anew
and filled with theirs. The plan is carried out with bind mounts (sandbox) or with links (process).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_containeriter.disk import discard
from jupyter_containeriter.engines._unpack import apply_layer
from jupyter_containeriter.errors import BuildError, DamagedLayerError
from jupyter_containeriter.types import Image, Layer

_CHUNK = 1024 * 1024

#: Ends the name of the note beside a tree of several layers that lists their digests.
_NOTE = ".layers"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a path of the root file system comes from; ``source`` is None for a directory made for others to be in."""

    path: str
    source: Path | None


class Trees:
    """The unpacked layers.

    Parameters
    ----------
    directory
        Holds one directory for each tree.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, *digests: str) -> Path:
        """Return where the layers with these digests, bottom up, are unpacked over one another, or would be."""
        return self._directory / _chain_id(digests).removeprefix("sha256:")

    def unpack(self, *layers: Layer) -> None:
        """Unpack layers over one another after checking their digests.

        Raises
        ------
        DamagedLayerError
            A cached tar has other bytes than its digest promises.
        BuildError
            The directory cannot be written, or the disk is full.
        """
        for layer in layers:
            _check(layer)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=self._directory, prefix=".new-"))
            try:
                for layer in layers:
                    apply_layer(layer.path, temporary)
                self._publish(temporary, [layer.digest for layer in layers])
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        except (OSError, tarfile.TarError) as error:
            raise BuildError(
                f"The layer cannot be unpacked in {self._directory}: {error}.",
                "Free some disk space, or point CONTAINERITER_DATA_DIR to another disk.",
            ) from error

    def _publish(self, temporary: Path, digests: Sequence[str]) -> None:
        tree = self.path(*digests)
        if len(digests) > 1:
            # Its name does not tell what is in it.
            tree.with_name(f"{tree.name}{_NOTE}").write_text("\n".join(digests))
        _publish(temporary, tree)

    def unknown(self, known: Collection[str]) -> list[Path]:
        """Return what is here besides trees of layers with these digests: others, and what killed processes left."""
        digests = set(known)
        return [path for path in _entries(self._directory) if not self._layers_of(path) <= digests]

    def _layers_of(self, path: Path) -> set[str]:
        name = path.name.removesuffix(_NOTE)
        try:
            return set((self._directory / f"{name}{_NOTE}").read_text().split())
        except OSError:
            return {f"sha256:{name}"}

    def discard(self, *digests: str) -> None:
        """Remove the tree of these layers."""
        tree = self.path(*digests)
        discard(tree)
        tree.with_name(f"{tree.name}{_NOTE}").unlink(missing_ok=True)

    def plan(self, trees: Sequence[Path]) -> list[Placement]:
        """Return the placements that make one tree of these, given bottom up; parents before children."""
        placements: list[Placement] = []
        _merge("", list(reversed(trees)), placements)
        return placements


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def stacks(image: Image) -> list[tuple[Layer, ...]]:
    """Return an image's layers, bottom up, together where they make one tree."""
    base = tuple(layer for layer in image.layers if layer.role == "base")
    return [*([base] if base else []), *((layer,) for layer in image.layers if layer.role != "base")]


def _chain_id(digests: Sequence[str]) -> str:
    """Name a stack of layers (OCI Image Format Specification, "Layer ChainID"); a single layer has its own name."""
    chain = digests[0]
    for digest in digests[1:]:
        chain = "sha256:" + hashlib.sha256(f"{chain} {digest}".encode()).hexdigest()
    return chain


def _merge(path: str, sources: list[Path], placements: list[Placement]) -> None:
    """Merge directories, the uppermost first: of two files with one name, the upper layer's counts."""
    names = sorted({name for source in sources for name in os.listdir(source)})  # noqa: PTH208 (names only, fast)
    for name in names:
        found = [entry for source in sources if os.path.lexists(entry := source / name)]
        shared = [entry for entry in found if entry.is_dir() and not entry.is_symlink()]
        if len(shared) > 1 and shared[0] == found[0]:
            placements.append(Placement(f"{path}/{name}", None))
            _merge(f"{path}/{name}", shared, placements)
        else:
            placements.append(Placement(f"{path}/{name}", found[0]))


def _publish(temporary: Path, path: Path) -> None:
    temporary.chmod(0o755)
    try:
        temporary.rename(path)
    except OSError:
        # Another kernel unpacked the same layer in the meantime; the digest says that both are equal.
        if not path.exists():
            raise


def _check(layer: Layer) -> None:
    hasher = hashlib.sha256()
    try:
        with layer.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
    except FileNotFoundError as error:
        raise DamagedLayerError(layer.digest) from error
    if "sha256:" + hasher.hexdigest() != layer.digest:
        raise DamagedLayerError(layer.digest)
