"""Shells as IPython has them. Beside it, tests of every room find helpers such as ``load_frames``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_containeriter.clock import CellClock
    from jupyter_containeriter.session import Session


@pytest.fixture
def clock() -> CellClock:
    """Give a clock that cells are told to."""
    from jupyter_containeriter.clock import CellClock

    return CellClock()


@pytest.fixture
def timed_shell(clock: CellClock) -> Iterator[InteractiveShell]:
    """Give a shell whose cells are timed."""
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_containeriter.hooks import CellEvents

    shell = InteractiveShell()
    events = CellEvents(shell, clock)
    events.register()
    yield shell
    events.unregister()
    shell.history_manager.end_session()  # type: ignore[union-attr]


@pytest.fixture
def loaded_shell(session: Session) -> Iterator[InteractiveShell]:
    """Give a shell that has loaded the extension, over the session of the test's own module."""
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_containeriter import magics
    from jupyter_containeriter.settings import ContainerIter

    ContainerIter.clear_instance()
    shell = InteractiveShell()
    magics.load(shell)
    yield shell
    magics.unload(shell)
    ContainerIter.clear_instance()
    shell.history_manager.end_session()  # type: ignore[union-attr]
