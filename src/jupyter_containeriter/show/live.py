"""Progress while a call works: a ticking card in notebooks, lines in terminals, nothing where nobody looks."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from jupyter_containeriter.progress import Silent
from jupyter_containeriter.show import words
from jupyter_containeriter.show.card import failure_card, progress_card
from jupyter_containeriter.show.html import notes_html
from jupyter_containeriter.types import CALL_PHASES

_TICK_SECONDS = 0.25


class Result(Protocol):
    """What a call returns: a card in notebooks, lines where it is printed."""

    def _repr_html_(self) -> str: ...


class Place(Protocol):
    """Where a card is shown: what is there can be replaced."""

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        """Show this instead."""


_Result = TypeVar("_Result", bound=Result)

#: The cell in which the card of a result was shown last: the same cell need not show it twice.
_shown_in: WeakKeyDictionary[Result, int] = WeakKeyDictionary()

#: Draw more below the card of a result, where there is something to draw.
_drawers: list[Callable[[object], None]] = []


def draw_below(draw: Callable[[object], None]) -> None:
    """Let ``draw`` add to the card of every result in a notebook; registering it again changes nothing."""
    if draw not in _drawers:
        _drawers.append(draw)


def watched(title: str, call: Callable[..., _Result], phases: Sequence[str] = CALL_PHASES) -> _Result:
    """Run a call with the progress that suits where the code runs (its argument ``progress``) and show the result."""
    kind = surroundings()
    if kind == "notebook":
        with NotebookProgress(title, phases) as shown:
            result = call(progress=shown)
            shown.result(result)
        _shown_in[result] = _cell()
        for draw in _drawers:
            # The work is done and its card is there; what is drawn below it must not make it fail.
            with suppress(Exception):
                draw(result)
        return result
    return call(progress=TerminalProgress(title) if kind == "terminal" else Silent())


def show(result: Result) -> None:
    """Show a result's card, unless this cell shows it already."""
    if surroundings() != "notebook":
        print(result)  # noqa: T201 (IPython's terminal asked for it)
    elif _shown_in.get(result) != _cell():
        _shown_in[result] = _cell()
        _display(_bundle(result))


def _cell() -> int:
    from IPython import get_ipython

    return int(get_ipython().execution_count)


def _bundle(result: Result, notes: Sequence[str] = ()) -> dict[str, str]:
    html = result._repr_html_()
    return {"text/html": notes_html(notes) + html, "text/plain": "\n".join([*notes, str(result)])}


def _display(bundle: dict[str, Any], **options: Any) -> Any:
    from IPython.display import display

    return display(bundle, raw=True, **options)  # type: ignore[no-untyped-call]


def show_output(bundle: Mapping[str, Any]) -> None:
    """Show something of several kinds as an output of the cell."""
    _display(dict(bundle))


def _output(bundle: dict[str, str]) -> Place:
    place: Place = _display(bundle, display_id=True)
    return place


def surroundings() -> str:
    """Return ``notebook`` (HTML is shown), ``terminal`` (somebody watches standard error) or ``silent``."""
    if "IPython" in sys.modules:
        from IPython import get_ipython

        if type(get_ipython()).__name__ == "ZMQInteractiveShell":
            return "notebook"
    return "terminal" if sys.stderr.isatty() else "silent"


class TerminalProgress:
    """One line a phase, on standard error."""

    def __init__(self, title: str) -> None:
        self._detailed = False
        self._write(title)

    def started(self, phase: str) -> None:
        """Show which phase is under way."""
        self._write(f"  {phase} …", end="\r")

    def ended(self, phase: str, seconds: float) -> None:
        """Show what it took."""
        if self._detailed:
            self._write("\x1b[2K", end="")
        self._detailed = False
        self._write(f"  {phase:<8} {words.seconds(seconds)}")

    def note(self, text: str) -> None:
        """Show a note."""
        self._write(f"  {text}")

    def detail(self, text: str) -> None:
        """Show it on the line of the phase."""
        self._detailed = True
        self._write(f"\x1b[2K  {text}", end="\r")

    def _write(self, text: str, end: str = "\n") -> None:
        sys.stderr.write(text + end)
        sys.stderr.flush()


class NotebookProgress:
    """A card that ticks while the kernel is at work, and goes when there is a result to show instead.

    Parameters
    ----------
    title
        What is done.
    phases
        Those it goes through.
    place
        Shows the first bundle and returns where the next ones go; an output of the running cell by default.
    """

    def __init__(
        self,
        title: str,
        phases: Sequence[str] = CALL_PHASES,
        place: Callable[[dict[str, str]], Place] | None = None,
    ) -> None:
        self._place = place or _output
        self._title = title
        self._phases = phases
        self._detail = ""
        self._seconds: dict[str, float] = {}
        self._notes: list[str] = []
        self._current = ""
        self._began = 0.0
        self._result: Result | None = None
        self._done = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> NotebookProgress:
        self._handle = self._place({"text/html": self._html(), "text/plain": self._title})
        # The output belongs to the cell that runs now; the thread must send it from the same context.
        ticking = contextvars.copy_context()
        self._ticker = threading.Thread(target=ticking.run, args=(self._tick,), daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._done.set()
        self._ticker.join()
        if self._result is not None:
            self._update(_bundle(self._result, self._notes))
        else:
            status = "interrupted" if kind and issubclass(kind, KeyboardInterrupt) else "failed"
            html = failure_card(self._title, status, self._seconds, self._notes)
            self._update({"text/html": html, "text/plain": f"{self._title}: {status}"})

    def result(self, result: Result) -> None:
        """Show this in the end."""
        self._result = result

    def started(self, phase: str) -> None:
        """Show which phase is under way."""
        with self._lock:
            self._current, self._began = phase, time.monotonic() - self._seconds.get(phase, 0.0)

    def ended(self, phase: str, seconds: float) -> None:
        """Show what it took."""
        with self._lock:
            self._seconds[phase] = seconds
            self._current = self._detail = ""

    def note(self, text: str) -> None:
        """Show a note; it stays with the result."""
        with self._lock:
            self._notes.append(text)

    def detail(self, text: str) -> None:
        """Show it until the next one, or until the phase ends."""
        with self._lock:
            self._detail = text

    def _tick(self) -> None:
        while not self._done.wait(_TICK_SECONDS):
            self._update({"text/html": self._html(), "text/plain": self._title})

    def _update(self, bundle: dict[str, str]) -> None:
        self._handle.update(bundle, raw=True)

    def _html(self) -> str:
        with self._lock:
            seconds = dict(self._seconds)
            if self._current:
                seconds[self._current] = time.monotonic() - self._began
            told = [*self._notes, self._detail] if self._detail else self._notes
            return progress_card(self._title, self._phases, seconds, self._current, told)
