"""Packages that were installed in another version while the kernel ran: it goes on with the one it imported."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.version import InvalidVersion, Version

from jupyter_containeriter.types import Distribution


def replaced_packages(environment: Iterable[Distribution]) -> Iterator[str]:
    """Say of each package that the kernel runs in another version than the one that is installed, and captured, now.

    Known are those whose modules tell their own ``__version__``.
    """
    for distribution in environment:
        metadata = next((path for name, path in distribution.files if name.endswith(".dist-info/METADATA")), None)
        if metadata is not None and _is_younger_than_the_kernel(metadata):
            for version in _running_versions(distribution):
                yield (
                    f"{distribution.name} {distribution.version} was installed after the kernel imported {version}, "
                    "and goes into the image: restart the kernel to work with it."
                )


def _running_versions(distribution: Distribution) -> Iterator[str]:
    packages = {name.removesuffix("/__init__.py") for name, _ in distribution.files if name.endswith("/__init__.py")}
    for package in sorted(packages):
        version = getattr(sys.modules.get(package.replace("/", ".")), "__version__", None)
        if "/" not in package and isinstance(version, str) and _differ(version, distribution.version):
            yield version


def _differ(one: str, other: str) -> bool:
    try:
        return Version(one) != Version(other)
    except InvalidVersion:
        return False


def _is_younger_than_the_kernel(file: Path) -> bool:
    try:
        # Not the time of the content, which installers take from elsewhere.
        return file.stat().st_ctime > _started()
    except OSError:
        return False


@functools.cache
def _started() -> float:
    """Return when this process began, in seconds since the epoch (proc(5)); where that is not told, the far future."""
    try:
        ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        (booted,) = (
            line.split()[1] for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime")
        )
    except (OSError, ValueError):
        return float("inf")
    return float(booted) + ticks / os.sysconf("SC_CLK_TCK")
