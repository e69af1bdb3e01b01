"""What versions are built on: the choice of a base, and the packages that fit its Python."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, replace

from jupyter_containeriter.capture.inventory import counterpart
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import BuildError, UsageError
from jupyter_containeriter.image.base import Base, Target, architecture, kernel_base
from jupyter_containeriter.image.cache import LayerCache
from jupyter_containeriter.image.registry import parse_image_reference
from jupyter_containeriter.image.registry_base import RegistryBases
from jupyter_containeriter.image.wheels import fetch_wheels, is_library, lacking
from jupyter_containeriter.progress import Progress
from jupyter_containeriter.settings import KERNEL_BASE
from jupyter_containeriter.types import Snapshot

PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True, slots=True)
class BaseChoice:
    """What to build on.

    Attributes
    ----------
    reference
        ``kernel``, or an image in a registry or in the engine.
    architecture
        In OCI's words.
    foreign
        Whether the engine cannot run it: such an image is built, never loaded.
    """

    reference: str
    architecture: str
    foreign: bool = False


class Bases:
    """Finds bases.

    Parameters
    ----------
    cache
        Where their layers are kept.
    """

    def __init__(self, cache: LayerCache) -> None:
        self._cache = cache

    def base(self, choice: BaseChoice, engine: Engine, progress: Progress) -> Base:
        """Return the base that was chosen; see :meth:`RegistryBases.base` for what can be wrong with it."""
        if choice.reference == KERNEL_BASE:
            return kernel_base(self._cache)
        return self._registry.base(choice.reference, choice.architecture, engine, progress)

    def fitted(self, snapshot: Snapshot, base: Base, progress: Progress) -> Snapshot:
        """Return the snapshot with its compiled packages as the base needs them; the others are the kernel's own.

        Raises
        ------
        BuildError
            One of them is not to be had for the base; the message names it.
        """
        if base.target is None:
            return snapshot
        _insist_on_portable_code(snapshot, base.target)
        wheels = fetch_wheels(snapshot.environment, base.target, self._cache.wheels, progress)
        environment = tuple(counterpart(d, wheels[d.name]) if d.name in wheels else d for d in snapshot.environment)
        if missed := lacking(environment, base, self._cache):
            progress.note(f"{base.name.partition('@')[0]} lacks {', '.join(missed)}: the model may need it there.")
        return replace(snapshot, environment=environment)

    @functools.cached_property
    def _registry(self) -> RegistryBases:
        return RegistryBases(self._cache)


def _insist_on_portable_code(snapshot: Snapshot, target: Target) -> None:
    compiled = [name for name, _ in snapshot.code if is_library(name)]
    if compiled and not target.runs_what_is_compiled_here:
        raise BuildError(
            f"{compiled[0]} is compiled code for this machine and its C library, not for {target.platform}.",
            "Use --base kernel (without --platform), which takes it as it is here; or build a wheel of it for that "
            "platform, put it into an index or a directory that pip knows (--find-links), and install it from there.",
        )


def choose(reference: str, platform: str | None, engine: Engine, *, deploy: bool) -> BaseChoice:
    """Check a choice before anything is done for it.

    Parameters
    ----------
    reference
        ``kernel``, or an image in a registry or in the engine.
    platform
        One of :data:`PLATFORMS`, None for what the engine runs.
    engine
        Where it will run.
    deploy
        False where it will not run at all.

    Raises
    ------
    UsageError
        No such platform, or none that fits the base or the engine.
    """
    if reference == KERNEL_BASE:
        if platform is not None:
            raise UsageError(
                "--platform is for a base from a registry; the kernel's own runs on this platform only.",
                f"Name a base too, for example --base python:{sys.version_info.major}.{sys.version_info.minor}-slim.",
            )
        return BaseChoice(KERNEL_BASE, architecture())
    parse_image_reference(reference)
    if platform is not None and platform not in PLATFORMS:
        raise UsageError(f"--platform {platform} is not known.", f"Use {' or '.join(PLATFORMS)}.")
    own = engine.describe().architecture
    wanted = platform.removeprefix("linux/") if platform else own
    if wanted != own and deploy:
        raise UsageError(
            f"The engine {engine.name} runs linux/{own}, not {platform}.",
            "Add --no-deploy: the image is built only.",
        )
    return BaseChoice(reference, wanted, wanted != own)
