"""Something is looked at until nobody wants to know any more."""

from __future__ import annotations

import threading

from jupyter_containeriter.watching import PolledWatch


class Sight:
    """Something to look at, and who is told of it."""

    def __init__(self) -> None:
        self.value = 0
        self.looks = threading.Semaphore(0)
        self.told = threading.Semaphore(0)

    def look(self) -> int:
        """Look at it."""
        self.looks.release()
        return self.value

    def watch(self) -> PolledWatch:
        """Begin."""
        watch = PolledWatch(self.look, self.told.release, 0.01)
        assert self.looks.acquire(timeout=10)
        return watch


def test_changes_are_told() -> None:
    """Each of them."""
    sight = Sight()
    watch = sight.watch()
    for value in (1, 2):
        sight.value = value
        assert sight.told.acquire(timeout=10)
    watch.close()


def test_what_stays_is_not_told() -> None:
    """However often it is looked at."""
    sight = Sight()
    watch = sight.watch()
    for _ in range(3):
        assert sight.looks.acquire(timeout=10)
    watch.close()
    assert not sight.told.acquire(blocking=False)


def test_it_was_seen_before_anybody_relies_on_it() -> None:
    """What changes right after it began is told."""
    sight = Sight()
    watch = sight.watch()
    sight.value = 1
    assert sight.told.acquire(timeout=10)
    watch.close()


def test_a_closed_watch_looks_no_more() -> None:
    """Its thread ends."""
    sight = Sight()
    before = set(threading.enumerate())
    watch = sight.watch()
    # Threads of other tests may end meanwhile.
    (thread,) = [thread for thread in threading.enumerate() if thread not in before]
    assert not watch.is_over
    watch.close()
    watch.close()
    assert watch.is_over
    thread.join(10)
    assert not thread.is_alive()
