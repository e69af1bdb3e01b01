"""Libraries and the packages of the operating system they came from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jupyter_containeriter.image import origins
from jupyter_containeriter.image.elf import find_system_library, without_debug
from jupyter_containeriter.image.origins import SystemPackage, build_id, system_packages

_LIBC = "libc.so.6"


@pytest.fixture
def libc() -> bytes:
    """Read the C library of this machine."""
    path = find_system_library(_LIBC)
    assert path is not None
    return path.read_bytes()


@pytest.fixture
def dpkg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give a dpkg-query that knows one file, as Debian's does: below /lib, whatever the linker says."""
    script = tmp_path / "dpkg-query"
    script.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --search ]; then for path; do case $path in /lib/*/libc.so.6)\n'
        'echo "libc6:amd64: $path";; esac; done; exit 1; fi\n'
        'printf "libc6:amd64\\tlibc6\\t2.36-9\\tamd64\\n"\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(script))
    monkeypatch.setattr(origins, "_distribution", lambda: "debian")


def test_the_package_of_a_library_is_found(dpkg: None, libc: bytes) -> None:
    """The same library on this machine tells its package, also where debug information was taken out of the copy."""
    package = SystemPackage("debian", "libc6", "2.36-9", "amd64")
    assert system_packages({_LIBC: libc}) == {_LIBC: package}
    assert system_packages({_LIBC: without_debug(libc)}) == {_LIBC: package}


def test_another_build_is_not_claimed(dpkg: None, libc: bytes) -> None:
    """A library of that name that was built otherwise is of an unknown package."""
    identity = bytes.fromhex(build_id(libc))
    assert identity in libc
    assert system_packages({_LIBC: libc.replace(identity, bytes(len(identity)))}) == {}
    assert system_packages({_LIBC: b"no ELF file", "libnowhere.so.1": libc}) == {}


def test_a_machine_without_dpkg_tells_nothing(monkeypatch: pytest.MonkeyPatch, libc: bytes) -> None:
    """Where there is no dpkg, no package is named."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert system_packages({_LIBC: libc}) == {}
