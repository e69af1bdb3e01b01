"""The images of a Docker or Podman engine: which layers it holds, and the way of a new image into it.

Engines differ in what they keep, and each one has its own way to answer "loaded" when nothing was. See
``docs/engines.md`` for what is sent and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

from jupyter_containeriter.errors import EngineError
from jupyter_containeriter.image.archive import hybrid_archive
from jupyter_containeriter.types import HeldImage, Image, LoadReport

Store = Literal["overlay2", "containerd", "podman"]

#: All references of ours, in the engine's filter syntax.
_OURS = "localhost/containeriter/*"
#: How many held images are looked at for layers to leave out; an inspect takes 1 to 13 ms, once for each image.
_CANDIDATES = 16
_SAME_NAME_CANDIDATES = 4
#: Longest silence of an engine while it unpacks gigabytes.
_LOAD_SECONDS = 1800.0
#: Sending so much takes no longer than asking which of it is there: listing images takes up to 4 ms for each one.
_CHEAP_BYTES = 8 * 1024**2


class Images:
    """The images of one engine.

    Parameters
    ----------
    api
        A connected ``docker.APIClient``.
    store
        How the engine keeps images.
    """

    def __init__(self, api: Any, store: Store) -> None:
        self._api = api
        self._store = store
        #: An image's layers never change, so each one is inspected once.
        self._layers: dict[str, list[str]] = {}
        self._latest: str | None = None

    def id_of(self, image: Image) -> str:
        """Return the id under which the engine knows, or would know, this image."""
        return image.digest if self._store == "containerd" else image.config_digest

    def holds(self, image: Image) -> bool:
        """Whether exactly this image is there under its reference."""
        return image.reference in (self._tags(image) or ())

    def held(self, reference: str) -> HeldImage | None:
        """Look for an image of anybody's."""
        attributes = self._inspect(reference)
        if attributes is None:
            return None
        return HeldImage(attributes["Id"], attributes["Architecture"], tuple(attributes.get("RepoDigests") or ()))

    def load(self, image: Image) -> LoadReport:
        """Bring the image in with as few layers as possible; see :meth:`Engine.load`."""
        report = LoadReport("present", 0, 0, len(image.layers)) if self._present(image) else self._bring(image)
        self._latest = image.reference
        return report

    def _bring(self, image: Image) -> LoadReport:
        archive = _Archive(image)
        omit = self._omissions(image)
        if omit and self._attempt(archive, omit) is None:
            reused = sum(layer.digest in omit for layer in image.layers)
            return LoadReport("partial", archive.sent_bytes, len(image.layers) - reused, reused)
        # The engine lost a layer since it was asked, or cannot take an archive without it: send everything.
        failure = self._attempt(archive, frozenset())
        if failure is not None:
            raise EngineError(f"The engine could not load {image.reference}: {failure}")
        return LoadReport("full", archive.sent_bytes, len(image.layers), 0)

    def remove(self, image: Image) -> bool:
        """Remove the reference where it still names this image; False where it does not, or a container needs it."""
        import docker.errors

        if not self.holds(image):
            return False
        try:
            self._api.remove_image(image.reference)
        except docker.errors.NotFound:
            return False
        except docker.errors.APIError as error:
            if error.status_code != 409:  # a container uses it
                raise
            return False
        return True

    # --- what is there ---------------------------------------------------------------------------------------------

    def _present(self, image: Image) -> bool:
        tags = self._tags(image)
        if tags is None:
            return False
        if image.reference not in tags:
            # Equal content was loaded as another version before.
            repository, _, tag = image.reference.rpartition(":")
            self._api.tag(self.id_of(image), repository, tag, force=True)
        return True

    def _tags(self, image: Image) -> list[str] | None:
        """Return the references of the image, or None where it is not there with all its layers."""
        attributes = self._inspect(self.id_of(image))
        if attributes is None or _diff_ids(attributes) != [layer.digest for layer in image.layers]:
            return None
        return list(attributes.get("RepoTags") or ())

    def _inspect(self, name: str) -> dict[str, Any] | None:
        import docker.errors

        try:
            attributes: dict[str, Any] = self._api.inspect_image(name)
        except docker.errors.NotFound:
            return None
        return attributes

    def _omissions(self, image: Image) -> frozenset[str]:
        """Return the layers that need not be sent.

        Docker's own store finds a layer by all those below it, so only what begins like a held image can be left
        out; the others find each layer by itself.
        """
        wanted = [layer.digest for layer in image.layers]
        known: set[str] = set()
        for held in self._held_layers(image.reference):
            if self._store == "overlay2":
                known = max(known, _common_prefix(wanted, held), key=len)
            else:
                known |= set(wanted) & set(held)
            if sum(layer.size_bytes for layer in image.layers if layer.digest not in known) <= _CHEAP_BYTES:
                break
        return frozenset(known)

    def _held_layers(self, reference: str) -> Iterator[list[str]]:
        """Yield the layers of images that are there now, most promising first, asking as little as possible."""
        for name in dict.fromkeys(filter(None, (self._latest, _previous(reference)))):
            attributes = self._inspect(name)
            if attributes is not None:
                yield _diff_ids(attributes)
        for image_id in _candidates(self._api.images(filters={"reference": _OURS}), reference):
            if image_id not in self._layers:
                attributes = self._inspect(image_id)
                if attributes is None:
                    continue
                self._layers[image_id] = _diff_ids(attributes)
            yield self._layers[image_id]

    # --- sending ---------------------------------------------------------------------------------------------------

    def _attempt(self, archive: _Archive, omit: frozenset[str]) -> str | None:
        """Send the archive without some layers. Return None on success, else what went wrong."""
        try:
            failure = self._send(archive, omit) or self._difference(archive.image)
        except BaseException:
            self._discard(archive.image)
            raise
        if failure is not None:
            self._discard(archive.image)
        return failure

    def _send(self, archive: _Archive, omit: frozenset[str]) -> str | None:
        with self._api.post(
            # Not `platform=`: it makes the containerd store insist on all layers.
            f"{self._api.base_url}/v{self._api.api_version}/images/load",
            data=archive.pieces(omit),
            # Quiet: fifteen milliseconds less, and errors are told all the same.
            params={"quiet": "1"},
            headers={"Content-Type": "application/x-tar"},
            stream=True,
            timeout=_LOAD_SECONDS,
        ) as response:
            return verdict(response.status_code, response.iter_lines())

    def _difference(self, image: Image) -> str | None:
        attributes = self._inspect(image.reference)
        if attributes is None:
            return "it is not there after loading"
        if attributes["Id"] != self.id_of(image):
            return f"another image is there after loading ({attributes['Id']})"
        if _diff_ids(attributes) != [layer.digest for layer in image.layers]:
            return "it has other layers after loading"
        return None

    def _discard(self, image: Image) -> None:
        """Remove what a failed load left: only the containerd store does that, a reference to a broken image."""
        if self._store == "containerd":
            # The load's own failure is what counts, whatever happens here.
            with suppress(Exception):
                self._api.remove_image(image.reference)


@dataclass(slots=True)
class _Archive:
    """An image on its way, with a count of the bytes that really went."""

    image: Image
    sent_bytes: int = 0

    def pieces(self, omit: frozenset[str]) -> Iterator[bytes]:
        for piece in hybrid_archive(self.image, omit):
            yield piece
            self.sent_bytes += len(piece)


def verdict(status: int, lines: Iterable[bytes]) -> str | None:
    """Judge an engine's answer to a load: None where it succeeded, else the engine's words.

    Status 200 says nothing, and neither does "Loaded image": errors come as lines of the progress stream, one of them
    not even marked as an error.
    """
    failure: str | None = None
    loaded = False
    for line in filter(None, lines):
        message = _parse(line)
        stream = str(message.get("stream") or "")
        detail = message.get("errorDetail") or {}
        error = message.get("error") or detail.get("message") or message.get("message")
        if stream.startswith("Error unpacking image"):
            error = stream
        failure = failure or (str(error).strip() if error else None)
        loaded |= stream.startswith("Loaded image")
    if failure is None and (status != 200 or not loaded):
        return f"it answered {status} without saying that the image is loaded"
    return failure


def _parse(line: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, dict):
            return message
    return {"error": line.decode(errors="replace")}


def _diff_ids(attributes: dict[str, Any]) -> list[str]:
    return list((attributes.get("RootFS") or {}).get("Layers") or ())


def _previous(reference: str) -> str | None:
    repository, _, version = reference.rpartition(":")
    return f"{repository}:{int(version) - 1}" if version.isdecimal() and int(version) > 1 else None


def _common_prefix(wanted: list[str], held: list[str]) -> set[str]:
    pairs = zip(wanted, held, strict=False)
    return {digest for digest, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)}


def _candidates(summaries: list[dict[str, Any]], reference: str) -> list[str]:
    """Return the ids of held images most likely to share layers: newest of the same name, then of each other name."""
    versions: dict[str, list[tuple[int, str]]] = {}
    for summary in summaries:
        for tag in summary.get("RepoTags") or ():
            repository, _, version = tag.rpartition(":")
            versions.setdefault(repository, []).append((int(version) if version.isdecimal() else 0, summary["Id"]))
    newest = {repository: [held for _, held in sorted(found, reverse=True)] for repository, found in versions.items()}
    same = newest.pop(reference.rpartition(":")[0], [])[:_SAME_NAME_CANDIDATES]
    others = [found[0] for found in newest.values()]
    return list(dict.fromkeys([*same, *others]))[:_CANDIDATES]
