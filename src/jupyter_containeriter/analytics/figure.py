"""A figure that shows itself in a notebook."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

_SHARPNESS = 2


class NotebookFigure(Figure):
    """A figure that a notebook shows as a picture, whether or not a matplotlib backend is active.

    pyplot does not know it: nothing has to be closed, and no backend shows it a second time. With
    ``%matplotlib inline`` the backend's own formatter takes precedence, as for every figure.
    """

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        buffer = BytesIO()
        # The styles set by the person are for the person's own figures.
        with style.context("default"):
            self.savefig(buffer, format="png", dpi=_SHARPNESS * self.dpi)
        png = buffer.getvalue()
        width, height = (int.from_bytes(png[start : start + 4]) for start in (16, 20))
        # Twice the pixels for the same place on the page: sharp on today's displays.
        return png, {"width": width // _SHARPNESS, "height": height // _SHARPNESS}
