"""Notebooks whose code is installed and kept in all the ways people do, and what of it reaches the container."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from notebook_bench import Lab, Notebook, missing, need

_INIT = "from importlib.metadata import version\nfrom importlib.resources import files\nfrom . import sub\n"

#: Projects by their build back end, with the files of each.
_PROJECTS = {
    "by_path": {
        "pyproject.toml": '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "by-path"\nversion = "1.1"\n[tool.setuptools.package-data]\n"*" = ["*.txt"]\n',
        "src/by_path/": "",
    },
    "by_hook": {
        "pyproject.toml": '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "by-hook"\nversion = "1.2"\n[tool.setuptools]\npackages = ["by_hook"]\n',
        "by_hook/": "",
    },
    "by_hatch": {
        "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "by-hatch"\nversion = "1.3"\n',
        "src/by_hatch/": "",
    },
    "by_meson": {
        "pyproject.toml": '[build-system]\nrequires = ["meson-python"]\nbuild-backend = "mesonpy"\n'
        '[project]\nname = "by-meson"\nversion = "1.4"\n',
        "meson.build": "project('by-meson', 'c', version: '1.4')\n"
        "py = import('python').find_installation(pure: false)\n"
        "py.install_sources('by_meson/__init__.py', 'by_meson/sub.py', 'by_meson/data.txt', subdir: 'by_meson')\n"
        "py.extension_module('core', 'by_meson/core.c', subdir: 'by_meson', install: true)\n",
        "by_meson/": "",
        "by_meson/core.c": '#include <Python.h>\nstatic struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "core"};\n'
        "PyMODINIT_FUNC PyInit_core(void) { return PyModule_Create(&module); }\n",
    },
}

#: An extension module in the notebook's directory, and the library beside it that it links to.
_FAST = """
#include <Python.h>
int inner(int);
static PyObject *twice(PyObject *self, PyObject *x) { return PyLong_FromLong(inner(PyLong_AsLong(x))); }
static PyMethodDef methods[] = {{"twice", twice, METH_O, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", 0, -1, methods};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
"""


def _write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        if name.endswith("/"):
            package = Path(name).name
            told = f'def told(): return version("{package}") + files("{package}").joinpath("data.txt").read_text()\n'
            _write(directory / name, {"__init__.py": _INIT + told, "sub.py": "", "data.txt": f" from {package}"})
            continue
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the projects in place, with their real back ends."""
    directory = tmp_path_factory.mktemp("projects")
    for name, files in _PROJECTS.items():
        _write(directory / name, files)
    editable = [argument for name in _PROJECTS for argument in ("-e", str(directory / name))]
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--prefix", str(directory / "prefix")]
    run = subprocess.run([*command, *editable], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (found,) = (directory / "prefix").glob("lib*/python*/site-packages")
    return found


@pytest.fixture(scope="module")
def notebook(request: pytest.FixtureRequest, shared_lab: Lab) -> Notebook:
    """Open a notebook in the sandbox."""
    return shared_lab.open(need(request, "sandbox"))


def _proven(notebook: Notebook, model: str, name: str) -> list[str]:
    """Containerize a model and return what its container predicts of one row."""
    notebook.ok(f"deployment = %containerize {model} --name {name} --sample [1]")
    assert notebook.value("deployment.parity") == "exact"
    found: list[str] = notebook.value("deployment.predict([1])")
    return found


def test_editable_installations_run_in_the_container(notebook: Notebook, site: Path) -> None:
    """Projects installed in place with four back ends bring code, data and metadata, and no path of this machine."""
    notebook.ok(
        f"import site; site.addsitedir({str(site)!r})\n"
        "import by_path, by_hook, by_hatch, by_meson, by_meson.core\n"
        "def tells(rows):\n    return [m.told() for m in (by_path, by_hook, by_hatch, by_meson)]"
    )
    versions = {"by_path": "1.1", "by_hook": "1.2", "by_hatch": "1.3", "by_meson": "1.4"}
    assert _proven(notebook, "tells", "editable") == [f"{v} from {name}" for name, v in versions.items()]
    listed = notebook.ok("%containeriter inspect editable").text + notebook.ok("%containeriter inspect editable").html
    assert "an editable installation" in listed
    assert str(site) not in listed


def test_archives_and_namespaces_run_in_the_container(notebook: Notebook, shared_lab: Lab) -> None:
    """Modules in a zip file on the path, and a namespace package in three places, predict as in the notebook."""
    with zipfile.ZipFile(shared_lab.directory / "zipped.zip", "w") as archive:
        archive.writestr("zipped/__init__.py", "from pkgutil import get_data\nV = get_data('zipped', 'v.txt').decode()")
        archive.writestr("zipped/v.txt", "zip")
        archive.mkdir("spread")
        archive.writestr("spread/third.py", "V = 'third'")
    _write(shared_lab.directory, {"spread/first.py": "V = 'first'", "place/spread/second.py": "V = 'second'"})
    notebook.ok(
        "sys.path += ['zipped.zip', 'place']\nimport zipped\nfrom spread import first\n"
        "def where(rows):\n    import importlib\n"
        "    return [zipped.V, first.V, *(importlib.import_module('spread.' + n).V for n in ('second', 'third'))]"
    )
    assert _proven(notebook, "where", "spread") == ["zip", "first", "second", "third"]


def test_extension_modules_built_in_place_run_in_the_container(notebook: Notebook, shared_lab: Lab) -> None:
    """An extension module beside the notebook brings the library that it links to."""
    if shutil.which("gcc") is None:
        missing("there is no gcc")
    _write(shared_lab.directory, {"fast.c": _FAST, "inner.c": "int inner(int x) { return 2 * x; }\n"})
    gcc = ["gcc", "-shared", "-fPIC", "-o"]
    out, include = f"fast{sysconfig.get_config_var('EXT_SUFFIX')}", f"-I{sysconfig.get_path('include')}"
    for command in (["libinner.so", "inner.c"], [out, "fast.c", include, "-L.", "-linner", "-Wl,-rpath,$ORIGIN"]):
        subprocess.run([*gcc, *command], cwd=shared_lab.directory, check=True)
    notebook.ok("import fast\ndef double(rows): return [fast.twice(row) for row in rows]")
    assert _proven(notebook, "double", "extension") == [2]


def test_a_model_that_predicts_in_processes_of_its_own_runs_in_the_container(
    notebook: Notebook, shared_lab: Lab, new_name: Callable[[str], str]
) -> None:
    """The processes of joblib find the packages of the image, in the proof as in the container, and log no error."""
    name = new_name("processes")
    notebook.ok(
        "import pandas as pd\nfrom sklearn.compose import ColumnTransformer\n"
        "from sklearn.preprocessing import OneHotEncoder, StandardScaler\n"
        "frame = pd.DataFrame({'a': [1.0, 2.0, 4.0], 'town': ['x', 'y', 'x']})\n"
        "parts = [('number', StandardScaler(), ['a']), ('kind', OneHotEncoder(sparse_output=False), ['town'])]\n"
        "columns = ColumnTransformer(parts, n_jobs=2).fit(frame)"
    )
    notebook.ok(f"deployment = %containerize columns --name {name} --predict transform --sample frame")
    assert notebook.value("deployment.parity") == "exact"
    (container,) = shared_lab.containers(name)
    log = shared_lab.logs(container)
    assert "Traceback" not in log
    assert "No module named" not in log
    notebook.ok(f"%undeploy {name}")


def test_an_edited_module_is_told_before_it_runs(notebook: Notebook, shared_lab: Lab) -> None:
    """Where a file was edited after its import the notebook is told so, in words, while the iteration goes on."""
    _write(shared_lab.directory, {"features.py": "def f(x): return x\ndef g(x): return x\n"})
    notebook.ok("import features\ndef edited(rows): return [features.f(row) for row in rows]")
    _write(shared_lab.directory, {"features.py": "def f(x): return x\ndef g(x): return -x\n"})
    cell = notebook.ok("%containerize edited --name edited --sample [1]")
    assert "features was edited after the notebook imported it" in str(cell.outputs)


def test_what_the_closure_misses_stops_before_anything_is_built(
    notebook: Notebook, shared_lab: Lab, new_name: Callable[[str], str]
) -> None:
    """Without a package that it needs a model is refused: nothing was built and nothing runs."""
    name = new_name("missing")
    notebook.ok(
        "import numpy as np\nfrom sklearn.linear_model import LinearRegression\n"
        "line = LinearRegression().fit(np.array([[1.0], [2.0]]), [1.0, 2.0])"
    )
    refusal = notebook.run(
        f"%containerize line --name {name} --sample np.array([[3.0]]) --exclude threadpoolctl"
    ).refusal()
    assert refusal.message.startswith("The model needs the module threadpoolctl, which is not captured: --exclude")
    assert refusal.remedy == "Do not --exclude threadpoolctl."
    (row,) = shared_lab.rows(name)
    assert (row["status"], row["image_digest"]) == ("failed", "")
    assert shared_lab.containers(name) == []


def test_a_gigabyte_beside_the_code_is_refused(notebook: Notebook, shared_lab: Lab) -> None:
    """A data directory inside a local package is named with its size and what to do about it."""
    _write(shared_lab.directory, {"shop/__init__.py": "def f(x): return x\n", "shop/data/note.txt": "1"})
    with (shared_lab.directory / "shop/data/train.bin").open("wb") as file:
        file.truncate(2_000_000_000)
    notebook.ok("import shop\ndef big(rows): return [shop.f(row) for row in rows]")
    refusal = notebook.run("%containerize big --name big --sample [1]").refusal()
    assert "The biggest: shop/data/train.bin (2.0 GB)" in refusal.message
    assert "Move what the model does not read" in refusal.remedy
