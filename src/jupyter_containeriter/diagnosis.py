"""Looks at everything a deployment needs and says how it stands; each finding that is not well has a remedy."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jupyter_containeriter.bubblewrap import namespaces_work
from jupyter_containeriter.bytesize import size_text
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.engines.select import select_engine
from jupyter_containeriter.errors import ContainerIterError
from jupyter_containeriter.garbage import Usage
from jupyter_containeriter.history import History
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.plurals import counted
from jupyter_containeriter.serving._version import __version__
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.show import words
from jupyter_containeriter.types import Finding

#: Room for a base, an environment and some versions; below it the doctor warns.
ENOUGH_BYTES = 2_000_000_000

_PACKAGES = ("docker", "IPython", "ipykernel", "cloudpickle", "numpy", "pandas", "sqlalchemy", "uvicorn", "starlette")


def examine(settings: ContainerIter) -> list[Finding]:
    """Return all findings, in the order of a deployment's needs."""
    state = settings.data_path / "sandbox"
    return [
        _python(),
        _platform(settings),
        *_engines(settings, state),
        _namespaces(),
        *_directories(settings),
        _history(settings),
        *_disk(settings),
        _versions(),
    ]


def _python() -> Finding:
    where = "virtual environment" if sys.prefix != sys.base_prefix else "no virtual environment"
    message = f"CPython {platform.python_version()} ({where}), {sys.executable}"
    if sys.implementation.name == "cpython":
        return Finding("Python", "ok", message)
    name = sys.implementation.name
    return Finding("Python", "error", f"The kernel runs {name}.", "Use a CPython kernel.")


def _platform(settings: ContainerIter) -> Finding:
    message = f"{platform.system()} {platform.machine()}, {platform.libc_ver()[0] or 'other libc'}"
    if sys.platform.startswith("linux"):
        return Finding("Platform", "ok", message)
    told = f"{message}; images are built on {settings.base}"
    if _version("uv"):
        return Finding("Platform", "ok", told)
    return Finding("Platform", "error", f"{told}, which needs uv", 'pip install "jupyter_containeriter[registry]"')


def _engines(settings: ContainerIter, state: Path) -> Iterator[Finding]:
    try:
        docker = select_engine("docker", state).describe()
        found = f"{docker.version}, store {docker.store}, at {docker.endpoint}"
        yield Finding("Docker", "ok", found)
    except ContainerIterError as error:
        yield Finding("Docker", "warning", error.message, error.remedy)
    try:
        used: Engine = select_engine(settings.engine, state)
    except ContainerIterError as error:
        yield Finding("Engine", "error", error.message, error.remedy)
        return
    about = f"{used.name} will be used ({used.describe().isolation})"
    if used.name == "process":
        yield Finding("Engine", "warning", about, "Start Docker, or allow user namespaces for the sandbox.")
    else:
        yield Finding("Engine", "ok", about)


def _namespaces() -> Finding:
    if namespaces_work():
        return Finding("Namespaces", "ok", "user namespaces work, so the sandbox does, and proofs are confined")
    remedy = (
        "The sandbox and confined proofs need them: sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile."
    )
    return Finding("Namespaces", "warning", "this machine forbids user namespaces", remedy)


def _directories(settings: ContainerIter) -> Iterator[Finding]:
    places = (
        ("Data", settings.data_path, "CONTAINERITER_DATA_DIR"),
        ("Cache", settings.cache_path, "CONTAINERITER_CACHE_DIR"),
    )
    for topic, directory, variable in places:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                free = shutil.disk_usage(directory).free
        except OSError as error:
            remedy = f"Make it writable, or set {variable} to another directory."
            yield Finding(topic, "error", f"{directory} cannot be written: {error.strerror}", remedy)
            continue
        message = f"{directory}, {size_text(free)} free"
        if free > ENOUGH_BYTES:
            yield Finding(topic, "ok", message)
        else:
            yield Finding(topic, "warning", message, f"Free some space, or set {variable} to a larger disk.")


def _history(settings: ContainerIter) -> Finding:
    location = settings.history_location
    if isinstance(location, Path) and not location.exists():
        return Finding("History", "ok", f"{location} is made with the first iteration")
    try:
        with closing(_opened_history(settings)) as history:
            history.check()
            count, waiting = len(history.names()), history.waiting
    except ContainerIterError as error:
        return Finding("History", "error", error.message, error.remedy)
    message = f"{history.shown}, {counted(count, 'model')}"
    if waiting:
        return Finding("History", "warning", f"{message}; {waiting} rows wait for it", "Look into data_dir/spool.")
    return Finding("History", "ok", message)


def _opened_history(settings: ContainerIter) -> History:
    return History(settings.history_location, settings.data_path / "spool")


def _disk(settings: ContainerIter) -> Iterator[Finding]:
    location = settings.history_location
    if isinstance(location, Path) and not location.exists():
        return
    try:
        with closing(_opened_history(settings)) as history:
            layers, engines = Usage(LayerCache(settings.cache_path), history).bytes()
        budget = settings.budget_bytes
    except ContainerIterError:
        return  # said of the history already
    used = f"{words.size(layers + engines)} (layer cache {words.size(layers)}, engines about {words.size(engines)})"
    if budget is None:
        yield Finding("Disk", "ok", f"{used}; no budget is set, so old versions stay")
    elif layers + engines <= budget:
        yield Finding("Disk", "ok", f"{used} of a budget of {words.size(budget)}")
    else:
        remedy = "See %containeriter gc --dry-run for what is kept and why, or set CONTAINERITER_DISK_BUDGET higher."
        yield Finding("Disk", "warning", f"{used}, more than the budget of {words.size(budget)}", remedy)


def _versions() -> Finding:
    found = [f"{name} {installed}" for name in _PACKAGES if (installed := _version(name))]
    return Finding("Versions", "ok", f"jupyter_containeriter {__version__}, {', '.join(found)}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
