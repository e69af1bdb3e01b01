"""The queue before a version's thread: what waits while the thread is busy is predicted together where that is safe.

Nobody waits for company: a request that finds the thread idle is predicted at once. Both ways there is one hand-over a
batch, not one a request, because that costs more than reading a small request does.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from . import rows
from .metrics import SIZES, Histogram
from .model import Batching, LoadedModel
from .worker import Worker

#: A batch takes no longer, unless a single request does.
_SECONDS = 0.01
#: One in so many batches is compared with one of its requests predicted alone.
_AUDITED = 256


class Prediction:
    """A request to predict that was read.

    Parameters
    ----------
    data
        What the model takes.
    write
        Turns what the model gives into the answer.
    options
        More arguments for what predicts; a request that has any is predicted alone.
    """

    __slots__ = ("data", "key", "options", "size", "write")

    def __init__(self, data: Any, write: Callable[[Any], Any], options: dict[str, Any] | None = None) -> None:
        self.data, self.write, self.options = data, write, options or {}
        self.key = None if options else rows.key(data)
        self.size = len(data) if self.key is not None else 1


#: Reads a request, in the version's thread.
Job = Callable[[LoadedModel], Prediction]


@dataclass(slots=True, eq=False)
class Ask:
    """One request on its way.

    Attributes
    ----------
    job
        What to do.
    future
        Gets the answer, or the exception that came instead of it, as a value.
    since
        When it came, by :func:`time.monotonic`.
    started
        Whether the thread has taken it.
    """

    job: Job
    future: asyncio.Future[Any]
    since: float
    started: bool = False


_Taken = tuple[Ask, Prediction]
_Answered = tuple[Ask, Any]


class Batcher:
    """Takes requests in the event loop's thread and answers them there.

    Parameters
    ----------
    model
        What predicts.
    worker
        The thread that it predicts in.

    Attributes
    ----------
    batching
        Whether requests are predicted together, as far as is known by now.
    sizes
        How many requests were predicted together.
    """

    def __init__(self, model: LoadedModel, worker: Worker) -> None:
        self.batching = model.batching
        self.sizes = Histogram(SIZES)
        self._model = model
        self._worker = worker
        self._waiting: deque[Ask] = deque()
        self._called = False
        # Of the thread: the request read but not yet predicted, how many rows to take, and what was learnt.
        self._left: _Taken | None = None
        self._rows = min(32, self.batching.rows)
        self._batches = 0

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def ask(self, job: Job) -> Ask:
        """Queue a request."""
        loop = asyncio.get_running_loop()
        ask = Ask(job, loop.create_future(), time.monotonic())
        self._waiting.append(ask)
        # Later in this round of the loop, when all that has arrived is read: so it comes as one batch.
        if not self._called:
            self._called = True
            loop.call_soon(self._call)
        return ask

    def _call(self) -> None:
        self._called = False
        self._worker.post(self._work)

    def close(self) -> None:
        """End the thread when all that waits is answered."""
        if self._called:
            self._worker.post(self._work)
        self._worker.close()

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while self._waiting or self._left:
            answers = self._batch()
            if answers:
                # A loop that is closed has nobody left to answer.
                with suppress(RuntimeError):
                    answers[0][0].future.get_loop().call_soon_threadsafe(self._answer, answers)

    def _batch(self) -> list[_Answered]:
        """Take what may be predicted together, and return the answers."""
        answers: list[_Answered] = []
        taken: list[_Taken] = []
        size = 0
        while (one := self._next(answers)) is not None:
            _, read = one
            if taken and (read.key != taken[0][1].key or size + read.size > self._rows):
                self._left = one
                break
            taken.append(one)
            size += read.size
            if read.key is None or size >= self._rows:
                break
        together = self._together(taken, size) if len(taken) > 1 else [self._alone(*one) for one in taken]
        return answers + together

    def _next(self, answers: list[_Answered]) -> _Taken | None:
        """Read the next request; what cannot be read is answered."""
        if (left := self._left) is not None:
            self._left = None
            return left
        while self._waiting:
            ask = self._waiting.popleft()
            if ask.future.done():  # It was given up.
                continue
            ask.started = True
            try:
                return ask, ask.job(self._model)
            except BaseException as error:  # noqa: BLE001 - told to whoever asked
                answers.append((ask, error))
        return None

    def _alone(self, ask: Ask, read: Prediction) -> _Answered:
        try:
            return ask, read.write(self._model.predict(read.data, **read.options))
        except BaseException as error:  # noqa: BLE001 - told to whoever asked
            return ask, error

    def _anew(self, ask: Ask) -> _Answered:
        """Predict a request by itself, read again: the model may have written on what it was given."""
        try:
            return self._alone(ask, ask.job(self._model))
        except BaseException as error:  # noqa: BLE001 - told to whoever asked
            return ask, error

    def _together(self, taken: list[_Taken], size: int) -> list[_Answered]:
        """Predict several requests as one; where that fails, each for itself, so that none fails for another."""
        began = time.perf_counter()
        try:
            parts = self._parts([read for _, read in taken])
        except Exception:  # noqa: BLE001 - told to the request that it belongs to, below
            self._rows = min(self._rows, max(2, self._rows // 2))
            return [self._anew(ask) for ask, _ in taken]
        answers = [(ask, _written(read, part)) for (ask, read), part in zip(taken, parts, strict=True)]
        self._learn(size, time.perf_counter() - began)
        return answers

    def _parts(self, reads: list[Prediction]) -> list[Any]:
        """Predict several requests as one, and return what belongs to each; one in many is audited."""
        given = self._model.predict(rows.join([read.data for read in reads]))
        if rows.key(given) != self.batching.gives:
            raise rows.PartingError("the output is of another type than the sample's")
        parts = rows.part(given, [read.size for read in reads])
        self._batches += 1
        if self._batches % _AUDITED == 1 and not rows.same(self._model, reads[0].data, parts[0]):
            self.batching, self._rows = Batching(0, "a request came out differently among others than alone"), 0
            raise rows.PartingError(self.batching.reason)
        return parts

    def _learn(self, size: int, seconds: float) -> None:
        """Take fewer rows from now on where so many took too long, more where they filled a batch in time."""
        if seconds > max(_SECONDS, 2 * self.batching.seconds):
            self._rows = max(2, self._rows // 2)
        elif 2 * size > self._rows:
            self._rows = min(2 * self._rows, self.batching.rows)

    # --- in the event loop's thread ----------------------------------------------------------------------------------

    def _answer(self, answers: list[_Answered]) -> None:
        self.sizes.observe(len(answers))
        for ask, answer in answers:
            if not ask.future.done():
                ask.future.set_result(answer)


def _written(read: Prediction, part: Any) -> Any:
    try:
        return read.write(part)
    except BaseException as error:  # noqa: BLE001 - told to whoever asked
        return error
