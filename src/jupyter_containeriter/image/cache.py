"""The layer cache: blobs by digest, and the keys under which finished layers are found again.

Laid out like the ``blobs`` directory of an OCI image layout, so that a blob's name is its digest. Safe for several
kernels at once: everything is written to a temporary name and renamed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jupyter_containeriter.disk import REMOVING
from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.members import LayerSpec
from jupyter_containeriter.image.tarball import tar_stream
from jupyter_containeriter.types import Layer

#: Begins the name of a file that is being written.
_NEW = ".new-"
#: Begins the name of what is being written, or removed.
_HALVES = (_NEW, REMOVING)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A history that builds on a cache.

    Attributes
    ----------
    history, owner
        Its id, and the id of the directory from where it is used.
    location
        A path, or an address without a password.
    spool
        The directory of the rows that wait for it.
    """

    history: str
    owner: str
    location: str
    spool: str = ""

    @property
    def place(self) -> Path | str:
        """The location as a history takes it."""
        return self.location if "://" in self.location else Path(self.location)

    @property
    def is_there(self) -> bool:
        """Whether it may be there; of an address nobody knows before asking."""
        return not isinstance(self.place, Path) or self.place.exists()


class LayerCache:
    """A directory of blobs and keys.

    Parameters
    ----------
    directory
        Created on first use.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._blobs = directory / "blobs" / "sha256"
        self._keys = directory / "keys"
        self._histories = directory / "histories"

    def layer(self, spec: LayerSpec) -> Layer:
        """Return the layer of ``spec``, built now or found from an earlier time."""
        found = self.memo(f"layer-{spec.key()}", lambda: self._write(tar_stream(spec)))
        path = self.blob(found["digest"])
        if not self.use(found["digest"]):
            self._key_path(f"layer-{spec.key()}").unlink(missing_ok=True)
            return self.layer(spec)
        return Layer(found["digest"], found["size"], path, spec.role, spec.comment)

    def memo(
        self,
        key: str,
        compute: Callable[[], dict[str, Any]],
        valid: Callable[[dict[str, Any]], bool] = lambda kept: True,
    ) -> dict[str, Any]:
        """Return what ``compute`` gave under this key before and is still ``valid``, or compute and keep it."""
        kept = self.recall(key)
        if kept is None or not valid(kept):
            kept = compute()
            self.remember(key, kept)
        return kept

    def recall(self, key: str) -> dict[str, Any] | None:
        """Return what is kept under a key, None for nothing."""
        try:
            kept = json.loads(self._key_path(key).read_bytes())
        except (OSError, ValueError):
            return None
        return kept if isinstance(kept, dict) else None

    def remember(self, key: str, found: dict[str, Any]) -> None:
        """Keep something under a key, instead of what may be there."""
        self._temporary(self._keys, (json.dumps(found).encode(),)).replace(self._key_path(key))

    def put(self, content: bytes) -> str:
        """Keep a small blob (a config, a manifest) and return its digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if self.read(digest) is None or not self.use(digest):
            self._write((content,))
        return digest

    def keep(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Keep a blob that comes from elsewhere, if it has the digest it was promised with.

        Raises
        ------
        BuildError
            It has another one.
        """
        found = self._write(chunks)["digest"]
        if found != digest:
            self.discard(found)
            raise BuildError(
                f"The content of {digest[:19]}… is damaged where it comes from.", "Try again, or use another source."
            )

    def use(self, digest: str) -> bool:
        """Note by a blob's time that it is needed now, so that nobody removes it; False where it is gone."""
        try:
            os.utime(self.blob(digest))
        except FileNotFoundError:
            return False
        except OSError:  # somebody else's, or on a read-only disk: it is there
            return True
        return True

    def read(self, digest: str) -> bytes | None:
        """Return a small blob, or None where it is missing or damaged."""
        try:
            content = self.blob(digest).read_bytes()
        except OSError:
            return None
        return content if "sha256:" + hashlib.sha256(content).hexdigest() == digest else None

    def blob(self, digest: str) -> Path:
        """Return where a blob is, or would be."""
        return self._blobs / digest.removeprefix("sha256:")

    def discard(self, digest: str) -> None:
        """Forget a blob, so that it is built again."""
        self.blob(digest).unlink(missing_ok=True)

    # --- what takes room -------------------------------------------------------------------------------------------

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of every blob, by digest."""
        try:
            with os.scandir(self._blobs) as entries:
                return {f"sha256:{e.name}": e.stat().st_size for e in entries if not e.name.startswith(_NEW)}
        except OSError:
            return {}

    def leftovers(self) -> list[Path]:
        """Return what killed processes left half written, and keys of layers that are gone."""
        places = (self._blobs, self._keys, *self.wheels.glob("*"))
        halves = [path for directory in places for path in directory.glob(".*") if path.name.startswith(_HALVES)]
        return [*halves, *(path for path in self._keys.glob("layer-*.json") if self._lost(path))]

    def _lost(self, key: Path) -> bool:
        try:
            return not self.blob(json.loads(key.read_bytes())["digest"]).exists()
        except (OSError, ValueError, KeyError, TypeError):
            return True

    def memos(self) -> list[Path]:
        """Return what only saves work: what :meth:`memo` keeps."""
        return list(self._keys.glob("*.json"))

    def unpacked(self) -> list[Path]:
        """Return the directory of every unpacked wheel: its time tells when it was used last."""
        return [path for path in self.wheels.glob("*/*") if not path.name.startswith(_HALVES)]

    @property
    def wheels(self) -> Path:
        """Directory of unpacked wheels: one directory for each platform, in it one for each wheel."""
        return self.directory / "wheels"

    def sign_in(self, tenant: Tenant) -> None:
        """Note who builds on this cache, so that its layers are not taken for garbage by another one."""
        with suppress(OSError):  # a cache that cannot be written says so when something is built
            self._histories.mkdir(parents=True, exist_ok=True)
            note = self._histories / f"{tenant.history}.{tenant.owner}"
            note.write_text(json.dumps(asdict(tenant)))

    def tenants(self) -> dict[Path, Tenant]:
        """Return who builds on this cache, by the file in which that is noted."""
        found = {note: tenant for note in sorted(self._histories.glob("*")) if (tenant := _tenant(note))}
        return {note: tenant for note, tenant in found.items() if tenant.is_there}

    def _key_path(self, key: str) -> Path:
        return self._keys / f"{key}.json"

    def _write(self, chunks: Iterable[bytes]) -> dict[str, Any]:
        hasher, size = hashlib.sha256(), 0

        def hashed() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks:
                hasher.update(chunk)
                size += len(chunk)
                yield chunk

        temporary = self._temporary(self._blobs, hashed())
        digest = "sha256:" + hasher.hexdigest()
        temporary.replace(self.blob(digest))
        return {"digest": digest, "size": size}

    def _temporary(self, directory: Path, chunks: Iterable[bytes]) -> Path:
        """Write to a new file beside the final one; whatever goes wrong, no part of it stays."""
        path: Path | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=directory, prefix=_NEW)
            path = Path(name)
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
        except BaseException as error:
            if path is not None:
                path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise cache_error(self.directory, error) from error
            raise
        return path


def _tenant(note: Path) -> Tenant | None:
    try:
        text = note.read_text()
        # Earlier versions noted just the path of a file.
        return Tenant(**json.loads(text)) if text.startswith("{") else Tenant(note.name, "", text)
    except (OSError, ValueError, TypeError):
        return None


def cache_error(directory: Path, error: OSError) -> BuildError:
    """Return what it means that the cache cannot be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return BuildError(
            f"No space left for the layer cache in {directory}.",
            "Free some disk space, or point CONTAINERITER_CACHE_DIR to a larger disk.",
        )
    return BuildError(
        f"The layer cache in {directory} cannot be written: {error}.",
        "Make the directory writable, or point CONTAINERITER_CACHE_DIR to another one.",
    )
