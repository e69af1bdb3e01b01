"""Zip archives on ``sys.path`` (zip, egg, whl): unpacked once into the cache, then directories like any other."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path

from jupyter_containeriter.errors import CaptureError

#: Begins the name of a directory that an archive is being unpacked to.
UNPACKING = "unpacking-"


class Archives:
    """Archives of a search path.

    Parameters
    ----------
    cache
        Directory that holds what was unpacked.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def real(self, path: str) -> Path:
        """Return where a path of the import system really is: itself, or its place in the unpacked archive.

        Raises
        ------
        CaptureError
            The archive cannot be unpacked.
        """
        found = Path(path)
        if found.exists():
            return found
        archive = next((parent for parent in found.parents if parent.is_file()), None)
        return self.directory(str(archive)) / found.relative_to(archive) if archive else found

    def directory(self, entry: str) -> Path:
        """Return the directory of an entry of ``sys.path``: itself, or the unpacked archive."""
        path = Path(entry)
        try:
            status = path.stat()
        except OSError:
            return path
        if not path.is_file() or not _is_archive(path, status.st_mtime_ns, status.st_size):
            return path
        key = hashlib.sha256(repr((str(path), status.st_mtime_ns, status.st_size)).encode()).hexdigest()[:24]
        unpacked = self._cache / key
        if not unpacked.exists():
            _unpack(path, unpacked)
        return unpacked


@lru_cache(maxsize=64)
def _is_archive(path: Path, _changed: int, _size: int) -> bool:
    return zipfile.is_zipfile(path)


def _unpack(archive: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=UNPACKING))
        try:
            with zipfile.ZipFile(archive) as file:
                file.extractall(temporary)
            _publish(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise CaptureError(
            f"{archive} is on sys.path, but cannot be unpacked: {error}.",
            "Replace the archive, or take it off sys.path if the model does not need it.",
        ) from error


def _publish(temporary: Path, target: Path) -> None:
    try:
        temporary.rename(target)
    except OSError:
        # Another kernel unpacked the same archive in the meantime; the key says that both are equal.
        if not target.exists():
            raise
