"""One layer applied to a directory, as the OCI Image Format Specification says ("Applying Changesets").

Everything belongs to this user and stays inside the directory. Devices and pipes are left out, set-user-ID bits are
dropped: in a sandbox nobody could use them, and outside they would be a danger.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.rootfs import OPAQUE, WHITEOUT


def apply_layer(layer: Path, root: Path) -> None:
    """Unpack a layer's tar over what the layers below it left in ``root``.

    Raises
    ------
    BuildError
        A name leads out of the image, or a hard link to nowhere.
    OSError, tarfile.TarError
        It cannot be read or written.
    """
    with tarfile.open(layer, "r:") as archive:
        members = [(parts, member) for member in archive if (parts := _parts(member.name))]
        target = _Target(root)
        # First of all: a whiteout hides what is below the layer, never what the layer itself brings.
        for parts, _ in members:
            if parts[-1].startswith(WHITEOUT):
                target.hide(parts)
        for parts, member in members:
            if not parts[-1].startswith(WHITEOUT):
                target.put(parts, member, archive)


class _Target:
    """A directory in which no link is ever followed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directories = {root}

    def hide(self, parts: list[str]) -> None:
        *parents, last = parts
        directory = self._root.joinpath(*parents)
        if not self._holds(parents):
            return
        name = last.removeprefix(WHITEOUT)
        if name in {"", ".", ".."}:
            raise _leading_out("/".join(parts))
        for path in list(directory.iterdir()) if last == OPAQUE else [directory / name]:
            _remove(path)

    def put(self, parts: list[str], member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        path = self._root.joinpath(*parts)
        if member.isdir():
            self._directory(path).chmod(0o700 | member.mode & 0o1777)
            return
        if not (member.isreg() or member.issym() or member.islnk()):
            return
        self._directory(path.parent)
        if member.islnk():
            self._link(path, _parts(member.linkname))
            return
        self._clear(path)
        if member.issym():
            path.symlink_to(member.linkname)
            return
        content = archive.extractfile(member)
        assert content is not None
        with content, path.open("wb") as file:
            shutil.copyfileobj(content, file, 1024 * 1024)
        path.chmod(0o400 | member.mode & 0o777)
        # Byte code of the base counts only while its source has the time that is noted in it.
        os.utime(path, (member.mtime, member.mtime))

    def _link(self, path: Path, parts: list[str]) -> None:
        source = self._root.joinpath(*parts)
        if not self._holds(parts[:-1]) or not os.path.lexists(source):
            raise BuildError(f"A layer of the base links to {'/'.join(parts)}, which is not there.", _REMEDY)
        if source != path:
            self._clear(path)
            os.link(source, path, follow_symlinks=False)

    def _directory(self, path: Path) -> Path:
        """Make a directory; what a lower layer has in its place, a link too, goes."""
        if path in self._directories:
            return path
        self._directory(path.parent)
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            path.mkdir()
            path.chmod(0o755)
        self._directories.add(path)
        return path

    def _holds(self, parts: list[str]) -> bool:
        """Whether there is a directory of this name, reached without a link."""
        paths = [self._root.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
        return all(path.is_dir() and not path.is_symlink() for path in paths)

    def _clear(self, path: Path) -> None:
        if path in self._directories or (path.is_dir() and not path.is_symlink()):
            self._directories = {one for one in self._directories if not one.is_relative_to(path)}
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise _leading_out(name)
    return parts


def _leading_out(name: str) -> BuildError:
    return BuildError(f"A layer holds {name!r}, which leads out of the image.", _REMEDY)


_REMEDY = "Use another base: no tool writes such layers."
