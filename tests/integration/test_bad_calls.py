"""Calls that cannot work: each is one message with a remedy, records nothing that runs, and harms nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from notebook_bench import Desk, Lab, open_desk

BAD = """
import threading

class Holder:
    def __init__(self, held):
        self.parts = {"deep": [1, held]}
    def predict(self, rows):
        return rows

class Unfitted:
    def predict(self, rows):
        raise ValueError("fit me first")

class Unwilling:
    def __reduce__(self):
        raise NotImplementedError("I stay here")
    def predict(self, rows):
        return rows

class Complex:
    def predict(self, rows):
        return [object() for _ in rows]

with_file = Holder(open(__file__ if "__file__" in globals() else "/etc/hostname"))
with_lock = Holder(threading.Lock())
with_generator = Holder(row for row in rows)
unfitted = Unfitted()
unwilling = Unwilling()
complex_ = Complex()
echo = lambda data: data
odd = {1, 2}
number = 5
"""


@pytest.fixture(scope="module")
def desk(shared_lab: Lab, sandbox_working: None, new_name: Callable[[str], str]) -> Desk:
    """Open a notebook in which one good model runs."""
    desk = open_desk(shared_lab, "sandbox", new_name("good"))
    desk.notebook.ok(BAD)
    return desk


# --- the call itself: nothing is recorded ----------------------------------------------------------------------------

CALLS = {
    "unknown variable": ("missing", "missing", "Define it"),
    "expression that raises": ("mean --sample rows[7]", "IndexError", "in a cell"),
    "expression that does not parse": ("mean --sample rows[::", "not closed", "Close"),
    "sample that names an unknown variable": ("mean --sample nowhere", "nowhere", "Define it"),
    "metric that is no number": ("mean --metric good='much'", "not a number", "one number"),
    "param without a value": ("mean --param C", "KEY=VALUE", "For example"),
    "object with nothing to call": ("number", "int", "--predict"),
    "class instead of a model": ("Holder", "class", "fit"),
    "method that is not there": ("mean --predict nothing", "nothing", "Name a method"),
    "sample of no rows": ("mean --sample rows[:0]", "no rows", "at least one row"),
    "empty name": ("mean --name ''", "empty", "--name"),
    "invalid name": ("mean --name 'My Model!'", "My Model!", "Call it my-model"),
    "name of 300 characters": (f"mean --name {'n' * 300}", "300 characters", "Shorten"),
    "unknown option": ("mean --sampel rows", "--sampel", "usage: %containerize"),
    "nothing at all": ("", "MODEL", "usage: %containerize"),
    "engine that does not exist": ("mean --engine dokcer", "dokcer", "docker"),
    "memory that is no size": ("mean --memory lots", "lots", "512m"),
    "CPUs below zero": ("mean --cpus -1", "-1", "--cpus"),
    "CPUs that are no number": ("mean --cpus many", "many", "usage: %containerize"),
    "package that is not installed": ("mean --sample rows --include nothing-of-that-name", "nothing-of", "pip list"),
}


@pytest.mark.parametrize(("line", "said", "remedy"), CALLS.values(), ids=CALLS)
def test_wrong_call_is_refused_and_not_recorded(desk: Desk, line: str, said: str, remedy: str) -> None:
    """A call that is wrong in itself is a UsageError that names the mistake, and no iteration."""
    refusal = desk.refuse(f"%containerize {line}")
    assert refusal.kind == "UsageError"
    assert said in refusal.message
    assert remedy in refusal.remedy
    assert [row["name"] for row in all_rows(desk)] == [desk.name]


VERBS = {
    "%deploy {name}:99": ("NotFoundError", "{name}:99"),
    "%deploy {name}:first": ("UsageError", "first"),
    "%deploy {name}:0": ("UsageError", "positive"),
    "%deploy nobody:1": ("NotFoundError", "nobody:1"),
    "%deploy": ("UsageError", "required"),
    "%rollback {name}": ("NotFoundError", "roll back"),
    "%rollback {name} --to 99": ("NotFoundError", "{name}:99"),
    "%rollback {name} --to first": ("UsageError", "first"),
    "%rollback nobody": ("NotFoundError", "nobody"),
    "%undeploy nobody": ("NotFoundError", "nobody"),
    "%undeploy ../etc": ("UsageError", "../etc"),
    "%iterations --last few": ("UsageError", "few"),
    "%iterplot pies {name} more": ("UsageError", "too many words"),
    "%deployments now": ("UsageError", "now"),
    "%containeriter repair": ("UsageError", "repair"),
    "%%containerize mean\n1 / 0": ("UsageError", "ZeroDivisionError"),
    "%%containerize mean\nsomething = 1": ("UsageError", "predict"),
    "import jupyter_containeriter as c; c.containerize(mean, name='a/b')": ("UsageError", "a/b"),
    "import jupyter_containeriter as c; c.containerize(mean, metrics=dict(a='b'))": ("UsageError", "number"),
}


@pytest.mark.parametrize(("line", "kind", "said"), [(k, *v) for k, v in VERBS.items()], ids=VERBS)
def test_other_verbs_refuse_what_is_not_there(desk: Desk, line: str, kind: str, said: str) -> None:
    """Every verb refuses what is wrong or not there, naming it, and records nothing."""
    refusal = desk.refuse(line.format(name=desk.name))
    assert refusal.kind == kind
    assert said.format(name=desk.name) in refusal.message
    assert [row["name"] for row in all_rows(desk)] == [desk.name]


# --- the model: recorded as failed -----------------------------------------------------------------------------------

MODELS = {
    "open file": ("with_file", "CaptureError", "with_file.parts['deep'][1]", "None"),
    "lock": ("with_lock", "CaptureError", "with_lock.parts['deep'][1]", "None"),
    "generator": ("with_generator", "CaptureError", "with_generator.parts['deep'][1]", "None"),
    "object that refuses": ("unwilling", "CaptureError", "I stay here", "can be pickled"),
    "sample whose prediction raises": ("unfitted --sample rows", "CaptureError", "ValueError: fit me first", "fit"),
    "predictions that cannot cross HTTP": ("complex_ --sample rows", "CaptureError", "cannot cross HTTP", "--predict"),
    "sample that is no table": ("echo --sample odd", "CaptureError", "cannot cross HTTP", "DataFrame"),
    "expectation that does not hold": (
        "mean --sample rows --expect [1.5,9.0]",
        "ParityError",
        "row 1",
        "keeps running",
    ),
}


@pytest.mark.parametrize(("line", "kind", "said", "remedy"), MODELS.values(), ids=MODELS)
def test_model_that_cannot_leave_is_recorded_as_failed(
    desk: Desk, line: str, kind: str, said: str, remedy: str
) -> None:
    """A model that cannot be captured is refused with what is in the way, and its iteration is recorded as failed."""
    name = "bad-" + re.sub(r"[^a-z]+", "-", line.lower()).strip("-")
    refusal = desk.refuse(f"%containerize {line} --name {name}")
    assert refusal.kind == kind
    assert said in refusal.message
    assert remedy in refusal.remedy
    (row,) = desk.lab.rows(name)
    assert row["status"] == "failed"
    assert row["error"] == refusal.message


def all_rows(desk: Desk) -> list[dict[str, str]]:
    """Return the rows of the calls that count: the bad models have theirs."""
    return [row for row in desk.lab.rows(None) if not row["name"].startswith("bad-")]  # type: ignore[arg-type]
