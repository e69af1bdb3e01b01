"""A client of the OCI Distribution Specification: images to and from registries, without any engine."""

from jupyter_containeriter.image.registry.client import MANIFEST_TYPES, Manifest, Registry
from jupyter_containeriter.image.registry.reference import ImageReference, parse_image_reference

__all__ = ["MANIFEST_TYPES", "ImageReference", "Manifest", "Registry", "parse_image_reference"]
