"""The order in which libraries are looked for, against what the dynamic linker itself says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from jupyter_containeriter.image import elf

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

#: The linker's words for ``DT_RPATH`` and ``DT_RUNPATH``.
KINDS = {"rpath": "-Wl,--disable-new-dtags", "runpath": "-Wl,--enable-new-dtags"}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """Compile ``leaf`` into three directories, and ``middle``, which needs it and says not where it is."""
    for place in ("own", "variable", "other"):
        compiled(tmp_path / place / "libleaf.so", "int leaf(void) { return 1; }")
    source = "int leaf(void); int middle(void) { return leaf(); }"
    compiled(tmp_path / "own" / "libmiddle.so", source, tmp_path / "own" / "libleaf.so")
    return tmp_path


def compiled(path: Path, source: str, *options: str | Path) -> Path:
    """Compile a library, or a program where the source has a main function."""
    path.parent.mkdir(exist_ok=True)
    code = path.with_suffix(".c")
    code.write_text(source)
    kind = () if "main" in source else ("-shared", "-fPIC", f"-Wl,-soname,{path.name}")
    subprocess.run(["gcc", *kind, "-o", path, code, *options, "-Wl,--no-as-needed"], check=True)
    code.unlink()
    return path


def told(path: Path, variables: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Return what the linker finds among our libraries."""
    environment = {**os.environ, **(variables or {})}
    listed = subprocess.run(["ldd", path], env=environment, capture_output=True, text=True, check=True).stdout
    return {name: Path(file).resolve() for name, file in re.findall(r"(lib(?:leaf|middle)\.so) => (/\S+)", listed)}


def found(path: Path, variable: str = "") -> dict[str, Path]:
    """Return what we find of the same."""
    search = elf.Search(variable=tuple(map(Path, variable.split(":"))) if variable else ())
    everything = elf.closure([path], search=search)
    return {name: file.resolve() for name, file in everything.items() if "leaf" in name or "middle" in name}


@pytest.mark.parametrize("kind", KINDS)
def test_variable_counts_between_rpath_and_runpath(build: Path, kind: str) -> None:
    """LD_LIBRARY_PATH comes after a file's DT_RPATH and before its DT_RUNPATH."""
    options = (build / "own" / "libleaf.so", "-Wl,-rpath,$ORIGIN/own", KINDS[kind])
    path = compiled(build / "libtop.so", "int leaf(void); int top(void) { return leaf(); }", *options)
    variable = str(build / "variable")
    expected = {"rpath": "own", "runpath": "variable"}[kind]
    assert found(path, variable)["libleaf.so"].parent.name == expected
    assert found(path, variable) == told(path, {"LD_LIBRARY_PATH": variable})


@pytest.mark.parametrize("kind", KINDS)
def test_only_rpath_counts_for_what_is_loaded(build: Path, kind: str) -> None:
    """A library that says nothing is found things for by the DT_RPATH of what loads it, but not by its DT_RUNPATH."""
    options = (build / "own" / "libmiddle.so", "-Wl,-rpath,${ORIGIN}/own", "-Wl,--allow-shlib-undefined", KINDS[kind])
    path = compiled(build / "libtop.so", "int middle(void); int top(void) { return middle(); }", *options)
    assert ("libleaf.so" in found(path)) is (kind == "rpath")
    assert found(path) == told(path)


def test_rpath_of_the_program_counts_for_its_modules(build: Path) -> None:
    """Modules find libraries by the DT_RPATH of the program that loads them, as in a conda prefix."""
    program = compiled(build / "program", "int main(void) { return 0; }", "-Wl,-rpath,$ORIGIN/own", KINDS["rpath"])
    search = elf.process_search(program)
    module = build / "own" / "libmiddle.so"
    assert elf.closure([module], search=search)["libleaf.so"] == build / "own" / "libleaf.so"
    assert "libleaf.so" not in elf.closure([module])


def test_bundled_library_does_not_stand_in_for_another_of_its_name(build: Path) -> None:
    """A library that some package bundles is not taken for the one of the same name that another file needs."""
    options = (build / "own" / "libleaf.so", "-Wl,-rpath,$ORIGIN/own")
    path = compiled(build / "libtop.so", "int leaf(void); int top(void) { return leaf(); }", *options)
    assert elf.closure([path, build / "other" / "libleaf.so"])["libleaf.so"] == build / "own" / "libleaf.so"
    assert "libleaf.so" not in elf.closure([path, build / "own" / "libleaf.so"])
