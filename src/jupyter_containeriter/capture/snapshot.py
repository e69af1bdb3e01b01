"""The road of a capture: find the call, pickle, predict the sample, close over what is needed, prove it."""

from __future__ import annotations

import copy
import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_containeriter.bytesize import size_text
from jupyter_containeriter.capture.closure import Attempt, Closure, Trial, close_over
from jupyter_containeriter.capture.content import Content, pickle_content
from jupyter_containeriter.capture.edited import edited_modules, edited_note
from jupyter_containeriter.capture.guards import Guard, Rules
from jupyter_containeriter.capture.predictor import Predictor, find_predictor, training_notes
from jupyter_containeriter.capture.proof import ProofResult, prove
from jupyter_containeriter.capture.replaced import replaced_packages
from jupyter_containeriter.capture.search import ClosureSearch
from jupyter_containeriter.errors import CaptureError, ContainerIterError, ParityError, UsageError
from jupyter_containeriter.parity import compare
from jupyter_containeriter.serving import wire
from jupyter_containeriter.serving.answers import plain_answer
from jupyter_containeriter.standard_library import LEFT_OUT
from jupyter_containeriter.types import Distribution, Snapshot

#: The number of the format of ``snapshot.json``; the server keeps reading older ones.
FORMAT = 2

#: A sample travels in the image and over HTTP; it shows how to call the model, it is no test set.
MAX_SAMPLE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """What to capture.

    Attributes
    ----------
    name
        The model's name.
    model
        The object in the kernel.
    label
        How the person calls the object, for messages.
    namespace
        The user namespace, as a plain dict.
    sample
        A few rows to predict, or None.
    expected
        Predictions that must come back, or None for the notebook's own.
    predict
        Method, function name or function to call; None for the default.
    include, exclude
        Distributions to add to, or leave out of, the environment.
    gpus
        Whether the container gets GPUs: else what only serves these may be left out.
    allow_data, allow_secrets
        Capture data that was hardly meant, and what looks like a secret, all the same.
    afresh
        Run the proof also where one of the same packages and code is remembered: no container will check the model.
    """

    name: str
    model: Any
    label: str
    namespace: Mapping[str, Any]
    sample: Any = None
    expected: Any = None
    predict: str | Callable[[Any, Any], Any] | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    gpus: bool = False
    allow_data: bool = False
    allow_secrets: bool = False
    afresh: bool = False


@dataclass(frozen=True, slots=True)
class _Predictions:
    """The notebook's predictions of the sample, and the same as they cross the wire."""

    expected: Any = None
    deterministic: bool = True
    schema: dict[str, Any] | None = None
    sample: dict[str, Any] | None = None


def capture(request: CaptureRequest, workspace: Path, rules: Rules | None = None) -> Snapshot:
    """Turn a model in a namespace into a proven Snapshot.

    Parameters
    ----------
    request
        What to capture.
    workspace
        A directory for the clean process and for what earlier proofs found.
    rules
        What is refused: too much data that came along, secrets.

    Raises
    ------
    UsageError
        Nothing to call, a sample of no rows, an unknown package: correct the call.
    CaptureError
        The model cannot be pickled, does not load without the notebook, or brings along data or a secret that was
        hardly meant: the message names what is in the way.
    ParityError
        In a clean process the model predicts something else.
    """
    predictor = find_predictor(request.model, request.label, request.predict, request.namespace)
    # Before it predicts: a model may change when it does.
    content = pickle_content(request.model, request.label, predictor)
    allowed = {"allow_data": request.allow_data, "allow_secrets": request.allow_secrets}
    guard = Guard(rules or Rules(), **allowed, memory=workspace / "clean")
    guard.look_at_objects([(request.label, request.model), *_named(predictor)])
    predictions = _predict(request, predictor)
    content, closure = _proven(request, content, predictions, guard, workspace)
    document = _document(request.name, content, predictions)
    document["distributions"] = [
        {"name": d.name, "version": d.version, "size_bytes": d.size_bytes, "reason": d.reason}
        for d in closure.environment
    ]
    document["left_out"] = {f"{d.name} {d.version}": f"{size_text(d.size_bytes)}; {d.reason}" for d in closure.left_out}
    described = {**content.files, "snapshot.json": _json(document)}
    code = guard.without_keys(closure.code)
    guard.look_at_files(described, code, closure.code_digest)
    return Snapshot(
        name=request.name,
        files=described,
        code=tuple(sorted(code.items())),
        environment=closure.environment,
        expected=predictions.expected,
        sample=request.sample,
        schema=predictions.schema,
        deterministic=predictions.deterministic,
        model_digest=_digest(*(data for _, data in sorted(content.files.items()))),
        code_digest=closure.code_digest,
        data_digest=_digest(_json(predictions.sample["inputs"])) if predictions.sample else "",
        notes=(*guard.notes, *_notes(closure), *_doubts(request, predictions)),
        libraries=closure.libraries,
        remembered=closure.remembered,
    )


def read_sample(document: Mapping[str, Any]) -> tuple[Any, Any]:
    """Read the sample and its expected predictions back from a ``snapshot.json`` that has one."""
    signature, sample = document["signature"], document["sample"]
    inputs = wire.decode(sample["inputs"], signature["inputs"])
    return inputs, wire.decode(sample["outputs"], signature["expected"])


def _notes(closure: Closure) -> Iterator[str]:
    if edited := edited_modules(closure.code.values()):
        yield edited_note(*edited)
    yield from replaced_packages(closure.environment)


def _doubts(request: CaptureRequest, predictions: _Predictions) -> Iterator[str]:
    if not predictions.deterministic:
        yield from training_notes(request.model, request.label)


def _named(predictor: Predictor) -> Iterator[tuple[str, Any]]:
    if predictor.function is not None:
        yield predictor.function_name, predictor.function


def _predict(request: CaptureRequest, predictor: Predictor) -> _Predictions:
    if request.sample is None:
        return _Predictions()
    if _is_empty(request.sample):
        raise UsageError("The sample has no rows.", "Give at least one row: --sample X_test[:5].")
    with _crossing_http():
        inputs = wire.infer_schema(request.sample, name="input-0")
        encoded = wire.encode(request.sample, inputs)
    # Copies, because a model may write into its input.
    first, second = (predictor(_copied(request.sample)) for _ in range(2))
    with _crossing_http():
        first, second = plain_answer(first), plain_answer(second)
        expected = first if request.expected is None else plain_answer(request.expected)
    deterministic = compare(first, second).parity == "exact"
    if request.expected is not None:
        _insist(request.label, expected, first, deterministic=deterministic)
    with _crossing_http():
        outputs = wire.infer_schema(first, name="output-0")
        returned = wire.infer_schema(expected, name="output-0")
        sample = {"inputs": encoded, "outputs": wire.encode(expected, returned)}
    if (size := len(_json(sample))) > MAX_SAMPLE_BYTES:
        raise UsageError(f"The sample takes {size_text(size)}.", "Give a few rows: --sample X_test[:5].")
    schema = {"inputs": inputs, "outputs": outputs, "expected": returned}
    return _Predictions(expected, deterministic, schema, sample)


def _insist(label: str, expected: Any, actual: Any, *, deterministic: bool) -> None:
    """Compare what must come back with what the notebook predicts: no container will do better."""
    comparison = compare(expected, actual, deterministic=deterministic, sides=("--expect", "notebook"))
    if comparison.parity == "failed":
        rows = "\n".join(f"  {line}" for line in comparison.differences)
        raise ParityError(
            f"The notebook itself predicts something else than --expect:\n{rows}",
            f"Correct --expect (of the type that {label} gives), or the model. What ran before keeps running.",
        )


@contextmanager
def _crossing_http() -> Iterator[None]:
    try:
        yield
    except wire.WireError as error:
        raise CaptureError(
            f"The sample or its predictions cannot cross HTTP: {error}",
            "Give the sample as a DataFrame, an array or a list; wrap the model with --predict to convert its output.",
        ) from error


def _is_empty(sample: Any) -> bool:
    if shape := getattr(sample, "shape", ()):
        return bool(shape[0] == 0)
    try:
        return len(sample) == 0
    except TypeError:  # no rows to count: an iterator, an array without dimensions
        return False


def _copied(sample: Any) -> Any:
    try:
        return copy.deepcopy(sample)
    except Exception as error:
        raise CaptureError(
            f"The sample cannot be copied: {error}", "Give its values alone; of a tensor, --sample X.detach()[:5]."
        ) from error


def _proven(
    request: CaptureRequest, content: Content, predictions: _Predictions, guard: Guard, workspace: Path
) -> tuple[Content, Closure]:
    """Close over the content, pickling what its framework has saved but cannot read back, or reads back differently."""
    try:
        return content, _closed(request, content, predictions, guard, workspace)
    except (CaptureError, ParityError):
        # Tensors lose nothing, so they are not the first to be suspected.
        if suspected := content.formats - {"torch"} or content.formats:
            with suppress(CaptureError, ParityError):
                return _proven(request, content.without(suspected), predictions, guard, workspace)
        raise


def _closed(
    request: CaptureRequest, content: Content, predictions: _Predictions, guard: Guard, workspace: Path
) -> Closure:
    # Without a sample nothing is predicted, so nothing shows what the model can do without.
    gpus = request.gpus or predictions.sample is None
    search = ClosureSearch(request.include, request.exclude, workspace / "unpacked", gpus=gpus)
    search.add(content.modules, "the model's pickle refers to {}".format)
    schemas = (predictions.schema or {}).values()
    search.add((module for schema in schemas for module in wire.libraries(schema)), "the sample is made of {}".format)
    attempt = _attempt(request, content, predictions, guard, workspace)
    key = _digest(_json([*content.proof, predictions.schema]))
    return close_over(search, key, attempt, workspace / "proofs", afresh=request.afresh)


def _document(name: str, content: Content, predictions: _Predictions) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": name,
        "python": platform.python_version(),
        "environ": content.environ,
        "model": content.model,
        "predict": content.predict,
        "deterministic": predictions.deterministic,
        "signature": predictions.schema,
        "sample": predictions.sample,
    }


def _attempt(
    request: CaptureRequest, content: Content, predictions: _Predictions, guard: Guard, workspace: Path
) -> Attempt:
    """Return the proof as a function of what it may see."""
    files = {**content.files, "snapshot.json": _json(_document(request.name, content, predictions))}

    def attempt(environment: tuple[Distribution, ...], code: dict[str, Path]) -> Trial:
        code = guard.without_keys(code)
        result = prove(files, code, environment, workspace)
        missing = result.missing_module
        if missing.partition(".")[0] in LEFT_OUT:
            failure: ContainerIterError | None = _left_out(request, missing)
            missing = ""
        else:
            failure = None if missing else _failure(request, predictions, result, code)
        return Trial(missing, failure, result.imported, result.sought, result.libraries, result.missing_file)

    return attempt


def _left_out(request: CaptureRequest, module: str) -> CaptureError:
    return CaptureError(
        f"{request.label} needs {module}, a part of the standard library that images leave out.",
        "Import it only where the notebook needs it, not in what predicts.",
    )


def _failure(
    request: CaptureRequest, predictions: _Predictions, result: ProofResult, code: Mapping[str, Path]
) -> ContainerIterError | None:
    """Return what is wrong with a proof that missed no module; None where nothing is."""
    if result.missing_file and Path(result.missing_file).exists():
        return CaptureError(
            f"{request.label} reads {result.missing_file}, which is not captured: {result.error}",
            "Read it in a cell and keep its content in the model, or put it into a local package, beside its module.",
        )
    if result.error:
        remedy = "Put what it reads (files, downloads, variables, patches of other cells) into the model or a module."
        edited = edited_modules(code.values())
        return CaptureError(
            f"{request.label} works in the notebook but not without it: {result.error}",
            edited_note(*edited) if edited else remedy,
        )
    if predictions.sample is None:
        return None
    assert result.outputs is not None
    assert result.output_schema is not None
    actual = wire.decode(result.outputs, result.output_schema)
    sides = ("notebook" if request.expected is None else "--expect", "clean process")
    comparison = compare(predictions.expected, actual, deterministic=predictions.deterministic, sides=sides)
    if comparison.parity != "failed":
        return None
    rows = "\n".join(f"  {line}" for line in comparison.differences)
    return ParityError(f"In a clean process {request.label} predicts something else:\n{rows}", _remedy(code))


def _remedy(code: Mapping[str, Path]) -> str | None:
    """Name the usual cause where local files are involved: the kernel still runs them as they were imported."""
    if edited := edited_modules(code.values()):
        return edited_note(*edited)
    modules = sorted({name.partition("/")[0].removesuffix(".py") for name in code})
    if not modules:
        return None
    return f"If you edited {', '.join(modules)} after importing it, reload it (importlib.reload) or restart the kernel."


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _digest(*contents: bytes) -> str:
    hasher = hashlib.sha256()
    for content in contents:
        hasher.update(hashlib.sha256(content).digest() if len(contents) > 1 else content)
    return "sha256:" + hasher.hexdigest()
