"""Layers: equal members give equal bytes, whatever this machine is like."""

from __future__ import annotations

import io
import os
import random
import tarfile
from pathlib import Path

import pytest

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.members import LayerSpec, Member, relocate
from jupyter_containeriter.image.tarball import MTIME, tar_stream

_FILES = {"pkg/__init__.py": b"", "pkg/a.py": b"x = 1\n", "pkg/data/b.bin": bytes(3000), "pkg.txt": b"text"}


def _written(directory: Path, mtime: int = 1_700_000_000) -> list[Member]:
    """Write the files below a directory of their own and return them as members."""
    members = []
    for name, content in _FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (mtime, mtime))
        members.append(Member(name, path))
    return members


def _spec(members: list[Member]) -> LayerSpec:
    return LayerSpec("environment", "test", tuple(members), compile_python=True)


def _tar(members: list[Member]) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(LayerSpec("code", "", tuple(members))))))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_order_time_and_place_do_not_matter(tmp_path: Path, seed: int) -> None:
    """The same files give the same digest from other directories, with other times, in any order."""
    one = _written(tmp_path / "one")
    two = _written(tmp_path / "elsewhere" / "two", mtime=1_600_000_000)
    random.Random(seed).shuffle(two)
    first = LayerCache(tmp_path / "cache one").layer(_spec(one))
    assert LayerCache(tmp_path / "cache two").layer(_spec(two)).digest == first.digest


def test_content_name_and_mode_matter(tmp_path: Path) -> None:
    """A change of a byte, a name or a mode gives another layer."""
    cache = LayerCache(tmp_path)
    layers = [
        cache.layer(LayerSpec("code", "", (member,)))
        for member in (
            Member("a", data=b"1"),
            Member("a", data=b"2"),
            Member("b", data=b"1"),
            Member("a", data=b"1", mode=0o755),
        )
    ]
    assert len({layer.digest for layer in layers}) == 4


def test_a_changed_file_of_the_same_size_gives_a_new_layer(tmp_path: Path) -> None:
    """A source with other content is seen by its time, even where its size stays."""
    cache = LayerCache(tmp_path / "cache")
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    os.utime(source, ns=(1, 1_700_000_000_000_000_000))
    before = cache.layer(_spec([Member("a.py", source)]))
    source.write_text("x = 2\n")
    os.utime(source, ns=(1, 1_700_000_000_000_000_001))
    assert cache.layer(_spec([Member("a.py", source)])).digest != before.digest


def test_what_is_replaced_matters(tmp_path: Path) -> None:
    """The same file with other bytes replaced is another layer."""
    path = tmp_path / "file"
    path.write_bytes(b"/home/a")
    keys = {_spec([Member("a", path, replace=pairs)]).key() for pairs in ((), ((b"a", b"b"),), ((b"a", b"c"),))}
    assert len(keys) == 3


def test_an_unchanged_layer_is_not_read_again(tmp_path: Path) -> None:
    """What is in the cache is found by the status of its sources alone."""
    cache = LayerCache(tmp_path / "cache")
    members = _written(tmp_path / "src")
    before = cache.layer(_spec(members))
    first = members[1].source
    assert first is not None
    status = first.stat()
    first.write_bytes(b"x = 9\n")
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cache.layer(_spec(members)).digest == before.digest


def test_members_are_root_s_and_have_one_time(tmp_path: Path) -> None:
    """No owner, time or mode of this machine enters a layer."""
    members = _written(tmp_path)
    for member in members:
        assert member.source is not None
        member.source.chmod(0o600)
    found = _tar(members).getmembers()
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found} == {(0, 0, "", "", MTIME)}
    assert {m.mode for m in found if m.isfile()} == {0o644}


def test_directories_come_once_and_before_their_files(tmp_path: Path) -> None:
    """Each directory is there once, before what it holds."""
    names = [m.name + "/" * m.isdir() for m in _tar(_written(tmp_path)).getmembers()]
    assert names == ["pkg.txt", "pkg/", "pkg/__init__.py", "pkg/a.py", "pkg/data/", "pkg/data/b.bin"]


def test_an_empty_directory_has_its_mode() -> None:
    """A directory that is a member itself has the mode it was given."""
    (found,) = _tar([Member("tmp/", mode=0o1777)]).getmembers()
    assert found.isdir()
    assert found.mode == 0o1777


@pytest.mark.parametrize("name", ["a/" + "n" * 200, "ä/ö.py", "d" * 120 + "/f"])
def test_long_and_foreign_names_survive(name: str) -> None:
    """Names that old tar formats cannot hold come back as they are."""
    assert name in _tar([Member(name, data=b"1")]).getnames()


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """A layer never holds half of a file that is being written."""
    source = tmp_path / "a"
    source.write_bytes(b"1")
    cache = LayerCache(tmp_path / "cache")

    class Growing(type(source)):  # type: ignore[misc]
        def open(self, *arguments: object) -> object:
            file = super().open(*arguments)
            source.write_bytes(b"12")
            return file

    with pytest.raises(BuildError, match="changed while it was read"):
        cache.layer(LayerSpec("code", "", (Member("a", Growing(source)),)))
    assert not list(tmp_path.glob("cache/blobs/sha256/*"))


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """An uninstalled file is named, with what to do about it."""
    with pytest.raises(BuildError, match=r"gone\.py"):
        LayerCache(tmp_path).layer(_spec([Member("gone.py", tmp_path / "gone.py")]))


def test_relocated_text_has_the_new_prefix() -> None:
    """In text the prefix is replaced as it is."""
    assert relocate(b"prefix=/home/me/py/lib", b"/home/me/py", b"/opt/x") == b"prefix=/opt/x/lib"


@pytest.mark.parametrize("new", [b"/opt", b"/opt/containeriter/python", b"/a/very/long/prefix/for/such/a/short/one"])
def test_relocated_binaries_keep_their_length(new: bytes) -> None:
    """In a binary nothing moves, and the old prefix is gone."""
    content = b"\0lib=/home/me/3.11.7/lib\0/home/me/3.11.7\0end"
    moved = relocate(content, b"/home/me/3.11.7", new)
    assert len(moved) == len(content)
    assert b"/home/me" not in moved
    assert moved.endswith(b"\0end")
    assert moved.index(b"/lib\0") == content.index(b"/lib\0")


def test_relocation_keeps_strings_the_linker_merged() -> None:
    """A version that is the tail of the prefix string stays readable at its place."""
    content = b"\0/home/me/.pyenv/versions/3.11.7\0"
    moved = relocate(content, b"/home/me/.pyenv/versions/3.11.7", b"/opt/containeriter/python")
    place = content.index(b"3.11.7")
    assert moved[place:] == b"3.11.7\0"
