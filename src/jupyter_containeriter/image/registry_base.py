"""A base that somebody else made: an image with Python, from the engine where it is there, else from its registry.

Its layers are kept uncompressed in the layer cache, named by their diff IDs: an image built on it is put together from
the same kind of parts as any other, and has the same digest wherever the base came from.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from jupyter_containeriter.errors import BuildError, RegistryError
from jupyter_containeriter.image.base import Base
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.foreign import archived_layers, diff_ids, document
from jupyter_containeriter.image.interpreter import Interpreter, find_interpreter
from jupyter_containeriter.image.pull import Pull
from jupyter_containeriter.image.registry import ImageReference, parse_image_reference
from jupyter_containeriter.image.rootfs import RootFiles
from jupyter_containeriter.image.wheels import target_of
from jupyter_containeriter.progress import Progress
from jupyter_containeriter.types import CONTAINER_ROOT, HeldImage, Layer


class ImageHolder(Protocol):
    """What is asked of an engine: an image that it may hold."""

    def held(self, reference: str) -> HeldImage | None:
        """Return what the engine holds under a reference, None for nothing."""

    def export(self, reference: str) -> Iterator[bytes]:
        """Yield an image, by its reference or its id, as ``docker save`` writes it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A base as it was found.

    Attributes
    ----------
    name
        Reference and digest.
    config
        Digest of its image configuration.
    fetch
        Brings configuration and layers into the cache.
    """

    name: str
    config: str
    fetch: Callable[[Progress], object]


class RegistryBases:
    """Finds bases. What a tag means is asked once in the life of a kernel, so that iterations build on one base.

    Parameters
    ----------
    cache
        Where layers are kept, and what references meant before.
    """

    def __init__(self, cache: LayerCache) -> None:
        self._cache = cache
        self._found: dict[tuple[str, str], Found] = {}

    def base(self, reference: str, architecture: str, holder: ImageHolder, progress: Progress) -> Base:
        """Return a base for an architecture, bringing it into the cache where it is not there.

        Parameters
        ----------
        reference
            As in ``docker pull``: ``python:3.12-slim``, ``registry.example.com/team/base@sha256:…``.
        architecture
            In OCI's words: ``amd64``, ``arm64``.
        holder
            The engine: an image that it holds is not asked for elsewhere.
        progress
            Hears what is fetched.

        Raises
        ------
        UsageError
            That is no reference.
        NotFoundError
            There is no such image, or none for this architecture.
        RegistryError
            The registry does not answer, and the base was never used before.
        BuildError
            It holds no Python that fits the kernel's, is an image that was made here, or is not to be had any more.
        """
        parsed = parse_image_reference(reference)
        key = (str(parsed), architecture)
        if key not in self._found:
            self._found[key] = self._find(reference, parsed, architecture, holder, progress)
        found = self._found[key]
        if not self._complete(found.config):
            found.fetch(progress)
            self._insist_on(found, reference)
        return self._assembled(found, reference)

    # --- find --------------------------------------------------------------------------------------------------------

    def _find(
        self, reference: str, parsed: ImageReference, architecture: str, holder: ImageHolder, progress: Progress
    ) -> Found:
        held = holder.held(reference)
        if held is not None and held.architecture == architecture:
            return self._held(reference, parsed, held, holder, progress)
        pull = Pull(self._cache, reference, parsed, architecture)
        key = "base-" + hashlib.sha256(f"{parsed} {architecture}".encode()).hexdigest()
        known = self._cache.recall(key)
        if known and parsed.digest:
            return Found(known["name"], known["config"], lambda told: pull.layers(known["manifest"], told))
        try:
            manifest, config = pull.resolve()
        except RegistryError as error:
            if not known or not self._complete(known["config"]):
                raise
            progress.note(f"{error.message} The base is what {reference} was when it was used last: {known['name']}.")
            return Found(known["name"], known["config"], lambda told: pull.layers(known["manifest"], told))
        name = f"{reference.partition('@')[0]}@{manifest}"
        self._cache.remember(key, {"name": name, "config": config, "manifest": manifest})
        return Found(name, config, lambda told: pull.layers(manifest, told))

    def _held(
        self, reference: str, parsed: ImageReference, held: HeldImage, holder: ImageHolder, progress: Progress
    ) -> Found:
        """Take it from the engine; which configuration its id stands for is known after the first time."""

        def fetch(told: Progress) -> dict[str, Any]:
            told.note(f"Taking {reference} from the engine.")
            return {"config": archived_layers(holder.export(held.id), self._cache)}

        config = self._cache.memo(f"held-{held.id.removeprefix('sha256:')}", lambda: fetch(progress))["config"]
        digests = dict(entry.split("@") for entry in held.digests)
        # Docker leaves out what Podman writes; an image that was never in a registry has its id only.
        names = (parsed.name, parsed.name.removeprefix("docker.io/").removeprefix("library/"))
        digest = next((digests[name] for name in names if name in digests), held.id)
        return Found(f"{reference.partition('@')[0]}@{digest}", config, fetch)

    # --- assemble ----------------------------------------------------------------------------------------------------

    def _complete(self, config: str) -> bool:
        content = document(config, self._cache)
        return content is not None and all(self._cache.use(diff_id) for diff_id in diff_ids(content))

    def _insist_on(self, found: Found, reference: str) -> None:
        if not self._complete(found.config):
            raise BuildError(
                f"{found.name} is not to be had any more: there is another image in its place.",
                f"Restart the kernel, which then builds on what {reference} is now.",
            )

    def _assembled(self, found: Found, reference: str) -> Base:
        content = document(found.config, self._cache)
        assert content is not None
        config = json.loads(content)
        environment = tuple((config.get("config") or {}).get("Env") or ())
        layers = self._layers(diff_ids(content))

        def examine() -> dict[str, Any]:
            search = dict(entry.partition("=")[::2] for entry in environment).get("PATH", "").split(":")
            files = RootFiles(layer.path for layer in layers)
            _insist_on_no_own_image(files, reference)
            libraries = sorted({last for name in files if ".so" in (last := name.rpartition("/")[2])})
            return {**asdict(find_interpreter(files, search, reference)), "libraries": libraries}

        key = f"examined-{found.config.removeprefix('sha256:')}-3.{sys.version_info.minor}"
        told = self._cache.memo(key, examine)
        interpreter = Interpreter(told["path"], told["architecture"], told["glibc"] and tuple(told["glibc"]))
        return Base(
            name=found.name,
            layers=layers,
            libraries=frozenset(told["libraries"]),
            interpreter=interpreter.path,
            architecture=interpreter.architecture,
            variant=config.get("variant", ""),
            environment=environment,
            target=target_of(interpreter, reference),
        )

    def _layers(self, diff_ids: list[str]) -> tuple[Layer, ...]:
        paths = [self._cache.blob(diff_id) for diff_id in diff_ids]
        return tuple(
            Layer(diff_id, path.stat().st_size, path, "base", f"base, layer {number} of {len(diff_ids)}")
            for number, (diff_id, path) in enumerate(zip(diff_ids, paths, strict=True), 1)
        )


def _insist_on_no_own_image(files: RootFiles, reference: str) -> None:
    """Refuse an image that was made here: its packages and code would be among those of the new one."""
    if files.resolve(f"{CONTAINER_ROOT}/snapshot.json"):
        raise BuildError(
            f"{reference} is itself the image of a model, with packages and code that would mix with this one's.",
            "Use the base that it was built on: the column base of %iterations names it.",
        )
