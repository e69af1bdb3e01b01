"""The panel of a model: it says what is so, follows what happens, and does what its buttons say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_containeriter.api import kernel
from jupyter_containeriter.errors import EngineError, NotFoundError
from jupyter_containeriter.widgets import model_panel, panel
from jupyter_containeriter.widgets.model_panel import Panel

if TYPE_CHECKING:
    from session_bench import Lab


@pytest.fixture(autouse=True)
def _the_kernel_is_the_first_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "session", lambda: lab.session)


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give the variables of a notebook."""
    variables: dict[str, Any] = {}
    monkeypatch.setattr(model_panel, "namespace_of_notebook", lambda: variables)
    return variables


@pytest.fixture
def shown(lab: Lab) -> Iterator[Panel]:
    """Give the panel of a model with two versions; the second serves, and its object is still in the kernel."""
    lab.containerize(3)
    request = lab.request(4)
    lab.session.containerize(request)
    yield panel("churn")
    del request


def section(shown: Panel, title: str) -> Any:
    """Open a section and return it."""
    (place,) = [place for place, one in enumerate(shown._sections) if one.title == title]
    shown._open.value = place
    return shown._sections[place]


def view(shown: Panel, kind: str, name: str = "one") -> None:
    """Tell as a page does that a view is opened or closed."""
    shown._address._heard(None, {"kind": kind, "view": name}, None)


@pytest.fixture
def watched(shown: Panel) -> Iterator[Panel]:
    """Give a panel that somebody has open."""
    view(shown, "opened")
    yield shown
    view(shown, "closed")
    shown.follower.join()


# --- what it says ----------------------------------------------------------------------------------------------------


def test_it_says_what_serves_and_where(lab: Lab, shown: Panel) -> None:
    """With the versions that can be deployed, the newest one chosen."""
    for part in ("churn:2", "verified", "fake", "parity exact"):
        assert part in shown._state.value
    assert shown._address.url == f"http://127.0.0.1:{lab.running()[0].port}"
    assert shown._version.options == (("2 · serving", 2), ("1 · verified", 1))
    assert shown._version.value == 2


def test_there_is_one_for_each_model(shown: Panel) -> None:
    """Shown in two cells, it is the same, and they say the same."""
    assert panel("churn") is shown


def test_an_unknown_model_is_refused(lab: Lab) -> None:
    """With those that there are."""
    lab.containerize(3)
    with pytest.raises(NotFoundError, match="no model wine") as caught:
        panel("wine")
    assert "churn" in caught.value.remedy


def test_where_there_is_no_earlier_version_nothing_is_rolled_back(lab: Lab) -> None:
    """The button cannot be pressed."""
    lab.containerize(3)
    assert panel("churn")._back.disabled
    lab.containerize(4)
    panel("churn").look()
    assert not panel("churn")._back.disabled


def test_an_engine_that_does_not_answer_is_said_with_what_to_do(lab: Lab, shown: Panel) -> None:
    """And the panel goes on when it does again."""
    lab.engine.fail("containers", EngineError("It is gone.", "Start it."))
    shown.look()
    assert "It is gone." in shown._state.value
    assert "Start it." in shown._state.value
    shown.look()
    assert "churn:2" in shown._state.value


def test_in_a_terminal_it_is_lines(shown: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing there could be pressed."""
    shown._ipython_display_()
    assert "churn:2" in capsys.readouterr().out


# --- following -------------------------------------------------------------------------------------------------------


def test_it_follows_other_kernels(lab: Lab, shown: Panel) -> None:
    """Rolled back, stopped and containerized elsewhere, it shows what is so at the next look."""
    lab.kernel().rollback("churn")
    shown.tick()
    assert shown.seen.serving == 1
    lab.kernel().undeploy("churn")
    shown.tick()
    assert "not running" in shown._state.value
    assert shown._address.url == ""
    lab.kernel().containerize(lab.request(5))
    shown.tick()
    assert shown.seen.serving == 3
    assert shown._version.value == 3


def test_the_chosen_version_stays_chosen(lab: Lab, shown: Panel) -> None:
    """As long as there is no newer one."""
    shown._version.value = 1
    lab.session.rollback("churn")
    shown.tick()
    assert shown._version.value == 1


def test_as_long_as_nothing_changes_nothing_is_asked(shown: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files tell; neither the engine nor the history is asked."""
    monkeypatch.setattr(model_panel, "look", lambda *_: pytest.fail("it looked"))
    for _ in range(model_panel._LOOKS - 1):
        shown.tick()


def test_a_container_that_ends_by_itself_is_noticed(lab: Lab, shown: Panel) -> None:
    """No file tells of it, so it is looked for every now and then."""
    lab.engine.exit(lab.running()[0].id, 1)
    for _ in range(model_panel._LOOKS):
        shown.tick()
    assert "stopped by itself" in shown._state.value


def test_an_iteration_under_way_is_told(lab: Lab, shown: Panel) -> None:
    """With its version and its phase, whoever works on it."""
    heard: list[str] = []

    class Looks:
        def started(self, phase: str) -> None:
            shown.tick()
            heard.append(shown._state.value)

        def ended(self, phase: str, seconds: float) -> None: ...

        def note(self, text: str) -> None: ...

        def detail(self, text: str) -> None: ...

    lab.kernel().containerize(lab.request(5), progress=Looks())
    assert any("version 3: build" in state for state in heard)
    shown.tick()
    assert "version 3:" not in shown._state.value


def test_it_follows_only_while_somebody_has_it_open(shown: Panel) -> None:
    """However many views of it there are, one thread looks; with the last view it ends."""
    assert not shown.follower.is_running
    view(shown, "opened", "one")
    thread = shown.follower._thread
    view(shown, "opened", "two")
    assert shown.follower._thread is thread
    view(shown, "closed", "one")
    assert not shown.follower._stop.is_set()
    view(shown, "closed", "two")
    shown.follower.join()
    assert not shown.follower.is_running


def test_views_that_went_without_a_word_are_missed(shown: Panel) -> None:
    """They are asked now and then; who does not answer twice is gone, and with the last one the thread."""
    calls: list[Any] = []
    shown._address.send = calls.append  # type: ignore[method-assign]
    view(shown, "opened", "one")
    view(shown, "opened", "two")
    shown._address.call_the_roll()
    view(shown, "opened", "two")
    shown._address.call_the_roll()
    assert shown._address._views == {"two"}
    assert not shown.follower._stop.is_set()
    shown._address.call_the_roll()
    shown.follower.join()
    assert not shown._address._views
    assert calls == [{"kind": "roll"}] * 3


def test_the_roll_is_called_every_ten_minutes(shown: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not more often: what is sent keeps a kernel from being idle."""
    calls: list[int] = []
    monkeypatch.setattr(shown._address, "call_the_roll", lambda: calls.append(1))
    monkeypatch.setattr(shown, "look", lambda: None)
    for _ in range(1199):
        shown.tick()
    assert len(calls) == 1


def test_a_closed_widget_is_not_followed(watched: Panel) -> None:
    """Also where the page has no time to say so."""
    watched._address.close()
    watched.follower.join()
    assert not watched.follower.is_running


# --- buttons ---------------------------------------------------------------------------------------------------------


def test_deploy_lets_the_chosen_version_serve(lab: Lab, shown: Panel) -> None:
    """And says so."""
    shown._version.value = 1
    shown._deploy.click()
    assert lab.versions() == [1]
    assert "churn:1 serves" in shown._acts._told.value
    assert shown.seen.serving == 1


def test_phases_are_shown_while_a_button_works(shown: Panel) -> None:
    """As the card of a magic shows them; nothing stays of it."""
    cards: list[str] = []
    shown._acts._progress.observe(lambda change: cards.append(change["new"]), "value")
    shown._back.click()
    assert "Rolling back churn" in cards[0]
    assert "verify" in cards[0]
    assert shown._acts._progress.value == ""


def test_what_a_button_could_not_do_is_said_with_what_to_do(lab: Lab, shown: Panel) -> None:
    """What ran keeps running, and the buttons can be pressed again."""
    lab.servers.changes.append(lambda outputs: outputs[0].update(data=[0, 0]))
    shown._version.value = 1
    shown._deploy.click()
    assert 'role="alert"' in shown._acts._told.value
    assert "→" in shown._acts._told.value
    assert "failed" in shown._acts._progress.value
    assert lab.versions() == [2]
    assert not shown._deploy.disabled


def test_what_is_interrupted_is_said(shown: Panel) -> None:
    """Interrupting the kernel ends a button's work as it ends a cell's."""

    def interrupted(_: Any) -> str:
        raise KeyboardInterrupt

    assert not shown._acts.run("Working", interrupted)
    assert "Interrupted" in shown._acts._told.value
    assert not shown._deploy.disabled


def test_stop_asks_once_more(lab: Lab, shown: Panel) -> None:
    """The first press only asks, and it can be left at that."""
    shown._stop.click()
    assert lab.versions() == [2]
    assert shown._stop.description == "Stop churn?"
    shown._keep.click()
    assert shown._stop.description == "Stop"
    shown._stop.click()
    shown._stop.click()
    assert lab.versions() == []
    assert "churn:2 stopped" in shown._acts._told.value


def test_restore_brings_the_model_into_the_notebook(shown: Panel, namespace: dict[str, Any]) -> None:
    """Under the name that ``%restore`` would give it."""
    shown._version.value = 1
    shown._restore.click()
    assert namespace["churn"].predict([1]) == [3]
    assert "restored" in shown._acts._told.value


def test_restore_replaces_nothing(shown: Panel, namespace: dict[str, Any]) -> None:
    """What has the name is kept, and the person told what to do."""
    namespace["churn"] = "mine"
    shown._restore.click()
    assert namespace["churn"] == "mine"
    assert "would be lost" in shown._acts._told.value


# --- sections --------------------------------------------------------------------------------------------------------


def test_predictions_stand_beside_the_kernels_own(shown: Panel) -> None:
    """With the time each took, and whether they are equal."""
    trying = section(shown, "Try it")
    trying._form.widget.value = "[1, 2]"
    trying._predict.click()
    for part in ("Container", "This kernel", "[4, 8]", "ms", "Equal."):
        assert part in trying._result.value


def test_different_predictions_are_told(lab: Lab, shown: Panel) -> None:
    """In words, with the values."""
    trying = section(shown, "Try it")
    lab.servers.changes.append(lambda outputs: outputs[0].update(data=[0, 0]))
    trying._form.widget.value = "[1, 2]"
    trying._predict.click()
    assert "different" in trying._result.value


def test_without_the_model_there_is_nothing_to_compare_with(lab: Lab, shown: Panel) -> None:
    """The container's answer is shown all the same."""
    lab.session.rollback("churn")
    shown.look()
    trying = section(shown, "Try it")
    trying._predict.click()
    assert "does not hold the model of churn:1" in trying._result.value


def test_a_restored_model_is_compared_with_too(lab: Lab, shown: Panel, namespace: dict[str, Any]) -> None:
    """As long as the notebook holds it."""
    shown._back.click()
    shown._version.value = 1
    shown._restore.click()
    trying = section(shown, "Try it")
    trying._form.widget.value = "[1, 2]"
    trying._predict.click()
    assert "Equal." in trying._result.value
    del namespace["churn"]
    trying._predict.click()
    assert "does not hold the model of churn:1" in trying._result.value


def test_buttons_stay_locked_while_one_works(shown: Panel) -> None:
    """Also where the panel looks meanwhile."""
    states: list[bool] = []
    shown._acts.run("Working", lambda progress: (shown.look(), states.append(shown._deploy.disabled), "")[2])
    assert states == [True]


def test_input_that_cannot_be_read_is_said(shown: Panel) -> None:
    """Before anything is sent."""
    trying = section(shown, "Try it")
    trying._form.widget.value = "[1, "
    trying._predict.click()
    assert "cannot be read" in trying._result.value
    assert "JSON" in trying._result.value


def test_another_row_of_the_sample_fills_the_form(shown: Panel) -> None:
    """An answer to the row before is no answer to it."""
    trying = section(shown, "Try it")
    trying._predict.click()
    trying._row.value = 1
    assert trying._form.widget.value == "[2]"
    assert trying._result.value == ""


def test_a_section_that_cannot_be_shown_breaks_nothing(shown: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and the other sections work."""
    monkeypatch.setattr(shown._sections[0], "open", lambda _: 1 / 0)
    section(shown, "Try it")
    assert "division by zero" in shown._acts._told.value
    assert "Nothing written yet" in section(shown, "Logs")._shown.value


def test_the_form_is_that_of_what_serves(lab: Lab, shown: Panel) -> None:
    """Rolled back, another sample is in it; stopped, there is none."""
    trying = section(shown, "Try it")
    before = trying._form
    lab.session.rollback("churn")
    shown.tick()
    assert trying._form is not before
    lab.session.undeploy("churn")
    shown.tick()
    assert "Nothing runs" in trying.box.children[0].value


def test_logs_are_read_while_their_section_is_open(lab: Lab, shown: Panel) -> None:
    """What is written appears at the next look, as text and nothing else."""
    container = lab.running()[0].id
    lab.engine.write_log(container, "ready <b>")
    logs = section(shown, "Logs")
    assert "ready &lt;b&gt;" in logs._shown.value
    lab.engine.write_log(container, "again")
    shown.tick()
    assert "again" in logs._shown.value
    section(shown, "Try it")
    lab.engine.write_log(container, "unseen")
    shown.tick()
    assert "unseen" not in logs._shown.value


def test_charts_are_drawn_anew_after_an_iteration(lab: Lab, shown: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only then; phases and trend."""
    drawn: list[str] = []
    plot = lab.session.plot
    monkeypatch.setattr(lab.session, "plot", lambda kind, name: drawn.append(kind) or plot(kind, name))
    charts = section(shown, "Charts")
    assert drawn == ["phases", "trend"]
    assert charts._shown.value.count("<img alt=") == 2
    shown.look()
    assert len(drawn) == 2
    lab.containerize(5)
    shown.tick()
    assert len(drawn) == 4


# --- secrets ---------------------------------------------------------------------------------------------------------


def states(widget: Any) -> str:
    """Return the state of a widget and all that it is made of, as a page and a saved notebook get it."""
    parts = [states(child) for child in getattr(widget, "children", ())]
    return json.dumps(widget.get_state(), default=str) + "".join(parts)


def test_no_token_is_in_what_the_page_keeps(shown: Panel) -> None:
    """Whatever was opened and pressed; it is sent where a person asks for it, and kept nowhere."""
    token = shown.seen.live.token if shown.seen.live else ""
    assert token
    sent: list[Any] = []
    shown._address.send = sent.append  # type: ignore[method-assign]
    for one in shown._sections:
        section(shown, one.title)
        assert token not in states(shown.widget)
    section(shown, "Try it")._predict.click()
    view(shown, "curl", "mine")
    assert token not in states(shown.widget)
    (content,) = sent
    assert (content["kind"], content["view"]) == ("curl", "mine")
    assert token in content["text"]
