"""The kernel base: this interpreter, without anything of this machine."""

from __future__ import annotations

import getpass
import subprocess
import sys
import sysconfig
import tarfile
import zoneinfo
from pathlib import Path

import pytest

from jupyter_containeriter.image.base import Base, _standard_library, _time_zones, kernel_base
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.elf import read_elf
from jupyter_containeriter.image.members import LayerSpec

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel base is Linux's")

_LIBRARY = f"opt/containeriter/python/lib/python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """Find the base in the cache that all tests of this run share."""
    return kernel_base(LayerCache(tmp_path_factory.getbasetemp() / "shared-layers"))


@pytest.fixture(scope="module")
def names(base: Base) -> set[str]:
    """List the files of the base."""
    with tarfile.open(base.layers[0].path) as archive:
        return {member.name for member in archive if member.isfile()}


@pytest.fixture(scope="module")
def root(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the base."""
    directory = tmp_path_factory.mktemp("root")
    with tarfile.open(base.layers[0].path) as archive:
        archive.extractall(directory)
    return directory


def test_another_cache_gives_the_same_base(base: Base, tmp_path: Path) -> None:
    """A kernel with another cache directory assembles the same bytes."""
    assert kernel_base(LayerCache(tmp_path)).layers[0].digest == base.layers[0].digest


def test_nothing_of_this_machine_is_inside(base: Base) -> None:
    """No path of the interpreter, the environment, the home directory or this source tree is in any byte."""
    content = base.layers[0].path.read_bytes()
    paths = {f"{Path.home()}/", sys.executable, str(Path(__file__).parents[3])}
    paths |= {prefix for prefix in (sys.base_prefix, sys.prefix) if prefix not in {"/usr", "/usr/local"}}
    if getpass.getuser() != "root":
        paths.add(f"/home/{getpass.getuser()}")
    assert [path for path in paths if path.encode() in content] == []


def test_the_standard_library_is_there_with_its_byte_code(names: set[str]) -> None:
    """Modules come with byte code; tests and graphical toolkits stay behind."""
    tag = sys.implementation.cache_tag
    assert {f"{_LIBRARY}/os.py", f"{_LIBRARY}/json/__pycache__/decoder.{tag}.pyc"} <= names
    left_out = ("/test/", "/tkinter/", "/idlelib/", "/ensurepip/", "/site-packages/", "_tkinter", "_testcapi")
    assert [name for name in names if any(part in name for part in left_out)] == []


def test_every_library_is_provided(base: Base, root: Path) -> None:
    """Whatever the interpreter and its modules need is in the base, under the name it is looked up by."""
    binaries = [path for path in root.rglob("*") if path.is_file() and (".so" in path.name or "/bin/" in str(path))]
    needed = {name for path in binaries if (elf := read_elf(path)) for name in elf.needed}
    provided = {path.name for path in root.rglob("*.so*")}
    assert needed <= provided
    assert needed <= base.libraries
    assert "libgcc_s.so.1" in provided


def test_the_interpreter_knows_where_it_is(base: Base, root: Path) -> None:
    """The interpreter of the base runs from its new place and finds its own library there."""
    header = read_elf(root / base.interpreter.lstrip("/"))
    assert header is not None
    assert header.interpreter is not None
    linker = root / str(header.interpreter).lstrip("/")
    libraries = root / "opt/containeriter/python/lib"
    code = "import sys, ssl, ctypes, sqlite3, json, sysconfig; print(sys.prefix, json.__file__, json.__cached__)"
    command = [linker, "--library-path", libraries, root / base.interpreter.lstrip("/"), "-I", "-S", "-B", "-c", code]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, env={}, check=False)
    assert run.stderr == ""
    prefix = f"{root}/opt/containeriter/python"
    found = run.stdout.split()
    assert found[0] == prefix
    assert all(path.startswith(prefix) for path in found)


def test_the_root_has_what_containers_expect(base: Base, root: Path) -> None:
    """There is an unprivileged user, a directory for temporary files and places to mount on."""
    assert "containeriter:x:65532:65532:" in (root / "etc/passwd").read_text()
    with tarfile.open(base.layers[0].path) as archive:
        assert archive.getmember("tmp").mode == 0o1777
    assert all((root / name).is_dir() for name in ("dev", "proc", "sys", "run"))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install an interpreter's files for a test: a standard library and time zones."""
    for name in ("lib/os.py", "lib/site-packages/os.py", "zones/UTC", "zones/posix/UTC", "zones/right/UTC"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "lib"))
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(tmp_path / "zones"),))
    return tmp_path


def listed() -> LayerSpec:
    """List what there is of an interpreter, as for every image."""
    return LayerSpec("base", "", (*_standard_library(), *_time_zones()))


def test_what_images_do_without_is_not_listed(installed: Path) -> None:
    """Packages beside the standard library, and the copies of all time zones, stay behind."""
    assert [member.source for member in listed().members] == [installed / "lib" / "os.py", installed / "zones" / "UTC"]


@pytest.mark.parametrize("name", ["lib/os.py", "zones/UTC"])
def test_a_changed_file_of_the_interpreter_is_seen(installed: Path, name: str) -> None:
    """An update of the standard library, or of the time zones, while the kernel runs makes another base."""
    before = listed().key()
    assert listed().key() == before
    (installed / name).write_text("changed")
    assert listed().key() != before
