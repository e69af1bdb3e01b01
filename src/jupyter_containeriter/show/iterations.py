"""The history as a DataFrame that a notebook shows as a table to read, and a terminal as lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from jupyter_containeriter.show.rows import SHOWN, Row, rows_html, rows_text
from jupyter_containeriter.types import ITERATION_COLUMNS

Before = Callable[[str, int], Mapping[str, Any] | None]
"""Returns the params of the version before one, None where there is none."""


class Iterations(pd.DataFrame):
    """Iterations, oldest first: an ordinary DataFrame that only shows itself otherwise.

    Whatever is made of it (a selection, a copy, a sum) is a plain DataFrame and looks like one; so does this one, once
    it has other columns than the history.
    """

    _metadata = ["_before"]  # noqa: RUF012 (pandas' own name for what is no column)
    _before: Before

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame, before: Before) -> Iterations:
        """Return the iterations of a frame; ``before`` tells the params of the version before one."""
        found = cls(frame)
        found._before = before
        return found

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle as a plain DataFrame: what shows it holds the session."""
        return pd.DataFrame(self).__reduce__()

    def text(self) -> str:
        """Return a line for each of the newest iterations, newest first."""
        return rows_text(self._shown(), len(self), datetime.now(UTC))

    def html(self) -> str:
        """Return the table of the newest iterations, newest first."""
        return rows_html(self._shown(), len(self), datetime.now(UTC))

    def _repr_html_(self) -> str | None:
        if self._is_whole and pd.get_option("display.notebook_repr_html"):
            return self.html()
        return super()._repr_html_()  # type: ignore[misc,no-any-return]

    def __repr__(self) -> str:
        return self.text() if self._is_whole else super().__repr__()

    @property
    def _is_whole(self) -> bool:
        return tuple(self.columns) == ITERATION_COLUMNS

    def _shown(self) -> list[Row]:
        newest = self.iloc[-SHOWN:].iloc[::-1]
        found = [_plain(row) for row in newest.to_dict("records")]
        params = {(row["name"], row["version"]): row["params"] for row in found}
        rows = []
        for row in found:
            before = params.get((row["name"], row["version"] - 1)) or self._before(row["name"], row["version"])
            rows.append(Row(row, before))
        return rows


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row with None for whatever pandas says is missing."""
    return {
        str(key): value if isinstance(value, (dict, list)) or not pd.isna(value) else None for key, value in row.items()
    }
