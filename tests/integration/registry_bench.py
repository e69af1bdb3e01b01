"""Real registries for tests: Debian's ``docker-registry`` (the Distribution project) on 127.0.0.1."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notebook_bench import missing, until

USER, PASSWORD = "ada", "sesame"

#: ``htpasswd -nbB ada sesame``
_HTPASSWD = "ada:$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\n"


@dataclass
class RealRegistry:
    """A registry process and what it was asked."""

    host: str
    directory: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def log(self) -> str:
        """Return what it wrote."""
        return (self.directory / "log").read_text()

    def requests(self, method: str = "") -> list[tuple[str, str, int]]:
        """Return method, path and status of each request, oldest first."""
        found = re.findall(r'"(\w+) (\S+) HTTP/1\.1" (\d+) ', self.log)
        return [(verb, path, int(status)) for verb, path, status in found if method in {"", verb}]

    def stored(self, digest: str) -> Path:
        """Return where the registry keeps the content of a digest."""
        name = digest.removeprefix("sha256:")
        return self.directory / "storage/docker/registry/v2/blobs/sha256" / name[:2] / name / "data"

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(10)


def start_registry(
    directory: Path, *, http: Mapping[str, Any] | None = None, auth: Mapping[str, Any] | None = None, port: int = 0
) -> RealRegistry:
    """Start a registry that keeps everything in a directory; any free port by default."""
    program = shutil.which("docker-registry") or missing("docker-registry is not installed")
    directory.mkdir(parents=True, exist_ok=True)
    document = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of a test", **(http or {})},
        **({"auth": auth} if auth else {}),
    }
    # JSON is YAML.
    (directory / "config.yml").write_text(json.dumps(document))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(directory / "config.yml")], stdout=log, stderr=log)
    found = until(lambda: _listening(directory, process))
    return RealRegistry(found, directory, process)


def _listening(directory: Path, process: subprocess.Popen[bytes]) -> str:
    log = (directory / "log").read_text()
    assert process.poll() is None, log
    found = re.search(r"listening on (127\.0\.0\.1:\d+)", log)
    return found[1] if found else ""


def password_file(directory: Path) -> Mapping[str, Any]:
    """Return the configuration of a registry that lets in one person only, by Basic authentication."""
    path = directory / "htpasswd"
    path.write_text(_HTPASSWD)
    return {"htpasswd": {"realm": "test", "path": str(path)}}


def log_in(directory: Path, host: str, password: str = PASSWORD) -> None:
    """Write what ``docker login`` writes without a credential store."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
