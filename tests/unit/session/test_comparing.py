"""What changed between two versions."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_containeriter.capture.snapshot import CaptureRequest
from jupyter_containeriter.errors import NotFoundError
from jupyter_containeriter.options import RunOptions

if TYPE_CHECKING:
    from session_bench import Lab

_MODULE = "class Local:\n    def predict(self, rows):\n        return [{} * row for row in rows]\n"


@pytest.fixture
def edited(own_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Containerize a model of a local module twice; the module and a param change, and so does a metric."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for k in (2, 3):
        (tmp_path / "edited_house.py").write_text(_MODULE.format(k))
        sys.modules.pop("edited_house", None)
        model = __import__("edited_house").Local()
        request = CaptureRequest("churn", model, "model", {}, [1, 2])
        own_lab.session.containerize(request, RunOptions(params={"k": k, "seed": 1}, metrics={"loss": 1 / k}))
    sys.modules.pop("edited_house", None)
    return own_lab


def test_what_differs_is_told_by_kind(edited: Lab) -> None:
    """Params, metrics, local code line by line, and the layers that are new."""
    found = edited.session.compare("churn", 1, 2)
    assert found.params == {"k": (2, 3)}
    assert found.metrics == {"loss": (1 / 2, 1 / 3)}
    assert found.packages == {}
    assert found.code is not None
    (change,) = found.code
    assert change.path == "edited_house.py"
    assert "-        return [2 * row for row in rows]" in change.diff
    assert "+        return [3 * row for row in rows]" in change.diff
    assert found.layers is not None
    assert {layer.role for layer, shared in found.layers if not shared} == {"code"}
    assert {"local code", "image"} <= set(found.facts)
    assert {"data", "model", "environment"} <= set(found.same)
    assert found.unknown == ()


def test_it_shows_itself_in_every_way(edited: Lab) -> None:
    """As a card, as lines and as JSON."""
    found = edited.session.compare("churn", 1, 2)
    for shown in (found.html(), found.text()):
        assert "+        return [3 * row for row in rows]" in shown
        assert "churn:1" in shown
    assert json.loads(json.dumps(found.document()))["params"] == {"k": {"before": 2, "after": 3}}


def test_what_cannot_be_known_is_said(edited: Lab) -> None:
    """An image that is gone takes packages, code and layers with it; the rows are compared all the same."""
    edited.session.cache.discard(edited.row(1).image_digest)
    found = edited.session.compare("churn", 1, 2)
    assert (found.packages, found.code, found.layers) == (None, None, None)
    assert "churn:1 is no longer in the layer cache" in found.unknown[0]
    assert "no longer in the layer cache" in found.text()
    assert found.params == {"k": (2, 3)}


def test_a_version_without_an_image_is_compared_by_its_row(edited: Lab) -> None:
    """One that failed early, or was deployed by other means."""
    history = edited.session.history
    history.update(replace(history.begin("churn", started_at=edited.row(1).started_at), status="failed", error="no"))
    found = edited.session.compare("churn", 2, 3)
    assert found.facts["status"] == ("verified", "failed")
    assert found.unknown == ("churn:3 has no image: packages, local code and layers cannot be compared.",)


def test_a_damaged_layer_is_said(edited: Lab) -> None:
    """Its local code cannot be read; all else can."""
    (code,) = (layer for layer in edited.session.inspect("churn:1").image.layers if layer.role == "code")
    content = code.path.read_bytes()
    code.path.write_bytes(content[:2048])
    found = edited.session.compare("churn", 1, 2)
    assert found.unknown
    assert found.params == {"k": (2, 3)}


def test_cells_are_compared_where_they_are_known(edited: Lab) -> None:
    """They are what the notebook's own code was, and texts like any other."""
    history = edited.session.history
    for version, cell in ((1, "fit(depth=3)"), (2, "fit(depth=4) # <b>")):
        history.update(replace(edited.row(version), cell=cell))
    found = edited.session.compare("churn", 1, 2)
    assert found.code is not None
    assert "+fit(depth=4) # <b>" in found.code[0].diff
    assert "<b>" not in found.html().partition("the cell that asked")[2].partition("</pre>")[0]


@pytest.mark.parametrize("versions", [(1, 9), (9, 1)])
def test_versions_that_are_not_there(edited: Lab, versions: tuple[int, int]) -> None:
    """They are named."""
    with pytest.raises(NotFoundError, match="no churn:9"):
        edited.session.compare("churn", *versions)
