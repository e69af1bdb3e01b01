"""Loading a snapshot."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

from jupyter_containeriter.serving import parts
from jupyter_containeriter.serving.model import LoadError, load

from .conftest import write_root


class Doubler:
    """A model with a method of its own."""

    def double(self, data: Any) -> Any:
        """Predict twice the data."""
        return 2 * data


def test_methods_callables_and_functions_predict(tmp_path: Path) -> None:
    """A model predicts by its method, by being called, or by a function beside it."""
    write_root(tmp_path / "a", Doubler(), predict={"kind": "method", "method": "double"})
    assert load(tmp_path / "a").predict(4) == 8
    write_root(tmp_path / "b", lambda data: 3 * data)
    assert load(tmp_path / "b").predict(4) == 12
    write_root(tmp_path / "c", 10, predict={"kind": "function", "path": "model/predict.pkl"})
    (tmp_path / "c/model/predict.pkl").write_bytes(cloudpickle.dumps(lambda model, data: model + data))
    assert load(tmp_path / "c").predict(4) == 14


def test_altered_model_is_not_unpickled(tmp_path: Path) -> None:
    """A model whose bytes are not those captured is refused before any of them is executed."""
    write_root(tmp_path, 1)
    trap = b"cbuiltins\nexit\n(S'executed'\ntR."
    (tmp_path / "model/model.pkl").write_bytes(trap)
    with pytest.raises(LoadError, match="not what was captured"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 3}, "format 3"),
        ({"format": None}, "no format number"),
        ({"format": True}, "no format number"),
        ({"model": {}}, "lacks 'path'"),
        ({"predict": {}}, "lacks 'kind'"),
        ({"predict": {"kind": "magic"}}, "'magic'"),
    ],
    ids=range(6),
)
def test_other_snapshots_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """A snapshot of a newer format, or an incomplete one, is refused with the reason."""
    write_root(tmp_path, 1, changes=changes)
    with pytest.raises(LoadError, match=words):
        load(tmp_path)


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_unreadable_snapshots_are_refused(tmp_path: Path, text: str | None) -> None:
    """A missing or malformed snapshot.json is refused with its path."""
    if text is not None:
        (tmp_path / "snapshot.json").write_text(text)
    with pytest.raises(LoadError, match=r"snapshot\.json"):
        load(tmp_path)


def test_errors_of_unpickling_are_not_hidden(tmp_path: Path) -> None:
    """A KeyError raised while the model is constructed stays what it is."""

    class Broken:
        def __reduce__(self) -> Any:
            return dict.__getitem__, ({}, "inner")

    write_root(tmp_path, Broken())
    with pytest.raises(KeyError, match="inner"):
        load(tmp_path)


def test_format_1_is_read(tmp_path: Path) -> None:
    """A snapshot that the first version wrote loads and predicts."""
    assert load(Path(__file__).parent / "golden" / "format-1").predict(5) == 15


def test_variables_are_set_before_the_model_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What frameworks read from the environment when they are imported is there when the model is constructed."""
    monkeypatch.setenv("CONTAINERITER_TEST", "before")

    class Reader:
        def __reduce__(self) -> Any:
            return os.getenv, ("CONTAINERITER_TEST",)

    write_root(
        tmp_path,
        Reader(),
        changes={"environ": {"CONTAINERITER_TEST": "set"}, "predict": {"kind": "method", "method": "upper"}},
    )
    assert load(tmp_path).function() == "SET"


def test_an_altered_part_is_not_loaded(tmp_path: Path) -> None:
    """A part whose bytes are not those captured is refused before its framework reads it."""
    write_root(tmp_path, 1)
    document = json.loads((tmp_path / "snapshot.json").read_text())
    (tmp_path / "model/parts").mkdir()
    (tmp_path / "model/parts/0.pt").write_bytes(b"altered")
    digest = f"sha256:{hashlib.sha256(b'captured').hexdigest()}"
    document["model"]["parts"] = [{"path": "model/parts/0.pt", "format": "torch", "digest": digest}]
    pickled = io.BytesIO()
    pickler = pickle.Pickler(pickled)
    pickler.persistent_id = lambda obj: ("part", 0, {}) if obj == 1 else None
    pickler.dump(1)
    (tmp_path / "model/model.pkl").write_bytes(pickled.getvalue())
    document["model"]["digest"] = f"sha256:{hashlib.sha256(pickled.getvalue()).hexdigest()}"
    (tmp_path / "snapshot.json").write_text(json.dumps(document))
    with pytest.raises(LoadError, match=r"parts/0\.pt is not what was captured"):
        load(tmp_path)


def test_keras_is_not_set_to_something_else_under_a_version_that_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings are one for all models of a process: a version that needs others needs another process."""
    told: list[str] = []
    config = SimpleNamespace(set_floatx=told.append)
    saving = SimpleNamespace(load_model=lambda *_, **__: SimpleNamespace())
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(config=config, saving=saving))
    monkeypatch.setattr(parts, "_keras_settings", {})
    load_keras = parts.LOADERS["keras"]
    for _ in range(2):
        load_keras(tmp_path, {}, {"floatx": "float32"}, {})
    with pytest.raises(parts.PartError, match="floatx of Keras is 'float64' for this model, and 'float32'"):
        load_keras(tmp_path, {}, {"floatx": "float64"}, {})
    assert told == ["float32", "float32"]
