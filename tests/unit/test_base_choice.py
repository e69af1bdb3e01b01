"""The choice of a base, and the packages that fit it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_containeriter.bases import BaseChoice, Bases, choose
from jupyter_containeriter.errors import BuildError, UsageError
from jupyter_containeriter.image.base import Base, Target, architecture, glibc
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.progress import Silent
from jupyter_containeriter.testing import FakeEngine
from jupyter_containeriter.types import Distribution, Snapshot

_OWN = architecture()
_OTHER = {"amd64": "arm64", "arm64": "amd64"}[_OWN]


class _Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def _choose(reference: str, platform: str | None = None, *, deploy: bool = True) -> BaseChoice:
    return choose(reference, platform, FakeEngine(), deploy=deploy)


def _base(of: str, *libraries: str) -> Base:
    target = Target("3.11", "x86_64-manylinux_2_36", of, glibc())
    return Base("some:base@sha256:1", (), frozenset(libraries), "/usr/bin/python3", of, target=target)


def _snapshot(*environment: Distribution, code: tuple[tuple[str, Path], ...] = ()) -> Snapshot:
    return Snapshot("churn", {}, code, environment, None, None, None, True, "", "", "")


def test_the_engine_s_platform_is_the_default() -> None:
    """A base is for what the engine runs unless something else is asked for."""
    assert _choose("python:3.12-slim") == BaseChoice("python:3.12-slim", _OWN)
    assert _choose("python:3.12-slim", f"linux/{_OWN}") == BaseChoice("python:3.12-slim", _OWN)


def test_another_platform_can_be_built() -> None:
    """It is never loaded, and asking to run it is refused before anything is done."""
    choice = _choose("python:3.12-slim", f"linux/{_OTHER}", deploy=False)
    assert choice == BaseChoice("python:3.12-slim", _OTHER, foreign=True)
    with pytest.raises(UsageError, match=f"runs linux/{_OWN}, not linux/{_OTHER}") as caught:
        _choose("python:3.12-slim", f"linux/{_OTHER}")
    assert "--no-deploy" in caught.value.remedy


def test_the_kernel_base_has_one_platform() -> None:
    """It is this interpreter, so --platform needs another base."""
    assert _choose("kernel") == BaseChoice("kernel", _OWN)
    with pytest.raises(UsageError, match="--platform") as caught:
        _choose("kernel", f"linux/{_OWN}", deploy=False)
    assert "--base" in caught.value.remedy


@pytest.mark.parametrize("platform", ["arm64", "windows/amd64", "linux/s390x", ""])
def test_an_unknown_platform_is_told(platform: str) -> None:
    """With those that are known."""
    with pytest.raises(UsageError, match="not known") as caught:
        _choose("python:3.12-slim", platform, deploy=False)
    assert "linux/arm64" in caught.value.remedy


def test_what_is_no_image_is_told() -> None:
    """Before anything is captured."""
    with pytest.raises(UsageError):
        _choose("Kernel Base")


def test_the_kernel_base_takes_packages_as_they_are(tmp_path: Path) -> None:
    """Nothing is looked for elsewhere."""
    snapshot = _snapshot(Distribution("fast", "1", "", 1, (("fast.so", Path("/nowhere/fast.so")),)))
    base = Base("kernel", (), frozenset(), "/python", _OWN)
    assert Bases(LayerCache(tmp_path)).fitted(snapshot, base, Silent()) is snapshot


def test_pure_packages_are_the_kernel_s_own(tmp_path: Path) -> None:
    """What holds no compiled code runs on any platform: exactly what was proven is what goes in."""
    snapshot = _snapshot(Distribution("pure", "1", "", 1, (("pure.py", Path("/nowhere/pure.py")),)))
    assert Bases(LayerCache(tmp_path)).fitted(snapshot, _base(_OTHER), Silent()).environment == snapshot.environment


def test_compiled_local_code_fits_this_architecture_only(tmp_path: Path) -> None:
    """A module compiled beside the notebook has no wheel for another machine."""
    snapshot = _snapshot(code=(("fast.so", Path("/nowhere/fast.so")),))
    bases = Bases(LayerCache(tmp_path))
    assert bases.fitted(snapshot, _base(_OWN), Silent()).code == snapshot.code
    with pytest.raises(BuildError, match=r"fast\.so is compiled code for this machine"):
        bases.fitted(snapshot, _base(_OTHER), Silent())


@pytest.mark.skipif(glibc() is None, reason="about what is compiled for glibc")
def test_compiled_local_code_fits_this_c_library_only(tmp_path: Path) -> None:
    """It was compiled for glibc, which a base with musl does not have."""
    snapshot, base = _snapshot(code=(("fast.so", Path("/nowhere/fast.so")),)), _base(_OWN)
    musl = replace(base, target=Target("3.11", "x86_64-unknown-linux-musl", _OWN, None))
    with pytest.raises(BuildError, match=r"not for x86_64-unknown-linux-musl"):
        Bases(LayerCache(tmp_path)).fitted(snapshot, musl, Silent())


def test_libraries_that_the_base_lacks_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package may link to what neither its wheel nor the base has: said at once, not when the container fails."""
    import httptools.parser.parser as compiled  # any extension module; it links to the C library

    wheel = tmp_path / "wheel"
    information = wheel / "fast-1.dist-info"
    information.mkdir(parents=True)
    (wheel / "fast.so").write_bytes(Path(compiled.__file__).read_bytes())
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: fast\nVersion: 1\n")
    (information / "RECORD").write_text("fast.so,,\nfast-1.dist-info/METADATA,,\n")
    monkeypatch.setattr("jupyter_containeriter.bases.fetch_wheels", lambda *_: {"fast": wheel})
    snapshot = _snapshot(Distribution("fast", "1", "", 1, (("fast.so", wheel / "fast.so"),)))
    lacking, complete = _Notes(), _Notes()
    bases = Bases(LayerCache(tmp_path / "cache"))
    bases.fitted(snapshot, _base(_OWN), lacking)
    assert len(lacking.notes) == 1
    assert "some:base lacks" in lacking.notes[0]
    assert "libc.so.6" in lacking.notes[0]
    everything = _base(_OWN, "libc.so.6", "libpthread.so.0", "libm.so.6", "libgcc_s.so.1")
    Bases(LayerCache(tmp_path / "other")).fitted(snapshot, everything, complete)
    assert complete.notes == []
