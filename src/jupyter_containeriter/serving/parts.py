"""Parts of a model: what its pickle only refers to, each written by its own framework in its own format.

In the pickle a part stands as a *persistent id*, a tuple of a kind, a number and more (format 2 of a snapshot):

==============  ==================================  ========================================================
kind            number and more                     stands for
==============  ==================================  ========================================================
``part``        of the part, options of its loader  what the part holds
``item``        of the part, position               one item of the list that the part holds
``set``         of the set, sorted items            a set, in an order that does not depend on the process
``frozenset``   of the set, sorted items            a frozen set, likewise
==============  ==================================  ========================================================

What is referred to twice is loaded once: tied weights stay tied. A framework is imported when a part is of it.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

PersistentId = tuple[str, int, Any]

_SETS: dict[str, type[set[Any]] | type[frozenset[Any]]] = {"set": set, "frozenset": frozenset}


class PartError(Exception):
    """A part is not what was captured, or does not load. The message says which and why."""


class Parts:
    """The parts of a snapshot, by their persistent ids; each is loaded when it is first asked for.

    Parameters
    ----------
    root
        The directory that the parts' paths are relative to.
    entries
        ``path``, ``format`` and ``digest`` of each part, as in ``snapshot.json``.
    """

    def __init__(self, root: Path, entries: Sequence[Mapping[str, str]]) -> None:
        self._root = root
        self._entries = entries
        self._known: dict[tuple[str, int], Any] = {}

    def __getitem__(self, persistent_id: PersistentId) -> Any:
        """Return what a persistent id stands for.

        Raises
        ------
        PartError
            The part's bytes are not those that were captured, or a newer version wrote them.
        """
        kind, number, more = persistent_id
        if kind == "item":
            return self["part", number, {}][more]
        if (kind, number) not in self._known:
            self._known[kind, number] = _SETS[kind](more) if kind in _SETS else self._load(number, more)
        return self._known[kind, number]

    def _load(self, number: int, options: Mapping[str, Any]) -> Any:
        entry = self._entries[number]
        path = self._root / entry["path"]
        if (found := digest_of(path)) != entry["digest"]:
            raise PartError(f"{path} is not what was captured: expected {entry['digest']}, found {found}")
        if entry["format"] not in LOADERS:
            raise PartError(f"{path} is of the unknown format {entry['format']!r}: build the image again")
        return LOADERS[entry["format"]](path, **options)


def unpickle(file: BinaryIO, parts: Parts) -> Any:
    """Read an object that refers to parts."""
    return _Unpickler(file, parts).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, parts: Parts) -> None:
        super().__init__(file)
        self._parts = parts

    def persistent_load(self, pid: Any) -> Any:
        return self._parts[pid]


def digest_of(path: Path) -> str:
    """Return the digest of a file, or of a directory with all that is in it."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        return tree_digest({file.relative_to(path).as_posix(): _sha256(file) for file in files})
    return f"sha256:{_sha256(path)}"


def tree_digest(files: Mapping[str, str]) -> str:
    """Return the digest of a directory, from the SHA-256 of each file by its path: that of what sha256sum prints."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- formats -------------------------------------------------------------------------------------------------------


def _torch(path: Path) -> Any:
    """Load a list of tensors; ``weights_only`` executes nothing that the file holds."""
    import torch

    return torch.load(path, weights_only=True, map_location=_torch_device())


def _torchscript(path: Path) -> Any:
    import torch

    return torch.jit.load(str(path), map_location=_torch_device())


def _torch_device() -> str | None:
    """Weights that were on a GPU go where there is one, else to the CPU."""
    import torch

    return None if torch.cuda.is_available() else "cpu"


def _xgboost(path: Path) -> Any:
    import xgboost

    return xgboost.Booster(model_file=str(path))


def _lightgbm(path: Path, attributes: Mapping[str, Any]) -> Any:
    import lightgbm

    booster = lightgbm.Booster(model_file=str(path))
    for name, value in attributes.items():
        setattr(booster, name, value)
    return booster


def _catboost(path: Path, make: type, params: dict[str, Any]) -> Any:
    model = make()
    model.set_params(**params)
    return model.load_model(str(path), format="cbm")


#: What Keras was set to for the first model that this process loaded: it is one setting for all of them.
_keras_settings: dict[str, str] = {}


def _keras(
    path: Path, custom_objects: dict[str, Any], settings: Mapping[str, str], attributes: Mapping[str, Any]
) -> Any:
    import keras

    for name, value in settings.items():
        if _keras_settings.setdefault(name, value) != value:
            raise PartError(
                f"{name} of Keras is {value!r} for this model, and {_keras_settings[name]!r} in this process"
            )
        getattr(keras.config, f"set_{name}")(value)
    # Lambda layers are code, which the pickle beside this part is, too.
    model = keras.saving.load_model(str(path), custom_objects=custom_objects, compile=False, safe_mode=False)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


def _onnx(path: Path, session: Mapping[str, Any] | None) -> Any:
    """Load a model as what it was in the notebook: an inference session, or the ``onnx.ModelProto`` itself."""
    if session is None:
        import onnx

        return onnx.load_model_from_string(path.read_bytes())
    import onnxruntime

    options = onnxruntime.SessionOptions()
    for name, value in session["options"].items():
        setattr(options, name, value)
    available = onnxruntime.get_available_providers()
    providers = [(name, values) for name, values in session["providers"] if name in available]
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers)


def _transformers(path: Path, make: Any, model: Mapping[str, Any] | None = None) -> Any:
    """Load with the class's own ``from_pretrained``; for a model, options and whether it was being trained."""
    if model is None:
        return make.from_pretrained(path, local_files_only=True)
    loaded, info = make.from_pretrained(path, local_files_only=True, output_loading_info=True, **model["options"])
    if wrong := {name: keys for name, keys in info.items() if name.endswith("_keys") and keys}:
        raise PartError(f"{path} and {make.__qualname__} do not fit: {wrong}")
    for tensor in (*loaded.parameters(), *loaded.buffers()):
        # They stand where the file has them, which is not where the fastest instructions need them; others round
        # differently, and what the notebook predicted would not come back exactly.
        tensor.data = tensor.data.clone()
    return loaded.train(model["training"])


def _is_same(registered: Any, function: Any) -> bool:
    """Tell whether two functions do the same, as far as their code and all that it refers to say."""
    try:
        return bool(registered is function or _meaning(registered) == _meaning(function))
    except (AttributeError, RecursionError, ValueError):  # no plain functions, or values that cannot be compared
        return False


def _meaning(function: Any) -> tuple[Any, ...]:
    code, cells = function.__code__, function.__closure__ or ()
    referred = [*(function.__globals__.get(name) for name in code.co_names), *(cell.cell_contents for cell in cells)]
    values = [_meaning(value) if hasattr(value, "__code__") else value for value in referred]
    return code, function.__defaults__, function.__kwdefaults__, values


def _spacy(
    path: Path, functions: Sequence[tuple[str, str, Any]], factories: Sequence[tuple[str, dict[str, Any], Any]]
) -> Any:
    import catalogue
    import spacy

    # A version before this one may have registered others by the same names; it is made of them already.
    for registry, name, function in functions:
        known = getattr(spacy.registry, registry)
        if name not in known or not _is_same(known.get(name), function):
            known.register(name, func=function)
    made = spacy.registry.factories
    for name, config, function in factories:
        if name not in made or not _is_same(made.get(name), function):
            catalogue.REGISTRY.pop((*made.namespace, name), None)
            spacy.Language.factory(name, default_config=config, func=function)
    return spacy.load(path)


#: By the name of a format: what loads a part of it. The arguments after the path are those in the persistent id.
LOADERS: dict[str, Callable[..., Any]] = {
    "torch": _torch,
    "torchscript": _torchscript,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
    "keras": _keras,
    "onnx": _onnx,
    "transformers": _transformers,
    "spacy": _spacy,
}
