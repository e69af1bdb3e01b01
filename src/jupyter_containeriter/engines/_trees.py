"""Layers unpacked once each, and the plan by which several of them make one root file system.

No tree is copied or merged: a directory that only one layer has is shown as it is, one that several layers have is
made anew and filled with theirs. The plan is carried out with bind mounts (sandbox) or with links (process).
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
from typing import Any

from jupyter_containeriter.errors import BuildError, DamagedLayerError
from jupyter_containeriter.types import Layer

_CHUNK = 1024 * 1024

#: Names that lead out of the directory are refused, by Pythons that know how to (3.11.4 and newer).
_EXTRACTION: dict[str, Any] = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}


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
        Holds one directory for each layer, named by its digest.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, digest: str) -> Path:
        """Return where the layer with this digest is unpacked, or would be."""
        return self._directory / digest.removeprefix("sha256:")

    def unpack(self, layer: Layer) -> None:
        """Unpack a layer after checking its digest.

        Raises
        ------
        DamagedLayerError
            The cached tar has other bytes than its digest promises.
        BuildError
            The directory cannot be written, or the disk is full.
        """
        _check(layer)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=self._directory, prefix=".new-"))
            try:
                with tarfile.open(layer.path) as archive:
                    archive.extractall(temporary, **_EXTRACTION)  # noqa: S202 (checked by digest)
                _publish(temporary, self.path(layer.digest))
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        except OSError as error:
            raise BuildError(
                f"The layer cannot be unpacked in {self._directory}: {error}.",
                "Free some disk space, or point CONTAINERITER_DATA_DIR to another disk.",
            ) from error

    def unknown(self, known: Collection[str]) -> list[Path]:
        """Return what is here besides the layers with these digests: other layers, and what killed processes left."""
        names = {digest.removeprefix("sha256:") for digest in known}
        return [path for path in _entries(self._directory) if path.name not in names]

    def plan(self, digests: Sequence[str]) -> list[Placement]:
        """Return the placements that make one tree of these layers, given bottom up; parents before children."""
        placements: list[Placement] = []
        _merge("", [self.path(digest) for digest in reversed(digests)], placements)
        return placements


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


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
