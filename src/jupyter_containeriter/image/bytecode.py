"""Byte code compiled ahead, as ``unchecked-hash`` files (PEP 552), with the names the files have in the image.

Normalised times would invalidate time-stamped byte code, and stock byte code holds this machine's paths. Compiling
happens in a clean interpreter, so that the bytes depend on nothing but the sources.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.members import Member

_WORKER = Path(__file__).with_name("_compile_worker.py")
_WORKERS = 2


def compile_members(members: Iterable[Member]) -> list[Member]:
    """Return a ``__pycache__`` member for every Python file that compiles; others (templates, Python 2) get none."""
    sources = sorted((m for m in members if m.name.endswith(".py")), key=lambda member: member.name)
    shares = [share for start in range(_WORKERS) if (share := sources[start::_WORKERS])]
    with ThreadPoolExecutor(_WORKERS) as pool:
        return [member for part in pool.map(_compile_share, shares) for member in part]


def _compile_share(sources: list[Member]) -> list[Member]:
    command = [sys.executable, "-I", "-S", str(_WORKER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with ThreadPoolExecutor(1) as feeder:
            feeding = feeder.submit(_feed, process.stdin, sources)
            compiled = [Member(_cached_name(s.name), data=code) for s, code in _read(process.stdout, sources) if code]
            feeding.result()
    if process.returncode:
        raise BuildError("The interpreter that compiles byte code ended early.", "Run the cell again.")
    return compiled


def _feed(pipe: IO[bytes], sources: list[Member]) -> None:
    with pipe:
        for member in sources:
            content = member.read()
            pipe.write(json.dumps(["/" + member.name, len(content)]).encode() + b"\n" + content)


def _read(pipe: IO[bytes], sources: list[Member]) -> Iterator[tuple[Member, bytes]]:
    for member in sources:
        size = pipe.read(8)
        yield member, pipe.read(int.from_bytes(size, "little"))


def _cached_name(name: str) -> str:
    directory, _, file = name.rpartition("/")
    return f"{directory}/__pycache__/{file.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
