"""Names of models and references to their versions."""

from __future__ import annotations

import re

from jupyter_containeriter.errors import UsageError

#: A path component of an image reference (OCI Distribution Specification), in a length that fits file names too.
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
MAX_LENGTH = 100

#: Nine digits: every history and every engine can hold such a version.
_VERSION = re.compile(r"0*[1-9][0-9]{0,8}")


def check_name(name: str) -> str:
    """Return the name if it can be one.

    Raises
    ------
    UsageError
        Empty, too long, or with characters that an image reference cannot hold: the remedy proposes one that can.
    """
    if not name:
        raise UsageError("The name is empty.", "Give one: --name churn.")
    if len(name) > MAX_LENGTH:
        raise UsageError(
            f"The name has {len(name)} characters; {MAX_LENGTH} at most.",
            f"Shorten it: --name {name_from(name)[:20].strip('-')}",
        )
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a name: lower-case letters and digits, with single - _ . between them.",
            f"Call it {name_from(name)}",
        )
    return name


def name_from(expression: str) -> str:
    """Make a name of a variable or expression: ``MyModel`` gives ``mymodel``, ``grid.best_`` gives ``grid-best``."""
    return "-".join(re.findall(r"[a-z0-9]+", expression.lower()))[:MAX_LENGTH].strip("-") or "model"


def image_reference(name: str, version: int) -> str:
    """Return the image reference of a version."""
    return f"localhost/containeriter/{name}:{version}"


def parse_reference(text: str) -> tuple[str, int | None]:
    """Read ``NAME`` or ``NAME:VERSION``.

    Raises
    ------
    UsageError
        The version is no positive whole number.
    """
    name, colon, version = text.partition(":")
    check_name(name)
    if not colon:
        return name, None
    if not _VERSION.fullmatch(version):
        raise UsageError(f"{text!r}: the version must be a positive whole number.", f"For example {name}:1")
    return name, int(version)
