"""Which path leads to which handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_server.utils import url_path_join
from tornado.routing import URLSpec

from jupyter_containeriter.extension import handlers, proxy, streams
from jupyter_containeriter.extension.answers import SERVICE, Handler
from jupyter_containeriter.extension.service import Service
from jupyter_containeriter.settings import ContainerIter

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

#: Below ``containeriter/api/``; names of models are checked where they are used.
API: tuple[tuple[str, type[Handler]], ...] = (
    ("overview", handlers.OverviewHandler),
    ("events", streams.EventsHandler),
    ("config", handlers.ConfigHandler),
    ("gc", handlers.GarbageHandler),
    ("models/{name}/iterations", handlers.IterationsHandler),
    ("models/{name}/logs", handlers.LogsHandler),
    ("models/{name}/logs/stream", streams.LogsStreamHandler),
    ("models/{name}/stats", handlers.StatsHandler),
    ("models/{name}/report", handlers.ReportHandler),
    ("models/{name}/deploy", handlers.DeployHandler),
    ("models/{name}/rollback", handlers.RollbackHandler),
    ("models/{name}/undeploy", handlers.UndeployHandler),
)
_NAME = "(?P<name>[^/]+)"


def routes(base_url: str, service: Service) -> list[URLSpec]:
    """Return the routes of a server at a base URL."""
    api = [URLSpec(_pattern(base_url, f"api/{path}"), handler) for path, handler in API]
    unknown = URLSpec(_pattern(base_url, "api/.*"), handlers.UnknownHandler)
    proxied = URLSpec(_pattern(base_url, "proxy/{name}(?:/.*)?"), proxy.ProxyHandler, proxy.proxy_arguments(service))
    return [*api, unknown, proxied]


def add_routes(server: ServerApp) -> None:
    """Add the routes to a server, with one service for all of them."""
    service = Service(lambda: ContainerIter(parent=server))
    application: Any = server.web_app
    application.settings[SERVICE] = service
    application.add_handlers(".*$", routes(server.base_url, service))
    server.log.info("jupyter_containeriter | models are seen and reached at %scontaineriter/", server.base_url)


def _pattern(base_url: str, path: str) -> str:
    return url_path_join(base_url, "containeriter", path.replace("{name}", _NAME))
