"""A kernel in a conda prefix: what its packages have beyond Python files comes along."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator

import pytest
from interpreter_bench import Environment, Place, open_place
from notebook_bench import Lab

from jupyter_containeriter.types import CONTAINER_ROOT, Image

PREFIX = f"{CONTAINER_ROOT}/python".lstrip("/")

#: One model that answers all that is asked, so that one image is enough.
MODEL = """
def loaded_zlib():
    import sys, zlib
    from pathlib import Path
    maps = Path("/proc/self/maps").read_text().splitlines()
    (path,) = {Path(line.split()[-1]) for line in maps if "/libz.so" in line}
    return path.relative_to(sys.prefix)

def told(model, questions):
    import ctypes, pygeo
    answers = {
        "scaled": lambda: pygeo.scale(21),
        "copies": lambda: pygeo.copies(),
        "shifted": lambda: pygeo.shift(1.0),
        "configured": lambda: pygeo.configured(1.0),
        "by name": lambda: ctypes.CDLL("libquick.so.1").twice(21),
        "zlib": loaded_zlib,
    }
    return [str(answers[question]()) for question in questions]
"""


@pytest.fixture(scope="module")
def place(
    environments: Callable[[str], Environment],
    labs: Callable[[], Lab],
    sandbox_working: None,
    new_name: Callable[[str], str],
) -> Iterator[Place]:
    """Open a notebook in a conda prefix."""
    place = open_place(environments("conda"), labs(), new_name)
    place.notebook.ok(MODEL)
    yield place
    place.lab.close()


@pytest.fixture(scope="module")
def image(place: Place) -> Image:
    """Containerize a model that uses conda's packages."""
    questions = '["scaled","copies","shifted","configured","by name","zlib"]'
    return place.containerize("fitted", f"--predict told --sample {questions}")


@pytest.fixture(scope="module")
def files(image: Image) -> dict[str, bytes]:
    """Return the files of the image by name; a link is what it leads to."""
    return dict(content(image))


def ask(place: Place, question: str) -> tuple[str, str]:
    """Return the answers of the kernel and of the container."""
    return tuple(place.notebook.value(f"[*told(fitted, [{question!r}]), *deployment.predict([{question!r}])]"))


def content(image: Image) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an image that no distribution holds."""
    for layer in image.layers:
        with tarfile.open(layer.path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() or member.issym() else None
                if file and "site-packages" not in member.name:
                    yield member.name, file.read()


def test_libraries_of_the_prefix_come_along(place: Place, files: dict[str, bytes]) -> None:
    """An extension finds a library of another package, and that one its own, though no distribution has them."""
    assert {f"{PREFIX}/lib/{name}" for name in ("libgeo.so.1", "libgeo_again.so.1", "libunits.so.2")} <= files.keys()
    assert ask(place, "scaled") == ("42.0", "42.0")


def test_library_with_two_names_is_loaded_once(place: Place, image: Image) -> None:
    """Two names that are links to one file stay so: the container has one copy of its state."""
    assert ask(place, "copies") == ("1", "1")


def test_library_loaded_by_name_comes_along(place: Place, image: Image) -> None:
    """A library that no file says it needs, and that the model loads by name, is in the container."""
    assert ask(place, "by name") == ("42", "42")


def test_library_of_the_prefix_wins_over_the_systems(place: Place, image: Image) -> None:
    """Where both have a library, the container loads that of the prefix, as the kernel does."""
    assert ask(place, "zlib") == ("lib/libz.so.1", "lib/libz.so.1")


def test_data_of_a_library_is_found_below_the_prefix(place: Place, image: Image) -> None:
    """Data of a package are where sys.prefix has them."""
    assert ask(place, "shifted") == ("1.5", "1.5")


def test_variables_of_the_activation_name_the_data(place: Place, image: Image) -> None:
    """A variable that names data of the prefix names them in the container."""
    assert ask(place, "configured") == ("1.5", "1.5")


def test_only_data_that_may_be_read_come_along(files: dict[str, bytes]) -> None:
    """Documentation stays behind, and so do the data of packages that nothing in the image links to."""
    assert f"{PREFIX}/share/geo/shift.txt" in files
    assert [name for name in files if "/share/doc/" in name or "/share/unused/" in name] == []


def test_image_knows_nothing_of_the_prefix(place: Place, files: dict[str, bytes]) -> None:
    """A library in which the path of the prefix is compiled does not tell it, nor does any other file."""
    (prefix,) = place.environment.prefixes
    compiled_in = [path for path in (prefix / "lib").glob("libgeo-*") if str(prefix).encode() in path.read_bytes()]
    assert compiled_in
    assert [name for name, held in files.items() if str(prefix).encode() in held] == []


def test_configuration_names_the_prefix_of_the_image(files: dict[str, bytes]) -> None:
    """A path of the prefix in a file of data is that of the image."""
    assert files[f"{PREFIX}/etc/geo.conf"] == f"data = /{PREFIX}/share/geo\n".encode()
