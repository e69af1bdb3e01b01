"""Write the table of engines into docs/engines.md, from what the runs of the contract suite left behind.

table.py describe FILE    note version and store of the engine that answers here
table.py write DIRECTORY  read NAME.json and NAME.xml (JUnit) of each engine there and rewrite the table
"""

from __future__ import annotations

import json
import platform
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from jupyter_containeriter.bubblewrap import namespaces_work
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.engines.docker import docker_engine
from jupyter_containeriter.engines.sandbox import SandboxEngine

DOCUMENT = Path(__file__).parents[2] / "docs" / "engines.md"
BEGIN, END = "<!-- table: make engines -->", "<!-- /table -->"
HEAD = "| engine | version | image store | kernel | passed | failed | skipped |\n" + "| --- " * 7 + "|"


def describe(target: Path) -> None:
    """Note what the engine says of itself; without one that answers, the sandbox."""
    engine: Engine = docker_engine() if "docker" in target.stem or "podman" in target.stem else sandbox()
    target.write_text(json.dumps(asdict(engine.describe())))


def sandbox() -> Engine:
    """Return the engine that needs no daemon."""
    return SandboxEngine(Path("build/engines/state"), "bubblewrap" if namespaces_work() else "process")


def write(directory: Path) -> None:
    """Rewrite the rows of the engines that ran; the others stay as they were measured."""
    before, rows, after = parts()
    kept = {tuple(row.split("|")[1:4]): row for row in rows}
    for description in sorted(directory.glob("*.json")):
        row = row_of(json.loads(description.read_text()), description.with_suffix(".xml"))
        kept[tuple(row.split("|")[1:4])] = row
    table = "\n".join((HEAD, *(kept[key] for key in sorted(kept))))
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
    sys.stdout.write(f"{table}\n")


def parts() -> tuple[str, list[str], str]:
    """Split the document into what is before the table, its rows, and what is after."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    return before, [line for line in table.splitlines() if line.startswith("|")][2:], after


def row_of(engine: dict[str, str], report: Path) -> str:
    """Return one row."""
    count = outcomes(report)
    said = (engine["engine"], engine["version"], engine["store"], kernel())
    return "| " + " | ".join((*said, *(str(count[kind]) for kind in ("passed", "failed", "skipped")))) + " |"


def outcomes(report: Path) -> Counter[str]:
    """Count how the tests of a JUnit report ended."""
    count: Counter[str] = Counter()
    for case in ET.parse(report).getroot().iter("testcase"):
        children = {child.tag for child in case}
        count["failed" if children & {"failure", "error"} else "skipped" if "skipped" in children else "passed"] += 1
    return count


def kernel() -> str:
    """Return the kernel's release, without what its builder added."""
    return "Linux " + ".".join(platform.release().split("-")[0].split("+")[0].split(".")[:2])


if __name__ == "__main__":
    verb, path = sys.argv[1:]
    {"describe": describe, "write": write}[verb](Path(path))
