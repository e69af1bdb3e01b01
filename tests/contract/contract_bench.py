"""What the tests of the contract suite work with: one engine, small images, and ways to interfere.

The images hold one statically linked busybox and a script, so that they are small, need no base and run anywhere.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.testing import tiny_image
from jupyter_containeriter.types import Container, Image, Layer, Limits, RunSpec

T = TypeVar("T")

_BUSYBOX = Path("/bin/busybox")
_WAIT_SECONDS = 30.0
# It says in its log how it is confined, then serves files until it is told to stop. The variables make it misbehave.
_SERVE = b"""\
here=${0%/*}
bb=$here/busybox
echo "uid $($bb id -u)"
$bb grep CapEff /proc/self/status
$bb grep NoNewPrivs /proc/self/status
$bb touch /written 2>/dev/null && echo "the root is writable"
$bb touch $here/written 2>/dev/null && echo "the image is writable"
[ -z "$TEST_SECRET" ] || [ ! -e "$TEST_SECRET" ] || echo "the machine's files are visible"
$bb touch /tmp/$$.written && echo "/tmp is writable"
$bb rm -f /tmp/$$.written
[ -z "$TEST_EXIT" ] || { echo "leaving with $TEST_EXIT"; exit "$TEST_EXIT"; }
[ -z "$TEST_EAT" ] || exec $bb tail /dev/zero
trap 'kill $!; exit 0' TERM
if [ -n "$TEST_BUSY" ]; then while :; do :; done & fi
$bb httpd -f -p "$CONTAINERITER_HOST:$CONTAINERITER_PORT" -h $here/../www &
wait
"""


class Tripwire(type(Path())):  # type: ignore[misc]
    """A path on which something happens at the moment it is opened for reading."""

    action: Callable[[], None]

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Do it, then open."""
        self.action()
        return super().open(*args, **kwargs)


@dataclass
class Bench:
    """One engine under test, with images and containers that belong to this test alone."""

    kind: str
    engine: Engine
    again: Callable[[], Engine]
    directory: Path
    name: str = field(default_factory=lambda: f"contract-{uuid.uuid4().hex[:8]}")
    history: str = field(default_factory=lambda: uuid.uuid4().hex)

    def image(self, version: int = 1, *, base: bytes = b"", model: bytes = b"model", code: bytes = b"code") -> Image:
        """Build an image whose base layer no other test has."""
        root = "opt/containeriter"
        return tiny_image(
            self.directory,
            name=self.name,
            version=version,
            layers=(
                {
                    f"{root}/bin/busybox": _busybox(),
                    f"{root}/bin/serve.sh": _SERVE,
                    f"{root}/www/v2/health/ready": b"ready",
                    f"{root}/for": self.name.encode() + base,
                },
                {f"{root}/model/model": model},
                {f"{root}/code/code": code},
            ),
            config={"Entrypoint": ["/opt/containeriter/bin/busybox", "sh", "/opt/containeriter/bin/serve.sh"]},
        )

    def spec(self, version: int = 1, **changes: Any) -> RunSpec:
        """Describe how to run an image, with an iteration of its own."""
        spec = RunSpec(self.name, version, uuid.uuid4().hex, self.history, Limits(memory_bytes=128 * 1024**2))
        return replace(spec, **changes)

    def run(self, environment: Mapping[str, str] | None = None, **changes: Any) -> Container:
        """Load an image and run it."""
        image = self.image()
        self.engine.load(image)
        return self.engine.run(image, self.spec(environment=environment or {}, **changes))

    def ended(self, container: Container) -> Container:
        """Wait until a container has ended."""

        def when_ended() -> Container | None:
            now = self.engine.inspect(container.id)
            return None if now.running else now

        return self.until(when_ended)

    def log(self, container: Container, last: str) -> str:
        """Wait until the log has a certain line, and return all of it."""

        def when_written() -> str | None:
            log = self.engine.logs(container.id)
            return log if last in log else None

        return self.until(when_written)

    def get(self, container: Container, path: str = "/v2/health/ready") -> bytes:
        """Ask the server, once it listens."""

        def answer() -> bytes | None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{container.port}{path}", timeout=5) as response:
                    content: bytes = response.read()
                    return content
            except (urllib.error.URLError, ConnectionError):
                return None

        return self.until(answer)

    def until(self, probe: Callable[[], T | None]) -> T:
        """Wait for a probe to return something."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while (found := probe()) is None:
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)
        return found

    def forget(self, *images: Image) -> None:
        """Take images away from a Docker engine, behind our engine's back."""
        import docker
        import docker.errors

        client = docker.APIClient(self.engine.describe().endpoint, version="auto")
        # By id as well: an image whose reference was given to another one has no name any more.
        for name in (name for image in images for name in (image.reference, image.config_digest, image.digest)):
            with suppress(docker.errors.NotFound):
                client.remove_image(name, force=True)


def with_layer(image: Image, index: int, **changes: Any) -> Image:
    """Change what an image says of one layer, not the layer."""
    layers: list[Layer] = list(image.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(image, layers=tuple(layers))


def _busybox() -> bytes:
    if not _BUSYBOX.exists():
        pytest.fail(f"{_BUSYBOX} is missing: apt-get install busybox-static", pytrace=False)
    return _BUSYBOX.read_bytes()
