"""Which versions the history knows, by name and number; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

from jupyter_containeriter.errors import NotFoundError, UsageError
from jupyter_containeriter.names import check_name
from jupyter_containeriter.types import RUNNABLE, Iteration, Status

if TYPE_CHECKING:
    from jupyter_containeriter.session import Session


class Versions:
    """The versions of one session's history, and what to do where one is not there.

    Parameters
    ----------
    session
        Gives the history.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def check_known(self, name: str | None) -> None:
        """Raise NotFoundError where the history has no model of that name."""
        if name is not None and check_name(name) not in (known := self._session.history.names()):
            self._session.history.check()
            raise NotFoundError(
                f"There is no model {name} in the history.", f"There are: {', '.join(known) or 'none'}."
            )

    def row(self, name: str, version: int | None) -> Iteration:
        """Return a version however it ended, or the newest one that may run.

        Raises
        ------
        NotFoundError
            There is none.
        """
        iteration = (
            self._session.history.latest(name, RUNNABLE)
            if version is None
            else self._session.history.get(name, version)
        )
        if iteration is None:
            # What is not found while the history is away may be there all the same.
            self._session.history.check()
            wanted = name if version is None else f"{name}:{version}"
            known = f"See %iterations {name}." if name in self._session.history.names() else "See %iterations."
            raise NotFoundError(f"There is no {wanted}.", known)
        return iteration

    def find(self, name: str, version: int | None) -> Iteration:
        """Return a version that may run, or the newest one.

        Raises
        ------
        NotFoundError
            There is none.
        UsageError
            It failed, so it was never proven.
        """
        iteration = self.row(name, version)
        if iteration.status not in RUNNABLE:
            raise UsageError(
                f"{name}:{iteration.version} was never proven (status: {iteration.status}).",
                f"Choose a version that is verified, deployed or built: see %iterations {name}.",
            )
        if not iteration.image_digest:
            raise UsageError(
                f"{name}:{iteration.version} was deployed by another way ({iteration.method}): it has no image.",
                f"Choose a version that was containerized: see %iterations {name}.",
            )
        return iteration

    def params_before(self, name: str, version: int) -> Mapping[str, Any] | None:
        """Return the params of the last version before one of which there is an image; None without such a version.

        Other ways of deploying know no params by themselves: a version of theirs has not lost any.
        """
        earlier = self._session.history.latest(name, get_args(Status), before=version)
        return None if earlier is None else earlier.params
