"""The model of an earlier version, brought back into the kernel from its image."""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.capture.snapshot import read_sample
from jupyter_containeriter.capture.surroundings import Surroundings, surroundings
from jupyter_containeriter.contents import imaged_iteration
from jupyter_containeriter.errors import BuildError, DamagedLayerError, NotFoundError, RestoreError, UsageError
from jupyter_containeriter.names import parse_reference
from jupyter_containeriter.parity import compare
from jupyter_containeriter.progress import PhaseTimes, Progress
from jupyter_containeriter.road.stored import stored_document, unpack_model
from jupyter_containeriter.serving.answers import plain_answer
from jupyter_containeriter.serving.model import LoadError, Opened, open_model
from jupyter_containeriter.show.live import show
from jupyter_containeriter.show.restored import restored_card, restored_text
from jupyter_containeriter.show.shown import Shown
from jupyter_containeriter.types import Comparison, Iteration

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

PHASES = ("restore", "verify")


@dataclass(frozen=True, eq=False, repr=False)
class Restored(Shown):
    """A model that is back.

    Attributes
    ----------
    iteration
        Its row of the history.
    model
        The object.
    call
        How it predicts, in words.
    comparison
        Its predictions of the stored sample, here and now, against those of then; None without a sample.
    notes
        How this kernel differs from the one it was made in, and what was done about it.
    variable
        What it is called in the notebook, "" where it was not given a name.
    """

    iteration: Iteration
    model: Any = field(repr=False)
    call: str
    comparison: Comparison | None
    notes: tuple[str, ...]
    variable: str = ""

    @property
    def failed(self) -> bool:  # type: ignore[override]
        """Whether it predicts something else than it did."""
        return self.comparison is not None and self.comparison.parity == "failed"

    def named(self, variable: str) -> Restored:
        """Return the same with the name it got."""
        return replace(self, variable=variable)

    def html(self) -> str:
        """Return the card."""
        return restored_card(self)

    def text(self) -> str:
        """Return the same in lines."""
        return restored_text(self)

    def document(self) -> dict[str, Any]:
        """Return all but the object."""
        return {
            "name": self.iteration.name,
            "version": self.iteration.version,
            "variable": self.variable,
            "call": self.call,
            "parity": self.comparison and self.comparison.parity,
            "notes": list(self.notes),
        }

    def _ipython_display_(self) -> None:
        show(self)


def restore(session: Session, reference: str, progress: Progress) -> Restored:
    """Load the model of ``NAME[:VERSION]`` from its image into this process.

    Raises
    ------
    NotFoundError
        There is no such version, or no image of it (any more).
    RestoreError
        It cannot be loaded here: the message says what this kernel lacks.
    """
    iteration = imaged_iteration(session, *parse_reference(reference))
    label = f"{iteration.name}:{iteration.version}"
    times = PhaseTimes(progress)
    with tempfile.TemporaryDirectory(prefix="containeriter-") as temporary, times.phase("restore"):
        root = Path(temporary)
        _unpack(session, iteration, label, root)
        document = json.loads((root / "snapshot.json").read_bytes())
        here = surroundings(document, root / "code")
        _insist_on_python(label, here, root / "model")
        _insist_on_backend(label, {**here.unset, **{name: then for name, (then, _) in here.variables.items()}})
        notes = [*here.sentences(), *_prepare(session, here, root / "code")]
        for note in notes:
            progress.note(note)
        opened = _opened(label, here, root)
    session.restored_models.remember(iteration.name, iteration.id, opened.model)
    with times.phase("verify"):
        comparison = _compared(opened, document)
    session.kernel_models.remember_restored(iteration.name, iteration.id, opened.model, document["predict"])
    # A model may change when it predicts.
    session.restored_models.remember(iteration.name, iteration.id, opened.model)
    return Restored(iteration, opened.model, _call(document["predict"]), comparison, tuple(notes))


def _unpack(session: Session, iteration: Iteration, label: str, root: Path) -> None:
    image, _ = stored_document(session.cache, iteration)
    if image is None:
        raise NotFoundError(
            f"The image of {label} is no longer in the layer cache, and the model with it.",
            f"Restore another version: see %iterations {iteration.name}.",
        )
    try:
        unpack_model(image, root)
    except DamagedLayerError as error:
        raise BuildError(
            f"The image of {label} is damaged in the layer cache: nothing of it was loaded.",
            "Restore another version, or containerize the model again.",
        ) from error


# --- what this kernel must have ------------------------------------------------------------------------------------


def _insist_on_python(label: str, here: Surroundings, model: Path) -> None:
    """Refuse code of the notebook that another Python compiled; what is pickled by name may well load."""
    then, now = here.python or ("", "")
    if then.split(".")[:2] == now.split(".")[:2]:
        return
    # Nothing is executed to find that out: what cloudpickle writes by value names cloudpickle.
    if any(b"cloudpickle" in pickle.read_bytes() for pickle in model.glob("*.pkl")):
        raise RestoreError(
            f"{label} carries code of a notebook that Python {then} compiled; this is Python {now}.",
            f"Restore it in a kernel with Python {'.'.join(then.split('.')[:2])}, or let it serve: %deploy {label}.",
        )


def _insist_on_backend(label: str, variables: Mapping[str, str]) -> None:
    wanted = variables.get("KERAS_BACKEND")
    keras = sys.modules.get("keras")
    if wanted and keras is not None and (used := keras.config.backend()) != wanted:
        raise RestoreError(
            f"{label} runs on Keras with {wanted}; this kernel uses {used} already.",
            f"Restart the kernel, set KERAS_BACKEND={wanted} before anything is imported, and restore it then.",
        )


def _prepare(session: Session, here: Surroundings, code: Path) -> Iterator[str]:
    """Set variables that are unset, and make local modules that are lacking importable; say so."""
    for name, value in here.unset.items():
        os.environ[name] = value
        yield f"{name}={value} is set for this kernel, as it was."
    if here.lacking:
        place = _kept(code, here.lacking, session.settings.data_path / "restored")
        if place not in sys.path:
            # At the end, so that nothing of the person's own is hidden, now or later.
            sys.path.append(place)
        importlib.invalidate_caches()
        yield f"Local code that is not here comes from the image: {', '.join(here.lacking)} (in {place})."


def _kept(code: Path, modules: tuple[str, ...], directory: Path) -> str:
    """Copy modules to a place of their content, where they stay: what predicts or pickles may import them any time."""
    files = sorted(
        file.relative_to(code)
        for file in code.rglob("*")
        if file.is_file() and file.relative_to(code).parts[0].partition(".")[0] in modules
    )
    hasher = hashlib.sha256()
    for file in files:
        hasher.update(f"{file}\n".encode() + hashlib.sha256((code / file).read_bytes()).digest())
    place = directory / hasher.hexdigest()[:16]
    if not place.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=directory) as temporary:
            half = Path(temporary) / "code"
            for file in files:
                (half / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(code / file, half / file)
            try:
                half.rename(place)
            except OSError:
                if not place.exists():  # else another kernel was first, with the same
                    raise
    return str(place)


# --- the model -----------------------------------------------------------------------------------------------------


def _opened(label: str, here: Surroundings, root: Path) -> Opened:
    """Load with the server's own loader; what a model raises while it is loaded may be anything."""
    try:
        return open_model(root)
    except LoadError as error:
        raise RestoreError(f"{label} cannot be loaded: {error}") from error
    except ModuleNotFoundError as error:
        needed = " ".join(f"{name}=={then}" for name, then in here.missing.items())
        raise RestoreError(
            f"{label} needs the module {error.name}, which this kernel lacks.",
            f"pip install {needed}, then restore it again; or let it serve: %deploy {label}."
            if needed
            else f"Put {error.name} where this kernel finds it; or let the image serve: %deploy {label}.",
        ) from error
    except Exception as error:
        differences = " ".join(here.sentences())
        raise RestoreError(
            f"{label} cannot be loaded here: {type(error).__name__}: {error}\n{differences}".rstrip(),
            f"Make this kernel like the one it was made in, or let the image serve: %deploy {label}.",
        ) from error


def _compared(opened: Opened, document: Mapping[str, Any]) -> Comparison | None:
    if document["sample"] is None:
        return None
    sample, expected = read_sample(document)
    try:
        actual = plain_answer(opened.function(copy.deepcopy(sample)))
    except Exception as error:  # noqa: BLE001 (the model is back all the same; that it fails is what is told)
        return Comparison("failed", None, (f"predicting the sample raised {type(error).__name__}: {error}",))
    return compare(expected, actual, deterministic=document["deterministic"], sides=("then", "now"))


def _call(predict: Mapping[str, Any]) -> str:
    """Say what predicts: what was restored is the model, not the function that may have called it."""
    kind = predict["kind"]
    if kind == "method":
        return f".{predict['method']}(data)"
    if kind == "callable":
        return "(data)"
    if kind == "function":
        return "through a function of the notebook (--predict, or a cell), which is in the image and is not restored"
    return f"through {kind}, as its own library does"


# --- its name ------------------------------------------------------------------------------------------------------


def variable_for(session: Session, reference: str, wanted: str | None, namespace: Mapping[str, Any]) -> str:
    """Decide what a restored model is called in a notebook, before anything is loaded.

    Parameters
    ----------
    wanted
        The name that was asked for, which wins; None for one made of the model's name.
    namespace
        What there is.

    Raises
    ------
    UsageError
        It is no name; or it was not asked for and holds something that would be lost.
    """
    name, version = parse_reference(reference)
    variable = wanted or identifier(name)
    if not variable.isidentifier() or iskeyword(variable):
        raise UsageError(f"--as {variable}: no variable can be called so.", f"For example --as {identifier(name)}.")
    if wanted is None and variable in namespace:
        held = namespace[variable]
        if session.restored_models.iteration_of(name, held) is None:
            both = f"{variable}_{version}" if version else f"{variable}_old"
            raise UsageError(
                f"{variable} is in this notebook already (a {type(held).__name__}), and would be lost.",
                f"%restore {reference} --as {both} keeps both; --as {variable} replaces it.",
            )
    return variable


def identifier(name: str) -> str:
    """Return a model's name as that of a variable: ``churn-model`` gives ``churn_model``, ``2nd`` gives ``_2nd``."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name)
    return f"_{plain}" if plain[0].isdigit() or iskeyword(plain) else plain
