"""What every engine promises to whoever wants to know of changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from contract_bench import Bench

from jupyter_containeriter.watching import Watch

_WAIT_SECONDS = 30.0


class Heard:
    """Notes that something was told."""

    def __init__(self) -> None:
        self._news = threading.Event()

    def __call__(self) -> None:
        """Hear of a change."""
        self._news.set()

    def waited(self) -> bool:
        """Wait for a change, and forget it."""
        told = self._news.wait(_WAIT_SECONDS)
        self._news.clear()
        return told

    @property
    def anything(self) -> bool:
        """Whether a change was told that nobody waited for."""
        return self._news.is_set()


@pytest.fixture
def watch(bench: Bench) -> Iterator[Callable[[str], tuple[Heard, Watch]]]:
    """Return a function that begins to watch a history."""
    watches: list[Watch] = []

    def begin(history: str) -> tuple[Heard, Watch]:
        heard = Heard()
        watches.append(bench.engine.watch(history, heard))
        return heard, watches[-1]

    yield begin
    for each in watches:
        each.close()


def test_what_begins_ends_and_goes_is_told(bench: Bench, watch: Callable[[str], tuple[Heard, Watch]]) -> None:
    """A container that starts, and one that is removed."""
    heard, _ = watch(bench.history)
    container = bench.run()
    assert heard.waited()
    bench.engine.stop(container.id)
    assert heard.waited()


@pytest.mark.engines("docker", "sandbox", "process")
def test_an_end_by_itself_is_told(bench: Bench, watch: Callable[[str], tuple[Heard, Watch]]) -> None:
    """Nobody asked for it."""
    image = bench.image()
    bench.engine.load(image)
    heard, _ = watch(bench.history)
    container = bench.engine.run(image, bench.spec(environment={"TEST_EXIT": "3"}))
    assert heard.waited()
    while bench.engine.inspect(container.id).running:
        assert heard.waited()


def test_other_histories_are_not_told_of(bench: Bench, watch: Callable[[str], tuple[Heard, Watch]]) -> None:
    """They belong to somebody else."""
    others, _ = watch("somebody-else")
    heard, _ = watch(bench.history)
    container = bench.run()
    assert heard.waited()
    bench.engine.stop(container.id)
    assert heard.waited()
    assert not others.anything


def test_a_closed_watch_tells_no_more(bench: Bench, watch: Callable[[str], tuple[Heard, Watch]]) -> None:
    """Another one of the same history does."""
    closed, first = watch(bench.history)
    heard, _ = watch(bench.history)
    assert not first.is_over
    first.close()
    first.close()
    assert first.is_over
    bench.run()
    assert heard.waited()
    assert not closed.anything
