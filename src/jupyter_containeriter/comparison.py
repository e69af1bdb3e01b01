"""What changed between two versions of a model: from their rows in the history, and from their images."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_containeriter.analytics.changes import changed
from jupyter_containeriter.contents import package_versions, read_files
from jupyter_containeriter.errors import BuildError
from jupyter_containeriter.names import check_name
from jupyter_containeriter.road.stored import stored_document
from jupyter_containeriter.show.compared import compared_card, compared_text
from jupyter_containeriter.show.shown import Shown
from jupyter_containeriter.types import CONTAINER_ROOT, PHASES, Image, Iteration, Layer

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session

Pairs = Mapping[str, tuple[Any, Any]]
"""Something before and after, by its name; None where it is not there."""

_CODE = f"{CONTAINER_ROOT}/code/"

#: Columns in which two versions are compared as they stand, by how they are called.
_FACTS = {
    "status": "status",
    "parity": "parity",
    "data": "data_digest",
    "model": "model_digest",
    "local code": "code_digest",
    "environment": "environment_digest",
    "base": "base",
    "engine": "engine",
    "method": "method",
    "image": "image_digest",
    "image size": "image_size_bytes",
    "bytes sent": "sent_bytes",
}


@dataclass(frozen=True, slots=True)
class FileChange:
    """A text that is not the same in both: a local module, or the cell that asked.

    ``diff`` are the lines of a unified diff, none for a file that is no text.
    """

    path: str
    diff: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class VersionChanges(Shown):
    """What changed between two versions of a model.

    Attributes
    ----------
    before, after
        Their rows of the history.
    params, metrics, phases
        Those that differ; phases in seconds, all that happened in either.
    facts
        What else differs: digests, sizes, base, engine, by its name.
    same
        Names of facts that do not differ.
    packages
        Distributions whose version differs, None where that cannot be known.
    code
        Local modules that differ, and the cell that asked where both are known; None where no code can be known.
    layers
        Layers of the version after, each with whether the one before has it, too; None where that cannot be known.
    unknown
        What could not be compared, and why, as sentences.
    """

    before: Iteration
    after: Iteration
    params: Pairs
    metrics: Pairs
    phases: Pairs
    facts: Pairs
    same: tuple[str, ...]
    packages: Pairs | None
    code: tuple[FileChange, ...] | None
    layers: tuple[tuple[Layer, bool], ...] | None
    unknown: tuple[str, ...]

    def html(self) -> str:
        """Return the card."""
        return compared_card(self)

    def text(self) -> str:
        """Return the same in lines."""
        return compared_text(self)

    def document(self) -> dict[str, Any]:
        """Return all of it."""
        pairs = ("params", "metrics", "phases", "facts", "packages")
        return {
            "name": self.after.name,
            "before": self.before.version,
            "after": self.after.version,
            **{kind: _listed(getattr(self, kind)) for kind in pairs},
            "same": list(self.same),
            "code": None if self.code is None else [{"path": c.path, "diff": list(c.diff)} for c in self.code],
            "layers": None
            if self.layers is None
            else [
                {"role": layer.role, "comment": layer.comment, "size_bytes": layer.size_bytes, "shared": shared}
                for layer, shared in self.layers
            ],
            "unknown": list(self.unknown),
        }


def compare_versions(session: Session, name: str, before: int, after: int) -> VersionChanges:
    """Tell what changed from one version of a model to another.

    Raises
    ------
    NotFoundError
        There is no such version.
    """
    one, other = (session.versions.row(check_name(name), version) for version in (before, after))
    facts = {called: (getattr(one, column), getattr(other, column)) for called, column in _FACTS.items()}
    stored = [stored_document(session.cache, row) for row in (one, other)]
    images = [image for image, _ in stored if image is not None]
    unknown = [_gone(row) for row, (image, _) in zip((one, other), stored, strict=True) if image is None]
    packages = code = layers = None
    if len(images) == 2:
        facts["model size"] = _model_bytes(images[0]), _model_bytes(images[1])
        facts["Python"] = stored[0][1]["python"], stored[1][1]["python"]
        packages = changed(*(package_versions(document) for _, document in stored))
        digests = {layer.digest for layer in images[0].layers}
        layers = tuple((layer, layer.digest in digests) for layer in images[1].layers)
        try:
            code = tuple(_diffs(*(dict(_local_code(image)) for image in images)))
        except BuildError as error:
            unknown.append(f"Local code cannot be compared: {error.message}")
    if one.cell and other.cell:
        cells = tuple(_diffs({"the cell that asked": one.cell.encode()}, {"the cell that asked": other.cell.encode()}))
        code = cells if code is None else (*cells, *code)
    known = {called: pair for called, pair in facts.items() if pair not in {(None, None), ("", "")}}
    return VersionChanges(
        before=one,
        after=other,
        params=changed(one.params, other.params),
        metrics=changed(one.metrics, other.metrics),
        phases=dict(_phases(one, other)),
        facts={called: pair for called, pair in known.items() if pair[0] != pair[1]},
        same=tuple(called for called, pair in known.items() if pair[0] == pair[1]),
        packages=packages,
        code=code,
        layers=layers,
        unknown=tuple(unknown),
    )


def _gone(row: Iteration) -> str:
    label = f"{row.name}:{row.version}"
    why = f"The image of {label} is no longer in the layer cache" if row.image_digest else f"{label} has no image"
    return f"{why}: packages, local code and layers cannot be compared."


def _phases(one: Iteration, other: Iteration) -> Iterator[tuple[str, tuple[float | None, float | None]]]:
    totals = {"verified in": "package_to_verified_seconds", "cycle": "cycle_seconds", "lead time": "lead_seconds"}
    for called, column in {**{phase: f"{phase}_seconds" for phase in PHASES}, **totals}.items():
        pair = getattr(one, column), getattr(other, column)
        if pair != (None, None):
            yield called, pair


def _model_bytes(image: Image) -> int:
    return sum(layer.size_bytes for layer in image.layers if layer.role == "model")


def _local_code(image: Image) -> Iterator[tuple[str, bytes]]:
    layers = [layer for layer in image.layers if layer.role == "code"]
    for path, content in read_files(layers, lambda path: path.startswith(_CODE) and not path.endswith(".pyc")):
        yield path.removeprefix(_CODE), content


def _diffs(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[FileChange]:
    for path in sorted({*before, *after}):
        one, other = before.get(path), after.get(path)
        if one != other:
            yield FileChange(path, _diff(path, one, other))


def _diff(path: str, before: bytes | None, after: bytes | None) -> tuple[str, ...]:
    try:
        one, other = ((content or b"").decode().splitlines() for content in (before, after))
    except UnicodeDecodeError:
        return ()
    old, new = ("/dev/null" if content is None else path for content in (before, after))
    return tuple(difflib.unified_diff(one, other, old, new, lineterm=""))


def _listed(pairs: Pairs | None) -> dict[str, dict[str, Any]] | None:
    return None if pairs is None else {name: {"before": b, "after": a} for name, (b, a) in pairs.items()}
