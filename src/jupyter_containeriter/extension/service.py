"""What the handlers work on: one session for the server, and threads in which it is asked."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.errors import NotFoundError
from jupyter_containeriter.extension.changes import Changes
from jupyter_containeriter.extension.feed import Feed
from jupyter_containeriter.names import check_name
from jupyter_containeriter.overview import overview
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import ContainerIter

P = ParamSpec("P")
T = TypeVar("T")

#: What happens within so short a time is told at once.
_JOINED_SECONDS = 0.2
_LOGS_SECONDS = 1.0
#: A deployment may take minutes; others are to be answered meanwhile.
_THREADS = 16


class Service:
    """One session over the data directory of whoever runs the server, shared by all requests.

    Parameters
    ----------
    make_settings
        Returns the settings. They are read when somebody asks for the first time: what is wrong with them is then told
        where it can be read, and the server starts in any case.
    """

    def __init__(self, make_settings: Callable[[], ContainerIter]) -> None:
        self._make_settings = make_settings
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="containeriter")
        self._lock = threading.Lock()
        self._drawing = asyncio.Lock()
        self.overviews = Feed(self._overviews)

    async def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call something that takes its time, without holding up the server."""
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    @property
    def session(self) -> Session:
        """The session, made on first use. Not for the thread of the event loop."""
        with self._lock:
            return self._session

    @functools.cached_property
    def _session(self) -> Session:
        session = Session(self._make_settings())
        session.history  # noqa: B018 (made once, before there are several threads)
        return session

    def overview(self) -> dict[str, Any]:
        """Look at everything; see :func:`jupyter_containeriter.overview.overview`."""
        return overview(self.session)

    def deployment(self, name: str) -> Deployment:
        """Return what serves a name, running or not; nothing is changed, and nothing brought back.

        Raises
        ------
        NotFoundError
            Nothing does.
        """
        standing = self.session.standing
        found = standing.deployment(check_name(name))
        if found is None:
            told = " ".join(filter(None, [f"No container of {name} runs.", standing.unreachable()]))
            raise NotFoundError(told, "Deploy a version of it first: choose one in its list of iterations.")
        return found

    def logs(self, name: str, tail: int) -> str:
        """Return the last lines that the server of a model wrote."""
        return self.deployment(name).logs(tail)

    async def report(self, name: str) -> str:
        """Draw the report of a model; one at a time, for it takes a processor for seconds.

        Who waits for it waits here, not in a thread: those are for everybody else meanwhile.
        """
        async with self._drawing:
            return await self.ask(lambda: self.session.report_page(name))

    # --- streams -----------------------------------------------------------------------------------------------------

    async def _overviews(self) -> AsyncIterator[str]:
        """Yield the overview, and again after every change."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        changes = Changes(lambda: loop.call_soon_threadsafe(changed.set))
        try:
            await self.ask(lambda: changes.start(self.session))
            told = ""
            while True:
                changed.clear()
                document = await self.ask(self.overview)
                changes.working = {model["name"] for model in document["models"] if model["working"]}
                if (text := json.dumps(document)) != told:
                    yield (told := text)
                await changed.wait()
                await asyncio.sleep(_JOINED_SECONDS)
        finally:
            changes.close()

    @functools.lru_cache(maxsize=64)  # noqa: B019 (lives as long as the server)
    def log_feed(self, name: str, tail: int) -> Feed:
        """Return the logs of a model, which everybody who reads them shares."""
        return Feed(functools.partial(self._logs, name, tail))

    async def _logs(self, name: str, tail: int) -> AsyncIterator[str]:
        told = None
        while True:
            text = await self.ask(self.logs, name, tail)
            if text != told:
                told = text
                yield json.dumps({"text": text})
            await asyncio.sleep(_LOGS_SECONDS)
