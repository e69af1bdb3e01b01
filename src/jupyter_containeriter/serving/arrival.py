"""A version that arrives while the server runs: its files, and the model made of them.

Apart from the management routes, because few servers ever need these modules: start-up does not wait for them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tarfile
import tempfile
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect

from .inference import warm
from .model import LoadedModel, LoadError, load

#: What is unpacked at a time.
_CHUNK_BYTES = 256 * 1024


class Arriving:
    """A body that one thread reads while the event loop receives it: no more of it is in memory than was asked for.

    Parameters
    ----------
    chunks
        The body.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._loop = asyncio.get_running_loop()

    def read(self, _size: int = -1) -> bytes:
        """Return what came next, however much that is; nothing at the end."""
        return asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()

    async def _next(self) -> bytes:
        return await anext(self._chunks, b"")


def free_bytes() -> int:
    """Return how much room there is for files."""
    return shutil.disk_usage(tempfile.gettempdir()).free


def load_arriving(archive: Arriving) -> LoadedModel:
    """Load the model whose files a tar holds, unpacked while it arrives; once it is loaded, they only take memory.

    Raises
    ------
    LoadError
        It cannot be loaded, for whatever reason; the traceback is on stderr.
    ClientDisconnect
        Not all of it arrived.
    """
    directory = Path(tempfile.mkdtemp(prefix="containeriter-"))
    try:
        _unpack(archive, directory)
        return warm(load(directory))
    except ClientDisconnect:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it raises, the live version goes on
        traceback.print_exc(file=sys.stderr)
        raise LoadError(f"{type(error).__name__}: {error}") from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _unpack(archive: Any, root: Path) -> None:
    with tarfile.open(fileobj=archive, mode="r|", bufsize=_CHUNK_BYTES) as tar:
        for member in tar:
            path = Path(os.path.normpath(root / member.name))
            source = tar.extractfile(member)
            if source is None or not member.isfile() or not path.is_relative_to(root):
                raise ValueError(f"{member.name} is no file below the archive's root")
            path.parent.mkdir(parents=True, exist_ok=True)
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
    while archive.read():  # What follows the archive's end.
        pass
