"""What images contain and where they go; the tool itself."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from jupyter_containeriter.api import kernel
from jupyter_containeriter.arguments import check
from jupyter_containeriter.settings import parse_budget
from jupyter_containeriter.show.live import watched

if TYPE_CHECKING:
    from jupyter_containeriter.contents import ImageContents
    from jupyter_containeriter.settings import Setting
    from jupyter_containeriter.shipping import Pushed, Saved
    from jupyter_containeriter.show.bill import Bill
    from jupyter_containeriter.show.garbage import Collected
    from jupyter_containeriter.types import Finding


def doctor() -> list[Finding]:
    """Look at everything a deployment needs; each finding has a remedy where one is needed."""
    from jupyter_containeriter.diagnosis import examine

    return examine(kernel.session().settings)


def inspect(reference: str) -> ImageContents:
    """Read what the image of ``NAME[:VERSION]`` contains: packages and why, model files, local code, layers.

    Raises
    ------
    NotFoundError
        No such version, no image was built for it, or its image is no longer in the cache.
    """
    check(reference=reference)
    return kernel.session().inspect(reference)


def push(reference: str, target: str) -> Pushed:
    """Push the image of ``NAME[:VERSION]`` to ``REGISTRY/REPOSITORY[:TAG]``; the tag is the version by default.

    Only what the registry lacks is sent, with the logins of ``docker login`` or ``podman login``.

    Raises
    ------
    NotFoundError
        No such version, or its image is no longer in the cache.
    RegistryError
        The registry refuses or cannot be reached.
    """
    check(reference=reference, target=target)
    title = f"Pushing {reference} to {target}"
    return watched(title, partial(kernel.session().push, reference, target), phases=("push",))


def save(reference: str, path: str | os.PathLike[str]) -> Saved:
    """Save the image of ``NAME[:VERSION]`` as an archive (``churn.tar``) or as an OCI image layout (``churn/``).

    Raises
    ------
    NotFoundError
        No such version, or its image is no longer in the cache.
    UsageError
        The path ends with neither ``.tar`` nor ``/``, or cannot be one of them.
    """
    check(reference=reference, path=path)
    title = f"Saving {reference} to {os.fspath(path)}"
    return watched(title, partial(kernel.session().save, reference, os.fspath(path)), phases=("save",))


def sbom(reference: str, path: str | os.PathLike[str] = "") -> Bill:
    """Write a software bill of materials of the image of ``NAME[:VERSION]``: CycloneDX 1.6, as JSON.

    Parameters
    ----------
    reference
        ``NAME:VERSION``, or ``NAME`` for its newest version.
    path
        The file to write; without it the returned object holds the document.

    Raises
    ------
    NotFoundError
        No such version, no image was built for it, or its image is no longer in the cache.
    UsageError
        The extra ``sbom`` is not installed, or the file cannot be written.
    """
    check(reference=reference, path=path)
    return kernel.session().sbom(reference, os.fspath(path))


def gc(*, budget: str | None = None, dry_run: bool = False) -> Collected:
    """Remove leftovers, and old versions until the disk budget is met, oldest first.

    What runs, the two versions before it, the newest of each name and versions tagged ``keep`` stay.

    Parameters
    ----------
    budget
        A size such as ``"5g"``, or ``"0"`` to remove everything that is not kept; the setting by default.
    dry_run
        Only tell what would go.
    """
    check(budget=budget, dry_run=dry_run)
    wanted = None if budget is None else parse_budget(budget) or 0
    return kernel.session().gc(wanted, dry_run=dry_run)


def config() -> list[Setting]:
    """Return every setting as it stands, and whether a file, the environment or this kernel gave it its value."""
    return kernel.session().settings.table()
