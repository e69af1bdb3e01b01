"""Where libraries go in an image, and what is remembered of the search for them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from jupyter_containeriter.image import elf
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.libraries import Places, library_members, linked, loaded

PLACES = Places("/lib/system", "/opt/containeriter/python/lib")


def library(path: Path) -> Path:
    """Make a file that stands for a library."""
    path.write_bytes(b"library")
    return path


def test_libraries_of_a_prefix_go_to_the_images_prefix(tmp_path: Path) -> None:
    """What is found anywhere but where the linker looks by itself goes to the interpreter's own directory."""
    (member,) = library_members({"liba.so.1": library(tmp_path / "liba.so.1")}, PLACES, ())
    assert member.name == "opt/containeriter/python/lib/liba.so.1"


def test_libraries_of_the_system_go_where_the_linker_looks_last() -> None:
    """A library of the system cannot hide what a package bundles."""
    path = elf.find_system_library("libc.so.6") or elf.find_system_library("libc.so")
    if path is None:
        pytest.skip("a system without a C library in its usual place")
    (member,) = library_members({path.name: path}, PLACES, ())
    assert member.name == f"lib/system/{path.name}"


def test_library_whose_name_is_bundled_hides_nothing(tmp_path: Path) -> None:
    """Where a package bundles another library of this name, the one of the prefix goes where the linker looks last."""
    found = {"liba.so.1": library(tmp_path / "liba.so.1")}
    (member,) = library_members(found, PLACES, (), bundled={"liba.so.1"})
    assert member.name == "lib/system/liba.so.1"


def test_names_of_one_library_stay_links(tmp_path: Path) -> None:
    """A library with several names is one file with links to it."""
    real = library(tmp_path / "libreal-0.3.so")
    for name in ("libblas.so.3", "liblapack.so.3"):
        (tmp_path / name).symlink_to(real.name)
    found = {name: tmp_path / name for name in ("liblapack.so.3", "libblas.so.3")}
    first, second = library_members(found, PLACES, ())
    assert (first.name.rpartition("/")[2], first.source, first.link) == ("libblas.so.3", real, "")
    assert (second.name.rpartition("/")[2], second.source, second.link) == ("liblapack.so.3", None, "libblas.so.3")


def test_loaded_library_has_the_names_it_may_be_asked_for(tmp_path: Path) -> None:
    """A library that was loaded by name is found under each name that is a link to it, and no other."""
    real = library(tmp_path / "libsound.so.2.0.1")
    for name, target in {"libsound.so.2": real.name, "libsound.so": "libsound.so.2", "libsound-old.so": "gone"}.items():
        (tmp_path / name).symlink_to(target)
    names = ["libsound.so", "libsound.so.2", "libsound.so.2.0.1"]
    assert loaded([real], [], ["libc.so.6"]) == dict.fromkeys(names, real)
    assert loaded([real], [], ["libsound.so.2"]) == {}
    assert loaded([real], [tmp_path / "libsound.so"], []) == {}


def test_loaded_library_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    """What a process had loaded long ago may have been uninstalled since, with its directory."""
    real = library(tmp_path / "libsound.so.2")
    assert loaded([real, tmp_path / "libgone.so.1", tmp_path / "gone" / "liba.so"], [], []) == {real.name: real}
    real.unlink()
    assert loaded([real], [], []) == {}


def test_new_name_of_a_loaded_library_is_seen(tmp_path: Path) -> None:
    """A link that was made beside it since the last image counts in the next one."""
    real = library(tmp_path / "libsound.so.2")
    assert set(loaded([real], [], [])) == {real.name}
    (tmp_path / "libsound.so").symlink_to(real.name)
    assert set(loaded([real], [], [])) == {real.name, "libsound.so"}


def test_driver_stays_with_its_machine(tmp_path: Path) -> None:
    """The library of a GPU's driver is not taken along: another machine has another driver."""
    assert loaded([library(tmp_path / "libcuda.so.550.54")], [], []) == {}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_search_is_done_again_when_a_library_changes(tmp_path: Path) -> None:
    """What a library needs is looked up again after that library was updated, though no package changed."""
    gcc = ["gcc", "-shared", "-fPIC", "-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", "-x", "c", "/dev/null"]
    for command in (
        ["-o", "libnew.so"],
        ["-o", "libdirect.so"],
        ["-o", "libtop.so", "-x", "none", "libdirect.so"],
    ):
        subprocess.run([*gcc, *command], cwd=tmp_path, check=True)
    cache, files = LayerCache(tmp_path / "cache"), [tmp_path / "libtop.so"]

    def ours() -> set[str]:
        return {name for name in linked(files, (), elf.Search(), cache, {}) if name in {"libdirect.so", "libnew.so"}}

    assert ours() == {"libdirect.so"}
    (tmp_path / "libdirect.so").unlink()
    subprocess.run([*gcc, "-o", "libdirect.so", "-x", "none", "libnew.so"], cwd=tmp_path, check=True)
    assert ours() == {"libdirect.so", "libnew.so"}
