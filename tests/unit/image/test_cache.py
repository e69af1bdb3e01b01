"""The layer cache: what is kept is found again, what is damaged is made again, what cannot be written is said."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.cache import LayerCache, Tenant
from jupyter_containeriter.image.members import LayerSpec, Member

_SPEC = LayerSpec("model", "model", (Member("model.pkl", data=b"model"),))


@pytest.fixture
def cache(tmp_path: Path) -> LayerCache:
    """Give an empty cache."""
    return LayerCache(tmp_path / "cache")


def test_a_layer_is_the_blob_of_its_digest(cache: LayerCache) -> None:
    """A layer's file has the digest and the size that the layer tells."""
    layer = cache.layer(_SPEC)
    content = layer.path.read_bytes()
    assert layer.digest == "sha256:" + hashlib.sha256(content).hexdigest()
    assert layer.size_bytes == len(content)
    assert layer.path == cache.blob(layer.digest)


def test_nothing_is_written_before_it_is_needed(cache: LayerCache) -> None:
    """Making a cache does not touch the disk."""
    assert cache.read("sha256:" + "0" * 64) is None
    assert not cache.directory.exists()


def test_a_kept_layer_is_not_built_again(cache: LayerCache) -> None:
    """A layer found by its key is not written a second time."""
    before = cache.layer(_SPEC).path.stat().st_ino
    assert LayerCache(cache.directory).layer(_SPEC).path.stat().st_ino == before


def test_a_vanished_blob_is_built_again(cache: LayerCache) -> None:
    """A key whose blob was deleted does not count."""
    layer = cache.layer(_SPEC)
    layer.path.unlink()
    assert cache.layer(_SPEC) == layer
    assert layer.path.exists()


def test_a_discarded_layer_is_built_again(cache: LayerCache) -> None:
    """A damaged blob that was discarded comes back with its right bytes."""
    layer = cache.layer(_SPEC)
    layer.path.write_bytes(layer.path.read_bytes()[:100])
    cache.discard(layer.digest)
    assert cache.layer(_SPEC) == layer
    assert layer.path.stat().st_size == layer.size_bytes


def test_a_damaged_small_blob_is_missing(cache: LayerCache) -> None:
    """A config or manifest with other bytes than its digest promises is not returned."""
    digest = cache.put(b"manifest")
    cache.blob(digest).write_bytes(b"mani")
    assert cache.read(digest) is None


def test_putting_mends_a_damaged_blob(cache: LayerCache) -> None:
    """Content that is kept again replaces a damaged blob of its digest."""
    digest = cache.put(b"manifest")
    cache.blob(digest).write_bytes(b"mani")
    assert cache.put(b"manifest") == digest
    assert cache.read(digest) == b"manifest"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null", b"[]", b"3"])
def test_a_broken_key_is_computed_again(cache: LayerCache, content: bytes) -> None:
    """A key file that holds no JSON object counts as none, and is mended."""
    cache.memo("k", lambda: {"a": 1})
    (path,) = cache.directory.glob("keys/*.json")
    path.write_bytes(content)
    assert cache.memo("k", lambda: {"a": 2}) == {"a": 2}
    assert json.loads(path.read_bytes()) == {"a": 2}


def test_a_failed_computation_is_not_kept(cache: LayerCache) -> None:
    """What raised once is computed anew the next time."""

    def fail() -> dict[str, Any]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.memo("k", fail)
    assert cache.memo("k", lambda: {"a": 1}) == {"a": 1}


def test_an_unwritable_directory_is_named(tmp_path: Path) -> None:
    """A cache below a regular file cannot be, and the error says how to choose another place."""
    (tmp_path / "file").write_text("")
    cache = LayerCache(tmp_path / "file" / "cache")
    with pytest.raises(BuildError, match="cannot be written") as caught:
        cache.layer(_SPEC)
    assert "CONTAINERITER_CACHE_DIR" in caught.value.remedy
    with pytest.raises(BuildError, match="cannot be written"):
        cache.put(b"manifest")
    assert cache.read("sha256:" + "0" * 64) is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_nothing_stays(cache: LayerCache, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Where the disk is full, the error says so and no part of a layer stays to make it fuller."""
    real = os.fdopen

    def fdopen(*arguments: Any) -> Any:
        file = real(*arguments)

        class Full:
            def __enter__(self) -> Full:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(self, content: bytes) -> int:
                file.write(content[:10])
                raise OSError(code, os.strerror(code))

        return Full()

    monkeypatch.setattr("jupyter_containeriter.image.cache.os.fdopen", fdopen)
    with pytest.raises(BuildError, match="No space left"):
        cache.layer(_SPEC)
    assert [path for path in cache.directory.rglob("*") if path.is_file()] == []


def test_an_interrupt_leaves_nothing(cache: LayerCache, tmp_path: Path) -> None:
    """An interrupted layer leaves no file behind."""

    class Interrupting(type(tmp_path)):  # type: ignore[misc]
        def open(self, *_: object) -> object:
            raise KeyboardInterrupt

    (tmp_path / "b").write_text("")
    members = (Member("a", data=b"1"), Member("b", Interrupting(tmp_path / "b")))
    with pytest.raises(KeyboardInterrupt):
        cache.layer(LayerSpec("code", "", members))
    assert [path for path in cache.directory.rglob("*") if path.is_file()] == []


def test_unpacked_wheels_can_be_fetched_again(tmp_path: Path) -> None:
    """They are listed with what can be given back; one that is being unpacked, or removed, is a half."""
    cache = LayerCache(tmp_path)
    wheel = cache.wheels / "cp312-x86_64-manylinux_2_36" / "numpy-2.0"
    wheel.mkdir(parents=True)
    cache.remember("key", {"a": 1})
    halves = [wheel.with_name(name) for name in (".new-x", ".old-numpy-1.0.7")]
    for half in halves:
        half.mkdir()
    assert cache.unpacked() == [wheel]
    assert sorted(cache.leftovers()) == halves
    assert cache.recall("key") == {"a": 1}


def test_what_comes_from_elsewhere_has_its_digest(tmp_path: Path) -> None:
    """A blob is kept if it is what was promised; nothing of another one stays."""
    cache = LayerCache(tmp_path)
    digest = cache.put(b"content")
    cache.discard(digest)
    cache.keep(digest, [b"con", b"tent"])
    assert cache.blob(digest).read_bytes() == b"content"
    with pytest.raises(BuildError, match="damaged"):
        cache.keep(digest, [b"other"])
    assert cache.sizes() == {digest: 7}


def test_what_is_used_is_young(cache: LayerCache) -> None:
    """Every use of a layer sets its time, so that it is not taken for garbage."""
    layer = cache.layer(_SPEC)
    os.utime(layer.path, (0, 0))
    cache.layer(_SPEC)
    assert layer.path.stat().st_mtime > 0
    assert not cache.use("sha256:" + "0" * 64)


def test_sizes_are_of_whole_blobs(cache: LayerCache) -> None:
    """Every blob is counted; what is being written is not."""
    assert cache.sizes() == {}
    layer = cache.layer(_SPEC)
    (layer.path.parent / ".new-x").write_bytes(b"half")
    assert cache.sizes() == {layer.digest: layer.size_bytes}


def test_halves_and_lost_keys_are_leftovers(cache: LayerCache) -> None:
    """What a killed process left half written is told, and so is a key whose layer is gone."""
    layer = cache.layer(_SPEC)
    assert cache.leftovers() == []
    half = layer.path.parent / ".new-x"
    half.write_bytes(b"half")
    assert cache.leftovers() == [half]
    layer.path.unlink()
    (key,) = cache.directory.glob("keys/layer-*.json")
    assert cache.leftovers() == [half, key]


def test_histories_sign_in(cache: LayerCache, tmp_path: Path) -> None:
    """Histories that build on a cache are known to it for as long as their files are there."""
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"")
    tenants = [Tenant("one", "here", str(path), "spool"), Tenant("two", "there", "postgresql://db/team")]
    for tenant in [*tenants, Tenant("gone", "here", str(tmp_path / "gone.sqlite"))]:
        cache.sign_in(tenant)
    (cache.directory / "histories" / "old").write_text(str(path))
    (cache.directory / "histories" / "half").write_text("{")
    assert list(cache.tenants().values()) == [Tenant("old", "", str(path)), *tenants]
