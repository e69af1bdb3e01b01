"""The search for what a model needs, with its proofs: real ones through a capture, told ones for their outcomes."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from site_bench import develop, install, write

from jupyter_containeriter.capture.closure import Closure, Trial, close_over
from jupyter_containeriter.capture.search import ClosureSearch
from jupyter_containeriter.errors import CaptureError, ParityError
from jupyter_containeriter.types import Distribution, Snapshot

Cell = Callable[[str], dict[str, Any]]
Local = Callable[[dict[str, str]], Path]
OnPath = Callable[[Path], Path]
Search = Callable[..., ClosureSearch]
Take = Callable[..., Snapshot]

_FAILURE = ParityError("something else")


class Proofs:
    """Proofs with told outcomes: each gets the names of the distributions and files it may see."""

    def __init__(self, outcome: Callable[[set[str]], Trial]) -> None:
        self.seen: list[set[str]] = []
        self._outcome = outcome

    def __call__(self, environment: tuple[Distribution, ...], code: Iterable[str]) -> Trial:
        """Run one."""
        self.seen.append({*(d.name for d in environment if "inference server" not in d.reason), *code})
        return self._outcome(self.seen[-1])


@pytest.fixture
def site(tmp_path: Path, on_path: OnPath) -> Path:
    """Install a distribution that requires libraries for GPUs, others that it may use, and load the latter."""
    site = tmp_path / "site"
    library = {"gpulib/__init__.py": '"""Nothing."""\n# nothing', "gpulib/lib/libgpu.so.1": "\0libcuda.so.1\0"}
    install(site, "alpha", {"alpha.py": "", "alpha_tests.py": ""}, requires=["alpha-gpu", "alpha-cpu"])
    install(site, "alpha-gpu", library)
    install(site, "alpha-cpu", {"cpulib/lib/libcpu.so.1": "\0libm.so.6\0", "cpulib/__init__.py": ""})
    install(site, "optional", {"optional.py": ""})
    install(site, "compiling", {"compiling/__init__.py": "", "compiling/kernels.cu": ""})
    on_path(site)
    importlib.import_module("optional")
    return site


@pytest.fixture
def close(tmp_path: Path, search: Search) -> Callable[..., Closure]:
    """Close over a module with told proofs."""

    def close(proofs: Proofs, *modules: str, **options: Any) -> Closure:
        return close_over(search(*(modules or ("alpha",)), **options), "key", proofs, tmp_path / "memory")

    return close


def _names(closure: Closure) -> set[str]:
    return {d.name for d in closure.environment if "inference server" not in d.reason}


@pytest.mark.usefixtures("site")
def test_a_distribution_that_misses_its_own_file_is_taken_whole(close: Callable[..., Closure]) -> None:
    """Source code is left out, until a package does not find a piece of it that it compiles when it is used."""
    seen: list[set[str]] = []

    def proof(environment: tuple[Distribution, ...], code: Iterable[str]) -> Trial:
        seen.append(_files(environment))
        if "compiling/kernels.cu" in seen[-1]:
            return Trial()
        return Trial(failure=_FAILURE, file="/proof/root/site-packages/compiling/kernels.cu")

    assert "compiling/kernels.cu" in _files(close(proof, "compiling").environment)
    assert len(seen) == 2


@pytest.mark.usefixtures("site")
def test_a_file_that_no_distribution_has_is_not_searched_without_end(close: Callable[..., Closure]) -> None:
    """A proof that lacks a file which is in no distribution fails with its own error."""
    with pytest.raises(ParityError):
        close(lambda *_: Trial(failure=_FAILURE, file="/proof/root/site-packages/compiling/other.cu"), "compiling")


def _files(environment: Iterable[Distribution]) -> set[str]:
    return {name for distribution in environment for name, _ in distribution.files}


# --- what the proof misses -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("site")
def test_what_the_proof_misses_is_added_with_its_reason(close: Callable[..., Closure]) -> None:
    """A module that a proof could not import is looked up and added, and the reason says that."""
    proofs = Proofs(lambda seen: Trial(missing="" if "optional" in seen else "optional"))
    closure = close(proofs)
    assert {d.name: d.reason for d in closure.environment}["optional"] == "the proof imported optional"
    assert len(proofs.seen) == 2


@pytest.mark.usefixtures("site")
def test_metadata_that_the_proof_misses_is_added(tmp_path: Path, close: Callable[..., Closure]) -> None:
    """``importlib.metadata`` misses a distribution by its own name, which no module has."""
    install(tmp_path / "site", "other-name", {"inner.py": ""})
    proofs = Proofs(lambda seen: Trial(missing="" if "other-name" in seen else "other-name"))
    closure = close(proofs)
    assert {d.name: d.reason for d in closure.environment}["other-name"] == "the proof asked for its metadata"


@pytest.mark.usefixtures("site")
def test_optional_modules_count_where_the_proof_fails(close: Callable[..., Closure]) -> None:
    """A proof that fails otherwise is tried again with the optional modules it looked for and that the kernel has."""
    sought = ("absent_module", "optional")
    proofs = Proofs(lambda seen: Trial(failure=None if "optional" in seen else _FAILURE, sought=sought))
    assert "optional" in _names(close(proofs, gpus=True))
    assert len(proofs.seen) == 2


@pytest.mark.usefixtures("site")
def test_optional_modules_do_not_count_where_it_succeeds(close: Callable[..., Closure]) -> None:
    """A model that does without an optional module gets none."""
    assert "optional" not in _names(close(Proofs(lambda _seen: Trial(sought=("optional",)))))


@pytest.mark.usefixtures("site")
def test_a_failure_that_nothing_changes_is_raised(close: Callable[..., Closure]) -> None:
    """When there is nothing to add, the failure is the proof's own."""
    proofs = Proofs(lambda _seen: Trial(failure=_FAILURE, sought=("optional", "optional", "absent_module")))
    with pytest.raises(ParityError, match="something else"):
        close(proofs)
    assert len(proofs.seen) == 2


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("module", "exclude", "message", "remedy"),
    [
        ("optional", ("Optional",), "module optional, which is not captured: --exclude optional leaves", "Do not"),
        (
            "nowhere",
            ("optional",),
            "module nowhere, which is not captured: no installed package",
            "beside the notebook",
        ),
    ],
)
def test_what_stays_missing_is_refused(
    close: Callable[..., Closure], module: str, exclude: tuple[str, ...], message: str, remedy: str
) -> None:
    """What was excluded is named as such; what is nowhere is told apart from it."""
    with pytest.raises(CaptureError) as caught:
        close(Proofs(lambda _seen: Trial(missing=module)), exclude=exclude)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_a_closure_that_misses_a_distribution_is_refused(
    cell: Cell, take: Take, tmp_path: Path, on_path: OnPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distribution that the closure loses, however often it is asked for, ends in a refusal and in no snapshot."""
    install(tmp_path / "site", "alpha", {"alpha.py": "import beta\nclass Model:\n    def predict(self, x): return x"})
    install(tmp_path / "site", "beta", {"beta.py": ""})
    on_path(tmp_path / "site")
    real = ClosureSearch.environment
    monkeypatch.setattr(
        ClosureSearch, "environment", lambda self, imported=(): [d for d in real(self, imported) if d.name != "beta"]
    )
    with pytest.raises(CaptureError, match="The model needs the module beta, which is not captured"):
        take(cell("import alpha\nmodel = alpha.Model()"), sample=[1])


# --- what only serves GPUs -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("site")
def test_what_only_serves_gpus_is_left_out(close: Callable[..., Closure]) -> None:
    """Where the model predicts without it, a GPU's library that is merely required stays out, and that is told."""
    proofs = Proofs(lambda _seen: Trial())
    closure = close(proofs, gpus=False)
    assert (_names(closure), proofs.seen) == ({"alpha", "alpha-cpu"}, [{"alpha", "alpha-cpu"}])
    (left,) = closure.left_out
    assert (left.name, left.reason.split(";")[0]) == ("alpha-gpu", "alpha requires it")
    assert left.size_bytes > 0
    assert "--gpus" in left.reason


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("again", [False, True])
def test_what_a_model_cannot_do_without_comes_back(close: Callable[..., Closure], again: bool) -> None:
    """Where the proof fails without the GPU's library it is tried with it, and that is remembered."""
    needing = Proofs(lambda seen: Trial(failure=None if "alpha-gpu" in seen else _FAILURE))
    closure = close(needing, gpus=False)
    if again:
        closure = close(needing, gpus=False)
    assert ("alpha-gpu" in _names(closure), closure.left_out, len(needing.seen)) == (True, (), 2)


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("modules", "options"),
    [
        (["alpha"], {"gpus": True}),
        (["alpha"], {"gpus": False, "include": ("alpha-gpu",)}),
        (["alpha", "gpulib"], {"gpus": False}),
    ],
    ids=["asked", "included", "referred"],
)
def test_what_is_asked_for_stays(close: Callable[..., Closure], modules: list[str], options: dict[str, Any]) -> None:
    """With ``--gpus``, ``--include`` or a reference of the model itself nothing is left out."""
    closure = close(Proofs(lambda _seen: Trial()), *modules, **options)
    assert ("alpha-gpu" in _names(closure), closure.left_out) == (True, ())


@pytest.mark.parametrize(
    ("files", "left_out"),
    [
        ({"g/lib/libg.so": "libhsa-runtime64.so.1"}, True),
        ({"g/lib/libg.so": "libze_loader.so.1", "g/lib/libh.so.2": "", "g/include/g.h": "", "g/__init__.py": ""}, True),
        ({"g/lib/libg.so": "libcuda.so.1", "g/__init__.py": "import ctypes"}, False),
        ({"g/lib/libg.so": "libcuda.so.1", "g/__init__.py": "def ("}, False),
        ({"g/lib/libg.so": "libcuda.so.1", "g/_core.cpython-311-x86_64-linux-gnu.so": "", "g/x.abi3.so": ""}, False),
        ({"g/lib/libg.so": "libopenblas.so"}, False),
        ({"g/lib/libg.so": ""}, False),
        ({"g/data.bin": "libcuda.so.1"}, False),
    ],
)
def test_gpu_libraries_are_told_by_their_files(
    tmp_path: Path, on_path: OnPath, search: Search, files: dict[str, str], left_out: bool
) -> None:
    """Shared libraries that speak to a GPU's driver, and no Python code: anything else may serve otherwise."""
    install(tmp_path / "site", "alpha", {"alpha.py": ""}, requires=["g"])
    install(tmp_path / "site", "g", files)
    on_path(tmp_path / "site")
    assert [d.name for d in search("alpha", gpus=False).left_out()] == (["g"] if left_out else [])


def test_a_snapshot_tells_what_was_left_out(cell: Cell, take: Take, site: Path) -> None:
    """``snapshot.json`` names what was left out and why; without a sample nothing is, as nothing was predicted."""
    write(site, {"alpha.py": "class Model:\n    def predict(self, x): return x"})
    namespace = cell("import alpha\nmodel = alpha.Model()")
    (told,) = json.loads(take(namespace, sample=[1]).files["snapshot.json"])["left_out"].items()
    assert told[0] == "alpha-gpu 1.0"
    assert "only serves GPUs" in told[1]
    assert json.loads(take(namespace).files["snapshot.json"])["left_out"] == {}


# --- in the clean process ------------------------------------------------------------------------------------------


def test_code_of_all_kinds_works_in_the_clean_process(
    cell: Cell, take: Take, tmp_path: Path, on_path: OnPath, local: Local
) -> None:
    """An editable installation, a namespace over several places and a late import predict as in the notebook."""
    site = tmp_path / "site"
    project = write(
        tmp_path / "project",
        {
            "src/mine/__init__.py": "",
            "src/mine/m.py": "from importlib.metadata import version\nfrom importlib.resources import files\n"
            "import space.installed\n"
            "def f(x): return version('mine-dist') + files('mine').joinpath('data/t.txt').read_text() + x",
            "src/mine/data/t.txt": "-t-",
        },
    )
    develop(site, project, "mine-dist", {"__editable__.mine.pth": f"{project / 'src'}\n"}, requires=["required"])
    install(site, "required", {"required.py": ""})
    install(site, "space-dist", {"space/installed.py": ""})
    on_path(site)
    local(
        {
            "space/here/late.py": "from .. import installed\nfrom .base import V",
            "space/here/base.py": "V = 1",
        }
    )
    source = (
        "from mine.m import f\ndef model(rows):\n    import importlib\n"
        "    late = importlib.import_module('space.here.late')\n    return [f(row) * late.V for row in rows]"
    )
    snapshot = take(cell(source), sample=["x"])
    assert snapshot.expected == ["1.0-t-x"]
    reasons = {d.name: d.reason for d in snapshot.environment}
    assert reasons["mine-dist"].endswith("(an editable installation)")
    assert reasons["required"] == "mine-dist requires it"
    assert reasons["space-dist"] == "local module mine/m.py imports it"


def test_an_optional_back_end_is_found_without_an_import_error(cell: Cell, take: Take, local: Local) -> None:
    """A module whose absence is only noted, and that fails later in words of its own, is found all the same."""
    local(
        {
            "backend.py": "def run(x): return 2 * x",
            "front.py": "NAME = 'back' + 'end'\n"
            "try:\n    engine = __import__(NAME)\nexcept ImportError:\n    engine = None\n"
            "def f(x):\n    if engine is None: raise RuntimeError('install a back end')\n    return engine.run(x)",
        }
    )
    snapshot = take(cell("from front import f\ndef model(rows): return [f(row) for row in rows]"), sample=[2])
    assert {name for name, _ in snapshot.code} == {"front.py", "backend.py"}
