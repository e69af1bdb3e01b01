"""Server-sent events: at once, after every change, for everybody who listens, and for nobody else."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from server_bench import Reader, until
from session_bench import Lab

from jupyter_containeriter.extension import streams
from jupyter_containeriter.extension.feed import Feed
from jupyter_containeriter.extension.service import Service


@pytest.fixture
def listen(
    http_server_client: Any, jp_base_url: str, jp_auth_header: dict[str, str]
) -> Iterator[Callable[..., Reader]]:
    """Return a function that begins to read a stream."""
    readers: list[Reader] = []

    def begin(path: str = "api/events") -> Reader:
        port = http_server_client.get_http_port()
        readers.append(Reader(port, f"{jp_base_url}containeriter/{path}", jp_auth_header))
        return readers[-1]

    yield begin
    for reader in readers:
        reader.close()


def versions(document: dict[str, Any]) -> list[int]:
    """Return which versions run."""
    return [model["live"]["version"] for model in document["models"] if model["live"]]


def watching() -> int:
    """Count the threads that look for changes."""
    return sum(thread.name.startswith("containeriter-watch") for thread in threading.enumerate())


async def test_an_overview_comes_at_once(lab: Lab, listen: Any) -> None:
    """Without any change."""
    lab.containerize()
    kind, document = await listen().next()
    assert (kind, versions(document)) == ("overview", [1])


async def test_it_comes_again_after_a_change(lab: Lab, listen: Any, service: Service) -> None:
    """Whoever caused it: here another kernel."""
    reader = listen()
    await reader.overview(lambda document: not document["models"])
    await service.ask(lab.containerize)
    await reader.overview(lambda document: versions(document) == [1])
    await service.ask(lab.session.undeploy, "churn")
    await reader.overview(lambda document: document["models"] and not versions(document))


async def test_a_container_that_ends_by_itself_is_seen(lab: Lab, listen: Any) -> None:
    """The engine tells of it; nothing was written anywhere."""
    deployment = lab.containerize()
    reader = listen()
    await reader.overview(lambda document: versions(document) == [1])
    lab.engine.exit(deployment.container.id, 137, oom_killed=True)  # type: ignore[union-attr]
    await reader.overview(lambda document: not document["models"][0]["live"]["running"])


async def test_work_is_seen_phase_by_phase(
    lab: Lab, listen: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kernel does at this moment, while it does it."""
    go_on, engine_load = threading.Event(), lab.engine.load
    monkeypatch.setattr(lab.engine, "load", lambda image: go_on.wait(30) and engine_load(image))
    reader = listen()
    await reader.next()
    working = asyncio.ensure_future(service.ask(lab.containerize))
    document = await reader.overview(
        lambda document: document["models"] and (document["models"][0]["working"] or {}).get("phase") == "load"
    )
    assert document["models"][0]["working"]["version"] == 1
    assert "build" in document["models"][0]["working"]["seconds"]
    go_on.set()
    await working
    await reader.overview(lambda document: document["models"][0]["working"] is None and versions(document) == [1])


async def test_a_kernel_that_was_killed_is_seen(lab: Lab, listen: Any) -> None:
    """Nothing but its lock tells: it is free."""
    session = lab.session
    name_lock = session.locks.exclusive("churn")
    name_lock.__enter__()
    session.history.begin("churn", started_at=_now(), host=session.host, owner=session.locks.owner)
    reader = listen()
    await reader.overview(lambda document: document["models"][0]["working"])
    name_lock.__exit__(None, None, None)
    document = await reader.overview(lambda document: document["models"][0]["working"] is None)
    assert document["models"][0]["recent"][-1]["status"] == "interrupted"


async def test_many_readers_share_one_look(
    lab: Lab, listen: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many listen, an overview is made once."""
    looks: list[int] = []
    look = service.overview
    monkeypatch.setattr(service, "overview", lambda: looks.append(1) or look())
    readers = [listen() for _ in range(5)]
    for reader in readers:
        await reader.next()
    threads = watching()
    before = len(looks)
    assert before < 5
    await service.ask(lab.session.history.begin, "churn", started_at=_now())
    for reader in readers:
        await reader.overview(lambda document: document["models"])
    assert len(looks) - before < 5
    assert watching() == threads


async def test_nothing_is_looked_at_without_a_reader(lab: Lab, listen: Any) -> None:
    """The last one that goes ends it all, also where it is cut off."""
    before = watching()
    first, second = listen(), listen()
    for reader in (first, second):
        await reader.next()
    assert watching() > before
    assert lab.engine.watches
    first.close()
    second.close()
    await until(lambda: watching() == before and not lab.engine.watches)


async def test_an_engine_that_went_away_is_listened_to_again(
    lab: Lab, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as it answers."""
    monkeypatch.setattr("jupyter_containeriter.extension.changes._ENGINES_SECONDS", 0.05)
    reader = listen()
    await reader.next()
    (watch,) = lab.engine.watches
    watch.close()
    await until(lambda: lab.engine.watches)


async def test_a_quiet_stream_shows_that_it_lives(listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By comments, which no reader takes for an event."""
    monkeypatch.setattr(streams, "_SIGN_OF_LIFE_SECONDS", 0.05)
    reader = listen()
    await reader.next()
    await until(lambda: reader.comments > 2)
    assert reader.is_quiet


async def test_logs_come_as_they_are_written(lab: Lab, listen: Any) -> None:
    """The last lines at once, and again when there are others."""
    deployment = lab.containerize()
    assert deployment.container is not None
    lab.engine.write_log(deployment.container.id, "one")
    reader = listen("api/models/churn/logs/stream")
    assert await reader.next() == ("logs", {"text": "one\n"})
    lab.engine.write_log(deployment.container.id, "two")
    assert await reader.next() == ("logs", {"text": "one\ntwo\n"})


async def test_logs_of_nothing_are_refused(lab: Lab, listen: Any) -> None:
    """Before a stream begins, so that the status tells."""
    assert await listen("api/models/churn/logs/stream").ended == 404


async def test_logs_end_with_the_deployment(lab: Lab, listen: Any, service: Service) -> None:
    """There is nothing more to read."""
    lab.containerize()
    reader = listen("api/models/churn/logs/stream")
    await reader.next()
    await service.ask(lab.session.undeploy, "churn")
    assert await asyncio.wait_for(reader.ended, 30) == 200


class Source:
    """Tells what it is given, and how often it was begun and ended."""

    def __init__(self) -> None:
        self.texts: asyncio.Queue[str | Exception] = asyncio.Queue()
        self.begun = self.ended = 0

    async def __call__(self) -> AsyncIterator[str]:
        """Tell until an error is given."""
        self.begun += 1
        try:
            while True:
                text = await self.texts.get()
                if isinstance(text, Exception):
                    raise text
                yield text
        finally:
            self.ended += 1


async def test_who_comes_later_hears_what_was_told_last() -> None:
    """From the same source."""
    source = Source()
    feed = Feed(source)
    first, second = feed.listen(30), feed.listen(30)
    source.texts.put_nowait("one")
    assert await anext(first) == "one"
    assert await anext(second) == "one"
    source.texts.put_nowait("two")
    assert [await anext(first), await anext(second)] == ["two", "two"]
    await first.aclose()  # type: ignore[attr-defined]
    assert (source.begun, source.ended) == (1, 0)
    await second.aclose()  # type: ignore[attr-defined]
    await until(lambda: source.ended == 1)


async def test_who_is_slow_misses_what_is_outdated() -> None:
    """Nothing piles up."""
    source = Source()
    feed = Feed(source)
    slow, quick = feed.listen(30), feed.listen(30)
    for text in ("one", "two", "three"):
        source.texts.put_nowait(text)
        assert await anext(quick) == text
    assert await anext(slow) == "three"
    for listener in (slow, quick):
        await listener.aclose()  # type: ignore[attr-defined]


async def test_what_a_source_raises_is_told_and_forgotten() -> None:
    """Who listens then begins anew."""
    source = Source()
    feed = Feed(source)
    source.texts.put_nowait(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await anext(feed.listen(30))
    gc.collect()
    source.texts.put_nowait("one")
    again = feed.listen(30)
    assert await anext(again) == "one"
    await again.aclose()  # type: ignore[attr-defined]


async def test_who_is_stuck_keeps_nothing_from_others() -> None:
    """A reader that takes nothing any more still listens when its source ends; whoever comes then has a new one."""
    source = Source()
    feed = Feed(source)
    stuck = feed.listen(30)
    source.texts.put_nowait("one")
    assert await anext(stuck) == "one"
    source.texts.put_nowait(ValueError("broken"))
    await until(lambda: source.ended)
    source.texts.put_nowait("two")
    again = feed.listen(30)
    assert await anext(again) == "two"
    with pytest.raises(ValueError, match="broken"):
        await anext(stuck)
    await again.aclose()  # type: ignore[attr-defined]


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)
