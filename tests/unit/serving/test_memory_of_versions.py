"""What versions take in memory: there is enough before one is loaded, and it comes back after they have gone."""

from __future__ import annotations

import gc
import hashlib
import io
import re
import sys
import tarfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from jupyter_containeriter.serving import memory

from .conftest import Running, write_root

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

Start = Callable[..., Running]

MANAGER = {"Authorization": "Bearer manager"}
KEY = hashlib.sha256(b"manager").hexdigest()
LARGE = 200_000_000


class Large:
    """A model that is small in its file and large in memory; it may refer to itself."""

    def __init__(self, size: int, *, cycle: bool = False) -> None:
        self.size = size
        self.me = self if cycle else None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.weights = bytearray(b"x") * self.size

    def __call__(self, data: list[float]) -> list[float]:
        """Predict what was given."""
        return data


# The processes cannot import this module, so its classes travel by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def packed(root: Path) -> bytes:
    """Pack the files of a version."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("snapshot.json", "model/model.pkl"):
            archive.add(root / name, name)
    return file.getvalue()


def resident(server: Running) -> int:
    """Return what the server has in memory."""
    found = re.search(r"^process_resident_memory_bytes (\S+)", server("GET", "/metrics").data.decode(), re.MULTILINE)
    assert found
    return int(float(found[1]))


@pytest.mark.parametrize("cycle", [False, True], ids=["plain", "cycle"])
def test_first_version_is_freed(tmp_path: Path, start: Start, *, cycle: bool) -> None:
    """Three versions later nothing is left of the first one, even if it refers to itself."""
    server = start(
        write_root(tmp_path / "1", Large(LARGE, cycle=cycle), sample=[1.0]), CONTAINERITER_MANAGEMENT_TOKEN_SHA256=KEY
    )
    write_root(tmp_path / "2", Large(1000, cycle=cycle), sample=[1.0])
    before = resident(server)
    assert before > LARGE
    for number in ("2", "3", "4"):
        body = packed(tmp_path / "2")
        assert server("PUT", f"/containeriter/versions/{number}", body=body, headers=MANAGER).status == 200
        assert server("PUT", "/containeriter/live", json={"version": number}, headers=MANAGER).status == 200
    deadline = time.monotonic() + 30
    while resident(server) > before - 0.9 * LARGE and time.monotonic() < deadline:
        time.sleep(0.1)
    assert resident(server) < before - 0.9 * LARGE


def test_only_what_refers_to_itself_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at everything stops every thread, so it is done for what is still there after it was let go."""
    unfrozen: list[bool] = []
    monkeypatch.setattr(gc, "unfreeze", lambda: unfrozen.append(True))
    model = Large(0)
    gone: list[memory.Reference | None] = [weakref.ref(model)]
    memory.give_back(gone)
    assert (len(unfrozen), len(gone)) == (1, 1)  # Somebody holds it.
    del model
    memory.give_back(gone)
    assert (len(unfrozen), gone) == (1, [])
    gone.append(None)
    memory.give_back(gone)
    assert (len(unfrozen), gone) == (2, [])


def test_no_more_is_loaded_than_the_engine_allows(tmp_path: Path, start: Start) -> None:
    """Where no cgroup holds the limit, the server knows it from the engine, and refuses what would have it killed."""
    entry = write_root(tmp_path, Large(1000), sample=[1.0])
    limits = {"CONTAINERITER_MANAGEMENT_TOKEN_SHA256": KEY, "CONTAINERITER_MEMORY_BYTES": "100000000"}
    server = start(entry, **limits)
    body = packed(tmp_path)
    assert server("PUT", "/containeriter/versions/2", body=body, headers=MANAGER).status == 200
    too_large = body + bytes(40_000_000)
    answer = server("PUT", "/containeriter/versions/3", body=too_large, headers=MANAGER)
    assert (answer.status, "of memory" in answer.json()["error"]) == (507, True)


def test_room_is_the_least_that_any_limit_leaves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine's limit counts, and a cgroup's, whichever leaves less."""
    monkeypatch.setattr(memory, "_V2", tmp_path)
    monkeypatch.setattr(memory, "_V1", tmp_path)
    monkeypatch.delenv("CONTAINERITER_MEMORY_BYTES", raising=False)
    assert memory.room() is None
    monkeypatch.setenv("CONTAINERITER_MEMORY_BYTES", str(10**12))
    left = memory.room()
    assert left is not None
    assert 10**12 - 10**11 < left < 10**12 - 10**7
    for name, text in (("memory.max", "5000"), ("memory.current", "3000"), ("memory.stat", "inactive_file 500\n")):
        (tmp_path / name).write_text(text)
    assert memory.room() == 2500
