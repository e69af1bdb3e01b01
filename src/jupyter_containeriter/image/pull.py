"""An image from a registry into the layer cache, for one platform and without any engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_containeriter.bytesize import size_text
from jupyter_containeriter.errors import BuildError, NotFoundError
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.foreign import diff_ids, digest_of, document, keep_document, unpacked
from jupyter_containeriter.image.registry import ImageReference, Registry
from jupyter_containeriter.progress import Progress

#: What most images say of their 64-bit ARM layers; one that says nothing means the same.
_VARIANTS = {"arm64": ("", "v8")}


class Pull:
    """What a reference means for one platform, and all that belongs to it.

    Parameters
    ----------
    cache
        Where it is kept.
    reference, parsed
        As it was given, for messages, and read.
    architecture
        In OCI's words.

    Raises
    ------
    RegistryError
        By every method: the registry does not answer, or refuses.
    BuildError
        What it holds under this name is no image that can be built on.
    """

    def __init__(self, cache: LayerCache, reference: str, parsed: ImageReference, architecture: str) -> None:
        self._cache = cache
        self._reference = reference
        self._parsed = parsed
        self._architecture = architecture
        self._registry = Registry(parsed.registry)

    def resolve(self) -> tuple[str, str]:
        """Ask what the reference means for the platform; return the digests of manifest and configuration."""
        with self._understanding():
            found = self._registry.manifest(self._parsed.repository, self._parsed.wanted)
            manifest = json.loads(found.content)
            if "manifests" in manifest:
                found = self._registry.manifest(self._parsed.repository, self._chosen(manifest["manifests"]))
                manifest = json.loads(found.content)
            content = self._small(digest_of(manifest["config"]["digest"]))
            config = json.loads(content)
            self._insist([(config.get("os", ""), config.get("architecture", ""))])
            # One diff ID for each layer, or it is no image.
            list(zip(diff_ids(content), manifest["layers"], strict=True))
            keep_document(found.content, self._cache)
            return found.digest, manifest["config"]["digest"]

    def layers(self, digest: str, progress: Progress) -> None:
        """Bring configuration and layers of a manifest into the cache; ``progress`` hears what is fetched."""
        content = document(digest, self._cache) or self._registry.manifest(self._parsed.repository, digest).content
        manifest = json.loads(content)
        config = self._small(manifest["config"]["digest"])
        pairs = list(zip(manifest["layers"], diff_ids(config), strict=True))
        missing = {diff_id: layer for layer, diff_id in pairs if not self._cache.use(diff_id)}
        size = sum(layer["size"] for layer in missing.values())
        progress.note(f"Fetching {self._reference}: {len(missing)} of {len(pairs)} layers, {size_text(size)}.")
        received = 0

        def told(pieces: Iterator[bytes]) -> Iterator[bytes]:
            nonlocal received
            for piece in pieces:
                received += len(piece)
                progress.detail(f"{size_text(received)} of {size_text(size)}")
                yield piece

        for diff_id, layer in missing.items():
            pieces = self._registry.blob(self._parsed.repository, layer["digest"])
            self._cache.keep(diff_id, unpacked(told(pieces)))

    @contextmanager
    def _understanding(self) -> Iterator[None]:
        """Take whatever a registry holds under the name that is no image: a chart, a signature, an old format."""
        try:
            yield
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BuildError(f"{self._reference} is no image of today's formats.", "Use another base.") from error

    def _small(self, digest: str) -> bytes:
        content = document(digest, self._cache)
        if content is None:
            content = b"".join(self._registry.blob(self._parsed.repository, digest))
            keep_document(content, self._cache)
        return content

    def _chosen(self, manifests: list[dict[str, Any]]) -> str:
        """Return the digest of the platform's manifest (OCI Image Format Specification, "Image Index")."""
        platforms = [(one["digest"], one.get("platform") or {}) for one in manifests]
        self._insist([(platform.get("os", ""), platform.get("architecture", "")) for _, platform in platforms])
        fitting = [one for one in platforms if (one[1].get("os"), one[1].get("architecture")) == self._platform]
        plain = [one for one in fitting if one[1].get("variant", "") in _VARIANTS.get(self._architecture, ("",))]
        return digest_of((plain or fitting)[0][0])

    def _insist(self, platforms: list[tuple[str, str]]) -> None:
        if self._platform not in platforms:
            there = ", ".join(sorted({"/".join(one) for one in platforms if "unknown" not in one}))
            raise NotFoundError(
                f"{self._reference} is not there for linux/{self._architecture}, only for {there or 'nothing known'}.",
                "Use another base, or one of these with --platform and --no-deploy.",
            )

    @property
    def _platform(self) -> tuple[str, str]:
        return "linux", self._architecture
