"""The Python of a base, found without running it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_bases import MINOR, PYTHON, executable, glibc, layer, python_files

from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image.interpreter import Interpreter, find_interpreter
from jupyter_containeriter.image.rootfs import RootFiles

_SEARCH = ["/usr/local/bin", "/usr/bin", "/bin"]


def _found(tmp_path: Path, files: dict[str, bytes | str], search: list[str] = _SEARCH) -> Interpreter:
    path = tmp_path / "layer.tar"
    path.write_bytes(layer(files))
    return find_interpreter(RootFiles([path]), search, "some:base")


def _refused(tmp_path: Path, files: dict[str, bytes | str]) -> BuildError:
    with pytest.raises(BuildError) as caught:
        _found(tmp_path, files)
    return caught.value


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("prefix", ["usr", "usr/local", "opt/conda"])
def test_a_python_is_found_where_bases_have_it(tmp_path: Path, prefix: str, architecture: str) -> None:
    """Debian's, Docker's official and conda's place; machine and C library are read from files."""
    found = _found(tmp_path, {**python_files(architecture, prefix)})
    assert found == Interpreter(f"/{prefix}/bin/python{PYTHON}", architecture, (2, 36))


def test_the_one_with_the_kernel_s_version_is_taken(tmp_path: Path) -> None:
    """A base with the system's Python and another one: the version decides, not the place."""
    files = {**python_files(prefix="usr/local", minor=MINOR + 1), **python_files(prefix="usr")}
    assert _found(tmp_path, files).path == f"/usr/bin/python{PYTHON}"


def test_of_equal_ones_the_path_decides(tmp_path: Path) -> None:
    """Two of the same version: the one that comes first in the base's PATH."""
    files = {**python_files(prefix="usr"), **python_files(prefix="opt/conda")}
    assert _found(tmp_path, files).path == f"/usr/bin/python{PYTHON}"
    assert _found(tmp_path, files, ["/opt/conda/bin", "/usr/bin"]).path == f"/opt/conda/bin/python{PYTHON}"


def test_a_link_leads_to_the_interpreter(tmp_path: Path) -> None:
    """An environment's link is followed to the Python that has the standard library."""
    files = {f"opt/venv/bin/python{PYTHON}": f"/usr/bin/python{PYTHON}", **python_files(prefix="usr")}
    assert _found(tmp_path, files, ["/opt/venv/bin"]).path == f"/usr/bin/python{PYTHON}"


def test_fedora_s_library_directory_is_known(tmp_path: Path) -> None:
    """The standard library may be in lib64."""
    files = python_files(prefix="usr")
    files[f"usr/lib64/python{PYTHON}/asyncio/__init__.py"] = files.pop(f"usr/lib/python{PYTHON}/asyncio/__init__.py")
    assert _found(tmp_path, {**files}).path == f"/usr/bin/python{PYTHON}"


def test_musl_is_told_by_the_linker(tmp_path: Path) -> None:
    """Alpine's Python names musl's dynamic linker."""
    files = {**python_files(), f"usr/local/bin/python{PYTHON}": executable(linker="/lib/ld-musl-x86_64.so.1")}
    assert _found(tmp_path, files).glibc is None


def test_the_c_library_is_the_interpreter_s(tmp_path: Path) -> None:
    """Of C libraries for several machines the one for the interpreter's counts."""
    files = {**python_files("arm64"), "a/libc.so.6": glibc("2.17", "amd64")}
    assert _found(tmp_path, files).glibc == (2, 36)


def test_no_python_is_told(tmp_path: Path) -> None:
    """A base without Python is refused with one that has it."""
    error = _refused(tmp_path, {"bin/sh": b""})
    assert error.message == "There is no Python in some:base."
    assert f"python:{PYTHON}-slim" in error.remedy


def test_another_version_is_told(tmp_path: Path) -> None:
    """A base with other minor versions is refused; they are named, and one that fits."""
    error = _refused(tmp_path, {**python_files(minor=MINOR + 1), **python_files(prefix="usr", minor=9)})
    assert error.message == f"some:base has Python 3.9, 3.{MINOR + 1}, the kernel has {PYTHON}."
    assert f"python:{PYTHON}-slim" in error.remedy


def test_a_minimal_python_is_told(tmp_path: Path) -> None:
    """Half a standard library is refused: the server needs all of it."""
    files = python_files()
    del files[f"usr/local/lib/python{PYTHON}/asyncio/__init__.py"]
    assert "only a part of the standard library" in _refused(tmp_path, {**files}).message


@pytest.mark.parametrize("content", [b"#!/bin/sh", executable(linker=""), executable("riscv64")])
def test_what_cannot_import_packages_is_told(tmp_path: Path, content: bytes) -> None:
    """A script, a static executable and one for a machine without wheels are refused."""
    error = _refused(tmp_path, {**python_files(), f"usr/local/bin/python{PYTHON}": content})
    assert "no Python that can import compiled packages" in error.message


def test_an_unknown_c_library_is_told(tmp_path: Path) -> None:
    """Without glibc's banner nobody knows which wheels fit."""
    files = python_files()
    files["lib/libc.so.6"] = executable(linker="")
    assert "neither glibc nor musl" in _refused(tmp_path, {**files}).message
