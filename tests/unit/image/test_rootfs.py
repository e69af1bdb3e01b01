"""What layers hold together."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from fake_bases import layer

from jupyter_containeriter.engines._unpack import apply_layer
from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.rootfs import RootFiles


def _files(tmp_path: Path, *layers: bytes) -> RootFiles:
    paths = [tmp_path / f"{number}.tar" for number, _ in enumerate(layers)]
    for path, content in zip(paths, layers, strict=True):
        path.write_bytes(content)
    return RootFiles(paths)


def test_upper_files_count(tmp_path: Path) -> None:
    """Of two files with one name the upper layer's is read."""
    files = _files(tmp_path, layer({"./a": b"lower", "b": b"both"}), layer({"a": b"upper"}))
    assert (files.read("/a"), files.read("b")) == (b"upper", b"both")


def test_a_whiteout_hides_a_file_and_a_directory(tmp_path: Path) -> None:
    """What a layer removes is gone with all that is below it, and the whiteout itself is no name."""
    files = _files(
        tmp_path, layer({"d/x/y": b"", "d/z": b"", "e": b""}), layer({"d/.wh.x": b"", ".wh.e": b"", "d/new": b""})
    )
    assert set(files) == {"d", "d/z", "d/new"}


@pytest.mark.parametrize("names", [("d/.wh..wh..opq", "d/own"), ("d/own", "d/.wh..wh..opq")])
def test_an_opaque_directory_keeps_what_its_layer_brings(tmp_path: Path, names: tuple[str, str]) -> None:
    """An opaque whiteout hides lower layers' names only, wherever in its layer it stands."""
    files = _files(tmp_path, layer({"d/a": b"", "d/b/c": b""}), layer(dict.fromkeys(names, b"")))
    assert set(files) == {"d", "d/own"}


def test_a_file_in_a_directory_s_place_hides_it(tmp_path: Path) -> None:
    """Where an upper layer has a file, a lower layer's directory of that name is gone."""
    files = _files(tmp_path, layer({"d/a": b""}), layer({"d": b"file"}))
    assert set(files) == {"d"}
    assert files.read("d") == b"file"


@pytest.mark.parametrize("below", [{"lib": "usr/lib"}, {"lib": b"file"}])
def test_a_name_with_others_below_it_is_a_directory(tmp_path: Path, below: dict[str, bytes | str]) -> None:
    """A lower layer's link or file in its place goes, as in the engines, though no entry says directory."""
    layers = [layer({**below, "usr/lib/lower": b""}), layer({"lib/upper": b"upper"})]
    files = _files(tmp_path, *layers)
    root = tmp_path / "root"
    root.mkdir()
    for number, _ in enumerate(layers):
        apply_layer(tmp_path / f"{number}.tar", root)
    assert set(files) == {str(path.relative_to(root)) for path in root.rglob("*")}
    assert files.resolve("lib/upper") == "lib/upper"
    assert files.resolve("lib/lower") is None


def test_links_are_followed_inside_the_root(tmp_path: Path) -> None:
    """Relative links, absolute ones and those of directories lead to files of the image, never out of it."""
    files = _files(
        tmp_path,
        layer({"bin": "usr/bin", "usr/bin/python": "/usr/bin/python3", "usr/bin/python3": "python3.12"}),
        layer({"usr/bin/python3.12": b"python", "out": "../../../usr/bin/python3"}),
    )
    assert files.resolve("/bin/python") == "usr/bin/python3.12"
    assert files.read("out") == b"python"


@pytest.mark.parametrize("path", ["a", "nowhere", "missing"])
def test_links_to_nowhere_lead_nowhere(tmp_path: Path, path: str) -> None:
    """A circle of links, a dangling one and a missing name are None."""
    files = _files(tmp_path, layer({"a": "b", "b": "a", "nowhere": "/missing"}))
    assert files.resolve(path) is None
    assert files.read(path) is None


def test_a_hard_link_is_the_file_it_links_to(tmp_path: Path) -> None:
    """The content of a hard link is that of the other name."""
    link = tarfile.TarInfo("second")
    link.type, link.linkname = tarfile.LNKTYPE, "first"
    assert _files(tmp_path, layer({"first": b"content"}, link)).read("second") == b"content"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """Directories can be resolved but not read."""
    files = _files(tmp_path, layer({"d/a": b""}))
    assert files.resolve("/d") == "d"
    assert files.read("/d") is None


def test_what_is_no_tar_is_named(tmp_path: Path) -> None:
    """A layer that cannot be read is an error that says so."""
    with pytest.raises(BuildError, match="cannot be read"):
        _files(tmp_path, b"x" * 2000)
