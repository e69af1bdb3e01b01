"""What the verbs work on: one session for the kernel."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from jupyter_containeriter.clock import kernel_clock
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter

if TYPE_CHECKING:
    pass


@functools.cache
def session() -> Session:
    """Return the session of this kernel, made on first use."""
    return Session(ContainerIter.instance(), kernel_clock())


def notebook_name() -> str:
    """Return the path of the notebook where its front end tells it, "" elsewhere."""
    return os.environ.get("JPY_SESSION_NAME", "")
