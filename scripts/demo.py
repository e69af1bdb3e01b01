"""Run the example notebook as a person would, cell by cell, and keep what it made: ``make demo``.

History, layer cache and results go below ``build/``; what was started is stopped, also after a failure or Ctrl-C. The
last line is one JSON object that sums up what the history says.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from jupyter_containeriter.errors import ContainerIterError
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.types import PHASES

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"
BUILD = ROOT / "build"
OUT = BUILD / "demo"
DATA, CACHE = OUT / "data", BUILD / "cache"
HTML, CHART = OUT / "quickstart.html", OUT / "iterations.png"

ITERATIONS = 3
#: Best first: the summary names the worst.
PARITIES = ("exact", "close", "nondeterministic", "failed")
CELL_SECONDS = 600
KERNEL = "containeriter-demo"


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the notebook and sum up; 0 where all went well, 1 where something failed, 130 where it was stopped."""
    # A stop from outside cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        summary = run()
    except KeyboardInterrupt:
        # That the kernel has died is told to nobody any more.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        say("Stopped; nothing of the demo runs any more.")
        return 130
    except (ContainerIterError, DemoError) as error:
        say(f"The demo failed: {error}")
        return 1
    say(json.dumps(summary))
    return 0


class DemoError(Exception):
    """The notebook did not do what it is there to show."""


def run() -> dict[str, Any]:
    """Execute the notebook, write the results, stop what it started and return the summary."""
    session = new_session()
    try:
        introduce(session)
        execute(session)
        history = session.iterations()
        check(history)
        CHART.write_bytes(session.plot()._repr_png_()[0])  # type: ignore[attr-defined]
        return summary(history)
    finally:
        # Pressed twice, Ctrl-C would leave running what it was pressed to stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stop_all()


# --- before --------------------------------------------------------------------------------------------------------


def new_session() -> Session:
    """Return a session over a new history; what an earlier demo could not stop (after a power cut) is stopped now."""
    # The kernel is told the same way as this process: it inherits the variables.
    os.environ.update(CONTAINERITER_DATA_DIR=str(DATA), CONTAINERITER_CACHE_DIR=str(CACHE))
    if DATA.exists():
        stop_all()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    return Session(ContainerIter())


def introduce(session: Session) -> None:
    """Say where the models will run, and plainly where that is not what one would expect."""
    info = session.engine().describe()
    if info.engine in {"docker", "podman"}:
        say(f"The models run on {info.engine} {info.version} ({info.endpoint}).")
        return
    say("No Docker or Podman answers here (DOCKER_HOST and the usual sockets were tried).")
    if info.isolation == "process":
        say("This machine forbids namespaces as well, so the models run as plain processes, WITHOUT isolation.")
    else:
        say("The models run in the sandbox instead: the very same image layers, isolated by bubblewrap, no daemon.")


# --- the notebook --------------------------------------------------------------------------------------------------


def execute(session: Session) -> None:
    """Run every cell, and write the notebook as a page however far it came."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    try:
        with kernel_of_this_python():
            client = NotebookClient(
                notebook,
                kernel_name=KERNEL,
                timeout=CELL_SECONDS,
                # Once its containers are being stopped, it must not go on making others.
                shutdown_kernel="immediate",
                resources={"metadata": {"path": str(OUT)}},
            )
            with client.setup_kernel():
                run_cells(client, session)
    except CellExecutionError as error:
        raise DemoError(f"a cell raised {error.ename}: {error.evalue}") from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise DemoError(str(error)) from error
    finally:
        page, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook)
        HTML.write_text(page, encoding="utf-8")


@contextlib.contextmanager
def kernel_of_this_python() -> Iterator[None]:
    """Make a kernel known that runs this very Python, whatever kernels the person has."""
    kernels = OUT / "jupyter" / "kernels" / KERNEL
    kernels.mkdir(parents=True)
    # Quiet: it warns of other users on this machine's loopback, in lines that would stand between ours.
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
    spec = {"argv": command, "display_name": "Python 3", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec))
    os.environ["JUPYTER_PATH"] = str(OUT / "jupyter")
    try:
        yield
    finally:
        shutil.rmtree(OUT / "jupyter")


def run_cells(client: NotebookClient, session: Session) -> None:
    """Run the code cells in turn and tell what they did."""
    cells = [(index, cell) for index, cell in enumerate(client.nb.cells) if cell.cell_type == "code"]
    recorded = 0
    for number, (index, cell) in enumerate(cells, start=1):
        say(f"[{number:>2}/{len(cells)}] {headline(cell)}")
        began = time.monotonic()
        client.execute_cell(cell, index, execution_count=number)
        for line in printed(cell):
            say(f"        {line}")
        recorded = tell_iterations(session, recorded)
        if (seconds := time.monotonic() - began) >= 1:
            say(f"        {seconds:.1f} s")


def headline(cell: NotebookNode) -> str:
    """Return the most telling line of a cell: its magic, or the comment or code it begins with."""
    lines = cell.source.splitlines()
    magics = [line for line in lines if line.startswith("%") or " = %" in line]
    return str((magics or lines)[0]).removesuffix("\\").strip()


def printed(cell: NotebookNode) -> Iterator[str]:
    """Yield the lines a cell printed."""
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            yield from output.text.rstrip().splitlines()


def tell_iterations(session: Session, recorded: int) -> int:
    """Tell the phases of iterations that were recorded since; return how many there are now."""
    # Before the first cell that records one there is no history, and asking must not make it: that is the kernel's.
    rows = session.history.frame().to_dict(orient="records") if (DATA / "history.sqlite").exists() else []
    for row in rows[recorded:]:
        say(f"        {row['name']}:{row['version']} is {row['status']}, parity {row['parity'] or 'unknown'}")
        for phase in PHASES[2:]:
            say(f"          {phase:<8}{row[f'{phase}_seconds']:7.3f} s")
    return len(rows)


# --- after ---------------------------------------------------------------------------------------------------------


def check(history: Any) -> None:
    """Insist on what the notebook is there to show.

    Raises
    ------
    DemoError
        An iteration is missing, or was not verified.
    """
    states = history["status"].tolist()
    if states != ["verified"] * ITERATIONS:
        raise DemoError(f"there should be {ITERATIONS} verified iterations, but the history has {states}")


def summary(history: Any) -> dict[str, Any]:
    """Sum up what the history says."""
    return {
        "engine": ", ".join(dict.fromkeys(history["engine"])),
        "iterations": len(history),
        "parity": max(history["parity"], key=PARITIES.index),
        "package_to_verified_seconds": [round(s, 3) for s in history["package_to_verified_seconds"]],
        "image_size_bytes": int(history["image_size_bytes"].iloc[-1]),
        "chart": str(CHART.relative_to(ROOT)),
        "notebook": str(HTML.relative_to(ROOT)),
    }


def stop_all() -> None:
    """Stop whatever of this history runs; what an interrupted kernel left is found and removed as well."""
    if not (DATA / "history.sqlite").exists():
        return
    # A new session: it is on first use that one looks for what others left.
    session = Session(ContainerIter())
    for name in {deployment.name for deployment in session.deployments()}:
        session.undeploy(name)


if __name__ == "__main__":
    sys.exit(main())
