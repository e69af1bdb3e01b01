"""Disks that are full, files that are damaged, directories that cannot be written."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from notebook_bench import Lab, Notebook, missing

from jupyter_containeriter.history import History

pytestmark = pytest.mark.usefixtures("sandbox_working")

CALL = "%containerize mean --sample rows"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 16 MB: a proof and a history fit, a base does not."""
    if os.geteuid() != 0:
        missing("a full disk takes a mount, which takes root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


# --- the cache -----------------------------------------------------------------------------------------------------


def test_full_disk_under_the_cache_is_named(lab: Lab, small_disk: Path) -> None:
    """A cache on a full disk is a BuildError that names the directory and its variable, and no half layer stays."""
    notebook = lab.open(CONTAINERITER_CACHE_DIR=str(small_disk))
    refusal = notebook.run(CALL).refusal()
    assert refusal.kind == "BuildError"
    assert str(small_disk) in refusal.message
    assert "CONTAINERITER_CACHE_DIR" in refusal.remedy
    assert lab.statuses("mean") == ["failed"]
    assert list(small_disk.rglob(".new-*")) == []
    assert lab.containers() == []


def test_disk_that_is_full_from_the_start_is_named(lab: Lab, small_disk: Path) -> None:
    """A cache on a disk without a free byte is refused in the same way: even the proof has no room there."""
    fill(small_disk)
    notebook = lab.open(CONTAINERITER_CACHE_DIR=str(small_disk))
    refusal = notebook.run(CALL).refusal()
    assert refusal.kind == "CaptureError"
    assert str(small_disk) in refusal.message
    assert "CONTAINERITER_CACHE_DIR" in refusal.remedy
    assert lab.statuses("mean") == ["failed"]


def test_cache_that_cannot_be_written_is_named(lab: Lab, tmp_path: Path) -> None:
    """A cache below a regular file is refused with the directory and its variable."""
    (tmp_path / "file").write_text("no directory")
    notebook = lab.open(CONTAINERITER_CACHE_DIR=str(tmp_path / "file" / "cache"))
    refusal = notebook.run(CALL).refusal()
    assert refusal.kind == "CaptureError"
    assert str(tmp_path / "file" / "cache") in refusal.message
    assert "CONTAINERITER_CACHE_DIR" in refusal.remedy
    assert lab.statuses("mean") == ["failed"]


def test_damaged_layer_is_built_again(lab: Lab, labs: Callable[[], Lab]) -> None:
    """A layer of the cache with a flipped byte is noticed, built again, and the iteration is verified."""
    lab.open().ok(CALL)
    image = lab.image("mean", 1)
    for layer in (image.layers[0], image.layers[-1]):
        flip_a_byte(layer.path)
    # Another person's engine holds no layer yet, so it reads all of them.
    other = labs()
    try:
        cell = other.open().ok(CALL)
        assert "verified" in cell.html
        assert cell.html.count("damaged. Building it again.") == 2
        assert other.image("mean", 1).digest == image.digest
        assert all("sha256:" + sha256(layer.path) == layer.digest for layer in image.layers)
    finally:
        other.close()


def test_deploying_from_an_emptied_cache_says_so(lab: Lab, tmp_path: Path) -> None:
    """A version whose layers have left the cache cannot be deployed: a NotFoundError says to containerize again."""
    cache = tmp_path / "cache"
    notebook = lab.open(CONTAINERITER_CACHE_DIR=str(cache))
    notebook.ok(CALL)
    for blob in (cache / "blobs" / "sha256").iterdir():
        blob.unlink()
    refusal = notebook.run("%deploy mean:1").refusal()
    assert refusal.kind == "NotFoundError"
    assert "no longer in the layer cache" in refusal.message
    (live,) = lab.containers("mean")
    assert live.running
    # And so it is done.
    notebook.ok(CALL)
    assert lab.statuses("mean") == ["verified", "verified"]


# --- the data directory --------------------------------------------------------------------------------------------


def test_data_directory_that_cannot_be_written_is_named(lab: Lab, tmp_path: Path) -> None:
    """Without a data directory no token could be kept: one below a regular file is an error that names the place."""
    (tmp_path / "file").write_text("no directory")
    notebook = lab.open(CONTAINERITER_DATA_DIR=str(tmp_path / "file" / "data"))
    refusal = notebook.run(CALL).refusal()
    assert refusal.kind == "EngineError"
    assert str(tmp_path / "file" / "data") in refusal.message
    assert "CONTAINERITER_DATA_DIR" in refusal.remedy


def test_full_disk_under_the_data_is_named(lab: Lab, small_disk: Path) -> None:
    """A data directory on a disk that fills up is refused with the directory and its variable; nothing half stays."""
    lab.data = small_disk / "data"
    notebook = lab.open()
    refusal = notebook.run(CALL).refusal()
    assert refusal.kind == "BuildError"
    assert str(small_disk) in refusal.message
    assert "CONTAINERITER_DATA_DIR" in refusal.remedy
    assert lab.statuses("mean") == ["failed"]
    assert list(small_disk.rglob(".new-*")) == []
    assert lab.containers() == []


def test_history_that_is_no_database_is_left_alone(lab: Lab) -> None:
    """A history file of other content is not changed by a byte, and models are deployed all the same."""
    lab.data.mkdir()
    lab.history.write_bytes(b"my precious notes\n" * 100)
    assert_left_alone(lab, lab.open(), "not a history")


def test_damaged_history_is_left_alone(lab: Lab) -> None:
    """A history with overwritten pages is not changed by a byte, and models are deployed all the same."""
    make_history(lab)
    content = bytearray(lab.history.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    lab.history.write_bytes(content)
    assert_left_alone(lab, lab.open(), "damaged")


def test_newer_history_is_left_alone(lab: Lab) -> None:
    """A history of a newer version is not changed by a byte, and models are deployed all the same."""
    make_history(lab)
    connection = sqlite3.connect(lab.history)
    with connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    assert_left_alone(lab, lab.open(), "newer version")


def test_history_moved_aside_is_begun_anew(lab: Lab) -> None:
    """The remedy for a damaged history works: moved aside, a new one begins with what was recorded meanwhile."""
    lab.data.mkdir()
    lab.history.write_bytes(b"my precious notes\n" * 100)
    notebook = lab.open()
    assert "Move the file aside" in notebook.ok(CALL).html
    lab.history.rename(lab.data / "aside")
    notebook.ok(CALL)
    assert lab.statuses("mean") == ["verified", "verified"]
    assert "mean:2" in notebook.ok("%deployments").html


# --- steps ---------------------------------------------------------------------------------------------------------


def assert_left_alone(lab: Lab, notebook: Notebook, said: str) -> None:
    """Insist that a model is deployed, shown and stopped, that the person is told, and that the file stays."""
    before = sha256(lab.history)
    refusal = notebook.run("%iterations").refusal()  # nothing waits yet that could be shown
    assert refusal.kind == "HistoryError"
    assert said in refusal.message
    first, second = notebook.ok(CALL), notebook.ok(CALL)
    assert "verified" in first.html
    assert said in first.html
    assert str(lab.history) in first.html
    assert said not in second.html
    assert "mean" in notebook.ok("%deployments").html
    assert "mean" in notebook.ok("%iterations").html
    notebook.ok("%undeploy mean")
    assert sha256(lab.history) == before


def make_history(lab: Lab) -> None:
    """Create an empty history."""
    history = History(lab.history)
    assert history.id
    history.close()


def fill(disk: Path) -> None:
    """Leave no free byte."""
    with (disk / "filling").open("wb") as file:
        try:
            while True:
                file.write(bytes(65536))
                file.flush()
        except OSError:
            return


def flip_a_byte(path: Path) -> None:
    """Change a file without changing its size."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
