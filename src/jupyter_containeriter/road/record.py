"""The row of an iteration in the history, from its beginning to its end."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jupyter_containeriter.bases import BaseChoice
from jupyter_containeriter.errors import ContainerIterError
from jupyter_containeriter.names import image_reference
from jupyter_containeriter.road.site import Site
from jupyter_containeriter.types import Iteration, Status


class Record:
    """One row.

    Parameters
    ----------
    site
        Gives the history and the times of the phases.
    iteration
        As the history has it.

    Attributes
    ----------
    iteration
        The row as far as it is known.
    """

    def __init__(self, site: Site, iteration: Iteration) -> None:
        self._site = site
        self._lock = threading.Lock()
        self.iteration = iteration

    @classmethod
    def begin(cls, site: Site, name: str, choice: BaseChoice) -> Record:
        """Write the row of a new iteration: ``running``."""
        session, options = site.session, site.options
        think, run = session.clock.read(name)
        iteration = session.history.begin(
            name,
            started_at=datetime.now(UTC) - timedelta(seconds=think + run),
            think_seconds=think,
            run_seconds=run,
            engine=site.engine.name,
            method="containeriter",
            base=choice.reference,
            params=dict(options.params),
            metrics=dict(options.metrics),
            tags=dict(options.tags),
            note=options.note,
            notebook=options.notebook,
            user=session.user,
            host=session.host,
        )
        record = cls(site, iteration)
        record.note(image_reference=image_reference(name, iteration.version))
        return record

    def note(self, **fields: Any) -> None:
        """Remember columns; they are written when the iteration ends. Any thread may."""
        with self._lock:
            self.iteration = replace(self.iteration, **fields)

    def save(self) -> None:
        """Write what is known."""
        self._site.session.history.update(self.iteration)

    def finish(self, status: Status, error: str = "") -> None:
        """Write the row once and for all."""
        times = self._site.times
        total = times.total
        before = (self.iteration.think_seconds or 0.0) + (self.iteration.run_seconds or 0.0)
        phases: dict[str, Any] = {f"{phase}_seconds": seconds for phase, seconds in times.seconds.items()}
        self.note(
            status=status,
            finished_at=datetime.now(UTC),
            cycle_seconds=before + total,
            package_to_verified_seconds=total if status in {"verified", "deployed"} else None,
            error=error,
            **phases,
        )
        self.save()

    def fail(self, error: BaseException) -> None:
        """Write how an iteration ended early; one that was verified before stays so."""
        if self.iteration.status == "running":
            message = error.message if isinstance(error, ContainerIterError) else f"{type(error).__name__}: {error}"
            self.finish("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", message)

    def forget(self) -> None:
        """Leave no row: the call was wrong."""
        self._site.session.history.delete(self.iteration.id)
