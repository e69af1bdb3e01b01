"""Kernels in environments of several makes: the image predicts the same, from the same libraries, and tells no path."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conda_packages import compile_library
from interpreter_bench import MAKES, PERSON, Environment, Place, open_place
from leaks import leaks
from notebook_bench import Lab

from jupyter_containeriter.image.archive import save_archive
from jupyter_containeriter.types import Image

#: A prediction that tells what it is made with; parity says that the container's answers are the notebook's.
FACTS = """
def facts(model, questions):
    import importlib.metadata, locale, re, sqlite3, ssl, struct, sysconfig, zlib, zoneinfo
    from datetime import datetime
    from pathlib import Path

    model.predict([[1.0, 2.0]])
    found = {
        "package": importlib.metadata.version("scikit-learn"),
        "files": any(file.name == "METADATA" for file in importlib.metadata.files("scikit-learn")),
        "zone": datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).isoformat(),
        "zones": len(zoneinfo.available_timezones()) > 400,
        "locale": locale.setlocale(locale.LC_ALL, "C.UTF-8"),
        "abi": sysconfig.get_config_var("SOABI"),
    }
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split()[-1])
        if ".so" in path.name:
            # The note that linkers write: it survives when debug information is left out.
            content = path.read_bytes()
            note = content.find(struct.pack("<III", 4, 20, 3) + b"GNU")
            found[re.split("[-.]", path.name)[0]] = content[note + 16 : note + 36].hex() if note >= 0 else ""
    return [str(found.get(question, "?")) for question in questions]
"""

LIBRARIES = ["libc", "libm", "libz", "libssl", "libcrypto", "libsqlite3", "libstdc++", "libgcc_s", "libgomp"]
QUESTIONS = ["package", "files", "zone", "zones", "locale", "abi", *LIBRARIES]


@pytest.fixture(scope="module", params=list(MAKES))
def place(
    request: pytest.FixtureRequest,
    environments: Callable[[str], Environment],
    labs: Callable[[], Lab],
    sandbox_working: None,
    new_name: Callable[[str], str],
) -> Iterator[Place]:
    """Open a notebook in an environment and fit a model."""
    place = open_place(environments(request.param), labs(), new_name, USER=PERSON, LOGNAME=PERSON)
    place.notebook.ok(FACTS)
    yield place
    place.lab.close()


@pytest.fixture(scope="module")
def image(place: Place) -> Image:
    """Containerize the model."""
    return place.containerize("fitted", "--sample X[:5]")


def test_container_predicts_the_same(place: Place, image: Image) -> None:
    """A model of scikit-learn predicts in the container what it predicts in the kernel, on data it has not seen."""
    assert place.notebook.value("(deployment.predict(X[5:]) == fitted.predict(X[5:])).all().item()")


def test_kernel_is_captured_and_not_the_server(place: Place, image: Image) -> None:
    """The image is made of the kernel's interpreter, not of the one that Jupyter itself runs in."""
    version = place.notebook.value("sys.version.split()[0]")
    assert [layer.comment for layer in image.layers if layer.role == "base"] == [f"CPython {version}"]
    assert place.notebook.value("sys.executable") == str(place.environment.python)


def test_container_knows_what_the_kernel_knows(place: Place, image: Image) -> None:
    """Versions, time zones, locale and the very builds of the shared libraries are those of the kernel."""
    place.notebook.ok(f"questions = {QUESTIONS}\nanswers = facts(fitted, questions)")
    answers = dict(zip(QUESTIONS, place.notebook.value("answers"), strict=True))
    assert answers["zone"] == "2026-07-01T00:00:00+02:00"
    assert [name for name in LIBRARIES if len(answers[name]) != 40] == []
    place.containerize("fitted", "--predict facts --sample questions")


def test_image_knows_nothing_of_the_environment(place: Place, image: Image, tmp_path: Path) -> None:
    """No file or name in the image holds a path of the environment, the user name or the host name."""
    archive = tmp_path / "image.tar"
    save_archive(image, archive)
    paths = [*place.environment.prefixes, *(path.resolve() for path in place.environment.prefixes), place.lab.directory]
    needles = [PERSON, *(str(path) for path in paths)]
    needles += [path for path in place.notebook.value("[sys.prefix, sys.base_prefix]") if path != "/usr"]
    if len(socket.gethostname()) > 8:
        needles.append(socket.gethostname())
    assert list(leaks(archive, [needle.encode() for needle in needles])) == []


# --- once ----------------------------------------------------------------------------------------------------------


@pytest.mark.engine
def test_docker_runs_another_version_of_python(
    environments: Callable[[str], Environment], lab: Lab, docker_running: None, new_name: Callable[[str], str]
) -> None:
    """An image with another Python than the one the tests run in predicts the same on Docker."""
    place = open_place(environments("3.13"), lab, new_name)
    place.containerize("fitted", "--sample X[:5] --engine docker")
    assert place.notebook.value("(deployment.predict(X[5:]) == fitted.predict(X[5:])).all().item()")


def test_variables_that_move_the_search(
    lab: Lab, sandbox_working: None, new_name: Callable[[str], str], tmp_path: Path
) -> None:
    """A kernel with PYTHONHOME and LD_LIBRARY_PATH works, and a library found by the latter comes along."""
    compile_library(tmp_path / "libhouse.so", "int thrice(int x) { return 3 * x; }\n")
    notebook = lab.open(PYTHONHOME=sys.base_prefix, LD_LIBRARY_PATH=str(tmp_path))
    notebook.ok("import ctypes\ndef thrice(rows):\n    return [ctypes.CDLL('libhouse.so').thrice(x) for x in rows]")
    name = new_name("variables")
    notebook.ok(f"%containerize thrice --name {name} --sample [14]")
    assert lab.rows(name)[-1]["parity"] == "exact"
    assert notebook.value("thrice([14])") == [42]
