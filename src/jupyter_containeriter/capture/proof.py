"""The proof: in a clean process that sees only what was captured, the model loads and predicts the same.

The process runs the server's own loader on a directory laid out like ``/opt/containeriter`` in the image, made of
links to the captured files. What is proven is what will run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_containeriter.errors import CaptureError
from jupyter_containeriter.types import Distribution

#: Variables that reach the clean process; the container sees none of the notebook's either.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
_SECONDS = 600


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What the clean process reported.

    ``outputs`` are the predictions as tensors of the Open Inference Protocol with their ``output_schema``; ``error`` is
    the exception as text and ``missing_module`` the module it could not import. ``imported`` are the top-level names
    of what it imported, ``sought`` the modules it looked for in vain (an optional one does not end in an error).
    """

    outputs: list[dict[str, Any]] | None
    output_schema: dict[str, Any] | None
    error: str
    missing_module: str
    imported: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()


def prove(
    files: Mapping[str, bytes],
    code: Mapping[str, Path],
    environment: Iterable[Distribution],
    workspace: Path,
) -> ProofResult:
    """Load and predict in a clean process.

    Raises
    ------
    CaptureError
        The process died without a word, or ran for more than ten minutes; or the workspace cannot be written.
    """
    with _room(workspace) as directory:
        root = directory / "root"
        with _writing(workspace):
            _lay_out(root, files, code, environment)
        path = directory / "report.json"
        stderr = _run(root, path, directory)
        report = _read(path)
        if report is None:
            raise CaptureError(
                f"The model ends the process that loads it. Its last words:\n{stderr[-2000:]}",
                "Load the model in a new Python process yourself to see why.",
            )
        return _result(report)


@contextmanager
def _room(workspace: Path) -> Iterator[Path]:
    """Make a directory for one proof."""
    with _writing(workspace):
        workspace.mkdir(parents=True, exist_ok=True)
        directory = tempfile.TemporaryDirectory(dir=workspace, prefix="proof-")
    with directory as path:
        yield Path(path)


@contextmanager
def _writing(workspace: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CaptureError(
            f"The proof cannot be laid out in {workspace}: {(error.strerror or str(error)).lower()}.",
            "Free some disk space and make it writable, or point CONTAINERITER_CACHE_DIR to another directory.",
        ) from error


def _read(report: Path) -> dict[str, Any] | None:
    """Return what the clean process wrote, None where it died before it had."""
    try:
        written: dict[str, Any] = json.loads(report.read_bytes())
    except (OSError, ValueError):
        return None
    return written


def _lay_out(
    root: Path, files: Mapping[str, bytes], code: Mapping[str, Path], environment: Iterable[Distribution]
) -> None:
    site = root / "site-packages"
    for distribution in environment:
        for name, path in distribution.files:
            _link(site / name, path)
            if name.endswith(".py"):
                _link_bytecode(site / name, path)
    for name, path in code.items():
        _link(root / "code" / name, path)
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def _link(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target)
    except FileNotFoundError:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    except FileExistsError:
        # Two distributions claim the file; the first on the search path wins, as it does for an import.
        return


def _link_bytecode(link: Path, source: Path) -> None:
    """Let the clean process use the byte code that is there: compiling afresh takes longer than the proof."""
    cached = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    if cached.exists():
        _link(link.parent / "__pycache__" / cached.name, cached)


def _run(root: Path, report: Path, directory: Path) -> str:
    interpreter = getattr(sys, "_base_executable", None) or sys.executable
    script = root / "site-packages" / "containeriter_serving" / "__main__.py"
    command = [interpreter, "-I", "-S", "-B", str(script), "--root", str(root), "--prove", str(report)]
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        finished = subprocess.run(
            command,
            cwd=directory,
            env={**environment, "HOME": str(directory), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CaptureError(
            f"Loading the model and predicting the sample took more than {_SECONDS} s in a clean process.",
            "Give a smaller --sample.",
        ) from error
    return finished.stderr


def _result(report: dict[str, Any]) -> ProofResult:
    error = report.get("error") or {}
    text = f"{error['type']}: {error['message']}" if error else ""
    return ProofResult(
        report.get("outputs"),
        report.get("output_schema"),
        text,
        error.get("missing_module") or "",
        tuple(report.get("modules", ())),
        tuple(report.get("sought", ())),
    )


def serving_distribution(version: str) -> Distribution:
    """Return the inference server itself, as it is shipped: the top-level package ``containeriter_serving``."""
    source = Path(__file__).parent.parent / "serving"
    files = tuple((f"containeriter_serving/{path.name}", path) for path in sorted(source.glob("*.py")))
    size = sum(path.stat().st_size for _, path in files)
    return Distribution("containeriter-serving", version, "the inference server", size, files, server=True)


def forget(workspace: Path) -> None:
    """Remove directories that killed proofs left behind; one that may still be at work is younger than its time."""
    for directory in workspace.glob("proof-*"):
        with suppress(OSError):
            if time.time() - directory.stat().st_mtime > 2 * _SECONDS:
                shutil.rmtree(directory, ignore_errors=True)
