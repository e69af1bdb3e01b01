"""The routes of the API: what is asked is read, the session is called in a thread, the answer is written."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tornado.web import HTTPError

from jupyter_containeriter.deployment import Deployment
from jupyter_containeriter.errors import ContainerIterError, UsageError
from jupyter_containeriter.extension.answers import SANDBOXED, Handler, allowed
from jupyter_containeriter.names import check_name
from jupyter_containeriter.overview import engine_in_use, rows
from jupyter_containeriter.serving._version import __version__
from jupyter_containeriter.session import Session
from jupyter_containeriter.settings import parse_budget

_MOST_ROWS = 1000
_MOST_VERSIONS = 999_999_999


class OverviewHandler(Handler):
    """Everything at a glance."""

    @allowed("read")
    async def get(self) -> None:
        """Return the overview."""
        self.finish(await self.service.ask(self.service.overview))


class ConfigHandler(Handler):
    """The settings as they stand for the server."""

    @allowed("read")
    async def get(self) -> None:
        """Return version, settings and engine."""
        self.finish(await self.service.ask(lambda: _config(self.service.session)))


class IterationsHandler(Handler):
    """The iterations of a model."""

    @allowed("read")
    async def get(self, name: str) -> None:
        """Return some, the newest first."""
        last = self.number("last", 50, _MOST_ROWS)
        before = self.number("before", _MOST_VERSIONS, _MOST_VERSIONS)
        self.finish(await self.service.ask(lambda: _iterations(self.service.session, name, last, before)))


class LogsHandler(Handler):
    """What the server of a model wrote last."""

    @allowed("read")
    async def get(self, name: str) -> None:
        """Return the last lines."""
        self.finish({"text": await self.service.ask(self.service.logs, name, self.lines())})


class StatsHandler(Handler):
    """What the container of a model uses."""

    @allowed("read")
    async def get(self, name: str) -> None:
        """Measure it now."""
        self.finish(asdict(await self.service.ask(lambda: self.service.deployment(name).stats())))


class ReportHandler(Handler):
    """The history of a model as one page."""

    @allowed("read")
    async def get(self, name: str) -> None:
        """Return the page, which needs nothing else."""
        page = await self.service.report(name)
        self.content_type = "text/html; charset=utf-8"
        self.set_header("Content-Security-Policy", SANDBOXED)
        self.finish(page)


class DeployHandler(Handler):
    """An earlier version serves again."""

    @allowed("write")
    async def post(self, name: str) -> None:
        """Deploy it."""
        wanted = self.body(version=(int,), fresh=(bool,))
        version, fresh = _version(wanted.get("version", 0), "version"), wanted.get("fresh", False)
        check_name(name)
        self.finish(await self.service.ask(lambda: _deploy(self.service.session, name, version, fresh=fresh)))


class RollbackHandler(Handler):
    """The version before the one that serves, or an earlier one, serves again."""

    @allowed("write")
    async def post(self, name: str) -> None:
        """Roll back."""
        to = self.body(to=(int, type(None))).get("to")
        version = None if to is None else _version(to, "to")
        self.finish(await self.service.ask(lambda: _deployed(self.service.session.rollback(name, version))))


class UndeployHandler(Handler):
    """Nothing of a model serves any more."""

    @allowed("write")
    async def post(self, name: str) -> None:
        """Stop it."""
        self.body()
        version = await self.service.ask(lambda: self.service.session.undeploy(name))
        self.finish({"name": name, "version": version})


class GarbageHandler(Handler):
    """Disk is given back."""

    @allowed("write")
    async def post(self) -> None:
        """Remove old versions, or (where nothing else is said) only tell which would go."""
        wanted = self.body(budget=(str, type(None)), dry_run=(bool,))
        budget, dry_run = wanted.get("budget"), wanted.get("dry_run", True)
        size = None if budget is None else parse_budget(budget) or 0
        collected = await self.service.ask(lambda: self.service.session.gc(size, dry_run=dry_run))
        self.finish({"text": collected.text(), "freed_bytes": collected.freed + collected.leftover_bytes})


class UnknownHandler(Handler):
    """Whatever else is asked below the API."""

    @allowed("read")
    async def get(self) -> None:
        """Say that there is no such route."""
        raise HTTPError(404, "There is no such route.")

    @allowed("write")
    async def post(self) -> None:
        """Say that there is no such route."""
        raise HTTPError(404, "There is no such route.")


def _config(session: Session) -> dict[str, Any]:
    settings = [asdict(setting) for setting in session.settings.table()]
    try:
        engine = engine_in_use(session)
    except ContainerIterError:
        engine = None
    return {"version": __version__, "settings": settings, "engine": engine}


def _iterations(session: Session, name: str, last: int, before: int) -> dict[str, Any]:
    session.versions.check_known(name)
    return {"iterations": rows(session, name, last, before), "total": session.history.counts().get(name, 0)}


def _version(version: int, field: str) -> int:
    if not 0 < version <= _MOST_VERSIONS:
        raise UsageError(f"{field} must be a positive whole number.", f'Give a version: {{"{field}": 3}}.')
    return version


def _deploy(session: Session, name: str, version: int, *, fresh: bool) -> dict[str, Any]:
    return _deployed(session.deploy(f"{name}:{version}", fresh=fresh))


def _deployed(deployment: Deployment) -> dict[str, Any]:
    return {"name": deployment.name, "version": deployment.version, "seconds": deployment.total}
