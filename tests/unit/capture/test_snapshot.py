"""From a namespace to a proven Snapshot."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jupyter_containeriter.capture import snapshot as module
from jupyter_containeriter.capture.snapshot import CaptureRequest, capture, read_sample
from jupyter_containeriter.errors import CaptureError, ContainerIterError, ParityError, UsageError
from jupyter_containeriter.types import Snapshot

Cell = Callable[[str], dict[str, Any]]
Local = Callable[[dict[str, str]], Path]
Take = Callable[..., Snapshot]

_MODEL = """
class Model:
    def __init__(self, k): self.k = k
    def predict(self, rows): return [self.k * row for row in rows]
    def score(self, rows): return [-row for row in rows]
    def __call__(self, rows): return ["called" for row in rows]
def twice(model, rows): return [2 * value for value in model.predict(rows)]
model = Model(3)
"""


def _document(snapshot: Snapshot) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(snapshot.files["snapshot.json"])
    return document


def _names(snapshot: Snapshot) -> set[str]:
    return {distribution.name for distribution in snapshot.environment}


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Count the proofs that run, by the distributions they may see."""
    seen: list[set[str]] = []
    real = module.prove

    def counting(files: Any, code: Any, environment: Any, workspace: Path) -> Any:
        seen.append({distribution.name for distribution in environment})
        return real(files, code, environment, workspace)

    monkeypatch.setattr(module, "prove", counting)
    return seen


# --- what is captured ----------------------------------------------------------------------------------------------


def test_a_capture_is_complete(cell: Cell, take: Take) -> None:
    """A snapshot has the model, what it predicted, how it is called, and only what it needs."""
    snapshot = take(cell(_MODEL), sample=[1, 2])
    document = _document(snapshot)
    assert snapshot.expected == [3, 6]
    assert snapshot.deterministic
    assert document["predict"] == {"kind": "method", "method": "predict"}
    assert document["format"] == 2
    assert {one["name"] for one in document["distributions"]} == _names(snapshot)
    assert all(one["version"] and one["size_bytes"] and one["reason"] for one in document["distributions"])
    assert "containeriter-serving" in _names(snapshot)
    assert not {"numpy", "pandas", "scikit-learn"} & _names(snapshot)
    assert read_sample(document) == ([1, 2], [3, 6])


def test_a_capture_is_reproducible(cell: Cell, take: Take) -> None:
    """The same cell run twice gives the same bytes and digests."""
    one, two = take(cell(_MODEL), sample=[1]), take(cell(_MODEL), sample=[1])
    assert one.files == two.files
    assert (one.model_digest, one.code_digest, one.data_digest) == (two.model_digest, two.code_digest, two.data_digest)


def test_digests_tell_what_changed(cell: Cell, take: Take) -> None:
    """Another model changes the model digest, other data the data digest, and neither the other."""
    one = take(cell(_MODEL), sample=[1])
    model = take(cell(_MODEL.replace("Model(3)", "Model(4)")), sample=[1])
    data = take(cell(_MODEL), sample=[2])
    assert one.model_digest != model.model_digest
    assert one.data_digest == model.data_digest
    assert one.model_digest == data.model_digest
    assert one.data_digest != data.data_digest


def test_without_a_sample_nothing_is_predicted(cell: Cell, take: Take) -> None:
    """Without a sample the model only has to load."""
    snapshot = take(cell("class M:\n    def predict(self, rows): raise ValueError\nmodel = M()"))
    assert (snapshot.sample, snapshot.expected, snapshot.schema, snapshot.data_digest) == (None, None, None, "")
    assert _document(snapshot)["sample"] is None


def test_local_code_is_captured(cell: Cell, local: Local, take: Take) -> None:
    """Modules beside the notebook travel along, also those that a notebook function imports when it is called."""
    local({"features.py": "import helper\nf = helper.g\n", "helper.py": "def g(x): return x + 1\n", "unused.py": ""})
    snapshot = take(
        cell("def model(rows):\n    from features import f\n    return [f(row) for row in rows]"), sample=[1]
    )
    assert {name for name, _ in snapshot.code} == {"features.py", "helper.py"}
    assert snapshot.code_digest.startswith("sha256:")


def test_a_namespace_package_is_captured(cell: Cell, local: Local, take: Take) -> None:
    """Local packages without ``__init__.py`` and relative imports work in the clean process."""
    local({"space/inner/a.py": "from .b import g as f\n", "space/inner/b.py": "def g(x): return x + 1\n"})
    snapshot = take(cell("from space.inner.a import f\ndef model(rows): return [f(r) for r in rows]"), sample=[1])
    assert {name for name, _ in snapshot.code} == {"space/inner/a.py", "space/inner/b.py"}


# --- the call ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predict", "expected", "kind"),
    [
        (None, [3], "method"),
        ("score", [-1], "method"),
        ("twice", [6], "function"),
        ("__call__", ["called"], "method"),
    ],
)
def test_the_call_can_be_named(cell: Cell, take: Take, predict: str | None, expected: list[Any], kind: str) -> None:
    """A model predicts by its method, by one that is named, or through a function of the notebook."""
    snapshot = take(cell(_MODEL), sample=[1], predict=predict)
    assert snapshot.expected == expected
    assert _document(snapshot)["predict"]["kind"] == kind


@pytest.mark.parametrize(
    "source", ["def f(data): return data", "def f(model, data, k): return data", "f = lambda: 1"], ids=repr
)
def test_a_function_of_other_parameters_is_refused(cell: Cell, take: Take, source: str) -> None:
    """What does not take model and data is refused by its signature, before anything is predicted."""
    namespace = cell(_MODEL + source)
    with pytest.raises(UsageError, match=r"\) cannot be called with the model and the data") as caught:
        take(namespace, sample=[1], predict=namespace["f"])
    assert "(model, data)" in caught.value.remedy


def test_a_method_of_the_model_can_be_given(cell: Cell, take: Take) -> None:
    """A bound method of the model is called as if it had been named."""
    namespace = cell(_MODEL)
    snapshot = take(namespace, sample=[1], predict=namespace["model"].score)
    assert _document(snapshot)["predict"] == {"kind": "method", "method": "score"}


_DROPOUT = """
import random
class Module:
    training = True
    def predict(self, rows): return [random.random() if self.training else 1.0 for _ in rows]
class Model:
    def __init__(self): self.net = Module()
    def predict(self, rows): return self.net.predict(rows)
"""


@pytest.mark.parametrize(("made", "path"), [("Module()", "model"), ("Model()", "model.net")])
def test_a_module_that_still_trains_is_told(cell: Cell, take: Take, made: str, path: str) -> None:
    """Where two predictions differ, a module in training mode is named with what to do."""
    notes = take(cell(f"{_DROPOUT}\nmodel = {made}"), sample=[1]).notes
    assert [note for note in notes if f"call {path}.eval() first" in note]


def test_a_module_that_predicts_the_same_may_train(cell: Cell, take: Take) -> None:
    """Training mode alone is no cause for a note."""
    source = "class Model:\n    training = True\n    def predict(self, rows): return rows\nmodel = Model()"
    assert not take(cell(source), sample=[1]).notes


def test_the_call_can_be_a_function(cell: Cell, take: Take) -> None:
    """A function given as such is captured beside the model."""
    namespace = cell(_MODEL)
    snapshot = take(namespace, sample=[1], predict=namespace["twice"])
    assert snapshot.expected == [6]
    assert "model/predict.pkl" in snapshot.files


def test_a_function_is_a_model(cell: Cell, take: Take) -> None:
    """What can be called predicts by being called."""
    snapshot = take(cell("def model(rows): return [row + 1 for row in rows]"), sample=[1])
    assert snapshot.expected == [2]
    assert _document(snapshot)["predict"] == {"kind": "callable"}


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("Model", {}, "is a class"),
        ("Model", {"predict": "twice"}, "is a class"),
        ("number", {}, "cannot be called"),
        ("model", {"predict": "nothing"}, "no such method"),
        ("model", {"predict": "number"}, "no such method"),
        ("model", {"sample": []}, "no rows"),
        ("model", {"sample": pd.DataFrame({"a": []})}, "no rows"),
        ("model", {"sample": np.zeros((0, 3))}, "no rows"),
        ("model", {"sample": sparse.csr_matrix((0, 3))}, "no rows"),
        ("model", {"sample": ["x" * 20_000_000]}, "takes"),
        ("model", {"include": ("no-such-package",)}, "--include no-such-package"),
        ("model", {"exclude": ("no-such-package",)}, "--exclude no-such-package"),
    ],
)
def test_wrong_calls_are_refused(cell: Cell, take: Take, model: str, options: dict[str, Any], words: str) -> None:
    """A class, nothing to call, no rows, too many, or an unknown package: the call is wrong and says how."""
    with pytest.raises(UsageError, match=words):
        take({**cell(_MODEL), "number": 3}, model, **options)


# --- the sample ----------------------------------------------------------------------------------------------------


def test_a_model_that_raises_is_told(cell: Cell, take: Take) -> None:
    """The model's own exception on the sample is in the message."""
    with pytest.raises(CaptureError, match="raised ValueError: not fitted"):
        take(cell("def model(rows): raise ValueError('not fitted')"), sample=[1])


@pytest.mark.parametrize(
    "sample",
    [object(), {1, 2}, (n for n in range(3)), np.ma.masked_array([1], [True]), np.array([object()])],
    ids=["object", "set", "generator", "masked", "objects"],
)
def test_samples_that_cannot_travel_are_refused(cell: Cell, take: Take, sample: Any) -> None:
    """A sample that HTTP cannot carry is refused with what to give instead."""
    with pytest.raises(CaptureError, match="cannot cross HTTP") as caught:
        take(cell("def model(rows): return [1]"), sample=sample)
    assert "DataFrame" in caught.value.remedy


def test_a_sample_that_cannot_be_copied_is_refused(cell: Cell, take: Take) -> None:
    """A tensor that hangs on a computation is refused with how to cut it off."""
    import torch

    with pytest.raises(CaptureError, match="cannot be copied") as caught:
        take(cell("def model(rows): return [1]"), sample=torch.ones(1, requires_grad=True) * 2)
    assert "detach()" in caught.value.remedy


def test_a_sample_need_not_have_rows(cell: Cell, take: Take) -> None:
    """An array without dimensions, which has no length, is a sample."""
    assert take(cell("def model(x): return [float(x)]"), sample=np.array(3.0)).expected == [3.0]


def test_predictions_that_cannot_travel_are_refused(cell: Cell, take: Take) -> None:
    """A prediction that HTTP cannot carry is refused, with how to convert it."""
    with pytest.raises(CaptureError, match="cannot cross HTTP") as caught:
        take(cell("def model(rows): return object()"), sample=[1])
    assert "--predict" in caught.value.remedy


def test_contradictions_are_noticed(cell: Cell, take: Take) -> None:
    """A model whose two predictions differ is nondeterministic, and captured."""
    snapshot = take(
        cell("def model(rows):\n    import random\n    return [random.random() for _ in rows]"), sample=[1, 2]
    )
    assert not snapshot.deterministic
    assert _document(snapshot)["deterministic"] is False


def test_other_expectations_are_kept(cell: Cell, take: Take) -> None:
    """What a person expects replaces what the model predicts here."""
    snapshot = take(cell("def model(rows): return [float(r) for r in rows]"), sample=[1.0], expected=[1.0 + 1e-9])
    assert snapshot.expected == [1.0 + 1e-9]
    assert read_sample(_document(snapshot))[1] == [1.0 + 1e-9]


def test_expectations_that_do_not_hold_fail(cell: Cell, take: Take) -> None:
    """A model that does not predict what was expected is not captured; both values are shown."""
    with pytest.raises(ParityError, match="row 0: --expect 4, notebook 3"):
        take(cell(_MODEL), sample=[1], expected=[4])


# --- the proof -----------------------------------------------------------------------------------------------------


def test_a_model_that_reads_the_notebook_s_environment_is_refused(
    cell: Cell, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable of the notebook is not there in a container: the message says what was missed."""
    monkeypatch.setenv("ONLY_HERE", "1")
    with pytest.raises(CaptureError, match="works in the notebook but not without it: KeyError: 'ONLY_HERE'"):
        take(cell("def model(rows):\n    import os\n    return [os.environ['ONLY_HERE']]"), sample=[1])


def test_a_model_that_reads_a_file_is_refused(
    cell: Cell, take: Take, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file beside the notebook is not there in a container."""
    (tmp_path / "weights.txt").write_text("1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CaptureError, match=r"weights\.txt"):
        take(cell("def model(rows):\n    return [open('weights.txt').read()]"), sample=[1])


def test_a_model_that_predicts_otherwise_elsewhere_is_refused(
    cell: Cell, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is silently different without the notebook is caught by its predictions."""
    monkeypatch.setenv("FACTOR", "2")
    with pytest.raises(ParityError, match="In a clean process model predicts something else") as caught:
        take(cell("def model(rows):\n    import os\n    return [int(os.environ.get('FACTOR', 1))]"), sample=[1])
    assert "notebook 2, clean process 1" in caught.value.message


@pytest.mark.parametrize("end", ["import os; os._exit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"])
def test_a_model_that_ends_its_process_is_refused(cell: Cell, take: Take, tmp_path: Path, end: str) -> None:
    """A model that crashes the clean process is told apart from one that raises, and leaves nothing behind."""
    namespace = cell(f"def kill():\n    {end}\nclass M:\n    def __reduce__(self): return kill, ()\nmodel = M()")
    namespace["M"].predict = lambda self, rows: rows
    with pytest.raises(CaptureError, match="ends the process that loads it"):
        take(namespace)
    assert list((tmp_path / "workspace").glob("proof-*")) == []


def test_a_proof_is_remembered(cell: Cell, take: Take, proofs: list[set[str]], tmp_path: Path) -> None:
    """Other values need no new proof, in this kernel or another one; the clean process leaves nothing behind."""
    take(cell(_MODEL), sample=[1])
    take(cell(_MODEL.replace("Model(3)", "Model(4)")), sample=[2])
    assert len(proofs) == 1
    assert list((tmp_path / "workspace").glob("proof-*")) == []


def test_a_remembered_proof_is_told(cell: Cell, take: Take) -> None:
    """A snapshot says whether a clean process ran for it."""
    namespace = cell(_MODEL)
    assert [take(namespace, sample=[1]).remembered for _ in range(2)] == [False, True]
    assert not take(namespace, sample=[1], afresh=True).remembered


#: What the model holds decides whether it works without the notebook.
_ASKING = (
    "import os\nclass M:\n    def predict(self, rows): return [os.environ[self.name] for _ in rows]\nmodel = M()\n"
)


def test_values_are_proven_where_that_is_asked_for(cell: Cell, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    """Afresh, a model fails whose values alone differ from one that was proven, and the earlier proof is forgotten."""
    monkeypatch.setenv("ONLY_HERE", "1")
    good, bad = (cell(f"{_ASKING}model.name = {name!r}") for name in ("LANG", "ONLY_HERE"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    take(good, sample=[1])
    assert take(bad, sample=[1]).remembered
    with pytest.raises(CaptureError, match="KeyError: 'ONLY_HERE'"):
        take(bad, sample=[1], afresh=True)
    assert not take(good, sample=[1]).remembered


def test_a_failed_proof_is_not_remembered(
    cell: Cell, take: Take, proofs: list[set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed once is tried again."""
    monkeypatch.setenv("ONLY_HERE", "1")
    for _ in range(2):
        with pytest.raises(CaptureError):
            take(cell("def model(rows):\n    import os\n    return [os.environ['ONLY_HERE']]"), sample=[1])
    assert len(proofs) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [("self.k * row", "self.k + row"), ("Model(3)", "Model(3); Model.score = None"), ("def twice", "def thrice")],
)
def test_other_code_is_proven_again(cell: Cell, take: Take, proofs: list[set[str]], before: str, after: str) -> None:
    """A change of the model's code is proven; one that the model has no part in is not."""
    take(cell(_MODEL), sample=[1])
    take(cell(_MODEL.replace(before, after)), sample=[1])
    assert len(proofs) == (1 if before == "def twice" else 2)


def test_other_local_code_is_proven_again(cell: Cell, local: Local, take: Take, proofs: list[set[str]]) -> None:
    """A change in a file beside the notebook is proven, and proven once."""
    directory = local({"features.py": "def f(x): return x\n"})
    source = "import features\ndef model(rows): return [features.f(row) for row in rows]"
    take(cell(source), sample=[1])
    (directory / "features.py").write_text("def f(x): return x  # changed\n")
    take(cell(source), sample=[1])
    take(cell(source), sample=[1])
    assert len(proofs) == 2


def test_another_kind_of_sample_is_proven_again(cell: Cell, take: Take, proofs: list[set[str]]) -> None:
    """Data of another schema needs other packages, so it is proven."""
    source = "def model(rows): return [1 for _ in range(len(rows))]"
    take(cell(source), sample=[1])
    take(cell(source), sample=np.array([1]))
    assert len(proofs) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"missed": []}'])
def test_a_broken_memory_is_no_proof(
    cell: Cell, take: Take, proofs: list[set[str]], tmp_path: Path, content: str
) -> None:
    """A remembered proof that cannot be read is run again."""
    take(cell(_MODEL), sample=[1])
    for path in (tmp_path / "workspace" / "proofs").iterdir():
        path.write_text(content)
    take(cell(_MODEL), sample=[1])
    assert len(proofs) == 2


def test_an_impossible_workspace_ends_in_words(cell: Cell, tmp_path: Path) -> None:
    """A cache directory that cannot be is said so, not shown as a traceback."""
    (tmp_path / "file").write_text("")
    namespace = cell(_MODEL)
    request = CaptureRequest("churn", namespace["model"], "model", namespace, sample=[1])
    with pytest.raises(ContainerIterError) as caught:
        capture(request, tmp_path / "file" / "workspace")
    assert "CONTAINERITER_CACHE_DIR" in caught.value.remedy


# --- the environment -----------------------------------------------------------------------------------------------


def test_an_environment_has_only_what_is_used(cell: Cell, take: Take) -> None:
    """A scikit-learn model fed with arrays needs no pandas; fed with DataFrames it does."""
    namespace = cell(
        "from sklearn.linear_model import LinearRegression\nimport pandas as pd, numpy as np\n"
        "frame = pd.DataFrame({'a': [1.0, 2.0], 'b': [2.0, 1.0]})\n"
        "model = LinearRegression().fit(frame.to_numpy(), [1.0, 2.0])\n"
        "framed = LinearRegression().fit(frame, [1.0, 2.0])"
    )
    arrays = take(namespace, sample=namespace["frame"].to_numpy())
    assert {"scikit-learn", "numpy", "scipy", "joblib"} <= _names(arrays)
    assert not {"pandas", "matplotlib", "ipython", "jupyter-containeriter"} & _names(arrays)
    frames = take(namespace, "framed", sample=namespace["frame"])
    assert "pandas" in _names(frames)
    assert not any("/tests/" in name for d in frames.environment for name, _ in d.files)


def test_an_excluded_package_that_is_needed_is_named(cell: Cell, take: Take, proofs: list[set[str]]) -> None:
    """Leaving out what the model needs is said, with the name of what it missed."""
    namespace = cell("def model(rows):\n    import dateutil\n    return rows")
    with pytest.raises(CaptureError, match="the module dateutil, which is not captured") as caught:
        take(namespace, sample=[1], exclude=("python-dateutil",))
    assert "--exclude" in caught.value.remedy
    assert not any("python-dateutil" in names for names in proofs)


def test_what_a_model_imports_late_is_found(cell: Cell, take: Take, proofs: list[set[str]]) -> None:
    """A module that only the proof can miss (its name is made while predicting) is added, and remembered."""
    source = (
        "def model(rows):\n    import importlib\n"
        "    return [importlib.import_module('-dateutil'[1:].strip()).__name__ for _ in rows]\n"
    )
    snapshot = take(cell(source), sample=[1])
    assert "python-dateutil" in _names(snapshot)
    assert ["python-dateutil" in names for names in proofs] == [False, True]
    assert "python-dateutil" in _names(take(cell(source), sample=[1]))
    assert len(proofs) == 2


def test_a_package_can_be_added(cell: Cell, take: Take) -> None:
    """An included package and what it requires are captured, whatever the spelling of its name."""
    snapshot = take(cell(_MODEL), sample=[1], include=("Python_Dateutil",))
    reasons = {distribution.name: distribution.reason for distribution in snapshot.environment}
    assert reasons["python-dateutil"] == "--include"
    assert not {"numpy"} & reasons.keys()


def test_a_module_that_is_nowhere_is_named(cell: Cell, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that exists in the kernel's memory only cannot be captured."""
    ghost = types.ModuleType("ghost")
    ghost.x = 1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ghost", ghost)
    with pytest.raises(CaptureError, match="the module ghost, which is not captured"):
        take(cell("def model(rows):\n    import ghost\n    return [ghost.x]"), sample=[1])
