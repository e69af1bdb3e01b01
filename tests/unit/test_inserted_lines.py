"""The line that JupyterLab's dialog inserts is read as it was meant: its cases, from the front end's own tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.magic_arguments import split_line
from jupyter_containeriter.names import check_name

_CASES = json.loads(
    (Path(__file__).parents[2] / "labextension" / "tests" / "model" / "lines.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", _CASES["lines"], ids=lambda case: case["line"])
def test_a_line_has_the_words_that_were_chosen(case: dict[str, Any]) -> None:
    """Whatever they hold."""
    assert split_line(case["line"].removeprefix("%containerize ")) == case["words"]


@pytest.mark.parametrize("name", _CASES["names"]["good"])
def test_a_name_that_the_dialog_takes_is_one(name: str) -> None:
    """So the cell is run as it was shown."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", _CASES["names"]["bad"])
def test_a_name_that_the_dialog_refuses_is_none(name: str) -> None:
    """Nobody is kept from one that would do."""
    with pytest.raises(UsageError):
        check_name(name)
