"""Models of earlier versions, back in the kernel."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_containeriter import restoring
from jupyter_containeriter.capture.snapshot import CaptureRequest
from jupyter_containeriter.capture.surroundings import Surroundings
from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.errors import BuildError, NotFoundError, RestoreError, UsageError
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.restoring import identifier, variable_for

if TYPE_CHECKING:
    from session_bench import Lab

_HERE = Surroundings(None, {}, {}, (), (), {}, {})


def again(lab: Lab, model: Any, sample: Any = None, **options: Any) -> Deployment:
    """Containerize a model that was restored."""
    request = CaptureRequest("churn", model, "model", {}, sample)
    return lab.session.containerize(request, RunOptions(**options))


def test_a_model_comes_back(lab: Lab) -> None:
    """With its class of the notebook, and checked against what it predicted."""
    lab.containerize(4)
    lab.containerize(5)
    restored = lab.session.restore("churn:1")
    assert restored.model.predict([1, 2]) == [4, 8]
    assert restored.comparison is not None
    assert (restored.comparison.parity, restored.failed, restored.notes) == ("exact", False, ())
    assert restored.call == ".predict(data)"
    assert lab.session.restore("churn").model.k == 5


def test_it_shows_itself_in_every_way(lab: Lab) -> None:
    """As a card, as lines and as JSON."""
    lab.containerize()
    restored = lab.session.restore("churn:1").named("old")
    for shown in (restored.html(), restored.text()):
        assert "old.predict(data)" in shown
        assert "exactly as it did" in shown
    assert json.loads(json.dumps(restored.document()))["parity"] == "exact"


def test_an_unchanged_model_is_the_same_version(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is captured, built or sent; digests are those of the version it came from, and it is verified."""
    first = lab.containerize()
    model = lab.session.restore("churn:1").model
    monkeypatch.setattr("jupyter_containeriter.road.walk.capture", pytest.fail)
    monkeypatch.setattr("jupyter_containeriter.road.walk.build", pytest.fail)
    for sample in (None, [1, 2]):
        row = again(lab, model, sample).iteration
        assert row.status == "verified"
        for column in ("model_digest", "image_digest", "environment_digest", "data_digest", "image_size_bytes"):
            assert getattr(row, column) == getattr(first.iteration, column)
        assert row.sent_bytes == 0
        assert row.image_reference.endswith(f":{row.version}")


def test_an_unchanged_model_may_be_built_only(lab: Lab) -> None:
    """Without deploying it, the row is that of a built version."""
    lab.containerize()
    row = again(lab, lab.session.restore("churn:1").model, deploy=False).iteration
    assert (row.status, row.image_digest) == ("built", lab.row(1).image_digest)


def test_a_changed_model_is_another_version(lab: Lab) -> None:
    """So is an unchanged one with another sample."""
    lab.containerize()
    model = lab.session.restore("churn:1").model
    assert again(lab, model, [3]).iteration.data_digest != lab.row(1).data_digest
    model.k = 7
    row = again(lab, model, [1, 2]).iteration
    assert row.model_digest != lab.row(1).model_digest


def test_a_restored_model_is_its_iteration_whatever_its_number(lab: Lab) -> None:
    """Where its version has another number by now, the image that is taken is still its own."""
    lab.containerize(3)
    lab.containerize(4)
    model = lab.session.restore("churn:1").model
    with closing(sqlite3.connect(str(lab.settings.history_location))) as connection, connection:
        for before, after in ((1, 9), (2, 1)):
            connection.execute("UPDATE iterations SET version = ? WHERE version = ?", (after, before))
    row = again(lab, model).iteration
    assert row.image_digest == lab.row(9).image_digest


def test_a_new_kernel_knows_nothing_of_it(lab: Lab) -> None:
    """What was restored elsewhere is captured like any model."""
    lab.containerize()
    model = lab.session.restore("churn:1").model
    assert lab.kernel().restored_models.iteration_of("churn", model) is None


def test_damaged_bytes_are_never_loaded(own_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest of each layer is checked before anything is unpickled."""
    own_lab.containerize()
    monkeypatch.setattr(restoring, "open_model", pytest.fail)
    (layer,) = (layer for layer in own_lab.session.inspect("churn").image.layers if layer.role == "model")
    content = bytearray(layer.path.read_bytes())
    content[600] ^= 1
    layer.path.write_bytes(content)
    with pytest.raises(BuildError, match="damaged"):
        own_lab.session.restore("churn:1")


def test_an_image_that_is_gone_is_said(own_lab: Lab) -> None:
    """And so is a version that never had one."""
    own_lab.containerize()
    own_lab.session.cache.discard(own_lab.row(1).image_digest)
    with pytest.raises(NotFoundError, match="no longer in the layer cache"):
        own_lab.session.restore("churn:1")
    with pytest.raises(NotFoundError, match="no churn:9"):
        own_lab.session.restore("churn:9")


def test_a_model_that_predicts_something_else_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is back all the same: what it does here is to be looked into."""
    lab.containerize()
    monkeypatch.setattr(restoring, "read_sample", lambda _: ([1, 2], [9, 9]))
    restored = lab.session.restore("churn:1")
    assert restored.failed
    assert "then 9, now 3" in restored.text()
    assert "then 9, now 3" in restored.html()


def test_what_predicts_may_stay_in_the_image(lab: Lab) -> None:
    """What is restored is the model; that a function called it is said, and its parity is checked through it."""
    request = lab.request()
    exec("def constant(model, rows): return [model.k for _ in rows]", request.namespace)  # type: ignore[arg-type]
    request = replace(request, predict="constant")
    lab.session.containerize(request, RunOptions())
    restored = lab.session.restore("churn")
    assert restored.model.predict([1]) == [3]
    assert "function of the notebook" in restored.text()
    assert restored.comparison is not None
    assert restored.comparison.parity == "exact"


# --- another kernel ------------------------------------------------------------------------------------------------


@pytest.fixture
def local(own_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Containerize a model of a local module, and forget that module; yield where it was."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "beside"), *sys.path])
    (tmp_path / "beside").mkdir()
    module = tmp_path / "beside" / "restored_house.py"
    module.write_text("class Local:\n    def predict(self, rows):\n        return [2 * row for row in rows]\n")
    model = __import__("restored_house").Local()
    own_lab.session.containerize(CaptureRequest("churn", model, "model", {}, [1, 2]), RunOptions())
    sys.modules.pop("restored_house")
    yield module
    sys.modules.pop("restored_house", None)


def test_local_code_that_is_lacking_comes_from_the_image(own_lab: Lab, local: Path) -> None:
    """It stays importable, behind everything of the person's own; the model is the same version still."""
    local.unlink()
    restored = own_lab.session.restore("churn:1")
    assert restored.model.predict([1]) == [2]
    (note,) = restored.notes
    assert "restored_house" in note
    assert str(own_lab.session.settings.data_path) in str(sys.modules["restored_house"].__file__)
    assert str(own_lab.session.settings.data_path) in sys.path[-1]
    assert again(own_lab, restored.model).iteration.image_digest == own_lab.row(1).image_digest


def test_local_code_of_the_person_is_never_hidden(own_lab: Lab, local: Path) -> None:
    """Where it differs this is told, it is what the model runs on, and what is containerized is another version."""
    local.write_text(local.read_text().replace("2 *", "5 *"))
    restored = own_lab.session.restore("churn:1")
    assert restored.model.predict([1]) == [5]
    assert "Local code differs here" in restored.notes[0]
    assert restored.failed
    assert again(own_lab, restored.model, [1, 2]).iteration.code_digest != own_lab.row(1).code_digest


def _told(own_lab: Lab, monkeypatch: pytest.MonkeyPatch, **differences: Any) -> None:
    own_lab.containerize()
    monkeypatch.setattr(restoring, "surroundings", lambda *_: replace(_HERE, **differences))


def test_code_of_another_python_is_refused(own_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte code of a notebook class runs on the Python that compiled it; nothing is loaded to find that out."""
    _told(own_lab, monkeypatch, python=("3.9.1", "3.12.1"))
    monkeypatch.setattr(restoring, "open_model", pytest.fail)
    with pytest.raises(RestoreError, match=r"Python 3\.9\.1 compiled") as caught:
        own_lab.session.restore("churn:1")
    assert "%deploy churn:1" in caught.value.remedy


def test_other_versions_are_told_and_tried(own_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch release of Python, and another version of a package, are no reason to refuse."""
    _told(own_lab, monkeypatch, python=("3.12.0", "3.12.1"), others={"numpy": ("1.0", "2.0")})
    restored = own_lab.session.restore("churn:1")
    assert restored.notes == (
        "It was made with Python 3.12.0; this is 3.12.1.",
        "Other versions here: numpy 2.0 (was 1.0).",
    )


def test_a_missing_package_is_named_with_what_to_install(own_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where loading stops at one of its modules."""
    _told(own_lab, monkeypatch, missing={"gone-package": "1.2"})

    def lacks(_: Path) -> None:
        raise ModuleNotFoundError("No module named 'gone'", name="gone")

    monkeypatch.setattr(restoring, "open_model", lacks)
    with pytest.raises(RestoreError, match="needs the module gone") as caught:
        own_lab.session.restore("churn:1")
    assert "pip install gone-package==1.2" in caught.value.remedy


# --- its name ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["1x", "a b", "class", "None"])
def test_a_variable_can_be_called_so(lab: Lab, variable: str) -> None:
    """A name that no cell could say is refused."""
    with pytest.raises(UsageError, match="no variable can be called so"):
        variable_for(lab.session, "churn:1", variable, {})


def test_a_variable_is_not_lost(lab: Lab) -> None:
    """Unless it was asked for by name, or holds what a restore can bring back again."""
    lab.containerize()
    with pytest.raises(UsageError, match="would be lost") as caught:
        variable_for(lab.session, "churn:1", None, {"churn": 1})
    assert "--as churn_1" in caught.value.remedy
    assert variable_for(lab.session, "churn:1", "churn", {"churn": 1}) == "churn"
    model = lab.session.restore("churn:1").model
    assert variable_for(lab.session, "churn:1", None, {"churn": model}) == "churn"
    model.k = 8
    with pytest.raises(UsageError, match="would be lost"):
        variable_for(lab.session, "churn:1", None, {"churn": model})


@pytest.mark.parametrize(("name", "variable"), [("churn", "churn"), ("a-b.c", "a_b_c"), ("2nd", "_2nd"), ("if", "_if")])
def test_names_of_models_become_variables(name: str, variable: str) -> None:
    """Whatever an image may be called."""
    assert identifier(name) == variable


def test_what_is_no_variable_is_refused(lab: Lab) -> None:
    """Before anything is loaded."""
    with pytest.raises(UsageError, match="no variable"):
        variable_for(lab.session, "churn:1", "a-b", {})
