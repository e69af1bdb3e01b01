"""Wheels for another base, chosen by the real uv from a directory."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from fake_bases import PYTHON

from jupyter_containeriter.capture.inventory import counterpart
from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.image import wheels as module
from jupyter_containeriter.image.base import Target, architecture, glibc
from jupyter_containeriter.image.interpreter import Interpreter
from jupyter_containeriter.image.wheels import fetch_wheels, target_of
from jupyter_containeriter.progress import Silent
from jupyter_containeriter.types import Distribution

_TAG = f"cp{PYTHON.replace('.', '')}"
_OTHER = {"amd64": "arm64", "arm64": "amd64"}[architecture()]
_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}


def _target(of: str = _OTHER) -> Target:
    return Target(PYTHON, f"{_MACHINE[of]}-manylinux_2_36", of, glibc() or (2, 36))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip, and so uv, know one directory of wheels and no index."""
    directory = tmp_path / "index"
    directory.mkdir()
    for variable in ("UV_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return directory


def _wheel(index: Path, name: str, version: str = "1.0", machine: str = _MACHINE[_OTHER]) -> None:
    """Write a wheel with a compiled module (the binary distribution format of the Python packaging user guide)."""
    tag = f"{_TAG}-{_TAG}-manylinux_2_17_{machine}"
    information = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": b"",
        f"{name}/_fast.so": f"for {machine}".encode(),
        f"{name}/tests/test_it.py": b"",
        f"{name}-{version}.data/scripts/{name}": b"#!python\n",
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{information}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    hashes = {file: base64.urlsafe_b64encode(hashlib.sha256(c).digest()).rstrip(b"=") for file, c in files.items()}
    lines = [f"{file},sha256={hashes[file].decode()},{len(content)}\n" for file, content in files.items()]
    files[f"{information}/RECORD"] = "".join([*lines, f"{information}/RECORD,,\n"]).encode()
    with zipfile.ZipFile(index / f"{name}-{version}-{tag}.whl", "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)


def _installed(name: str, *files: str, version: str = "1.0") -> Distribution:
    return Distribution(name, version, "the model uses it", 0, tuple((file, Path("/nowhere") / file) for file in files))


_FAST = _installed("fast", "fast/__init__.py", "fast/_fast.so")


def _fetch(tmp_path: Path, *wanted: Distribution, target: Target | None = None) -> dict[str, Path]:
    return fetch_wheels(wanted, target or _target(), tmp_path / "wheels", Silent())


@pytest.mark.parametrize(
    ("interpreter", "platform"),
    [
        (Interpreter("/python", "amd64", (2, 36)), "x86_64-manylinux_2_36"),
        (Interpreter("/python", "arm64", (2, 41)), "aarch64-manylinux_2_40"),
        (Interpreter("/python", "arm64", (2, 30)), "aarch64-manylinux_2_28"),
        (Interpreter("/python", "amd64", (2, 17)), "x86_64-manylinux_2_17"),
        (Interpreter("/python", "amd64", None), "x86_64-unknown-linux-musl"),
    ],
)
def test_wheels_fit_the_c_library(interpreter: Interpreter, platform: str) -> None:
    """The newest platform tag that uv knows and the base's glibc satisfies, or musl's."""
    target = target_of(interpreter, "base")
    assert (target.platform, target.glibc) == (platform, interpreter.glibc)


def test_a_c_library_older_than_all_wheels_is_told() -> None:
    """There is nothing to choose from."""
    with pytest.raises(BuildError, match=r"glibc 2\.12"):
        target_of(Interpreter("/python", "amd64", (2, 12)), "base")


def test_compiled_distributions_get_the_wheel_of_the_platform(index: Path, tmp_path: Path) -> None:
    """Each in a directory of its own; scripts, which nothing starts, are left out."""
    for machine in _MACHINE.values():
        _wheel(index, "fast", machine=machine)
    _wheel(index, "other")
    found = _fetch(tmp_path, _FAST, _installed("other", "other/_fast.so"))
    assert set(found) == {"fast", "other"}
    assert (found["fast"] / "fast" / "_fast.so").read_text() == f"for {_MACHINE[_OTHER]}"
    assert {path.name for path in found["fast"].iterdir()} == {"fast", "fast-1.0.dist-info"}


def test_what_is_not_compiled_needs_no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own files are what was proven, wherever they came from; nothing is asked for."""
    monkeypatch.setattr(module, "_install", None)
    assert _fetch(tmp_path, _installed("pure", "pure/__init__.py", "pure/data.txt")) == {}


def test_what_came_from_a_file_is_looked_for_in_no_index(index: Path, tmp_path: Path) -> None:
    """A package of one's own is never replaced by somebody else's of the same name: it stays, or is refused."""
    _wheel(index, "fast")
    _wheel(index, "fast", machine=_MACHINE[architecture()])
    own = _installed("fast", "fast/_fast.so", "fast-1.0.dist-info/direct_url.json")
    assert _fetch(tmp_path, own, target=_target(architecture())) == {}
    with pytest.raises(BuildError, match=r"fast 1\.0 was installed from a file"):
        _fetch(tmp_path, own)


@pytest.mark.parametrize(
    ("own", "there", "runs"),
    [
        (("glibc", "2.36"), (2, 36), True),
        (("glibc", "2.36"), (2, 41), True),
        (("glibc", "2.36"), (2, 17), False),
        (("glibc", "2.36"), None, False),
        (("", ""), (2, 36), False),
        (("", ""), None, True),
    ],
)
def test_what_is_compiled_here_stays_where_the_c_library_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: tuple[str, str], there: tuple[int, int] | None, runs: bool
) -> None:
    """What was compiled for glibc runs with a newer one, never with an older one or with musl."""
    monkeypatch.setattr("platform.libc_ver", lambda: own)
    installed = _installed("fast", "fast/_fast.so", "fast-1.0.dist-info/direct_url.json")
    target = replace(_target(architecture()), glibc=there)
    with nullcontext() if runs else pytest.raises(BuildError, match="this machine and its C library"):
        assert _fetch(tmp_path, installed, target=target) == {}


def test_what_is_left_out_is_not_recorded(index: Path, tmp_path: Path) -> None:
    """The hash of a script tells the path of this kernel's interpreter, and so would the image's digest."""
    _wheel(index, "fast")
    place = _fetch(tmp_path, _FAST)["fast"]
    rows = (place / "fast-1.0.dist-info" / "RECORD").read_text().splitlines()
    names = {row.partition(",")[0] for row in rows}
    assert {"fast/_fast.so", "fast/tests/test_it.py", "fast-1.0.dist-info/RECORD"} <= names
    assert names == {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def test_a_wheel_is_fetched_once(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later set of distributions asks for new ones only."""
    _wheel(index, "fast")
    first = _fetch(tmp_path, _FAST)
    monkeypatch.setattr(module, "_install", None)
    assert _fetch(tmp_path, _FAST) == first


def test_the_counterpart_has_the_same_parts(index: Path, tmp_path: Path) -> None:
    """Tests stay behind, unless the kernel's distribution came with them because the proof asked for them."""
    _wheel(index, "fast")
    directory = _fetch(tmp_path, _FAST)["fast"]
    names = {name for name, _ in counterpart(_FAST, directory).files}
    assert {"fast/_fast.so", "fast/__init__.py", "fast-1.0.dist-info/METADATA"} <= names
    assert not [name for name in names if "test" in name or name.startswith("bin/")]
    whole = _installed("fast", "fast/_fast.so", "fast/tests/test_it.py")
    assert "fast/tests/test_it.py" in {name for name, _ in counterpart(whole, directory).files}


def test_a_local_label_is_for_this_machine_only(index: Path, tmp_path: Path) -> None:
    """Of a build such as 1.0+cpu another architecture has builds of its own."""
    _wheel(index, "fast")
    assert _fetch(tmp_path, _installed("fast", "fast/_fast.so", version="1.0+cpu"))
    _wheel(index, "fast", "1.0+cpu", _MACHINE[architecture()])
    here = _target(architecture())
    found = _fetch(tmp_path, _installed("fast", "fast/_fast.so", version="1.0+cpu"), target=here)
    assert (found["fast"] / "fast-1.0+cpu.dist-info").exists()


@pytest.mark.parametrize("there", [_MACHINE[architecture()], None])
def test_a_missing_wheel_is_named(index: Path, tmp_path: Path, there: str | None) -> None:
    """With the way out; nothing is kept."""
    _wheel(index, "other")
    if there:
        _wheel(index, "fast", machine=there)
    with pytest.raises(BuildError) as caught:
        _fetch(tmp_path, _FAST, _installed("other", "other/_fast.so"))
    assert caught.value.message.startswith(
        f"There is no wheel of fast==1.0 for Python {PYTHON} on {_target().platform}"
    )
    assert "--base kernel" in caught.value.remedy
    assert "--exclude" in caught.value.remedy
    assert not list((tmp_path / "wheels").rglob("*.so"))


def test_an_index_that_does_not_answer_is_told(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not mistaken for a wheel that does not exist."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(BuildError, match="could not fetch") as caught:
        _fetch(tmp_path, _FAST)
    assert "index" in caught.value.remedy


def test_without_uv_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who installed no uv is told how."""
    monkeypatch.setitem(__import__("sys").modules, "uv", None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BuildError, match="needs uv") as caught:
        _fetch(tmp_path, _FAST)
    assert caught.value.remedy == 'Install it: pip install "jupyter_containeriter[registry]"'
