"""Versions that are let serve from a shell."""

from __future__ import annotations

import json

import pytest
from session_bench import Lab

from jupyter_containeriter import api
from jupyter_containeriter.cli import main


@pytest.fixture(autouse=True)
def three_versions(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containerize three versions, and let the shell's verbs speak to the same session."""
    monkeypatch.setattr(api.kernel, "session", lambda: lab.session)
    for scale in (3, 4, 5):
        lab.containerize(scale)


def test_a_version_is_deployed(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """The version that was asked for serves, and JSON says where, without the token."""
    assert main(["deploy", "churn:1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["name"], document["version"], document["running"]) == ("churn", 1, True)
    assert lab.versions() == [1]


def test_the_version_before_is_one_word_away(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Rolling back goes one version down, or to the one that is named."""
    assert main(["rollback", "churn"]) == 0
    assert "churn:2 verified" in capsys.readouterr().out
    assert main(["rollback", "churn", "--to", "1"]) == 0
    assert lab.versions() == [1]


def test_a_version_that_is_not_there_is_refused(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """What runs keeps running, and the shell sees the error."""
    assert main(["deploy", "churn:9"]) == 1
    assert "There is no churn:9." in capsys.readouterr().err
    assert lab.versions() == [3]
