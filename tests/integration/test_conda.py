"""A kernel in a conda prefix: what its packages have beyond Python files comes along."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator

import pytest
from interpreter_bench import Environment, Place, open_place
from notebook_bench import Lab

from jupyter_containeriter.types import CONTAINER_ROOT, Image

PREFIX = f"{CONTAINER_ROOT}/python".lstrip("/")

MODELS = """
import pygeo

def scale(model, rows):
    import pygeo
    return [pygeo.scale(x) for x in rows]

def copies(model, rows):
    import pygeo
    return [pygeo.copies() for x in rows]

def shift(model, rows):
    import pygeo
    return [pygeo.shift(x) for x in rows]

def configured(model, rows):
    import pygeo
    return [pygeo.configured(x) for x in rows]

def by_name(model, rows):
    import ctypes
    quick = ctypes.CDLL("libquick.so.1")
    return [quick.twice(x) for x in rows]

def zlib_of_the_prefix(model, rows):
    import sys, zlib
    from pathlib import Path
    maps = Path("/proc/self/maps").read_text().splitlines()
    return [str(Path(line.split()[-1]).relative_to(sys.prefix)) for line in maps if "/libz.so" in line][:1]
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
    place.notebook.ok(MODELS)
    yield place
    place.lab.close()


@pytest.fixture(scope="module")
def files(place: Place) -> dict[str, bytes]:
    """Return the files of an image that needs the library ``geo``, by name; a link is what it leads to."""
    image = place.containerize("fitted", "--predict scale --sample [1.0,2.0]")
    return dict(content(image))


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


def test_library_with_two_names_is_loaded_once(place: Place) -> None:
    """Two names that are links to one file stay so: the container has one copy of its state."""
    assert place.notebook.value("pygeo.copies()") == 1
    place.containerize("fitted", "--predict copies --sample [1.0]")


def test_library_loaded_by_name_comes_along(place: Place) -> None:
    """A library that no file says it needs, and that the model loads by name, is in the container."""
    assert place.notebook.value("by_name(fitted, [21])") == [42]
    place.containerize("fitted", "--predict by_name --sample [21]")


def test_library_of_the_prefix_wins_over_the_systems(place: Place) -> None:
    """Where both have a library, the container loads that of the prefix, as the kernel does."""
    assert place.notebook.value("zlib_of_the_prefix(fitted, [])") == ["lib/libz.so.1"]
    place.containerize("fitted", "--predict zlib_of_the_prefix --sample [1.0]")


def test_data_of_a_library_is_found_below_the_prefix(place: Place) -> None:
    """Data of a package are where sys.prefix has them."""
    assert place.notebook.value("pygeo.shift(1.0)") == 1.5
    place.containerize("fitted", "--predict shift --sample [1.0]")


def test_variables_of_the_activation_name_the_data(place: Place) -> None:
    """A variable that names data of the prefix names them in the container."""
    place.containerize("fitted", "--predict configured --sample [1.0]")


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
