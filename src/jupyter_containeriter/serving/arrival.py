"""A version that arrives while the server runs: its files, and the model made of them.

Apart from the management routes, because few servers ever need these modules: start-up does not wait for them.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from .inference import warm
from .model import LoadedModel, LoadError, load


@contextmanager
def room_for_files() -> Iterator[Path]:
    """Make a directory for a version's files; once it is loaded, they only take memory."""
    directory = Path(tempfile.mkdtemp(prefix="containeriter-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def receive(chunks: AsyncIterator[bytes], archive: Path) -> None:
    """Write what arrives to a file."""
    with archive.open("wb") as file:
        async for chunk in chunks:
            file.write(chunk)


def load_archive(archive: Path) -> LoadedModel:
    """Load the model whose files a tar holds, beside it.

    Raises
    ------
    LoadError
        It cannot be loaded, for whatever reason; the traceback is on stderr.
    """
    try:
        _unpack(archive, archive.parent)
        archive.unlink()
        return warm(load(archive.parent))
    except BaseException as error:  # noqa: BLE001 - whatever it raises, the live version goes on
        traceback.print_exc(file=sys.stderr)
        raise LoadError(f"{type(error).__name__}: {error}") from None


def _unpack(archive: Path, root: Path) -> None:
    with tarfile.open(archive, "r:") as tar:
        for member in tar:
            path = Path(os.path.normpath(root / member.name))
            source = tar.extractfile(member)
            if source is None or not member.isfile() or not path.is_relative_to(root):
                raise ValueError(f"{member.name} is no file below the archive's root")
            path.parent.mkdir(parents=True, exist_ok=True)
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
