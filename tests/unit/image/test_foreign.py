"""Layers that somebody else made."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard
from fake_bases import archive, config, digest, layer

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.foreign import archived_layers, document, unpacked

_CONTENT = bytes(range(256)) * 9000
_HALF = len(_CONTENT) // 2


@pytest.fixture
def cache(tmp_path: Path) -> LayerCache:
    """Give an empty cache."""
    return LayerCache(tmp_path / "cache")


_FORMS = {
    "plain": _CONTENT,
    "gzip": gzip.compress(_CONTENT, 1),
    "gzip members": gzip.compress(_CONTENT[:_HALF], 1) + gzip.compress(_CONTENT[_HALF:], 1),
    "zstd": zstandard.compress(_CONTENT),
    "zstd frames": zstandard.compress(_CONTENT[:_HALF]) + zstandard.compress(_CONTENT[_HALF:]),
    "nothing": b"",
}


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("size", [1000, 10_000_000])
def test_every_form_is_unpacked(form: str, size: int) -> None:
    """Plain, gzip and zstd, in one part or several (as eStargz and zstd:chunked have them), in pieces of any size."""
    packed = _FORMS[form]
    pieces = (packed[start : start + size] for start in range(0, len(packed), size))
    assert b"".join(unpacked(pieces)) == (_CONTENT if packed else b"")


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_a_damaged_layer_is_told(form: str) -> None:
    """Content that does not unpack is an error of ours."""
    with pytest.raises(BuildError, match="damaged"):
        b"".join(unpacked([_FORMS[form][:20] + b"x" * 500]))


def test_a_broken_off_layer_is_told() -> None:
    """So is content that ends early."""
    with pytest.raises(BuildError, match="damaged"):
        b"".join(unpacked([_FORMS["gzip"][:-100]]))


def test_an_engine_s_archive_is_taken_apart(cache: LayerCache) -> None:
    """Layers are kept by their diff IDs, compressed or not, and the configuration by its digest."""
    layers = [layer({"a": b"1"}), layer({"b": b"2"})]
    configuration = config(layers)
    packed = archive([layers[0], gzip.compress(layers[1])], configuration)
    assert archived_layers([packed], cache) == digest(configuration)
    assert document(digest(configuration), cache) == configuration
    assert [cache.blob(digest(one)).read_bytes() for one in layers] == layers


def test_an_archive_with_another_layer_is_refused(cache: LayerCache) -> None:
    """A layer that has not the content its diff ID promises is not kept."""
    promised, other = layer({"a": b"1"}), layer({"a": b"2"})
    with pytest.raises(BuildError, match="damaged"):
        archived_layers([archive([other], config([promised]))], cache)
    assert not cache.blob(digest(promised)).exists()
    assert not cache.blob(digest(other)).exists()


@pytest.mark.parametrize("content", [b"", b"x" * 2000, layer({"manifest.json": b"[]"}), layer({"a": b""})])
def test_what_is_no_archive_is_told(cache: LayerCache, content: bytes) -> None:
    """An engine's answer that holds no image is an error of ours."""
    with pytest.raises(BuildError, match="cannot be read"):
        archived_layers([content], cache)
