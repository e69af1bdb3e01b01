"""The magics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_containeriter import api, history_magics, magics
from jupyter_containeriter.clock import CellClock
from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter
from jupyter_containeriter.testing import FakeEngine
from jupyter_containeriter.verbs import VERBS


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> CellClock:
    """Give the clock of the kernel."""
    clock = CellClock()
    monkeypatch.setattr(magics, "kernel_clock", lambda: clock)
    return clock


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Give the session of the kernel."""
    session = Session(ContainerIter(data_dir=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache")))
    monkeypatch.setattr(api.kernel, "session", lambda: session)
    monkeypatch.setattr(session, "engines", lambda: [FakeEngine()])
    yield session
    session.history.close()


@pytest.fixture
def shell(clock: CellClock, loaded_shell: InteractiveShell) -> InteractiveShell:
    """Give a shell that has loaded the extension."""
    return loaded_shell


_PARSERS = magics.PARSERS | history_magics.PARSERS


@pytest.mark.parametrize("magic", list(_PARSERS))
def test_every_magic_shows_its_usage(shell: InteractiveShell, magic: str) -> None:
    """What ``%magic?`` shows has a sentence, the usage and every option."""
    text = (shell.find_magic(magic) or shell.find_magic(magic, "cell")).__doc__
    assert text is not None
    assert f"usage: %{magic}" in text.replace("%%", "%")
    for action in _PARSERS[magic]()._actions:
        assert all(option in text for option in action.option_strings)


@pytest.mark.parametrize("text", ["x", "'x'", "'a b'", '"a b"', "''"])
def test_tags_lose_their_quotes(monkeypatch: pytest.MonkeyPatch, shell: InteractiveShell, text: str) -> None:
    """A tag's value is a text, with or without quotes around it."""
    heard: list[Any] = []
    monkeypatch.setattr(api, "run_containerize", lambda *given: heard.extend(given))
    shell.run_line_magic("containerize", f"max --tag k={text}")
    assert heard[1].tags == {"k": text.strip("'\"")}


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Hear what would be containerized: the request, and the options."""
    heard: list[Any] = []
    monkeypatch.setattr(api, "run_containerize", lambda *given: heard.extend(given))
    return heard


@pytest.mark.parametrize("cell", ["", "def predict(model, data): return data"])
def test_the_line_is_taken_as_it_is(shell: InteractiveShell, heard: list[Any], cell: str) -> None:
    """Braces and dollars of a line are the person's, and no variables to IPython."""
    shell.user_ns.update(T=3, price=3)
    source = """containerize max --sample ['it is {T}', 'b'] --note "costs $price" --param p={'T':T}"""
    shell.run_cell(f"%%{source}\n{cell}" if cell else f"%{source}").raise_error()
    request, options = heard
    assert (request.sample, options.note, options.params) == (["it is {T}", "b"], "costs $price", {"p": {"T": 3}})


def test_the_name_of_a_model_may_come_from_a_variable(shell: InteractiveShell, heard: list[Any]) -> None:
    """Models can be containerized in a loop, each under its own name."""
    shell.user_ns.update(depth=3)
    shell.run_cell("%containerize max --name forest-{depth} --sample [[1]]").raise_error()
    assert heard[0].name == "forest-3"


def test_a_name_may_come_from_a_variable(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of names hold no Python: there IPython's variables go in, as anywhere."""
    heard: list[str] = []
    monkeypatch.setattr(api, "deploy", lambda reference, fresh: heard.append(reference))
    shell.user_ns.update(name="churn", version=2)
    shell.run_cell("%deploy {name}:$version").raise_error()
    assert heard == ["churn:2"]


def test_predict_takes_an_expression(shell: InteractiveShell, heard: list[Any]) -> None:
    """``--predict`` takes a function as an expression, too."""
    shell.user_ns["k"] = 2
    shell.run_line_magic("containerize", 'max --predict "lambda model, rows: model(rows) * k"')
    assert heard[0].predict(max, [1, 3]) == 6


def test_predict_leaves_names_alone(shell: InteractiveShell, heard: list[Any]) -> None:
    """A name is one of the model's methods first, whatever the notebook calls so."""
    shell.user_ns["transform"] = 1
    shell.run_line_magic("containerize", "max --predict transform")
    assert heard[0].predict == "transform"


@pytest.mark.parametrize(
    ("text", "words"), [("'1 + 1'", "is a int"), ("a.b", "not defined"), ("'f('", "no Python expression")]
)
def test_predict_refuses_what_cannot_be_called(shell: InteractiveShell, text: str, words: str) -> None:
    """An expression that gives no function is refused with what it gives."""
    with pytest.raises(UsageError, match=words):
        shell.run_line_magic("containerize", f"max --predict {text}")


@pytest.mark.parametrize("words", ["phase", "phases phase", "phase churn more"])
def test_unknown_words_draw_nothing(shell: InteractiveShell, session: Session, words: str) -> None:
    """A word that is neither a kind of picture nor a model is refused, and what there is is listed."""
    session.history.begin("churn", started_at=datetime(2030, 1, 2, tzinfo=UTC))
    with pytest.raises(UsageError) as caught:
        shell.find_magic("iterplot")(words)
    assert "Kinds are phases" in caught.value.remedy


def test_unknown_words_are_answered_with_names(shell: InteractiveShell, session: Session) -> None:
    """The models that could be meant are listed; a model or a kind is drawn."""
    session.history.begin("churn", started_at=datetime(2030, 1, 2, tzinfo=UTC))
    with pytest.raises(UsageError, match="phase is neither") as caught:
        shell.find_magic("iterplot")("phase")
    assert "models are churn" in caught.value.remedy
    for words in ("", "phases", "churn", "phases churn"):
        assert shell.find_magic("iterplot")(words) is not None


@pytest.mark.parametrize(
    ("line", "kind", "options"),
    [
        ("metric churn --metric auc --better lower", "metric", {"metric": "auc", "better": "lower", "by": None}),
        ("--by engine compare churn", "compare", {"metric": None, "better": None, "by": "engine"}),
    ],
)
def test_options_of_pictures_are_passed_on(
    shell: InteractiveShell, session: Session, monkeypatch: pytest.MonkeyPatch, line: str, kind: str, options: Any
) -> None:
    """Before or after the words, to the function of the same name."""
    session.history.begin("churn", started_at=datetime(2030, 1, 2, tzinfo=UTC))
    monkeypatch.setattr(session, "plot", lambda *words, **given: (words, given))
    assert shell.find_magic("iterplot")(line) == ((kind, "churn"), options)


@pytest.mark.parametrize("line", ["trend --metric auc", "phases --by engine", "compare churn --by colour"])
def test_options_that_a_picture_does_not_take_are_refused(shell: InteractiveShell, session: Session, line: str) -> None:
    """Instead of being ignored."""
    session.history.begin("churn", started_at=datetime(2030, 1, 2, tzinfo=UTC))
    with pytest.raises(UsageError, match=r"takes no|no such column or tag"):
        shell.find_magic("iterplot")(line)


def test_the_list_says_what_it_may_miss(
    shell: InteractiveShell, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``%deployments`` tells which engine did not answer."""
    monkeypatch.setattr(session.standing, "unreachable", lambda: "Docker does not answer.")
    assert shell.find_magic("deployments")("").note == "Docker does not answer."


@pytest.mark.parametrize("line", ["", "help"])
def test_the_verbs_are_listed(shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str) -> None:
    """``%containeriter`` alone lists its verbs, a line each."""
    assert shell.run_line_magic("containeriter", line) is None
    shown = capsys.readouterr().out
    assert all(f"{verb.name} " in shown and verb.summary in shown for verb in VERBS)


def test_a_wrong_verb_is_answered_with_the_verbs(shell: InteractiveShell) -> None:
    """A verb that does not exist is refused, and the others are named."""
    with pytest.raises(UsageError) as caught:
        shell.run_line_magic("containeriter", "nope")
    assert all(verb.name in caught.value.message for verb in VERBS)


def test_settings_are_a_table(shell: InteractiveShell) -> None:
    """``%containeriter config`` shows each setting with its variable."""
    shown = shell.run_line_magic("containeriter", "config")
    assert "CONTAINERITER_MEMORY" in shown.text()
    assert "CONTAINERITER_MEMORY" in shown.html()
    assert {row["name"]: row["value"] for row in shown.document()}["pids"] == 256


def test_disk_can_be_given_back(shell: InteractiveShell, session: Session) -> None:
    """``%containeriter gc`` takes a budget, 0 among them, and shows what it did."""
    found = shell.run_line_magic("containeriter", "gc --budget 0 --dry-run")
    assert (found.budget, found.dry_run) == (0, True)
    assert shell.run_line_magic("containeriter", "gc").budget == session.settings.budget_bytes
    with pytest.raises(UsageError, match="much"):
        shell.run_line_magic("containeriter", "gc --budget much")


@pytest.mark.parametrize("line", ["--compare 1 2", "churn --compare 1 2 --last 3", "churn --compare 1"])
def test_a_comparison_takes_a_model_and_two_versions(shell: InteractiveShell, line: str) -> None:
    """Anything else is answered with an example, or with the usage."""
    with pytest.raises(UsageError):
        shell.find_magic("iterations")(line)


def test_two_versions_are_compared(shell: InteractiveShell, session: Session) -> None:
    """``%iterations churn --compare 1 2`` tells what changed."""
    for depth in (3, 4):
        session.history.begin("churn", started_at=datetime(2030, 1, 2, tzinfo=UTC), params={"depth": depth})
    assert shell.find_magic("iterations")("churn --compare 1 2").params == {"depth": (3, 4)}
