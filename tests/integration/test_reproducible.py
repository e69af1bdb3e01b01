"""The same project gives the same image wherever and by whomever it is built; the image does not tell who it was."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.image.build import stored_image
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.types import Image

SOURCE = Path(__file__).parents[2] / "src"
TRAIN = """
import json
import numpy as np
from words import STOP, weigh

KNOWN = {"north", "south", "east", "west"}

class Compass:
    kinds = frozenset({"magnetic", "solar", "gyro"})

    def __init__(self):
        self.seen = {name: {name, name[::-1], "unseen"} for name in sorted(KNOWN)}
        self.weights = np.linspace(0, 1, 5)

    def predict(self, texts):
        known = [sum(word in KNOWN and word not in STOP for word in text.split()) for text in texts]
        return np.asarray(known) * self.weights.sum() + weigh(texts)

if __name__ == "__main__":
    import jupyter_containeriter as citer
    made = citer.containerize(Compass(), name="compass", sample=["go north", "the south"], deploy=False)
    print(json.dumps({"image": made.image, "digest": citer.iterations("compass")["image_digest"].iloc[-1]}))
"""
WORDS = """
from pathlib import Path

STOP = set((Path(__file__).parent / "stop.txt").read_text().split())

def weigh(texts):
    return [len(text) / 10 for text in texts]
"""


@dataclass(frozen=True)
class Place:
    """Somebody's checkout of the project, with an environment, a home and a layer cache of its own."""

    directory: Path
    user: str
    seed: int
    modified: int
    installer: str

    @property
    def cache(self) -> Path:
        """Where its layers are."""
        return self.directory / "cache"

    def furnish(self) -> None:
        """Install numpy as the place's tool does, check the project out, give every file the place's own time."""
        environment = self.directory / "env"
        venv.create(environment, with_pip=True)
        install = ("-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", "numpy")
        subprocess.run([self.python, *install], check=True)
        (site,) = environment.glob("lib/python*/site-packages")
        # All else comes from the environment of the tests.
        (site / "others.pth").write_text(f"{SOURCE}\n{sysconfig.get_path('purelib')}\n")
        (metadata,) = site.glob("numpy-*.dist-info")
        (metadata / "INSTALLER").write_text(self.installer)
        with (metadata / "RECORD").open("a") as record:
            record.write(f"../../../bin/numpy-by-{self.installer},,\n")
        package = self.directory / "project" / "words"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(WORDS)
        (package / "stop.txt").write_text("the a of\n")
        (self.directory / "project" / "train.py").write_text(TRAIN)
        for path in (*self.directory.glob("project/**/*"), *site.glob("numpy*/**/*")):
            os.utime(path, (self.modified, self.modified))

    def build(self) -> Image:
        """Containerize the model without running it, and return its image from the cache."""
        home = self.directory / "home"
        home.mkdir()
        own = {
            "HOME": str(home),
            "USER": self.user,
            "LOGNAME": self.user,
            "PYTHONHASHSEED": str(self.seed),
            "TZ": f"UTC{self.seed}",
            "CONTAINERITER_CACHE_DIR": str(self.cache),
            "CONTAINERITER_DATA_DIR": str(self.directory / "data"),
            "CONTAINERITER_ENGINE": "sandbox",
        }
        finished = subprocess.run(
            [self.python, "train.py"],
            cwd=self.directory / "project",
            env={"PATH": os.environ["PATH"], **own},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        told: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
        image = stored_image(told["digest"], told["image"], LayerCache(self.cache))
        assert image is not None
        return image

    @property
    def python(self) -> str:
        """The interpreter of its environment."""
        return str(self.directory / "env" / "bin" / "python")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, sandbox_working: None) -> list[tuple[Place, Image]]:
    """Build the project in two places that have nothing in common but the interpreter and what is installed."""
    first = Place(tmp_path_factory.mktemp("here"), "wanda.the.data.scientist", 1, 1_500_000_000, "pip")
    deeper = tmp_path_factory.mktemp("there") / "a" / "deeper" / "one"
    second = Place(deeper, "otto.the.other.one", 4242, 1_700_000_000, "another")
    found = []
    for place in (first, second):
        place.directory.mkdir(parents=True, exist_ok=True)
        place.furnish()
        found.append((place, place.build()))
    return found


def test_the_same_project_gives_the_same_digests(places: list[tuple[Place, Image]]) -> None:
    """Other paths, user, times, hash seed and installer: each layer and the image have equal digests."""
    (_, first), (_, second) = places
    assert [f"{la.comment} {la.digest}" for la in first.layers] == [f"{la.comment} {la.digest}" for la in second.layers]
    assert first.digest == second.digest


def test_no_layer_tells_where_or_by_whom_it_was_built(places: list[tuple[Place, Image]]) -> None:
    """No file, name or header in any layer holds a path, the user's name or the host's name of a place."""
    for place, image in places:
        secrets = [place.user, str(place.directory), sys.prefix, sys.base_prefix, str(SOURCE)]
        # These are in every Linux image; a host name as short would be found by chance.
        secrets = [text for text in secrets if text not in {"/usr", "/usr/local"}]
        secrets += [socket.gethostname()] if len(socket.gethostname()) > 8 else []
        assert list(leaks(image, [b"words"])), "the search finds nothing at all"
        assert list(leaks(image, [text.encode() for text in secrets])) == []


def leaks(image: Image, needles: list[bytes]) -> Iterator[str]:
    """Yield where one of the needles is in an image."""
    for content, place in contents(image):
        yield from (f"{needle.decode()} in {place}" for needle in needles if needle in content)


def contents(image: Image) -> Iterator[tuple[bytes, str]]:
    """Yield every piece of an image, with a name for it."""
    yield image.config, "the config"
    yield image.manifest, "the manifest"
    for layer in image.layers:
        with tarfile.open(layer.path) as archive:
            for member in archive:
                header = f"{member.name} {member.linkname} {member.uname} {member.gname} {member.pax_headers}"
                yield header.encode(), f"the header of {member.name}"
                file = archive.extractfile(member) if member.isfile() else None
                yield file.read() if file else b"", member.name
