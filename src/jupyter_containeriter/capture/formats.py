"""The formats of frameworks: which leaves of an object graph they are for, and how these are written.

Nothing is imported here that the kernel has not imported: an object is recognised by its class's name and package, and
brings its framework along. :mod:`jupyter_containeriter.serving.parts` has the loader of each.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


@dataclass(frozen=True, slots=True)
class Native:
    """What a framework wrote.

    Attributes
    ----------
    files
        Content by path below the part; "" is the part itself where it is a single file.
    options
        Arguments of the loader. They are pickled with the rest, so classes and functions of the notebook may be in.
    modules
        Modules that loading needs beside those the object's classes come from.
    """

    files: Mapping[str, bytes]
    options: Mapping[str, Any] = field(default_factory=dict)
    modules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its ``name``, the ``suffix`` of its files, and what writes an object (raises what it likes).

    ``exact`` leaves subclasses out, where the format would lose what they add.
    """

    name: str
    suffix: str
    save: Callable[[Any], Native]
    exact: bool = False


def format_of(kind: type) -> Format | None:
    """Return the format for objects of a type, None where they are pickled."""
    for base in kind.__mro__:
        found = _FORMATS.get(f"{str(base.__module__).partition('.')[0]}.{base.__qualname__}")
        if found is not None and (base is kind or not found.exact):
            return found
    return None


#: Variables by which a person chooses the kernels that compute, and their blocks; with others the last digits differ.
_ARITHMETIC = (
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "NPY_DISABLE_CPU_FEATURES"),
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS", "JAX_DEFAULT_MATMUL_PRECISION"),
)


def environ_for(modules: frozenset[str]) -> dict[str, str]:
    """Return variables that must be set before frameworks among these modules are imported, as in this kernel."""
    packages = {module.partition(".")[0] for module in modules}
    environ = {name: os.environ[name] for name in _ARITHMETIC if name in os.environ}
    if "keras" in packages and (keras := sys.modules.get("keras")):
        environ["KERAS_BACKEND"] = str(keras.config.backend())
        packages.add(environ["KERAS_BACKEND"])
    if packages & {"jax", "jaxlib"} and (jax := sys.modules.get("jax")):
        environ["JAX_ENABLE_X64"] = str(bool(jax.config.jax_enable_x64)).lower()
    return environ


# --- writers -------------------------------------------------------------------------------------------------------


def _written(suffix: str, save: Callable[[Path], Any]) -> dict[str, bytes]:
    """Let a framework write to a temporary file or directory, and read what it wrote."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / f"part{suffix}"
        save(path)
        if path.is_file():
            return {"": path.read_bytes()}
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def _normal_zip(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """Write a zip archive anew without its times; ``change`` returns a member's new content, None to leave it out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for member in old.infolist():
            content = change(member.filename, old.read(member))
            if content is not None and not member.is_dir():
                new.writestr(zipfile.ZipInfo(member.filename), content)
    return buffer.getvalue()


def _save_tensors(tensors: Any) -> Native:
    buffer = io.BytesIO()
    sys.modules["torch"].save(tensors, buffer)
    return Native({"": buffer.getvalue()})


def _save_torchscript(module: Any) -> Native:
    buffer = io.BytesIO()
    sys.modules["torch"].jit.save(module, buffer)
    return Native({"": buffer.getvalue()})


def _save_xgboost(booster: Any) -> Native:
    return Native({"": bytes(booster.save_raw("ubj"))})


def _save_lightgbm(booster: Any) -> Native:
    kept = {name: getattr(booster, name) for name in ("best_iteration", "best_score", "params")}
    text = booster.model_to_string(num_iteration=-1)  # All of them, also those after the best one.
    return Native({"": text.encode()}, {"attributes": kept})


def _save_catboost(model: Any) -> Native:
    files = _written(".cbm", lambda path: model.save_model(str(path), format="cbm"))
    return Native(files, {"make": type(model), "params": model.get_params()})


def _save_keras(model: Any) -> Native:
    keras = sys.modules["keras"]
    (data,) = _written(".keras", model.save).values()
    custom = _custom_objects(model, keras, json.loads(zipfile.ZipFile(io.BytesIO(data)).read("config.json")))
    settings = {name: getattr(keras.config, name)() for name in ("floatx", "image_data_format")}
    attributes = {name: getattr(model, name) for name in ("jit_compile", "run_eagerly")}
    options = {"custom_objects": custom, "settings": settings, "attributes": attributes}
    return Native({"": _normal_zip(data, _normal_keras)}, options, frozenset({keras.config.backend()}))


def _normal_keras(name: str, content: bytes) -> bytes:
    """Leave out when a model was saved; number objects that are shared as they come, not by their addresses."""
    if name == "metadata.json":
        return json.dumps({key: value for key, value in json.loads(content).items() if key != "date_saved"}).encode()
    if name == "config.json":
        numbers: dict[bytes, int] = {}
        return re.sub(
            rb'(?<="shared_object_id": )\d+', lambda found: b"%d" % numbers.setdefault(found[0], len(numbers)), content
        )
    return content


def _custom_objects(model: Any, keras: Any, config: Any) -> dict[str, Any]:
    """Return the classes and functions that Keras refers to by name, by these names, but for its own."""
    names = set(_keras_names(config))
    found = (*keras.saving.get_custom_objects().values(), *_used_by(model, set()))
    named = {keras.saving.get_registered_name(one): one for one in found}
    return {name: named[name] for name in sorted(names & named.keys())}


def _keras_names(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        named = config.get("config") if config.get("class_name") == "function" else config.get("registered_name")
        if isinstance(named, str):
            yield named
        config = list(config.values())
    if isinstance(config, list):
        for item in config:
            yield from _keras_names(item)


def _used_by(value: Any, seen: set[int]) -> Iterator[Any]:
    """Find classes and functions from outside Keras in a model and in what it is made of."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _used_by(item, seen)
    elif callable(getattr(value, "get_config", None)):
        if not _is_keras(type(value)):
            yield type(value)
        yield from _used_by(getattr(value, "__dict__", {}), seen)
    elif callable(value) and hasattr(value, "__name__") and not _is_keras(value):
        yield value


def _is_keras(one: Any) -> bool:
    return str(one.__module__).partition(".")[0] == "keras"


def _save_onnx_session(session: Any) -> Native:
    data = session._model_bytes or _read_onnx(Path(session._model_path))  # noqa: SLF001 (it has no other name)
    given = session.get_session_options()
    names = ("execution_mode", "graph_optimization_level", "inter_op_num_threads", "intra_op_num_threads")
    providers = [(name, dict(session.get_provider_options()[name])) for name in session.get_providers()]
    options = {name: getattr(given, name) for name in names}
    return Native({"": data}, {"session": {"options": options, "providers": providers}})


def _read_onnx(path: Path) -> bytes:
    """Read a model; weights that it keeps in files beside its own (external data) are taken in."""
    data = path.read_bytes()
    # The key of an external file's name. Without the package that wrote it there are hardly any such files.
    if b"location" in data and importlib.util.find_spec("onnx"):
        onnx = importlib.import_module("onnx")
        return onnx.load(path).SerializeToString(deterministic=True)  # type: ignore[no-any-return]
    return data


def _save_onnx_model(model: Any) -> Native:
    return Native({"": model.SerializeToString(deterministic=True)}, {"session": None})


def _save_transformers(processor: Any) -> Native:
    with _no_progress_bar(sys.modules["transformers"].utils.logging):
        files = _written("", processor.save_pretrained)
    return Native({name: _without_paths(name, data) for name, data in files.items()}, {"make": type(processor)})


@contextmanager
def _no_progress_bar(logging: Any) -> Iterator[None]:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _save_transformers_model(model: Any) -> Native:
    native = _save_transformers(model)
    options = {"dtype": model.dtype, "attn_implementation": model.config._attn_implementation}  # noqa: SLF001
    return Native(native.files, {**native.options, "model": {"options": options, "training": model.training}})


def _without_paths(name: str, data: bytes) -> bytes:
    """Leave out where files came from: paths of this machine, which also would make equal models differ."""
    if not name.endswith("config.json"):
        return data
    config = json.loads(data)
    kept = {key: value for key, value in config.items() if not key.endswith("name_or_path") and not _is_path(value)}
    return data if kept == config else json.dumps(kept, indent=2, ensure_ascii=False).encode()


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute() and Path(value).exists()


def _save_spacy(nlp: Any) -> Native:
    spacy = sys.modules["spacy"]
    functions = [
        (registry, name, function)
        for registry, name in sorted(set(_spacy_names(nlp.config)))
        if not _is_spacy(function := spacy.registry.get(registry, name))
    ]
    metas = [nlp.get_pipe_meta(name) for name in nlp.component_names]
    made_by = {meta.factory: (meta.default_config, _factory(spacy, nlp, meta.factory)) for meta in metas}
    factories = [(name, config, function) for name, (config, function) in made_by.items() if not _is_spacy(function)]
    return Native(_written("", nlp.to_disk), {"functions": functions, "factories": factories})


def _spacy_names(config: Any) -> Iterator[tuple[str, str]]:
    """Find references to registered functions in a configuration: ``"@architectures": "spacy.TextCatBOW.v3"``."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _spacy_names(value)
        elif key.startswith("@"):
            yield key[1:], value


def _factory(spacy: Any, nlp: Any, name: str) -> Any:
    factories = spacy.registry.factories
    own = f"{nlp.lang}.{name}"
    return factories.get(own if own in factories else name)


def _is_spacy(function: Any) -> bool:
    """Tell what spaCy itself has registered; what it wraps around a component of the notebook is not found by name."""
    module = sys.modules.get(function.__module__)
    return function.__module__.partition(".")[0].startswith("spacy") and hasattr(module, function.__qualname__)


TENSORS = Format("torch", ".pt", _save_tensors, exact=True)
"""All tensors of a graph are written into one part."""

_SCRIPT = Format("torchscript", ".pt", _save_torchscript)
_CATBOOST = Format("catboost", ".cbm", _save_catboost, exact=True)
_PROCESSOR = Format("transformers", "", _save_transformers)

#: By package and name of a class.
_FORMATS = {
    "torch.Tensor": TENSORS,
    "torch.Parameter": TENSORS,
    "torch.ScriptModule": _SCRIPT,
    "torch.ScriptFunction": _SCRIPT,
    "xgboost.Booster": Format("xgboost", ".ubj", _save_xgboost, exact=True),
    "lightgbm.Booster": Format("lightgbm", ".txt", _save_lightgbm, exact=True),
    "catboost.CatBoost": _CATBOOST,
    "catboost.CatBoostClassifier": _CATBOOST,
    "catboost.CatBoostRanker": _CATBOOST,
    "catboost.CatBoostRegressor": _CATBOOST,
    "keras.Model": Format("keras", ".keras", _save_keras),
    "onnxruntime.InferenceSession": Format("onnx", ".onnx", _save_onnx_session, exact=True),
    "onnx.ModelProto": Format("onnx", ".onnx", _save_onnx_model),
    "transformers.PreTrainedModel": Format("transformers", "", _save_transformers_model),
    "transformers.PreTrainedTokenizerBase": _PROCESSOR,
    "transformers.ProcessorMixin": _PROCESSOR,
    "transformers.ImageProcessingMixin": _PROCESSOR,
    "transformers.FeatureExtractionMixin": _PROCESSOR,
    "spacy.Language": Format("spacy", "", _save_spacy),
}
