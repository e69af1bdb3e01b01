"""What was promised and what runs, brought together again after a kernel, a container or an engine ended."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from jupyter_containeriter.client import InferenceClient
from jupyter_containeriter.engines.base import Engine
from jupyter_containeriter.errors import BusyError, ContainerIterError, EngineError
from jupyter_containeriter.management import ManagementClient
from jupyter_containeriter.options import RunOptions
from jupyter_containeriter.progress import Progress, Silent
from jupyter_containeriter.starter import Patience, wait_until_ready
from jupyter_containeriter.types import PROMOTED, Container

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session


class Reconciler:
    """Brings the engines, the promises and the history of one session together.

    Parameters
    ----------
    session
        Gives all three.

    Attributes
    ----------
    remarks
        Sentences on what was brought back, and what could not be, when promises were kept last.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._reconciled = False
        self.remarks: list[str] = []

    def reconcile(self) -> None:
        """Mark iterations of killed kernels as interrupted, remove their containers, switch servers; once a session.

        Where an engine fails, the verb goes on (it tells by itself, if it needs that engine), and the next one tries
        again. An iteration holds its name's lock: one that is ``running`` while the lock is free has lost its kernel.
        """
        if self._reconciled:
            return
        self._forget_proofs()
        self._end_iterations()
        with suppress(EngineError):
            # While the history cannot be asked, a container whose iteration is unknown may be a verified one.
            if self._session.history.is_complete:
                self._remove_orphans()
                self._reconciled = True
        self.keep_promises(ended=False)

    # --- promises ----------------------------------------------------------------------------------------------------

    def keep_promises(self, *, ended: bool = True) -> None:
        """Bring back every version that was promoted and is not what its name serves; :attr:`remarks` tell of it.

        Parameters
        ----------
        ended
            Whether to start containers that have ended, too. Somebody may have stopped them on purpose, so this is
            done only where it is told.
        """
        self.remarks = []
        with suppress(EngineError):
            names = {container.name for _, container in self._session.standing.containers()}
            for name in sorted(names):
                self._keep_one(name, ended=ended)
            self.remarks += self._gone(names)

    def _keep_one(self, name: str, *, ended: bool) -> None:
        try:
            # A name is not held only to look: a kernel that is about to work on it would be turned away.
            broken = self._broken(name)
            self.remarks += self._starved(name) if ended else []
            if broken is not None and (ended or broken[1].running):
                with self._session.locks.exclusive(name):
                    self.keep(name)
                said = "served another version" if broken[1].running else "had ended"
                label = f"{name}:{broken[1].version}"
                self.remarks.append(f"{label} {said} and was brought back; to stop it, say %undeploy {name}.")
        except BusyError:
            return
        except KeyboardInterrupt:
            raise
        except ContainerIterError as error:
            self.remarks.append(f"{name} does not serve the version it should: {error.message}")

    def _starved(self, name: str) -> list[str]:
        """Say that the promised container of a name ran out of memory; it is not started again."""
        container = self._session.standing.serving(name)
        if container is None or container.running or not container.oom_killed:
            return []
        label = f"{name}:{container.version}"
        return [f"{label} used more memory than it may and was ended: %containerize it with more (--memory 4g)."]

    def _gone(self, names: Collection[str]) -> Iterator[str]:
        """Say of which other names the engine that should have a container knows none."""
        asked = {engine.describe().endpoint for engine in self._session.engines()}
        for name in self._session.handles.promises():
            if name not in names and self._session.handles.engine(name) in asked:
                yield f"The container of {name} was removed from outside; to have it again, say %deploy {name}."

    def keep(self, name: str, progress: Progress | None = None, failed: str = "") -> None:
        """Bring back the version that was promoted last, should the container serve another one, or have ended.

        Whoever calls holds the name.

        Parameters
        ----------
        name
            Of the model.
        progress
            Hears of the phases, should there be any.
        failed
            The iteration that was tried in its container and failed: should that one have ended, also for lack of
            memory, this was the cause.

        Raises
        ------
        ContainerIterError
            It cannot be brought back.
        """
        from jupyter_containeriter.road.walk import Road

        broken = self._broken(name, failed)
        if broken is None:
            return
        engine, container = broken
        if engine.name != container.engine:
            # The sandbox's engine lists plain processes as well.
            engine = self._session.engine(container.engine)
        iteration = self._session.history.by_ids([container.iteration]).get(container.iteration)
        if iteration is not None:
            progress = progress or Silent()
            progress.note(f"{name}:{container.version} is brought back.")
            options = RunOptions.as_started(container.engine, self._session.handles.read(container.id).options)
            Road(self._session, engine, options, progress).deploy(iteration)

    def _broken(self, name: str, failed: str = "") -> tuple[Engine, Container] | None:
        """Return the promoted container of a name, as what it is to serve; None where it does so."""
        promise = self._session.handles.promise(name)
        pairs = self._session.standing.live(name) if promise else []
        found = next((pair for pair in pairs if promise and pair[1].id == promise.container), None)
        if found is None or found[1].iteration == failed or self._is_kept(*found, alone=not failed):
            return None
        return found

    def _is_kept(self, engine: Engine, container: Container, *, alone: bool = True) -> bool:
        if not container.running:
            # What memory was too small for would end the same way again.
            return container.oom_killed and alone
        handle = self._session.handles.read(container.id)
        if not handle.manager:
            return True
        url = f"http://127.0.0.1:{container.port}"
        client = InferenceClient(url, handle.token, container.name, None, container.version)
        manager = ManagementClient(url, handle.manager)
        if not client.is_ready() and not self._live(manager):
            patience = Patience(self._session.settings.ready_seconds, 0)
            wait_until_ready(engine, container, client, patience)
        # A container that was started again serves what it was started with, not what was loaded into it.
        return manager.live() == str(container.version)

    def _live(self, manager: ManagementClient) -> str:
        """Return the version that a server answers with; "" while it starts."""
        with suppress(EngineError):
            return manager.live()
        return ""

    # --- what killed kernels left ------------------------------------------------------------------------------------

    def _end_iterations(self) -> None:
        from jupyter_containeriter.road.record import interrupted

        session = self._session
        for iteration in session.history.running(session.host, session.locks.owner):
            try:
                with session.locks.exclusive(iteration.name):
                    now = session.history.by_ids([iteration.id]).get(iteration.id)
                    if now is not None and now.status == "running":
                        session.history.update(interrupted(session, now))
            except BusyError:
                continue

    def _forget_proofs(self) -> None:
        from jupyter_containeriter.capture.proof import forget

        forget(self._session.workspace)

    def _remove_orphans(self) -> None:
        for name in sorted({container.name for _, container in self._orphans()}):
            try:
                with self._session.locks.exclusive(name):
                    for engine, container in self._orphans(name):
                        self._session.standing.remove(engine, container)
            except BusyError:
                # Its kernel is starting one beside the other, and tidies up by itself.
                continue

    def _orphans(self, name: str | None = None) -> list[tuple[Engine, Container]]:
        pairs = [pair for pair in self._session.standing.containers() if name in {None, pair[1].name}]
        iterations = self._session.history.by_ids(container.iteration for _, container in pairs)
        promises = [self._session.handles.promise(container.name) for _, container in pairs]
        promised = {promise.container for promise in promises if promise}
        # A name whose promised container is gone (or was never noted) keeps its newest one.
        noted = {container.name for _, container in pairs if container.id in promised}
        found: list[tuple[Engine, Container]] = []
        for engine, container in pairs:
            iteration = iterations.get(container.iteration)
            status = iteration.status if iteration else "interrupted"
            serves = container.id in promised or container.name not in noted
            if status in PROMOTED and serves:
                noted.add(container.name)
            elif status != "running":
                found.append((engine, container))
        return found
