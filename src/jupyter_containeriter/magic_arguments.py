"""Read a magic's line: expressions may hold spaces inside brackets and quotes, as in ``--sample X[["a", "b"]][:5]``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from jupyter_containeriter.errors import UsageError

_Method = TypeVar("_Method", bound=Callable[..., Any])

_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "'\""


class MagicParser(argparse.ArgumentParser):
    """An argument parser that raises :class:`UsageError` instead of ending the process."""

    def __init__(self, prog: str, description: str, **options: Any) -> None:
        super().__init__(prog=prog, description=description, add_help=False, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise, with the usage as the remedy."""
        raise UsageError(f"{self.prog}: {message}", self.format_usage().strip())

    def parse_line(self, line: str) -> argparse.Namespace:
        """Parse a line as typed."""
        return self.parse_args(split_line(line))


def helped(make: Callable[[], MagicParser]) -> Callable[[_Method], _Method]:
    """Add usage and options of a parser to the text that ``%magic?`` shows."""

    def add(method: _Method) -> _Method:
        text = make().format_help().partition("\n\n")
        options = text[2].partition("\n\n")[2]  # Without the description: the docstring says it better.
        method.__doc__ = f"{method.__doc__}\n\n{text[0]}\n\n{options}".rstrip()
        return method

    return add


def split_line(line: str) -> list[str]:
    """Split at spaces outside brackets and quotes; a word, or a value after ``--option=``, loses quotes around it.

    A word that is only ``#`` begins a comment.

    Raises
    ------
    UsageError
        A bracket or quote is not closed.
    """
    words, word, depth, quote = [], "", 0, ""
    for position, character in enumerate(line):
        if not (word or quote or depth > 0) and line[position : position + 2].rstrip() == "#":
            break
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        if character.isspace() and not quote and depth <= 0:
            words.append(word)
            word = ""
        else:
            word += character
    if quote or depth > 0:
        raise UsageError(f"Something is not closed in: {line.strip()}", "Close every bracket and quote.")
    return [_unquoted(word) for word in [*words, word] if word]


def _unquoted(word: str) -> str:
    if word.startswith("--") and "=" in word:
        option, _, value = word.partition("=")
        return f"{option}={unquoted(value)}"
    return unquoted(word)


def unquoted(text: str) -> str:
    """Return the text without the quotes around the whole of it, where it has some."""
    whole = len(text) > 1 and text[0] in _QUOTES and text[-1] == text[0] and text[0] not in text[1:-1]
    return text[1:-1] if whole else text


def evaluate(option: str, expression: str, namespace: Mapping[str, Any]) -> Any:
    """Evaluate an expression in the user namespace.

    Raises
    ------
    UsageError
        It raises, or names something that is not there.
    """
    try:
        # Compiled first: a KeyboardInterrupt that leaves eval of a text ends the whole process (CPython 3.11).
        code = compile(expression, option, "eval")
        return eval(code, dict(namespace))  # noqa: S307 (the person's own expression, in their own kernel)
    except NameError as error:
        raise UsageError(
            f"{option} {expression}: {error}.", "Define it in a cell first, or correct the name."
        ) from error
    except SyntaxError as error:
        raise UsageError(
            f"{option} {expression}: this is no Python expression ({error.msg}).",
            f"A text needs quotes of its own: {option} \"'{expression}'\".",
        ) from error
    except Exception as error:
        raise UsageError(
            f"{option} {expression} raised {type(error).__name__}: {error}", "Try the expression in a cell."
        ) from error


_EXAMPLES = {"--metric": "accuracy=acc", "--param": "depth=clf.max_depth", "--tag": "team=pricing"}


def pairs(option: str, items: list[str], read: Callable[[str, str], Any]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` items; ``read`` gets the key and the text of the value.

    Raises
    ------
    UsageError
        There is no ``=`` or no key.
    """
    result = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key.strip() or not text:
            raise UsageError(f"{option} {item}: not KEY=VALUE.", f"For example {option} {_EXAMPLES[option]}.")
        result[key.strip()] = read(key.strip(), text)
    return result


def number(option: str, key: str, value: Any) -> float:
    """Return a metric's value as a float.

    Raises
    ------
    UsageError
        It is no number.
    """
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{option} {key}: {value!r} is a {type(value).__name__}, not a number.", "Give one number."
        ) from error
