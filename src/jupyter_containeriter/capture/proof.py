"""The proof: in a clean process that sees only what was captured, the model loads and predicts the same.

The process runs the server's own loader on a directory laid out like ``/opt/containeriter`` in the image, made of
links to the captured files. What is proven is what will run. Where this machine allows namespaces, the process is
confined: it sees no other file of the person.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_containeriter import accounts, conda
from jupyter_containeriter.capture.confinement import below, confined, site_directory, stores
from jupyter_containeriter.errors import CaptureError
from jupyter_containeriter.standard_library import ELSEWHERE, FLAGS, LEFT_OUT, running_interpreter
from jupyter_containeriter.types import Distribution

#: Variables that reach the clean process, besides conda's; the container sees none of the notebook's either.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
#: Begins the name of a proof's own directory in the workspace.
PROOF = "proof-"
_SECONDS = 600
_POLL_SECONDS = 0.1
#: How long processes that were killed may take to be gone.
_LAST_SECONDS = 5

#: Why the inference server itself is in.
THE_SERVER = "the inference server"


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What the clean process reported.

    ``outputs`` are the predictions as tensors of the Open Inference Protocol with their ``output_schema``; ``error`` is
    the exception as text and ``missing_module`` the module it could not import. ``imported`` are the top-level names
    of what it imported, ``sought`` the modules it looked for in vain (an optional one does not end in an error).
    ``missing_file`` is the path that it could not open, where that is why it failed. ``libraries`` are the shared
    libraries it had loaded, apart from captured files and the standard library.
    """

    outputs: list[dict[str, Any]] | None
    output_schema: dict[str, Any] | None
    error: str
    missing_module: str
    imported: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    missing_file: str = ""
    libraries: tuple[Path, ...] = ()


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
        with _writing(workspace):
            sites = _lay_out(directory / "root", files, code, environment)
        stderr = _run_confined(directory, sites)
        report = _read(directory / "report.json")
        if stderr is None or _lacks_library(report):
            (directory / "report.json").unlink(missing_ok=True)
            stderr = _run(_command(directory), directory, {"HOME": str(directory)})
            report = _read(directory / "report.json")
        if report is None:
            raise CaptureError(
                f"The model ends the process that loads it. Its last words:\n{stderr[-2000:]}",
                "Load the model in a new Python process yourself to see why.",
            )
        return _result(report, [directory, *sites, Path(sysconfig.get_path("stdlib"))])


@contextmanager
def _room(workspace: Path) -> Iterator[Path]:
    """Make a directory for one proof. What cannot be removed stays for :func:`forget`, and hides no exception."""
    with _writing(workspace):
        workspace.mkdir(parents=True, exist_ok=True)
        directory = tempfile.TemporaryDirectory(dir=workspace, prefix=PROOF, ignore_cleanup_errors=True)
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


def _lacks_library(report: dict[str, Any] | None) -> bool:
    """Whether a shared library lies where the confined process could not see it; the image brings it along."""
    error = (report or {}).get("error") or {}
    return "cannot open shared object file" in error.get("message", "")


def _read(report: Path) -> dict[str, Any] | None:
    """Return what the clean process wrote, None where it died before it had."""
    try:
        written: dict[str, Any] = json.loads(report.read_bytes())
    except (OSError, ValueError):
        return None
    return written


def _lay_out(
    root: Path, files: Mapping[str, bytes], code: Mapping[str, Path], environment: Iterable[Distribution]
) -> list[Path]:
    """Lay out the directory and return the site directories that its links lead to."""
    sites: dict[Path, None] = {}
    for distribution in environment:
        site = site_directory(distribution)
        if site is not None:
            sites |= dict.fromkeys([site, *stores(distribution, site)])
        for name, path in distribution.files:
            # Links lead to where packages are installed; what lies elsewhere has neighbours that must not be seen.
            place = _link if site is not None and below(name, path) == site else _put
            place(root / "site-packages" / name, path)
            if name.endswith(".py"):
                _place_bytecode(root / "site-packages" / name, path, place)
    for name, path in code.items():
        _put(root / "code" / name, path)
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return list(sites)


def _link(link: Path, target: Path) -> None:
    _made(link, lambda: link.symlink_to(target))


def _put(copy: Path, source: Path) -> None:
    """Put the file itself there: a module that looks for its neighbours finds the captured ones only."""
    _made(copy, lambda: _same_file(copy, source.resolve()))


def _same_file(copy: Path, source: Path) -> None:
    try:
        copy.hardlink_to(source)
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError:  # another file system, or one without such links
        with source.open("rb") as read, copy.open("xb") as write:
            shutil.copyfileobj(read, write)
        shutil.copystat(source, copy)


def _made(path: Path, make: Callable[[], object]) -> None:
    with suppress(FileExistsError):
        # Two distributions claim the file; the first on the search path wins, as it does for an import.
        try:
            make()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            make()


def _place_bytecode(module: Path, source: Path, place: Callable[[Path, Path], None]) -> None:
    """Let the clean process use the byte code that is there: compiling afresh takes longer than the proof."""
    cached = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    if cached.exists():
        place(module.parent / "__pycache__" / cached.name, cached)


# --- the process -----------------------------------------------------------------------------------------------------

#: Hides what images leave out, says that Python runs, and becomes the server's own program.
_PRELUDE = """
import sys
hidden, started, *sys.argv = sys.argv[1:]
sys.modules.update(dict.fromkeys(hidden.split()))
open(started, "w").close()
__file__ = sys.argv[0]
exec(compile(open(__file__).read(), __file__, "exec"))
"""


def _run_confined(directory: Path, sites: list[Path]) -> str | None:
    """Run the proof where it sees nothing of the person's; None where this machine cannot do that."""
    for name, data in accounts.FILES.items():
        (directory / "system" / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / "system" / name).write_bytes(data)
    try:
        command = confined(_command(directory), directory, sites, accounts.FILES)
        stderr = _run(command, directory, {"HOME": "/tmp", "TMPDIR": "/tmp"}, wrapped=True)  # noqa: S108 (its own)
    except (ImportError, OSError):  # no bubblewrap
        return None
    # Namespaces may be forbidden, a directory may be of a kind that cannot be shown: then Python never began.
    return stderr if (directory / "started").exists() else None


def _command(directory: Path) -> list[str]:
    root = directory / "root"
    script = root / "site-packages" / "containeriter_serving" / "__main__.py"
    places = (root / "code", root / "site-packages")
    hidden = [name for name in LEFT_OUT if not any((place / name).exists() for place in places)]
    options = [" ".join(sorted(hidden)), str(directory / "started"), str(script)]
    proof = ["--root", str(root), "--prove", str(directory / "report.json")]
    return [str(running_interpreter()), *FLAGS, "-c", _PRELUDE, *options, *proof]


def _run(command: list[str], directory: Path, variables: Mapping[str, str], *, wrapped: bool = False) -> str:
    """Run a command and return what it wrote to its standard error.

    A thread attends to it, whose steps no Ctrl-C can come between. Nor does one reach bubblewrap itself: it goes
    to the kernel's whole process group, and would end bubblewrap alone, not what that has just begun.
    """
    passed_on = {*_PASSED_ON, *conda.variables(Path(sys.base_prefix), os.environ)} - ELSEWHERE
    environment = {name: os.environ[name] for name in passed_on if name in os.environ}
    over = threading.Event()

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=directory,
            env={**environment, "LANG": "C.UTF-8", **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0 if wrapped else None,
        )

    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(_attend, start, over).result()
        except BaseException:
            over.set()
            raise


def _attend(start: Callable[[], subprocess.Popen[str]], over: threading.Event) -> str:
    """Run a process until it ends, nobody waits for it any more, or its time is up."""
    until = time.monotonic() + _SECONDS
    with start() as process:
        while not over.is_set() and time.monotonic() < until:
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=_POLL_SECONDS)[1]
        _kill(process)
        with suppress(subprocess.TimeoutExpired):
            # Processes end a moment after they were killed; whatever is left of them holds the pipes.
            process.communicate(timeout=_LAST_SECONDS)
    raise CaptureError(
        f"Loading the model and predicting the sample took more than {_SECONDS} s in a clean process.",
        "Give a smaller --sample.",
    )


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and its children, among them the first one of a namespace, with which all others in it go.

    Killing bubblewrap is not enough: a namespace that is not set up yet outlives it.
    """
    if sys.platform == "linux":
        process.send_signal(signal.SIGSTOP)  # it has no other children from here on
        for children in Path(f"/proc/{process.pid}/task").glob("*/children"):
            with suppress(OSError):
                for child in children.read_text().split():
                    os.kill(int(child), signal.SIGKILL)
    process.kill()


def _result(report: dict[str, Any], known: Iterable[Path]) -> ProofResult:
    homes = tuple(path.resolve() for path in known)
    libraries = [Path(path) for path in report.get("libraries", ())]
    error = report.get("error") or {}
    text = f"{error['type']}: {error['message']}" if error else ""
    return ProofResult(
        report.get("outputs"),
        report.get("output_schema"),
        text,
        error.get("missing_module") or "",
        tuple(report.get("modules", ())),
        tuple(report.get("sought", ())),
        error.get("missing_file") or "",
        tuple(path for path in libraries if not any(path.is_relative_to(home) for home in homes)),
    )


def serving_distribution(version: str) -> Distribution:
    """Return the inference server itself, as it is shipped: the top-level package ``containeriter_serving``."""
    source = Path(__file__).parent.parent / "serving"
    shipped = sorted(path for path in source.iterdir() if path.suffix in (".py", ".html"))
    files = tuple((f"containeriter_serving/{path.name}", path) for path in shipped)
    size = sum(path.stat().st_size for _, path in files)
    return Distribution("containeriter-serving", version, THE_SERVER, size, files, server=True)


def forget(workspace: Path) -> None:
    """Remove directories that killed proofs left behind; one that may still be at work is younger than its time."""
    for directory in workspace.glob(f"{PROOF}*"):
        with suppress(OSError):
            if time.time() - directory.stat().st_mtime > 2 * _SECONDS:
                shutil.rmtree(directory, ignore_errors=True)
