"""IPython's events around cells, passed on to the clock. A hook costs microseconds and never breaks a cell."""

from __future__ import annotations

import sys
from contextlib import suppress
from inspect import currentframe
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from jupyter_containeriter.clock import CellClock

_RUNS_A_CELL = InteractiveShell.run_code.__code__


class CellEvents:
    """Hears of cells that begin and end.

    Parameters
    ----------
    shell
        Tells of them.
    clock
        Is told.
    """

    def __init__(self, shell: InteractiveShell, clock: CellClock) -> None:
        self._shell = shell
        self._clock = clock
        self._told = False

    def register(self) -> None:
        """Begin to listen; should a cell be running, it has begun now for all that is known."""
        self._clock.shell = self._shell
        if _within_a_cell() and not self._clock.is_running():
            history = self._shell.history_manager
            source = history.input_hist_raw[-1] if history else ""
            self._clock.cell_started(source, _number(self._shell, begun=True))
        self._shell.events.register("pre_run_cell", self.before)
        self._shell.events.register("post_run_cell", self.after)

    def unregister(self) -> None:
        """Stop listening: what runs has ended for all that is known."""
        self._shell.events.unregister("pre_run_cell", self.before)
        self._shell.events.unregister("post_run_cell", self.after)
        self._clock.all_ended()
        self._clock.shell = None

    def before(self, info: Any = None) -> None:
        """Hear that a cell begins."""
        try:
            if self._clock.is_running() and not _within_a_cell():
                self._clock.all_ended()  # The end of the one before went unheard.
            number = _number(self._shell) if getattr(info, "store_history", False) else None
            self._clock.cell_started(getattr(info, "raw_cell", None) or "", number, info)
        except Exception as error:  # noqa: BLE001 (whatever it is, the cell must run)
            self._tell(error)

    def after(self, result: Any = None) -> None:
        """Hear that a cell has run."""
        try:
            info = getattr(result, "info", None)
            if self._clock.is_running(info) and info is not None:
                self._clock.cell_ended(info, self._rebound())
            elif not _is_blank(info):
                # An asynchronous cell that was interrupted has no result; the cell that loaded us, no beginning.
                self._clock.all_ended()
        except BaseException as error:  # noqa: BLE001 (the cell has run; nothing may run for ever)
            with suppress(Exception):
                self._clock.all_ended()
            self._tell(error)

    def _rebound(self) -> tuple[str, ...]:
        """Return the watched variables that hold another object than before."""
        watched, namespace = self._clock.watched, self._shell.user_ns
        if not watched:
            return ()
        changed = tuple(name for name, known in watched.items() if id(namespace.get(name)) != known)
        for name in changed:
            watched[name] = id(namespace.get(name))
        return changed

    def _tell(self, error: BaseException) -> None:
        if not self._told:
            self._told = True
            with suppress(Exception):
                sys.stderr.write(
                    f"jupyter_containeriter could not time a cell ({type(error).__name__}: {error}). "
                    "Cells run all the same; %containeriter doctor may know more.\n"
                )


def _number(shell: InteractiveShell, *, begun: bool = False) -> int:
    """Return the number of the cell that begins, or has begun: some versions of IPython count before, some after."""
    count = shell.execution_count
    known = len(shell.history_manager.input_hist_raw) - begun if shell.history_manager else count
    return known if known in (count, count - 1) else count


def _is_blank(info: Any) -> bool:
    """Whether IPython tells of the end of a cell that it never began, because there is nothing in it."""
    return info is not None and not (getattr(info, "raw_cell", "") or "").strip()


def _within_a_cell() -> bool:
    """Whether this is called by the code of a cell, however deep."""
    frame = currentframe()
    while frame is not None:
        if frame.f_code is _RUNS_A_CELL:
            return True
        frame = frame.f_back
    return False
