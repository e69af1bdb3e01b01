"""Answers of classes that a client does not know."""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, UserDict, defaultdict, namedtuple
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from jupyter_containeriter.serving import wire
from jupyter_containeriter.serving.answers import plain_answer

from .round_trips import assert_same, round_trip


class Label(enum.Enum):
    """A class of its own."""

    CAT = "cat"


class Level(enum.IntEnum):
    """A number with a name."""

    HIGH = 3


class Name(str):
    """A text of its own."""

    __slots__ = ()


@dataclass
class Box:
    """An answer with fields."""

    label: Label
    scores: np.ndarray


class Span(NamedTuple):
    """A tuple with names."""

    start: int
    end: int


class Pydantic:
    """What a model of pydantic looks like from outside."""

    def model_dump(self) -> dict[str, Any]:
        """Return the fields."""
        return {"a": 1}


SCORES = np.array([0.25, 0.75])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Label.CAT, "cat"),
        (Level.HIGH, 3),
        (Name("x"), "x"),
        (Box(Label.CAT, SCORES), {"label": "cat", "scores": SCORES}),
        (Span(1, 2), {"start": 1, "end": 2}),
        ([Span(1, 2)], [{"start": 1, "end": 2}]),
        (namedtuple("Pair", "a b")(1, SCORES), {"a": 1, "b": SCORES}),
        (Pydantic(), {"a": 1}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (UserDict(a=1), {"a": 1}),
        ({Label.CAT: (Level.HIGH, [Name("x")])}, {"cat": (3, ["x"])}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_answers_of_own_classes_become_plain(value: Any, expected: Any) -> None:
    """Fields become dicts, members of an Enum their values, subclasses the type they are built on; all can be sent."""
    answer = plain_answer(value)
    assert_same(answer, expected)
    assert_same(round_trip(answer), expected)


@pytest.mark.parametrize(
    "value",
    [SCORES, np.float64(1), np.str_("a"), pd.DataFrame({"a": [1]}), pd.Timestamp("2024"), [1, "a"], (1, None), b"x"],
    ids=lambda value: type(value).__name__,
)
def test_other_answers_are_left_alone(value: Any) -> None:
    """What has nothing to turn into is the very same object."""
    assert plain_answer(value) is value


def test_samples_are_not_turned_into_something_else() -> None:
    """A model that takes a class of its own would not get it: such a sample is refused."""
    for value in (Span(1, 2), Label.CAT, Name("x"), OrderedDict(a=1)):
        with pytest.raises(wire.WireError, match=type(value).__name__):
            wire.infer_schema(value)


def test_an_answer_within_itself_is_refused() -> None:
    """A list that contains itself cannot be sent."""
    answer: list[Any] = [[]]
    answer[0].append(answer)
    with pytest.raises(wire.WireError, match="nested too deeply"):
        plain_answer(answer)
