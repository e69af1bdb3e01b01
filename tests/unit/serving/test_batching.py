"""Requests that wait together are predicted together, where that changes no bit of any answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_containeriter.serving import batcher, rows, wire
from jupyter_containeriter.serving.batcher import Prediction
from jupyter_containeriter.serving.inference import warm
from jupyter_containeriter.serving.model import LoadedModel

from .conftest import Answer, Client, serving_of

ROWS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0], "town": ["x", "y", "z"]})
INFER = "/v2/models/churn/infer"


def tried(function: Callable[[Any], Any], sample: Any) -> LoadedModel:
    """Return a model that was tried with its sample, as after loading."""
    inputs, outputs = wire.infer_schema(sample), wire.infer_schema(function(sample), name="output-0")
    return warm(LoadedModel("churn", "", inputs, outputs, wire.encode(sample, inputs), function))


def total(data: Any) -> Any:
    """Add up each row."""
    return data.sum(axis=1)


class Held:
    """A model that can be held while requests gather; it notes how many rows it was asked for at once."""

    def __init__(self, function: Callable[[Any], Any], sample: Any, *, audited: bool = False) -> None:
        self._function = function
        self._open = threading.Event()
        self._open.set()
        self.entered = threading.Event()
        self.sizes: list[int] = []
        self.client = Client(serving_of(tried(self.predict, sample)))
        if not audited:
            self.client.service.live().batcher._batches = 1  # The first one is.

    def predict(self, data: Any) -> Any:
        """Predict, when it may."""
        self.entered.set()
        assert self._open.wait(30)
        self.sizes.append(len(data))
        return self._function(data)

    def ask(self, *bodies: Any, path: str = INFER) -> list[Answer]:
        """Ask once, and all the others while that is being predicted; return the answers to the others."""
        self.sizes.clear()
        self.entered.clear()
        self._open.clear()

        async def gather() -> list[Answer]:
            send = self.client.send
            first = asyncio.ensure_future(send("POST", path, json.dumps(bodies[0]).encode(), {}))
            await asyncio.get_running_loop().run_in_executor(None, self.entered.wait, 30)
            others = [asyncio.ensure_future(send("POST", path, json.dumps(one).encode(), {})) for one in bodies[1:]]
            while len(self.client.service.live().batcher) < len(others):
                await asyncio.sleep(0)
            self._open.set()
            return (await asyncio.gather(first, *others))[1:]

        return asyncio.run(gather())

    @property
    def batching(self) -> Any:
        """What is known of it now."""
        return self.client.service.live().batcher.batching


def body(value: Any, **more: Any) -> dict[str, Any]:
    """Return a request for some rows."""
    return {"inputs": wire.encode(value, wire.infer_schema(value)), **more}


def values(answer: Answer) -> Any:
    """Return what was predicted."""
    return answer.json["outputs"][0]["data"]


@pytest.mark.parametrize(
    ("function", "sample"),
    [
        (total, ROWS),
        (lambda data: data * 2, ROWS),
        (lambda data: [row[0] > 2 for row in data], ROWS.tolist()),
        (lambda data: [{"tone": text["text"]} for text in data], [{"text": "a"}, {"text": "b"}]),
        (lambda data: data["a"] * 2, FRAME),
        (lambda data: data[["a"]] * 2, FRAME),
        (lambda data: data["a"].to_numpy(), FRAME.set_index(pd.Index([7, 3, 5]))),
        (lambda data: np.array([f"{row[0]}{'x' * int(row[1])}" for row in data]), ROWS),
    ],
    ids=["sums", "array", "list", "objects", "series", "frame", "shuffled", "texts"],
)
def test_rows_that_stand_for_themselves_are_batched(function: Any, sample: Any) -> None:
    """A model that gives each row the same among others as alone is known for it, whatever the rows are made of."""
    batching = tried(function, sample).batching
    assert batching.rows >= 32, batching.reason


@pytest.mark.parametrize(
    ("function", "sample", "reason"),
    [
        (lambda data: total(data) - total(data).mean(), ROWS, "differently"),
        (lambda data: np.cumsum(total(data)), ROWS, "differently"),
        (lambda data: np.unique(total(data)), ROWS, "one row for each"),
        (lambda data: np.sort(total(data)), ROWS[::-1].copy(), "differently"),
        (lambda data: float(data.sum()), ROWS, "one row for each"),
        (lambda data: {"sum": total(data)}, ROWS, "one row for each"),
        (lambda data: total(data) + np.finfo(float).eps * len(data), ROWS, "differently"),
        (total, ROWS[:1], "rows that differ"),
        (total, ROWS[[0, 0]], "rows that differ"),
        (lambda data: data["a"], {"a": ROWS[:, 0]}, "not joined"),
        (lambda data: data, 5.0, "not joined"),
        (lambda data: data["a"].set_axis([4] * len(data)), FRAME, "one row for each"),
    ],
    ids=["mean", "sums", "unique", "sorted", "scalar", "dict", "bit", "one", "equal", "mapping", "number", "index"],
)
def test_rows_that_depend_on_others_are_not(function: Any, sample: Any, reason: str) -> None:
    """A model that is not proven to take each row for itself gets one request at a time, and why is said."""
    batching = tried(function, sample).batching
    assert batching.rows == 0
    assert reason in batching.reason


def test_nothing_is_known_without_a_sample() -> None:
    """Without a sample nothing can be proven."""
    batching = warm(LoadedModel("churn", "", None, None, None, total)).batching
    assert (batching.rows, "no sample" in batching.reason) == (0, True)


def test_models_that_take_long_are_not_tried_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading waits for the trial, so it is given up after a while."""
    monkeypatch.setattr(rows, "_SECONDS", 0)
    batching = tried(total, ROWS).batching
    assert (batching.rows, "takes more than" in batching.reason) == (0, True)


def test_a_long_first_prediction_says_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that takes very long is not asked a second time."""
    monkeypatch.setattr(rows, "_COLD_SECONDS", 0)
    calls = []

    def count(data: Any) -> Any:
        calls.append(len(data))
        return total(data)

    assert "takes more than" in tried(count, ROWS).batching.reason
    assert calls[1:] == [1]  # The first one was for the signature.


def test_slow_models_are_tried_with_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows and one batch are enough where there is no time for more."""
    asked: list[int] = []

    class Clock:
        @staticmethod
        def perf_counter() -> float:
            return 0.06 * len(asked)

    def slow(data: Any) -> Any:
        asked.append(len(data))
        return total(data)

    monkeypatch.setattr(rows, "time", Clock)
    batching = tried(slow, ROWS).batching
    assert asked[1:] == [1, 1, 3, 32]
    assert batching.rows == 32


def test_models_that_fail_on_the_sample_are_not_batched() -> None:
    """A model that cannot be tried serves all the same."""
    calls = []

    def once(data: Any) -> Any:
        calls.append(data)
        return total(data) if len(calls) == 1 else 1 / 0

    assert "ZeroDivisionError" in tried(once, ROWS).batching.reason


def test_models_that_write_on_their_input_are_tried_with_copies() -> None:
    """What a model does to its input does not reach the next trial."""

    def scale(data: Any) -> Any:
        data *= 2
        return data.sum(axis=1)

    assert tried(scale, ROWS.copy()).batching.rows > 0


@pytest.mark.parametrize("path", [INFER, "/invocations"])
def test_what_waits_is_predicted_together(path: str) -> None:
    """Requests that come while the model is busy are one prediction, and each gets its own rows."""
    held = Held(total, ROWS)
    bodies = [body(ROWS[:1])] + [body(ROWS[:count] + count, id=str(count)) for count in (1, 2, 3)]
    if path == "/invocations":
        bodies = [{"inputs": ROWS[:1].tolist()}] + [{"inputs": (ROWS[:count] + count).tolist()} for count in (1, 2, 3)]
    answers = held.ask(*bodies, path=path)
    assert held.sizes == [1, 6]
    expected = [total(ROWS[:count] + count).tolist() for count in (1, 2, 3)]
    if path == "/invocations":
        assert [answer.json["predictions"] for answer in answers] == expected
    else:
        assert [values(answer) for answer in answers] == expected
        assert [answer.json["id"] for answer in answers] == ["1", "2", "3"]


def test_frames_are_predicted_together() -> None:
    """Rows of DataFrames are joined under a new index, and parted with the one each would have alone."""
    held = Held(lambda data: data[["a"]] * 2, FRAME)
    answers = held.ask(*(body(FRAME[:count]) for count in (1, 2, 1)))
    assert held.sizes == [1, 3]
    alone = [held.client("POST", INFER, body(FRAME[:count])).json for count in (2, 1)]
    assert [answer.json for answer in answers] == alone


def test_a_model_that_is_not_proven_is_asked_one_by_one() -> None:
    """Where rows depend on each other, requests do not meet."""
    held = Held(lambda data: total(data) - total(data).mean(), ROWS)
    answers = held.ask(*(body(ROWS[:count]) for count in (1, 2, 3)))
    assert held.sizes == [1, 2, 3]
    assert [values(answer) for answer in answers] == [[-2.0, 2.0], [-4.0, 0.0, 4.0]]


def test_a_bad_request_fails_alone() -> None:
    """A request that the model or the codec refuses is answered so; its neighbours get their predictions."""

    def picky(data: Any) -> Any:
        if (data < 0).any():
            raise ValueError("negative")
        return total(data)

    held = Held(picky, ROWS)
    answers = held.ask(body(ROWS[:1]), body(ROWS[:2]), body(-ROWS), {"inputs": 5}, body(ROWS[1:2]))
    assert [answer.status for answer in answers] == [200, 422, 400, 200]
    assert answers[1].json == {"error": "ValueError: negative"}
    assert (values(answers[0]), values(answers[3])) == ([3.0, 7.0], [7.0])


def test_an_unknown_output_fails_alone() -> None:
    """Which outputs a request wants is its own affair."""
    held = Held(total, ROWS)
    answers = held.ask(body(ROWS[:1]), body(ROWS[:1]), body(ROWS[:1], outputs=[{"name": "other"}]))
    assert [answer.status for answer in answers] == [200, 400]
    assert held.sizes == [1, 2]


def test_a_neighbour_does_not_change_the_type_of_an_answer() -> None:
    """Where one request makes the model give another type, each is predicted alone."""

    def whole(data: Any) -> Any:
        return np.array([int(row[0]) if row[0] > 0 else np.nan for row in data])

    held = Held(whole, ROWS)
    answers = held.ask(body(ROWS[:1]), body(ROWS[:1]), body(-ROWS[:1]))
    assert held.sizes == [1, 2, 1, 1]
    assert [answer.json["outputs"][0]["datatype"] for answer in answers] == ["INT64", "FP64"]


def test_rows_of_different_types_do_not_meet() -> None:
    """Only what the model could have been given as one is joined."""
    held = Held(lambda data: [len(row) for row in data], [[1.0], [2.0]])
    answers = held.ask(body([[1.0]]), body([[1.0], [2.0]]), body([[1.0, 2.0, 3.0]]), body([[4.0, 5.0, 6.0]]))
    assert [values(answer) for answer in answers] == [[1, 1], [3], [3]]
    assert held.sizes == [1, 2, 2]


def test_a_request_without_rows_meets_nobody() -> None:
    """What a model says to no rows at all is its own affair."""
    held = Held(lambda data: [row * 2 for row in data], [1.0, 2.0])
    empty = {"inputs": [{"name": "input-0", "datatype": "FP64", "shape": [0], "data": []}]}
    held.ask(body([1.0]), empty, body([2.0]))
    assert held.sizes == [1, 0, 1]


def test_a_batch_has_no_more_rows_than_were_proven() -> None:
    """What was not tried is not done: requests that do not fit are the next batch."""
    held = Held(total, ROWS)
    held.ask(*[body(ROWS[:1])] * 41)
    assert held.sizes == [1, 32, 8]
    held.ask(*[body(np.repeat(ROWS, 100, axis=0))] * 3)
    assert held.sizes == [300, 300, 300]


def test_batches_shrink_where_they_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that took too long is followed by smaller ones."""
    held = Held(total, ROWS)
    monkeypatch.setattr(batcher, "_SECONDS", 0)
    object.__setattr__(held.batching, "seconds", 0)
    held.ask(*[body(ROWS[:1])] * 30)
    assert held.sizes == [1, 29]
    held.ask(*[body(ROWS[:1])] * 30)
    assert held.sizes == [1, 16, 8, 4, 1]


def test_an_answer_that_differs_ends_batching() -> None:
    """Some batches are compared with a request predicted alone: real rows may disprove the trial."""
    held = Held(lambda data: total(data) + (len(data) > 1) * (data[:, 0] > 5), ROWS[:2], audited=True)
    assert held.batching.rows > 0
    answers = held.ask(body(ROWS[:1]), body(ROWS[2:] * 2), body(ROWS[2:]))
    assert [values(answer) for answer in answers] == [[22.0], [11.0]]
    assert (held.batching.rows, "differently" in held.batching.reason) == (0, True)


def test_a_version_that_is_let_go_answers_what_waits() -> None:
    """Whatever was asked of a version is answered, even in the very round of the loop in which it is let go."""
    client = Client(serving_of(tried(total, ROWS)))
    version = client.service.live()

    async def ask() -> Any:
        asked = version.batcher.ask(lambda model: Prediction(ROWS, list))
        version.batcher.close()
        return await asked.future

    assert asyncio.run(ask()) == [3.0, 7.0, 11.0]


def test_the_verdict_is_told_to_the_manager() -> None:
    """Whoever deployed the model is told whether and why."""
    from jupyter_containeriter.serving.management import versions

    service = serving_of(tried(total, ROWS))
    request: Any = None
    told = json.loads(bytes(asyncio.run(versions(service, request)).body))["versions"][0]
    assert told["batching"] is True
    assert "same to the last bit" in told["batching_reason"]


def test_batches_are_measured() -> None:
    """``/metrics`` tells how many requests were predicted together."""
    held = Held(total, ROWS)
    held.ask(*[body(ROWS[:1])] * 4)
    text = held.client("GET", "/metrics").body.decode()
    assert 'containeriter_batch_requests_bucket{version="1",le="1.0"} 1\n' in text
    assert 'containeriter_batch_requests_bucket{version="1",le="4.0"} 2\n' in text
    assert 'containeriter_batch_requests_sum{version="1"} 4.0\n' in text
