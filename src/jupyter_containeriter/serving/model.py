"""The model as the snapshot describes it: inspected first, constructed after."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .calls import CALLS
from .parts import PartError, Parts, unpickle

#: The newest format of ``snapshot.json`` that this server reads; older ones keep loading.
FORMAT = 2


class LoadError(Exception):
    """The snapshot is not what this server can load. The message says what is wrong and what to do."""


class ModelError(Exception):
    """The model failed on an input, or gave what cannot be sent. The cause is the model's own exception."""


class RefusedError(ModelError):
    """The model raised an ordinary exception: this input, well-formed as it is, is none that it predicts."""


@dataclass(frozen=True, slots=True)
class Batching:
    """Whether several requests may be predicted as one; see ``rows.py``.

    Attributes
    ----------
    rows
        How many rows at most; 0 for never.
    reason
        Why, for people.
    gives
        What values have in common that the model gives.
    seconds
        How long one row took.
    """

    rows: int = 0
    reason: str = "not tried"
    gives: Hashable | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to predict.

    Attributes
    ----------
    name
        As in the routes.
    platform
        How the model was stored, for the metadata.
    inputs, outputs
        Schemas of the signature, or None without one.
    sample
        Tensors of the captured sample, or None.
    function
        What predicts: takes the data, gives the predictions.
    batching
        Whether several requests may be predicted as one.
    reference
        Gives what was loaded as long as it is in memory; None where it can have no weak reference.
    """

    name: str
    platform: str
    inputs: dict[str, Any] | None
    outputs: dict[str, Any] | None
    sample: list[dict[str, Any]] | None
    function: Callable[[Any], Any]
    batching: Batching = Batching()
    reference: weakref.ref[Any] | None = None

    @property
    def takes_params(self) -> bool:
        """Whether what predicts has a parameter ``params``, as MLflow's Python models may."""
        try:
            return "params" in inspect.signature(self.function).parameters
        except (TypeError, ValueError):  # Some are of compiled code.
            return False

    def predict(self, data: Any, **options: Any) -> Any:
        """Predict, turning whatever the model raises into :class:`ModelError`."""
        try:
            return self.function(data, **options)
        except MemoryError as error:  # of this server, whatever the input
            raise ModelError(f"{type(error).__name__}: {error}") from error
        except Exception as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from error
        except BaseException as error:  # a model that calls sys.exit must not end the server
            raise ModelError(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Opened:
    """The object that was captured, what predicts with it, and the snapshot that says so."""

    model: Any
    function: Callable[[Any], Any]
    snapshot: dict[str, Any]


def open_model(root: Path) -> Opened:
    """Load the object of a snapshot and what predicts with it.

    Parameters
    ----------
    root
        The directory that holds ``snapshot.json`` and ``model/``. The variables it names must be set.

    Raises
    ------
    LoadError
        If the snapshot is of a newer format, incomplete or altered. Build the image again.
    """
    snapshot = _read_snapshot(root)
    try:
        parts = Parts(root, snapshot["model"].get("parts", ()))
        model = _unpickle(root, snapshot["model"], parts)
        return Opened(model, _predict_function(root, snapshot["predict"], model, parts), snapshot)
    except _IncompleteError as error:
        raise LoadError(f"{root / 'snapshot.json'} lacks {error.args[0]!r}: build the image again") from None
    except PartError as error:
        raise LoadError(str(error)) from error


def load(root: Path) -> LoadedModel:
    """Load the model of a snapshot.

    Parameters
    ----------
    root
        The directory that holds ``snapshot.json`` and ``model/``.

    Raises
    ------
    LoadError
        If the snapshot is of a newer format, incomplete or altered. Build the image again.
    """
    # Frameworks read them once, when they are imported.
    os.environ.update(_read_snapshot(root).get("environ", {}))
    opened = open_model(root)
    snapshot = opened.snapshot
    signature, sample = snapshot.get("signature") or {}, snapshot.get("sample") or {}
    try:
        return LoadedModel(
            name=snapshot["name"],
            platform=f"containeriter_{snapshot['model'].get('format', 'pickle')}",
            inputs=signature.get("inputs"),
            outputs=signature.get("outputs"),
            sample=sample.get("inputs"),
            function=opened.function,
            reference=_reference(opened.model),
        )
    except _IncompleteError as error:
        raise LoadError(f"{root / 'snapshot.json'} lacks {error.args[0]!r}: build the image again") from None


def _reference(model: Any) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(model)
    except TypeError:
        return None


class _IncompleteError(KeyError):
    pass


class _Members(dict[str, Any]):
    """An object of ``snapshot.json``: a missing member is told apart from a KeyError that unpickling raises."""

    def __missing__(self, key: str) -> Any:
        raise _IncompleteError(key)


def _read_snapshot(root: Path) -> _Members:
    path = root / "snapshot.json"
    try:
        snapshot = json.loads(path.read_bytes(), object_hook=_Members)
    except (OSError, ValueError) as error:
        raise LoadError(f"cannot read {path}: {error}") from error
    found = snapshot.get("format") if isinstance(snapshot, dict) else None
    if type(found) is not int or found < 1:
        raise LoadError(f"{path} has no format number: build the image again")
    if found > FORMAT:
        raise LoadError(
            f"{path} has format {found}, but this server reads formats up to {FORMAT}: "
            "build the image again with one version of jupyter_containeriter"
        )
    return _Members(snapshot)


def _unpickle(root: Path, entry: dict[str, Any], parts: Parts) -> Any:
    """Unpickle a file after its bytes were compared with the digest that was captured."""
    path = root / entry["path"]
    with path.open("rb") as file:
        if "digest" in entry:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            if found != entry["digest"]:
                raise LoadError(f"{path} is not what was captured: expected {entry['digest']}, found {found}")
            file.seek(0)
        return unpickle(file, parts)


def _predict_function(root: Path, predict: dict[str, Any], model: Any, parts: Parts) -> Callable[[Any], Any]:
    kind = predict["kind"]
    if kind == "method":
        method: Callable[[Any], Any] = getattr(model, predict["method"])
        return method
    if kind == "callable":
        return model  # type: ignore[no-any-return]
    if kind == "function":
        function = _unpickle(root, predict, parts)
        # Unlike a function of our own, it tells the parameters that are left.
        return partial(function, model)
    if kind in CALLS:
        return CALLS[kind](model)
    raise LoadError(f"cannot predict by {kind!r}: build the image again with one version of jupyter_containeriter")
