"""Reading a magic's line."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_containeriter.errors import UsageError
from jupyter_containeriter.magic_arguments import MagicParser, evaluate, number, pairs, split_line


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  ", []),
        ("model --name churn", ["model", "--name", "churn"]),
        ("model\t --name  churn ", ["model", "--name", "churn"]),
        ('--sample X[["a", "b"]][:5] x', ["--sample", 'X[["a", "b"]][:5]', "x"]),
        ("--sample f(1, (2, 3)) x", ["--sample", "f(1, (2, 3))", "x"]),
        ("--sample {'a b': [1, 2]} x", ["--sample", "{'a b': [1, 2]}", "x"]),
        ("--note 'two words'", ["--note", "two words"]),
        ('--note "it\'s"', ["--note", "it's"]),
        ("--note ''", ["--note", ""]),
        ("--note='two words'", ["--note=two words"]),
        ('--note="two words" x', ["--note=two words", "x"]),
        ("--param key='two words'", ["--param", "key='two words'"]),
        ("--sample X['a ) b'] y", ["--sample", "X['a ) b']", "y"]),
        ("--sample 'a' + 'b'", ["--sample", "a", "+", "b"]),
        ("--sample 'a'+'b'", ["--sample", "'a'+'b'"]),
        ("a)b c", ["a)b", "c"]),
        ("a  # don't care", ["a"]),
        ("a #", ["a"]),
        ("a #b c#", ["a", "#b", "c#"]),
        ("X[a # b]", ["X[a # b]"]),
    ],
)
def test_lines_are_split_outside_brackets_and_quotes(line: str, words: list[str]) -> None:
    """Spaces inside brackets and quotes belong to the word; a quoted word loses its quotes, a comment is left out."""
    assert split_line(line) == words


@pytest.mark.parametrize("line", ["X[1", "f(", "--note 'a", '--note "a', "{'a: 1}", "don't"])
def test_what_is_not_closed_is_refused(line: str) -> None:
    """An open bracket or quote is a wrong call."""
    with pytest.raises(UsageError, match="not closed"):
        split_line(line)


def test_a_wrong_option_shows_the_usage() -> None:
    """A wrong line raises instead of ending the process, with the usage as the remedy."""
    parser = MagicParser("%containerize", "")
    parser.add_argument("model", metavar="MODEL")
    with pytest.raises(UsageError, match="--nmae") as caught:
        parser.parse_line("model --nmae x")
    assert caught.value.remedy == "usage: %containerize MODEL"


def test_options_are_not_abbreviated() -> None:
    """A shortened option is refused, so that new options never change what old lines mean."""
    parser = MagicParser("%containerize", "")
    parser.add_argument("--sample")
    with pytest.raises(UsageError):
        parser.parse_line("--sam X")


def test_expressions_see_the_namespace() -> None:
    """Expressions are evaluated with the user's names, also inside comprehensions."""
    assert evaluate("--sample", "[x * k for x in rows]", {"rows": [1, 2], "k": 3}) == [3, 6]


def test_evaluation_leaves_the_namespace_alone() -> None:
    """An expression cannot add names to the kernel."""
    namespace: dict[str, Any] = {}
    evaluate("--sample", "(y := 1)", namespace)
    assert namespace == {}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("Z[:5]", "name 'Z' is not defined"),
        ("1 / 0", "ZeroDivisionError"),
        ("a b", "no Python expression"),
        ("[][0]", "Index"),
    ],
)
def test_expressions_that_fail_are_named(expression: str, words: str) -> None:
    """The error names option, expression and what went wrong."""
    with pytest.raises(UsageError) as caught:
        evaluate("--sample", expression, {})
    assert f"--sample {expression}" in caught.value.message
    assert words in caught.value.message


def test_interrupts_are_not_swallowed() -> None:
    """An interrupted expression interrupts the cell."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("--sample", "interrupt()", {"interrupt": interrupt})


def test_pairs_are_read() -> None:
    """Only the first equals sign separates key and value."""
    assert pairs("--param", ["a=x == y", " b = 1"], lambda key, text: (key, text)) == {
        "a": ("a", "x == y"),
        "b": ("b", " 1"),
    }


@pytest.mark.parametrize("item", ["a", "=1", "a=", " =1", ""])
def test_what_is_no_pair_is_refused(item: str) -> None:
    """A pair needs a key, an equals sign and a value."""
    with pytest.raises(UsageError, match="not KEY=VALUE"):
        pairs("--param", [item], lambda _, text: text)


def test_metrics_are_numbers() -> None:
    """Anything that is one number is a metric; the error names what is not."""
    import numpy as np

    assert number("--metric", "acc", np.float32(0.5)) == 0.5
    assert number("--metric", "acc", True) == 1.0
    with pytest.raises(UsageError, match="--metric acc: \\[1\\] is a list"):
        number("--metric", "acc", [1])
