"""Loading a snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cloudpickle
import pytest

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
        ({"format": 2}, "format 2"),
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
