"""Widgets for a notebook: the panel of a model, and a choice among the models of the notebook.

ipywidgets is imported when one of them is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_containeriter.arguments import check
from jupyter_containeriter.errors import UsageError

if TYPE_CHECKING:
    from jupyter_containeriter.widgets.model_chooser import Chooser
    from jupyter_containeriter.widgets.model_panel import Panel

__all__ = ["chooser", "panel"]


def panel(name: str) -> Panel:
    """Return the panel of a model: what runs and where, its versions, a form to try it, logs, usage and charts.

    It follows what happens to the model, also from other cells and other processes. There is one for each name: shown
    twice, it is the same one.

    Raises
    ------
    NotFoundError
        There is no such model in the history: containerize one first.
    UsageError
        ipywidgets cannot be imported.
    """
    check(model=name)
    _insist_on_widgets()
    from jupyter_containeriter.widgets.model_panel import panel_of

    return panel_of(name)


def chooser() -> Chooser:
    """Return a choice among the models of the notebook, which containerizes with a click.

    Raises
    ------
    UsageError
        ipywidgets cannot be imported.
    """
    _insist_on_widgets()
    from jupyter_containeriter.widgets.model_chooser import Chooser

    return Chooser()


def _insist_on_widgets() -> None:
    try:
        import anywidget  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"The widgets cannot be shown: {error}.", "Install what shows them: %pip install anywidget ipywidgets"
        ) from error
