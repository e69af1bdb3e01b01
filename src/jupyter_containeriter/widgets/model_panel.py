"""The panel of a model: what runs and where, its versions, and what can be done with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets

from jupyter_containeriter.api import kernel
from jupyter_containeriter.restoring import PHASES as RESTORE_PHASES
from jupyter_containeriter.restoring import variable_for
from jupyter_containeriter.show.live import show_output, surroundings
from jupyter_containeriter.widgets.acting import Acts
from jupyter_containeriter.widgets.address import Address
from jupyter_containeriter.widgets.charts import Charts
from jupyter_containeriter.widgets.following import Follower, when_idle
from jupyter_containeriter.widgets.live_sections import Logs, Usage
from jupyter_containeriter.widgets.seen import Seen, look, marks
from jupyter_containeriter.widgets.trying import Trying
from jupyter_containeriter.widgets.words import note_html, problem_html, state_html

if TYPE_CHECKING:
    from jupyter_containeriter.progress import Progress
    from jupyter_containeriter.session import Session

#: Files tell at once what was done here; a container that ended by itself is noticed after so many looks at them.
_LOOKS = 15
#: After so many seconds it is asked whether somebody still has it open: rarely, so that an idle kernel stays idle.
_ROLL_TICKS = 600

_panels: dict[tuple[int, str], Panel] = {}


class Section(Protocol):
    """A part of a panel that is open or not."""

    title: str
    box: Any

    def open(self, seen: Seen) -> None:
        """Begin to show, in the kernel's main thread."""

    def show(self, seen: Seen) -> None:
        """Show what belongs to this while it is open, in the kernel's main thread."""

    def poll(self, seen: Seen) -> None:
        """Ask what changes by itself, every second while it is open, in another thread."""


def panel_of(name: str) -> Panel:
    """Return the one panel of a model, as things stand now.

    Raises
    ------
    NotFoundError
        There is no such model in the history.
    """
    session = kernel.session()
    session.versions.check_known(name)
    key = (id(session), name)
    if key not in _panels:
        _panels[key] = Panel(session, name)
    found = _panels[key]
    found.look()
    return found


class Panel:
    """What is shown of one model, and follows it while somebody has it open.

    Parameters
    ----------
    session
        Does what the buttons say.
    name
        The model's name.
    """

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self.name = name
        self.seen = Seen(name)
        self._marks: Hashable = None
        self._looks = self._ticks = 0
        self._looking = threading.Lock()
        self.follower = Follower(self.tick)
        self._state = ipywidgets.HTML()
        self._address = Address(self._watched)
        self._acts = Acts()
        self._buttons()
        self._sections = _sections(session)
        self._open = ipywidgets.ToggleButtons(
            options=[(section.title, place) for place, section in enumerate(self._sections)],
            value=None,
            tooltips=["Predict a row", "What the server writes", "CPU, memory, requests", "Phases and trend"],
            style={"button_width": "96px"},
        )
        self._open.observe(lambda _: self._opened(), "value")
        self._section = ipywidgets.VBox()
        self.widget = ipywidgets.VBox(
            [self._state, self._address, self._controls, self._acts.box, self._open, self._section]
        )
        self.widget.add_class("containeriter-panel")

    def _buttons(self) -> None:
        self._version = ipywidgets.Dropdown(
            description="Version", tooltip="The version to deploy or restore", layout={"width": "210px"}
        )
        self._version.style.description_width = "initial"
        self._deploy = _button("Deploy", "Let the chosen version serve; it is verified first", self.deploy)
        self._back = _button("Roll back", "Let the version before the one that runs serve", self.rollback)
        self._restore = _button("Restore", "Bring the model of the chosen version back into the notebook", self.restore)
        self._stop = _button("Stop", "Stop the container; image and history stay", self.stop)
        self._keep = _button("Keep running", "Do not stop it", lambda: self._ask_to_stop(sure=False))
        self._ask_to_stop(sure=False)
        self._acts.guard(self._version, self._deploy, self._back, self._restore, self._stop)
        row = [self._version, self._deploy, self._back, self._restore, self._stop, self._keep]
        self._controls = ipywidgets.HBox(row, layout={"flex_flow": "row wrap"})

    # --- looking -----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Look at the model now, and show what is so."""
        with self._looking:
            self._marks, self._looks = marks(self._session, self.name), 0
            self.seen = look(self._session, self.name)
            self._state.value = problem_html(self.seen.problem) if self.seen.problem else state_html(self.seen)
            self._address.show(self.seen.live)
            if not self._acts.is_busy:
                self._offer()
        when_idle(self._show_section)

    def tick(self) -> None:
        """Look where something has changed, and let the open section ask what changes by itself."""
        self._looks, self._ticks = self._looks + 1, self._ticks + 1
        if self._ticks % _ROLL_TICKS == 0:
            self._address.call_the_roll()
        if self._looks >= _LOOKS or marks(self._session, self.name) != self._marks:
            self.look()
        if (section := self._opened_section) is not None:
            section.poll(self.seen)

    def _watched(self, is_watched: bool) -> None:
        if is_watched:
            # Its thread looks, not this one: an engine may take its time to answer.
            self._marks = None
            self.follower.start()
        else:
            self.follower.stop()

    def _offer(self) -> None:
        """Offer what can be done now."""
        serving, chosen, before = self.seen.serving, self._version.value, self._version.options
        options = [(_label(version, status, serving), version) for version, status in self.seen.versions]
        if options != list(self._version.options):
            self._version.options = options
            known = [version for version, _ in self.seen.versions]
            # The newest one, until the person has chosen another one among the same.
            same = known == [version for _, version in before]
            self._version.value = chosen if same else next(iter(known), None)
        self._back.disabled = not serving or not any(version < serving for version, _ in self.seen.versions)
        self._stop.disabled = self.seen.live is None
        self._deploy.disabled = self._restore.disabled = not options

    @property
    def _opened_section(self) -> Section | None:
        place = self._open.value
        return None if place is None else self._sections[place]

    def _opened(self) -> None:
        section = self._opened_section
        self._section.children = () if section is None else (section.box,)
        if section is not None:
            self._try(section.open)

    def _show_section(self) -> None:
        if (section := self._opened_section) is not None:
            self._try(section.show)

    def _try(self, show: Callable[[Seen], None]) -> None:
        """Let a section show what is so; what it lacks for that is said, and the rest of the panel goes on."""
        try:
            show(self.seen)
        except Exception as error:  # noqa: BLE001 (it may have been called from a cell, which is not to fail)
            self._acts.say(problem_html(error))

    # --- acting ------------------------------------------------------------------------------------------------------

    def deploy(self) -> None:
        """Let the chosen version serve."""
        label = f"{self.name}:{self._version.value}"
        self._act(f"Deploying {label}", lambda progress: _deployed(self._session.deploy(label, progress)))

    def rollback(self) -> None:
        """Let the version before the one that runs serve."""
        call = self._session.rollback
        self._act(f"Rolling back {self.name}", lambda progress: _deployed(call(self.name, progress=progress)))

    def restore(self) -> None:
        """Bring the model of the chosen version back into the notebook, as ``%restore`` does."""
        label = f"{self.name}:{self._version.value}"
        self._act(f"Restoring {label}", lambda progress: self._restored(label, progress), RESTORE_PHASES)

    def _restored(self, label: str, progress: Progress) -> str:
        namespace = namespace_of_notebook()
        variable = variable_for(self._session, label, None, namespace)
        restored = self._session.restore(label, progress)
        namespace[variable] = restored.model
        return restored.named(variable).html()

    def stop(self) -> None:
        """Stop what runs, once the person has said so twice."""
        if self._keep.layout.display == "none":
            self._ask_to_stop(sure=True)
            return
        self._ask_to_stop(sure=False)

        def stopped(_: Progress) -> str:
            label = f"{self.name}:{self._session.undeploy(self.name)}"
            return note_html(f"{label} stopped; image and history are kept.")

        self._act(f"Stopping {self.name}", stopped, ())

    def _ask_to_stop(self, *, sure: bool) -> None:
        self._stop.description = f"Stop {self.name}?" if sure else "Stop"
        self._stop.button_style = "danger" if sure else ""
        self._keep.layout.display = "" if sure else "none"

    def _act(self, title: str, call: Callable[[Progress], str], *phases: Any) -> None:
        self._ask_to_stop(sure=False)
        self._acts.run(title, call, *phases)
        self.look()

    # --- showing -----------------------------------------------------------------------------------------------------

    def show_controls(self) -> None:
        """Show the controls alone: the card is there already."""
        show_output(self._bundle())

    def _bundle(self) -> dict[str, Any]:
        bundle: dict[str, Any] = self.widget._repr_mimebundle_()
        return {**bundle, "text/plain": f"Controls of {self.name}: they need a kernel. Run citer.panel({self.name!r})."}

    def _ipython_display_(self) -> None:
        if surroundings() != "notebook":
            print(self)  # noqa: T201 (IPython's terminal asked for it)
            return
        self.look()
        show_output({"text/html": self._card(), "text/plain": str(self)})
        show_output(self._bundle())

    def _card(self) -> str:
        """Return what stays useful without a kernel: what runs, or else the last iterations."""
        if self.seen.live is not None:
            return self.seen.live._repr_html_()
        return self._session.iterations(self.name, last=5).html()

    def __str__(self) -> str:
        if self.seen.live is not None:
            return str(self.seen.live)
        return self._session.iterations(self.name, last=5).text()

    def __repr__(self) -> str:
        return f"<Panel of {self.name}>"


def _sections(session: Session) -> tuple[Section, ...]:
    return (Trying(session), Logs(), Usage(), Charts(session))


def _button(label: str, told: str, press: Callable[[], None]) -> Any:
    button = ipywidgets.Button(description=label, tooltip=told, layout={"width": "auto"})
    button.on_click(lambda _: press())
    return button


def _label(version: int, status: str, serving: int) -> str:
    return f"{version} · {'serving' if version == serving else status}"


def _deployed(deployment: Any) -> str:
    return note_html(f"{deployment.name}:{deployment.version} serves, {deployment.iteration.status}.")


def namespace_of_notebook() -> dict[str, Any]:
    """Return the variables of the notebook: what is put there is in it."""
    from IPython import get_ipython

    shell = get_ipython()
    namespace: dict[str, Any] = shell.user_ns if shell is not None else {}
    return namespace
