"""Cards, lines and tables."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from IPython.lib.pretty import pretty

from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.image.registry import ImageReference
from jupyter_containeriter.progress import Silent
from jupyter_containeriter.shipping import Pushed
from jupyter_containeriter.show import words
from jupyter_containeriter.show.card import deployment_card, failure_card, progress_card
from jupyter_containeriter.show.live import TerminalProgress, surroundings, watched
from jupyter_containeriter.show.tables import Deployments, Findings
from jupyter_containeriter.show.text import deployments_text
from jupyter_containeriter.testing import FakeEngine, tiny_image
from jupyter_containeriter.types import Finding, Iteration, LoadReport, RunSpec

_ROW = Iteration(
    "id",
    "churn",
    2,
    "verified",
    datetime(2030, 1, 1, tzinfo=UTC),
    capture_seconds=0.25,
    verify_seconds=0.05,
    package_to_verified_seconds=0.3,
    image_reference="localhost/containeriter/churn:2",
    image_size_bytes=289_000_000,
    parity="exact",
)

Deploy = Callable[..., Deployment]


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """Deploy a version whose row has these fields."""
    engine = FakeEngine()
    image = tiny_image(tmp_path)
    engine.load(image)

    def deploy(**fields: Any) -> Deployment:
        container = engine.run(image, RunSpec("churn", 2, "id", "history"))
        load = LoadReport("partial", 1_500_000, 2, 3)
        return Deployment(replace(_ROW, **fields), engine, container, "secret", None, '{"inputs": ["it\'s"]}', load)

    return deploy


class _Checked(HTMLParser):
    """Collects the text of HTML, and insists that every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_card_says_what_runs_and_what_was_proven(deploy: Deploy) -> None:
    """A card has name, version, status, parity, address, image, what was sent, and the time it took."""
    deployment = deploy(metrics={"acc": 0.912345}, note="better")
    text = _Checked(deployment_card(deployment)).text
    for part in (
        *("churn:2", "verified", "predicts exactly", deployment.url, "churn:2", "289 MB", "1.5 MB sent"),
        *("3 of 5 layers reused", "acc 0.9123", "better", "0.30 s", "capture 0.25 s", "verify 50 ms", "curl"),
    ):
        assert part in text


def test_what_people_write_is_text(deploy: Deploy) -> None:
    """Notes, names of metrics and messages cannot become elements of the page."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    cards = (
        deployment_card(deploy(note=evil, metrics={evil: 1.0}, image_reference=evil)),
        progress_card(evil, ("capture",), {"capture": 1.0}, "capture", [evil]),
        failure_card(evil, "failed", {"capture": 1.0}, [evil]),
        Findings([Finding("Topic", "error", evil, evil)])._repr_html_(),
    )
    for card in cards:
        checked = _Checked(card)
        assert evil in checked.text
        assert not {"script", "img"} & checked.tags


def test_an_unproven_version_says_so(deploy: Deploy) -> None:
    """Without a sample neither card nor line claims that anything was verified."""
    deployment = deploy(status="deployed", parity="", package_to_verified_seconds=0.3)
    for shown in (_Checked(deployment_card(deployment)).text, str(deployment)):
        assert "nothing was proven" in shown
        assert "verified" not in shown


def test_the_command_line_survives_the_shell(deploy: Deploy) -> None:
    """The shown command quotes its body, and carries the token."""
    words_ = shlex.split(deploy().curl)
    assert '{"inputs": ["it\'s"]}' in words_
    assert "Authorization: Bearer secret" in words_


def test_a_card_leads_to_the_page_that_tries_the_model(deploy: Deploy) -> None:
    """The page gets the token in the fragment, which browsers keep to themselves; one of any letters."""
    deployment = replace(deploy(), token="s&c #ret")
    assert f'href="{deployment.url}/docs#token=s%26c%20%23ret"' in deployment_card(deployment)
    assert f'href="{deployment.url}/docs"' in deployment_card(replace(deployment, token=""))


def test_lines_say_the_same(deploy: Deploy) -> None:
    """In a terminal a deployment is a few lines."""
    text = str(deploy())
    assert text.splitlines()[0] == "churn:2 verified on fake"
    assert "exact: predicts exactly" in text


def test_lists_show_themselves(deploy: Deploy) -> None:
    """What runs is a list and a table; one that ended is marked, none is a hint how to start."""
    deployment = deploy()
    assert deployment.container is not None
    ended = Deployment(deployment.iteration, deployment.engine_handle, replace(deployment.container, running=False))
    shown = Deployments([deployment, ended])
    assert len(shown) == 2
    assert _Checked(shown._repr_html_()).text.count("not running") == 1
    assert "%containerize" in _Checked(Deployments()._repr_html_()).text


def test_what_does_not_run_has_no_address(deploy: Deploy) -> None:
    """A container that ended has neither link nor command line, only the words."""
    running = deploy()
    assert running.container is not None
    ended = Deployment(running.iteration, running.engine_handle, replace(running.container, running=False))
    cards = (deployment_card(ended), Deployments([ended])._repr_html_())
    for card in cards:
        assert "a" not in _Checked(card).tags
    for shown in (*(_Checked(card).text for card in cards), str(ended), deployments_text([ended])):
        assert "not running" in shown
        assert "http" not in shown
        assert "curl" not in shown


def test_what_was_only_built_says_what_was_proven() -> None:
    """A version without a container says so, and that the clean process agreed where a sample was given."""
    built = replace(_ROW, status="built", parity="")
    assert words.parity(built) == "built, not deployed"
    sampled = replace(built, data_digest="sha256:0")
    assert words.parity(sampled) == "built, not deployed; in a clean process it predicted the same"


def test_a_list_that_may_miss_something_says_so() -> None:
    """What could not be looked at is told below what runs, in HTML and in lines."""
    shown = Deployments([], "Docker <does> not answer.")
    assert "Docker <does> not answer." in _Checked(shown._repr_html_()).text
    assert pretty(shown).splitlines()[-1] == "Docker <does> not answer."


def test_findings_show_their_remedies() -> None:
    """A finding that is not well is shown with what to do."""
    findings = Findings([Finding("A", "ok", "fine"), Finding("B", "warning", "bad", "mend it")])
    text = _Checked(findings._repr_html_()).text
    assert "→ mend it" in text
    assert text.count("→") == 1


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (289_000_000, "289 MB"),
        (1_200_000_000, "1.2 GB"),
    ],
)
def test_sizes_are_readable(count: int | None, text: str) -> None:
    """Sizes are in decimal units with few digits."""
    assert words.size(count) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.0123, "12 ms"), (0.954, "0.95 s"), (61.0, "61.00 s")])
def test_times_are_readable(value: float | None, text: str) -> None:
    """Times are in seconds, short ones in milliseconds."""
    assert words.seconds(value) == text


def test_what_was_sent_is_told() -> None:
    """A load says what was sent and what was there."""
    assert words.sent(LoadReport("present", 0, 0, 4)) == "nothing sent, all 4 layers were there"
    assert words.sent(None) == ""


def test_a_close_version_tells_the_difference() -> None:
    """Where floats differ the largest difference is told."""
    assert "1.5e-09" in words.parity(replace(_ROW, parity="close", max_abs_difference=1.5e-9))


def test_nobody_watches_a_script(monkeypatch: pytest.MonkeyPatch, deploy: Deploy) -> None:
    """Where nobody looks nothing is shown, and the result comes back as it is."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert surroundings() == "silent"
    heard: list[object] = []
    deployment = deploy()

    def call(progress: object) -> Deployment:
        heard.append(progress)
        return deployment

    assert watched("Containerizing churn", call) is deployment
    assert isinstance(heard[0], Silent)


def test_a_terminal_gets_a_line_for_each_phase(capsys: pytest.CaptureFixture[str]) -> None:
    """In a terminal progress goes to standard error, a line for each phase and note."""
    progress = TerminalProgress("Containerizing churn")
    progress.started("build")
    progress.ended("build", 0.25)
    progress.note("Careful.")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.split("\r")[-1] == "  build    0.25 s\n  Careful.\n"


def test_how_far_a_phase_is_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What is told again and again in a terminal does not scroll, and goes when the phase ends."""
    progress = TerminalProgress("Pushing churn")
    progress.started("push")
    progress.detail("1.0 MB of 2.0 MB sent")
    progress.detail("2.0 MB of 2.0 MB sent")
    progress.ended("push", 0.25)
    shown = capsys.readouterr().err
    assert shown.count("\n") == 2
    assert shown.endswith("\r\x1b[2K  push     0.25 s\n")


def test_a_card_of_progress_has_the_phases_of_its_call() -> None:
    """A push goes through one phase, not through those of a deployment."""
    text = _Checked(progress_card("Pushing churn", ("push",), {"push": 0.5}, "push", ["1.0 MB of 2.0 MB sent"])).text
    assert "push 0.50 s" in text
    assert "1.0 MB of 2.0 MB sent" in text
    assert "capture" not in text
    assert "push" in _Checked(failure_card("Pushing churn", "failed", {"push": 0.5}, [])).text


def test_a_push_shows_itself() -> None:
    """Card and lines tell where it is, what travelled and how to run it; a repository's name is text."""
    target = ImageReference("localhost:5000", "team/<churn>", "3", "sha256:0a")
    pushed = Pushed("churn", 3, target, 1_500_000, 1, 4, 0.5)
    for shown in (_Checked(pushed.html()).text, pretty(pushed)):
        for part in (
            "churn:3",
            "localhost:5000/team/<churn>:3",
            "sha256:0a",
            "1.5 MB sent",
            "docker pull",
            "podman run",
        ):
            assert part in shown
