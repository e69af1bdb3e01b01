"""Shared libraries, against what the dynamic linker itself says."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_containeriter.image import elf

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF files are Linux's")

_needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def _module(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin or not spec.origin.endswith(".so"):
        pytest.skip(f"{name} is no extension module here")
    return Path(spec.origin)


def _ldd(path: Path) -> dict[str, str]:
    listed = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^\s*(\S+) => (/\S+)", listed, re.MULTILINE))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile a small library with debug information, which needs another one beside it."""
    directory = tmp_path_factory.mktemp("so")
    (directory / "inner.c").write_text("int inner(int x) { return x + 1; }\n")
    (directory / "outer.c").write_text(
        "int inner(int);\nstatic int table[1000];\n"
        'const char *name(void) { return "a name"; }\n'
        "int outer(int x) { table[5] = inner(x); return table[5] * 2; }\n"
    )
    gcc = ["gcc", "-g", "-shared", "-fPIC"]
    subprocess.run([*gcc, "-o", "libinner.so", "inner.c"], cwd=directory, check=True)
    link = ["-L.", "-linner", "-Wl,-rpath,$ORIGIN"]
    subprocess.run([*gcc, "-o", "libouter.so", "outer.c", *link], cwd=directory, check=True)
    return directory / "libouter.so"


@pytest.mark.parametrize("name", ["_ssl", "_ctypes", "_sqlite3", "numpy._core._multiarray_umath"])
def test_the_closure_is_what_ldd_says(name: str) -> None:
    """An extension module needs the same libraries, at the same files, as the dynamic linker finds for it."""
    if shutil.which("ldd") is None:
        pytest.skip("needs ldd")
    path = _module(name)
    loader = re.compile(r"ld-linux.*|ld64.*|ld-musl.*")
    found = {key: file.resolve() for key, file in elf.closure([path]).items() if not loader.fullmatch(key)}
    assert found == {key: Path(file).resolve() for key, file in _ldd(path).items()}


def test_known_libraries_are_left_out() -> None:
    """What the base provides is not returned again."""
    path = _module("_ctypes")
    known = set(elf.closure([path]))
    assert "libc.so.6" in known
    assert elf.closure([path], known) == {}


@_needs_compiler
def test_a_library_beside_the_file_is_found(library: Path) -> None:
    """A run path relative to the file leads to its neighbours."""
    assert elf.closure([library])["libinner.so"].resolve() == library.with_name("libinner.so")


@_needs_compiler
def test_libraries_that_travel_along_are_left_out(library: Path) -> None:
    """A neighbour that is captured itself is not captured twice."""
    assert "libinner.so" not in elf.closure([library, library.with_name("libinner.so")])


@_needs_compiler
def test_a_missing_library_is_passed_over(library: Path, tmp_path: Path) -> None:
    """A library that is nowhere on this machine is left out."""
    alone = tmp_path / "libouter.so"
    shutil.copy(library, alone)
    assert "libinner.so" not in elf.closure([alone])


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF" + bytes(100), b"\x7fELF\x02\x01\x01" + bytes(200)])
def test_what_is_no_elf_file_needs_nothing(tmp_path: Path, content: bytes) -> None:
    """Other files and broken ones are passed over."""
    path = tmp_path / "file.so"
    path.write_bytes(content)
    assert elf.closure([path]) == {}
    assert elf.without_debug(content) == content


@_needs_compiler
def test_a_library_without_debug_information_still_works(library: Path) -> None:
    """The library loads and computes without what the linker never reads, and without telling where it was compiled."""
    content = library.read_bytes()
    stripped = elf.without_debug(content)
    assert len(stripped) < len(content)
    assert b"outer.c" in content
    assert b"outer.c" not in stripped
    path = library.with_name("libstripped.so")
    path.write_bytes(stripped)
    loaded = ctypes.CDLL(str(path))
    loaded.name.restype = ctypes.c_char_p
    assert (loaded.outer(20), loaded.name()) == (42, b"a name")


@_needs_compiler
def test_a_library_without_debug_information_stays_as_it_is(library: Path) -> None:
    """Doing it twice is the same as once, and tools still read the result."""
    stripped = elf.without_debug(library.read_bytes())
    assert elf.without_debug(stripped) == stripped
    if shutil.which("readelf"):
        path = library.with_name("again.so")
        path.write_bytes(stripped)
        read = subprocess.run(["readelf", "-SW", str(path)], capture_output=True, text=True, check=True)
        assert ".dynsym" in read.stdout
        assert ".debug" not in read.stdout
        assert read.stderr == ""


def test_a_real_extension_module_still_works(tmp_path: Path) -> None:
    """A module of the standard library imports from its smaller bytes."""
    source = _module("_heapq")
    path = tmp_path / source.name
    path.write_bytes(elf.without_debug(source.read_bytes()))
    code = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('_heapq', sys.argv[1]);"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module);"
        "heap = [3, 1, 2]; module.heapify(heap); print(module.heappop(heap), module.__file__)"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout == f"1 {path}\n"
