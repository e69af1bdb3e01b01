"""The extension of Jupyter Server: what runs is seen, changed and reached through Jupyter, without any kernel.

Only this room imports ``jupyter_server``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Tell Jupyter Server which module is the extension."""
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Add the routes to a server."""
    from jupyter_containeriter.extension.routes import add_routes

    add_routes(server)
