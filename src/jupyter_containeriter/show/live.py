"""Progress while a call works: a ticking card in notebooks, lines in terminals, nothing where nobody looks."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from jupyter_containeriter.progress import Silent
from jupyter_containeriter.show import words
from jupyter_containeriter.show.card import deployment_card, failure_card, progress_card
from jupyter_containeriter.show.html import notes_html

if TYPE_CHECKING:
    from jupyter_containeriter.deployment import Deployment

_TICK_SECONDS = 0.25


#: The cell in which the card of a deployment was shown last: the same cell need not show it twice.
_shown_in: WeakKeyDictionary[Deployment, int] = WeakKeyDictionary()


def watched(title: str, call: Callable[..., Deployment]) -> Deployment:
    """Run a call with the progress that suits where the code runs (its argument ``progress``) and show the result."""
    kind = surroundings()
    if kind == "notebook":
        with NotebookProgress(title) as shown:
            return shown.result(call(progress=shown))
    return call(progress=TerminalProgress(title) if kind == "terminal" else Silent())


def show(deployment: Deployment) -> None:
    """Show a deployment's card, unless this cell shows it already."""
    if surroundings() != "notebook":
        print(deployment)  # noqa: T201 (IPython's terminal asked for it)
    elif _shown_in.get(deployment) != _cell():
        _shown_in[deployment] = _cell()
        _display(_bundle(deployment))


def _cell() -> int:
    from IPython import get_ipython

    return int(get_ipython().execution_count)


def _bundle(deployment: Deployment, notes: str = "") -> dict[str, str]:
    return {"text/html": notes + deployment_card(deployment), "text/plain": str(deployment)}


def _display(bundle: dict[str, str], **options: Any) -> Any:
    from IPython.display import display

    return display(bundle, raw=True, **options)  # type: ignore[no-untyped-call]


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
        self._write(title)

    def started(self, phase: str) -> None:
        """Show which phase is under way."""
        self._write(f"  {phase} …", end="\r")

    def ended(self, phase: str, seconds: float) -> None:
        """Show what it took."""
        self._write(f"  {phase:<8} {words.seconds(seconds)}")

    def note(self, text: str) -> None:
        """Show a note."""
        self._write(f"  {text}")

    def _write(self, text: str, end: str = "\n") -> None:
        sys.stderr.write(text + end)
        sys.stderr.flush()


class NotebookProgress:
    """A card that ticks while the kernel is at work, and goes when there is a result to show instead."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._seconds: dict[str, float] = {}
        self._notes: list[str] = []
        self._current = ""
        self._began = 0.0
        self._result: Deployment | None = None
        self._done = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> NotebookProgress:
        self._handle = _display({"text/html": self._html(), "text/plain": self._title}, display_id=True)
        # The output belongs to the cell that runs now; the thread must send it from the same context.
        ticking = contextvars.copy_context()
        self._ticker = threading.Thread(target=ticking.run, args=(self._tick,), daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._done.set()
        self._ticker.join()
        if self._result is not None:
            _shown_in[self._result] = _cell()
            self._update(_bundle(self._result, notes_html(self._notes)))
        else:
            status = "interrupted" if kind and issubclass(kind, KeyboardInterrupt) else "failed"
            html = failure_card(self._title, status, self._seconds, self._notes)
            self._update({"text/html": html, "text/plain": f"{self._title}: {status}"})

    def result(self, deployment: Deployment) -> Deployment:
        """Show this deployment in the end."""
        self._result = deployment
        return deployment

    def started(self, phase: str) -> None:
        """Show which phase is under way."""
        with self._lock:
            self._current, self._began = phase, time.monotonic() - self._seconds.get(phase, 0.0)

    def ended(self, phase: str, seconds: float) -> None:
        """Show what it took."""
        with self._lock:
            self._seconds[phase] = seconds
            self._current = ""

    def note(self, text: str) -> None:
        """Show a note; it stays with the result."""
        with self._lock:
            self._notes.append(text)

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
            return progress_card(self._title, seconds, self._current, self._notes)
