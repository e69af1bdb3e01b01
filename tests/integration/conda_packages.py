"""Packages as conda installs them: a library under two names, one it needs, data, and an extension linked to them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path

from notebook_bench import missing

#: A library of one package needs one of another; both hold where they are installed.
_UNITS = "double units_factor(void) { return 2.0; }\n"
_GEO = """
double units_factor(void);
static int calls;
static const char home[255] = PREFIX "/share/geo";
double geo_scale(double x) { return x * units_factor(); }
int geo_count(void) { return ++calls; }
int geo_count_again(void) { return ++calls; }
const char *geo_home(void) { return home; }
"""

#: What the extension is linked to: two names, which are links to one file where it runs (as libblas and liblapack are).
_FIRST = "double geo_scale(double x) { return 0; } int geo_count(void) { return 0; }\n"
_SECOND = "int geo_count_again(void) { return 0; }\n"

_EXTENSION = """
#include <Python.h>
double geo_scale(double); int geo_count(void); int geo_count_again(void);
static PyObject *scale(PyObject *self, PyObject *x) { return PyFloat_FromDouble(geo_scale(PyFloat_AsDouble(x))); }
static PyObject *copies(PyObject *self, PyObject *no) {
    int first = geo_count(), second = geo_count_again();
    return PyLong_FromLong(second == first + 1 ? 1 : 2);
}
static PyMethodDef methods[] = {
    {"scale", scale, METH_O, ""}, {"copies", copies, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_geo", "", -1, methods};
PyMODINIT_FUNC PyInit__geo(void) { return PyModule_Create(&module); }
"""

_PYTHON = """
import os, sys
from pathlib import Path
from pygeo._geo import copies, scale

def shift(x):
    return x + float(Path(sys.prefix, "share", "geo", "shift.txt").read_text())

def configured(x):
    return x + float(Path(os.environ["GEO_DATA"], "shift.txt").read_text())
"""


def install_conda_packages(prefix: Path, python: str) -> None:
    """Install them: ``units`` and ``geo`` (libraries and data), ``pygeo`` (Python), and a ``zlib`` of the prefix."""
    library, site = prefix / "lib", prefix / "lib" / python / "site-packages"
    build = prefix / "build"
    build.mkdir()
    compile_library(library / "libunits.so.2", _UNITS, "-Wl,-soname,libunits.so.2")
    real = library / "libgeo-1.2.so"
    prefixed = f'-DPREFIX="{prefix}"'
    compile_library(real, _GEO, prefixed, "-g", str(library / "libunits.so.2"), *_run_path("$ORIGIN"))
    for name, source in {"libgeo.so.1": _FIRST, "libgeo_again.so.1": _SECOND}.items():
        compile_library(build / name, source, f"-Wl,-soname,{name}")
        (library / name).symlink_to(real.name)
    (site / "pygeo").mkdir()
    (site / "pygeo" / "__init__.py").write_text(_PYTHON)
    include = f"-I{sysconfig.get_path('include')}"
    linked = [str(build / "libgeo.so.1"), str(build / "libgeo_again.so.1"), "-Wl,--allow-shlib-undefined"]
    compile_library(site / "pygeo" / "_geo.so", _EXTENSION, include, *linked, *_run_path("$ORIGIN/../../.."))
    _data(prefix)
    _metadata(site)
    compile_library(library / "libquick.so.1.4", "int twice(int x) { return 2 * x; }\n")
    (library / "libquick.so.1").symlink_to("libquick.so.1.4")
    shutil.rmtree(build)
    shutil.copy(_system_zlib(), library / "libz.so.1")
    _record(prefix, "units", ["lib/libunits.so.2"])
    data = ["share/geo/shift.txt", "share/doc/geo/manual.txt", "etc/geo.conf"]
    _record(prefix, "geo", ["lib/libgeo-1.2.so", "lib/libgeo.so.1", "lib/libgeo_again.so.1", *data])
    _record(prefix, "quick", ["lib/libquick.so.1", "lib/libquick.so.1.4"])
    _record(prefix, "unused", ["share/unused/data.txt"])
    _record(prefix, "zlib", ["lib/libz.so.1"])
    own = [
        path.relative_to(prefix).as_posix()
        for part in ("pygeo", "pygeo-1.0.dist-info")
        for path in (site / part).iterdir()
    ]
    _record(prefix, "pygeo", own)


def _data(prefix: Path) -> None:
    files = {
        "share/geo/shift.txt": "0.5\n",
        "share/doc/geo/manual.txt": "Read me.\n",
        "share/unused/data.txt": "No package in the image needs me.\n",
        "etc/geo.conf": f"data = {prefix}/share/geo\n",
    }
    for name, text in files.items():
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text(text)


def _metadata(site: Path) -> None:
    information = site / "pygeo-1.0.dist-info"
    information.mkdir()
    files = {
        "METADATA": "Metadata-Version: 2.1\nName: pygeo\nVersion: 1.0\n",
        "INSTALLER": "conda\n",
        "direct_url.json": json.dumps({"url": f"file://{site}/src", "dir_info": {}}),
    }
    for name, text in files.items():
        (information / name).write_text(text)
    names = ["pygeo/__init__.py", "pygeo/_geo.so", *(f"{information.name}/{name}" for name in [*files, "RECORD"])]
    (information / "RECORD").write_text("".join(f"{name},,\n" for name in names))


def _record(prefix: Path, name: str, files: list[str]) -> None:
    directory = prefix / "conda-meta"
    directory.mkdir(exist_ok=True)
    record = {"name": name, "version": "1.0", "build": "0", "files": files}
    (directory / f"{name}-1.0-0.json").write_text(json.dumps(record))


def compile_library(target: Path, source: str, *options: str) -> None:
    """Compile a shared library of C."""
    if shutil.which("gcc") is None:
        missing("gcc is not installed (apt-get install gcc)")
    command = ["gcc", "-shared", "-fPIC", "-o", str(target), "-x", "c", "-", "-x", "none", *options]
    subprocess.run(command, input=source, text=True, check=True)


def _run_path(path: str) -> tuple[str, str]:
    return f"-Wl,-rpath,{path}", "-Wl,--disable-new-dtags"


def _system_zlib() -> Path:
    found = [Path(line.split()[-1]) for line in Path("/proc/self/maps").read_text().splitlines() if "/libz.so" in line]
    return found[0]
