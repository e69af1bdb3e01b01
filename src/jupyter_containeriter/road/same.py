"""A model that was restored and is unchanged: the image it came from is the one that would be built."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.bases import BaseChoice
from jupyter_containeriter.capture.predictor import find_predictor
from jupyter_containeriter.capture.snapshot import CaptureRequest
from jupyter_containeriter.capture.surroundings import surroundings
from jupyter_containeriter.errors import DamagedLayerError, UsageError
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.road.site import Candidate
from jupyter_containeriter.road.stored import stored_document, unpack_model
from jupyter_containeriter.serving import wire
from jupyter_containeriter.types import Image

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session


def same_version(
    session: Session, request: CaptureRequest, options: RunOptions, choice: BaseChoice
) -> Candidate | None:
    """Return the version that a restored model still is, None where anything of the request may make a difference.

    The same are: the name, the pickle of the model in this kernel, how it is called, the sample (or none: then that of
    the version is taken), the base, and all of the surroundings. Functions that predict are not compared.
    """
    if request.expected is not None or request.include or request.exclude or options.gpus:
        return None
    restored = session.restored_models.iteration_of(request.name, request.model)
    iteration = None if restored is None else session.history.by_ids([restored]).get(restored)
    if iteration is None or iteration.base != choice.reference:
        return None
    image, document = stored_document(session.cache, iteration)
    if image is None or json.loads(image.config)["architecture"] != choice.architecture:
        return None
    alike = (
        _is_called_so(request, document) and _has_sample(request, document) and _is_at_home(session, image, document)
    )
    return Candidate(iteration, image, document) if alike else None


def _is_at_home(session: Session, image: Image, document: Mapping[str, Any]) -> bool:
    with tempfile.TemporaryDirectory() as directory:
        try:
            unpack_model(image, Path(directory))
        except DamagedLayerError as error:
            session.cache.discard(error.digest)
            return False
        return surroundings(document, Path(directory) / "code").same


def _is_called_so(request: CaptureRequest, document: Mapping[str, Any]) -> bool:
    try:
        predictor = find_predictor(request.model, request.label, request.predict, request.namespace)
    except UsageError:
        return False
    return predictor.kind != "function" and predictor.describe() == document["predict"]


def _has_sample(request: CaptureRequest, document: Mapping[str, Any]) -> bool:
    if request.sample is None:
        return True
    if document["sample"] is None:
        return False
    try:
        schema = wire.infer_schema(request.sample, name="input-0")
        given = [schema, wire.encode(request.sample, schema)]
    except wire.WireError:
        return False
    # As JSON: numbers of arrays are written there as they are in the document.
    return bool(json.loads(json.dumps(given)) == [document["signature"]["inputs"], document["sample"]["inputs"]])
