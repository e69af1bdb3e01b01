"""The ``python:…-slim`` images that rivals build on, made here where they cannot be pulled.

Made from Debian packages (``mmdebstrap``) under the names that rivals ask for. Differences from Docker's own: Python is
Debian's, as ``python`` too and without Debian's mark that it is managed by apt; and this machine's certificates and
package index are in it, as where Docker Hub is not, those are rarely PyPI's own. Both rivals get the same.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

from workbench import Builder, UnavailableError, kept_directory, log, run

CHANGE = (
    "Its base image was made here from Debian packages under the name it asks for, with this machine's certificates "
    "and package index: it cannot be pulled here."
)
#: The Debian release that has this Python.
SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PULL_SECONDS = 120.0

DOCKERFILE = """\
FROM {raw}
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 /usr/local/bin/python
COPY bench.crt /etc/ssl/certs/bench.crt
ENV PIP_CERT=/etc/ssl/certs/bench.crt SSL_CERT_FILE=/etc/ssl/certs/bench.crt{index}
CMD ["python"]
"""


class SlimBase:
    """Provides base images.

    Parameters
    ----------
    builder
        The ``docker`` command.
    directory
        The build context.
    raw
        Name of the image without this machine's configuration.
    """

    def __init__(self, builder: Builder, directory: Path, raw: str) -> None:
        self._builder = builder
        self._context = directory
        self._raw = raw
        self._made: list[str] = []

    def provide(self, names: list[str]) -> list[str]:
        """Have these images; return what is different from what a rival asks for."""
        for name in names:
            if name in self._made or self._has(name):
                continue
            if self._made:
                self._builder.run("tag", self._made[0], name)
            else:
                self._make(name)
            self._made.append(name)
        return [CHANGE] if set(names) & set(self._made) else []

    def remove(self) -> None:
        """Remove what was made: nobody is to take it for Docker's own."""
        for name in (*self._made, self._raw):
            self._builder.succeeds("rmi", name)

    def _has(self, name: str) -> bool:
        if self._builder.succeeds("image", "inspect", name):
            return True
        log(f"pulling {name}")
        try:
            return self._builder.succeeds("pull", "--quiet", name, patience=PULL_SECONDS)
        except subprocess.TimeoutExpired:
            return False

    def _make(self, name: str) -> None:
        self._builder.run("import", str(archive(name)), self._raw)
        self._context.mkdir()
        shutil.copy(os.environ.get("PIP_CERT") or CERTIFICATES, self._context / "bench.crt")
        (self._context / "Dockerfile").write_text(DOCKERFILE.format(raw=self._raw, index=index_variables()))
        self._builder.run("build", "--quiet", "--tag", name, str(self._context))


def archive(name: str) -> Path:
    """Return a file system with Python and pip, made where it is not there yet."""
    suite = SUITES.get(sys.version_info[:2])
    if suite is None or shutil.which("mmdebstrap") is None:
        versions = " or ".join(f"{major}.{minor}" for major, minor in SUITES)
        raise UnavailableError(f"{name} cannot be pulled, and to make it here takes mmdebstrap and Python {versions}.")
    made = kept_directory() / f"{suite}.tar"
    if not made.exists():
        log(f"making {name} from Debian packages, once")
        unfinished = made.with_suffix(".new")
        words = ["--quiet", "--format=tar", "--variant=minbase", f"--include={PACKAGES}"]
        run(["mmdebstrap", *words, suite, unfinished], os.environ)
        unfinished.rename(made)
    return made


def index_variables() -> str:
    """Return, for a Dockerfile, the package indexes that pip is told to use here; files here are not there."""
    lines = run([sys.executable, "-m", "pip", "config", "list"], os.environ).splitlines()
    options = {
        name.rpartition(".")[2]: ast.literal_eval(value) for name, _, value in (one.partition("=") for one in lines)
    }
    first = options.get("index-url", "")
    others = " ".join(url for url in options.get("extra-index-url", "").split() if url.startswith("http"))
    variables = {"PIP_INDEX_URL": first, "UV_DEFAULT_INDEX": first, "PIP_EXTRA_INDEX_URL": others, "UV_INDEX": others}
    return "".join(f' {name}="{value}"' for name, value in variables.items() if value)
