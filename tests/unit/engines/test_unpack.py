"""One layer applied over others in a directory."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_containeriter.engines._unpack import apply_layer
from jupyter_containeriter.errors import BuildError

Apply = Callable[..., None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give an empty directory."""
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def apply(tmp_path: Path, root: Path) -> Apply:
    """Apply a layer of these members."""

    def apply(*members: tuple[tarfile.TarInfo, bytes]) -> None:
        path = tmp_path / "layer.tar"
        with tarfile.open(path, "w") as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))
        apply_layer(path, root)

    return apply


def _member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size, info.mtime = kind, target, mode, len(content), 1_000_000
    info.uid = info.gid = 33
    return info, content


def _directory(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return _member(name, kind=tarfile.DIRTYPE, mode=mode)


def _link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return _member(name, kind=tarfile.SYMTYPE, target=target)


def _hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return _member(name, kind=tarfile.LNKTYPE, target=target)


def _names(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def test_files_keep_content_mode_and_time(root: Path, apply: Apply) -> None:
    """Byte code of the base counts only while its source has the time noted in it, so times are kept."""
    apply(_directory("bin"), _member("bin/run", b"content", mode=0o755))
    status = (root / "bin" / "run").stat()
    assert (root / "bin" / "run").read_bytes() == b"content"
    assert (status.st_mode & 0o7777, status.st_mtime, status.st_uid) == (0o755, 1_000_000, os.getuid())


def test_nothing_is_set_user_id_and_everything_can_be_read(root: Path, apply: Apply) -> None:
    """Rights that a sandbox could not grant go; what its owner alone may read belongs to this user now."""
    apply(_member("su", mode=0o4111), _directory("closed", mode=0o2000), _member("closed/a", mode=0))
    modes = {name: (root / name).stat().st_mode & 0o7777 for name in ("su", "closed", "closed/a")}
    assert modes == {"su": 0o511, "closed": 0o700, "closed/a": 0o400}


def test_devices_and_pipes_are_left_out(root: Path, apply: Apply) -> None:
    """They need rights that nobody has here."""
    apply(_member("dev/null", kind=tarfile.CHRTYPE), _member("pipe", kind=tarfile.FIFOTYPE), _member("a"))
    assert _names(root) == {"a"}


def test_links_are_kept_as_they_are(root: Path, apply: Apply) -> None:
    """Absolute links and dangling ones mean something inside the root only."""
    apply(_link("absolute", "/etc/passwd"), _link("dangling", "nowhere"))
    assert [str((root / name).readlink()) for name in ("absolute", "dangling")] == ["/etc/passwd", "nowhere"]


def test_hard_links_share_a_file(root: Path, apply: Apply) -> None:
    """Also with a file of a lower layer, and with a link."""
    apply(_member("first", b"content"), _link("soft", "first"))
    apply(_hard_link("second", "./first"), _hard_link("third", "soft"))
    assert (root / "first").stat().st_ino == (root / "second").stat().st_ino
    assert str((root / "third").readlink()) == "first"


def test_a_whiteout_removes_what_is_below(root: Path, apply: Apply) -> None:
    """A file, a directory with all it holds, a link; what is not there is no error."""
    apply(_member("d/file"), _member("d/tree/a"), _link("d/link", "/usr"), _member("d/stays"))
    apply(*(_member(f"d/.wh.{name}") for name in ("file", "tree", "link", "missing")), _member("gone/.wh.a"))
    assert _names(root) == {"d", "d/stays"}


@pytest.mark.parametrize("order", [1, -1])
def test_an_opaque_directory_keeps_what_its_layer_brings(root: Path, apply: Apply, order: int) -> None:
    """It hides what lower layers hold in it, wherever in its layer the whiteout stands."""
    apply(_member("d/a"), _member("d/b/c"))
    apply(*[_member("d/.wh..wh..opq"), _member("d/own")][::order])
    assert _names(root) == {"d", "d/own"}


def test_kinds_replace_each_other(root: Path, apply: Apply) -> None:
    """What is a directory in one layer may be a file or a link in the next, and the other way round."""
    apply(_member("a/x"), _member("b"), _link("c", "a"), _member("d/x"))
    apply(_member("a", b"file"), _directory("b"), _member("c/y"), _link("d", "/b"))
    assert (root / "a").read_bytes() == b"file"
    assert (root / "b").is_dir()
    assert (root / "c" / "y").is_file()
    assert not (root / "c").is_symlink()
    assert str((root / "d").readlink()) == "/b"


def test_a_directory_replaced_within_a_layer_is_made_again(root: Path, apply: Apply) -> None:
    """A strange layer that has a name twice ends with the later one."""
    apply(_member("a/x"), _member("a", b"file"), _member("a/y"))
    assert _names(root) == {"a", "a/y"}


def test_nothing_is_written_through_a_link(root: Path, apply: Apply, tmp_path: Path) -> None:
    """A link out of the root, and a file below it: the link goes, and nothing outside is touched."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    apply(_link("d", str(outside)), _link("e", str(outside)), _link("f", str(outside / "kept")))
    apply(_member("d/new", b"x"), _member("e/.wh.kept"), _member("f", b"x"))
    assert _names(outside) == {"kept"}
    assert (outside / "kept").read_text() == ""
    assert (root / "d" / "new").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../out", "a/../../out", "../.wh.out", ".wh...", "a/.wh..", ".wh."])
def test_names_that_lead_out_are_refused(apply: Apply, name: str, tmp_path: Path) -> None:
    """No tool writes such names, so whoever did means harm."""
    (tmp_path / "root" / "a").mkdir()
    with pytest.raises(BuildError, match="leads out"):
        apply(_member(name))
    assert _names(tmp_path) == {"layer.tar", "root", "root/a"}


def test_hard_links_that_lead_out_are_refused(root: Path, apply: Apply, tmp_path: Path) -> None:
    """A hard link through a link, or to what is not there, is refused."""
    (tmp_path / "secret").write_text("secret")
    apply(_link("d", str(tmp_path)))
    for target in ("d/secret", "missing"):
        with pytest.raises(BuildError, match="not there"):
            apply(_hard_link("mine", target))
    assert _names(root) == {"d"}


def test_absolute_names_stay_inside(root: Path, apply: Apply) -> None:
    """A leading slash means the root."""
    apply(_member("/etc/own", b"x"))
    assert (root / "etc" / "own").read_bytes() == b"x"
