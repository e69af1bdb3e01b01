"""What the buttons of a panel do: one verb at a time, with its phases shown, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.progress import Progress
from jupyter_containeriter.show.live import NotebookProgress
from jupyter_containeriter.types import CALL_PHASES
from jupyter_containeriter.widgets.words import problem_html


class Told(ipywidgets.HTML):  # type: ignore[misc]
    """HTML that takes no place where there is nothing to tell."""

    def __init__(self) -> None:
        super().__init__(layout={"display": "none"})
        self.observe(self._take_place, "value")

    def _take_place(self, change: Any) -> None:
        self.layout.display = "" if change["new"] else "none"


class Acts:
    """Runs verbs in the kernel's main thread, as a cell would, and says how they went.

    Attributes
    ----------
    box
        Shows the phases of what is under way, then what came of it.
    is_busy
        Whether something is under way.
    """

    def __init__(self) -> None:
        self._progress = Told()
        self._told = Told()
        self.box = ipywidgets.VBox([self._progress, self._told])
        self._buttons: list[Any] = []
        self.is_busy = False

    def guard(self, *buttons: Any) -> None:
        """Name what cannot be used while something is under way."""
        self._buttons += buttons

    def run(self, title: str, call: Callable[[Progress], str], phases: Sequence[str] = CALL_PHASES) -> bool:
        """Run a verb, which returns HTML that tells what came of it; return whether it did not fail."""
        self._told.value = ""
        self.is_busy = True
        for button in self._buttons:
            button.disabled = True
        try:
            with NotebookProgress(title, phases, self._place) as shown:
                told = call(shown)
                shown.result(_Done())
            self._told.value = told
        except KeyboardInterrupt:
            self._told.value = problem_html(
                UsageError("Interrupted; what ran before keeps running.", "Press it again.")
            )
            return False
        except Exception as error:  # noqa: BLE001 (a button has no cell that could show an error)
            self._told.value = problem_html(error)
            return False
        finally:
            self.is_busy = False
            for button in self._buttons:
                button.disabled = False
        return True

    def say(self, html: str) -> None:
        """Say something else."""
        self._progress.value, self._told.value = "", html

    def _place(self, bundle: dict[str, str]) -> _Place:
        place = _Place(self._progress)
        place.update(bundle, raw=True)
        return place


class _Place:
    """A card within a panel."""

    def __init__(self, shown: Any) -> None:
        self._shown = shown

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        """Show this card; where it was plain HTML before, it is now."""
        assert raw
        self._shown.value = bundle["text/html"]


class _Done:
    """Nothing more to show: the panel itself tells what runs now."""

    def _repr_html_(self) -> str:
        return ""
