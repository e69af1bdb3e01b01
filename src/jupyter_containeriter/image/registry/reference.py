"""Names of images in registries, read as Docker and Podman read them.

Grammar and defaults: ``github.com/distribution/reference`` (``regexp.go``, ``normalize.go``). A model's
``NAME:VERSION`` is something else: see :func:`jupyter_containeriter.names.parse_reference`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from jupyter_containeriter.errors import UsageError

_DOCKER_HUB = "docker.io"
_OFFICIAL = "library/"

#: Registry and repository together, in characters.
_MAX_NAME = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[(?P<address>[a-fA-F0-9:]+)\])(?::(?P<port>[0-9]{{1,5}}))?")
_LAST_PORT = 65535
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")

_EXAMPLE = "Write it like registry.example.com/team/churn:1 or localhost:5000/churn:1."


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image in a registry.

    Attributes
    ----------
    registry
        Host, with its port where one was given: ``docker.io``, ``localhost:5000``.
    repository
        ``library/python``, ``team/churn``.
    tag, digest
        What was given of them, else "".
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest, else the tag, else ``latest``."""
        return self.digest or self.tag or "latest"

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_image_reference(text: str) -> ImageReference:
    """Read ``[REGISTRY/]REPOSITORY[:TAG][@DIGEST]``; without a registry it is Docker Hub's.

    Raises
    ------
    UsageError
        It is no such name. The message says which part is wrong.
    """
    _refuse_credentials(text)
    if "://" in text:
        raise UsageError(f"{text!r} is a URL, not the name of an image.", "Leave out what ends with ://.")
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        # What stands before the last @ is not repeated: it may be a password.
        digest = digest.rpartition("@")[2]
        raise UsageError(f"{digest!r}: the digest must be sha256: and 64 lower-case hexadecimal digits.", _EXAMPLE)
    registry, rest = _split_registry(rest)
    repository, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise UsageError(f"{text!r}: {tag!r} cannot be a tag: letters, digits and _ . -, 128 at most.", _EXAMPLE)
    if not _is_registry(registry):
        raise UsageError(f"{text!r}: {registry!r} cannot be a registry's host and port.", _EXAMPLE)
    _check_repository(text, ImageReference(registry, repository, tag, digest))
    if registry == _DOCKER_HUB and "/" not in repository:
        repository = _OFFICIAL + repository
    if len(registry) + 1 + len(repository) > _MAX_NAME:
        raise UsageError(f"The name of the image has more than {_MAX_NAME} characters.", "Shorten it.")
    return ImageReference(registry, repository, tag, digest)


def _refuse_credentials(text: str) -> None:
    before, _, rest = text.partition("@")
    if "/" in rest or (rest and "://" in before):
        raise UsageError(
            "What stands before @ is no part of an image's name: nobody logs in there.",
            "Leave it out, and log in before: docker login HOST",
        )


def _is_registry(text: str) -> bool:
    found = _REGISTRY.fullmatch(text)
    if not found or not 0 < int(found["port"] or 1) <= _LAST_PORT:
        return False
    if found["address"]:
        try:
            ipaddress.IPv6Address(found["address"])
        except ValueError:
            return False
    return True


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    # Upper-case letters cannot be of a repository, so they must be of a host.
    if not slash or not (set(".:[") & set(first) or first == "localhost" or first.lower() != first):
        return _DOCKER_HUB, text
    return (_DOCKER_HUB if first == f"index.{_DOCKER_HUB}" else first), rest


def _check_repository(text: str, reference: ImageReference) -> None:
    repository = reference.repository
    if _REPOSITORY.fullmatch(repository):
        return
    if not repository:
        raise UsageError(f"{text!r} names no repository.", _EXAMPLE)
    if _REPOSITORY.fullmatch(repository.lower()):
        raise UsageError(
            f"{text!r}: a repository is written in lower case.",
            f"Use {replace(reference, repository=repository.lower())}.",
        )
    raise UsageError(
        f"{text!r}: {repository!r} cannot be a repository: lower-case letters and digits, with single . _ - / between.",
        _EXAMPLE,
    )
