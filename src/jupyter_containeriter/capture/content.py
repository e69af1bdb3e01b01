"""What goes below ``model/`` in an image: the pickles of a model and of the function that calls it, and their parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jupyter_containeriter.capture.formats import environ_for
from jupyter_containeriter.capture.parts import Parts
from jupyter_containeriter.capture.payload import pickle_object
from jupyter_containeriter.capture.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Content:
    """Content, and how ``snapshot.json`` refers to it.

    Attributes
    ----------
    files
        By path below the image's root.
    model, predict, environ
        Members of ``snapshot.json``.
    modules
        Modules that the pickles refer to and that loading the parts needs.
    formats
        Formats of the parts.
    proof
        What a proof of this content depends on, beside environment, local code and signature.
    without
        Pickles it again, and not in these formats.
    """

    files: dict[str, bytes]
    model: dict[str, Any]
    predict: dict[str, str]
    environ: dict[str, str]
    modules: frozenset[str]
    formats: frozenset[str]
    proof: list[Any]
    without: Callable[[frozenset[str]], Content]


def pickle_content(model: Any, label: str, predictor: Predictor, refused: frozenset[str] = frozenset()) -> Content:
    """Pickle a model and the function that calls it, if there is one; what they share is stored once.

    Parameters
    ----------
    label
        How the person calls the model, for messages.
    refused
        Formats of frameworks not to be used.

    Raises
    ------
    CaptureError
        Something inside cannot be pickled: the message names its attribute path.
    """
    parts = Parts(refused)
    payloads = {"model/model.pkl": pickle_object(model, label, parts)}
    described = predictor.describe()
    predict = dict(described)
    if predictor.function:
        path = "model/predict.pkl"
        payloads[path] = pickle_object(predictor.function, predictor.function_name, parts)
        predict |= {"path": path, "digest": payloads[path].digest}
    written = parts.finish()
    pickled = payloads["model/model.pkl"]
    entry = {"path": "model/model.pkl", "format": pickled.format, "digest": pickled.digest}
    modules = frozenset(module for payload in payloads.values() for module in payload.modules)
    environ = environ_for(modules)
    files = {name: payload.data for name, payload in payloads.items()}
    for part in written:
        files |= part.files
    return Content(
        files=files,
        model={**entry, "parts": [part.describe() for part in written]},
        predict=predict,
        environ=environ,
        modules=modules,
        formats=parts.formats,
        proof=[described, environ, sorted(parts.formats), *sorted(p.code_digest for p in payloads.values())],
        without=lambda formats: pickle_content(model, label, predictor, refused | formats),
    )
