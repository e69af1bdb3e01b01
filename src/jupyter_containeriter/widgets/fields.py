"""The fields of a form: one for each column of a row, of the kind that its values are."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ipywidgets

from jupyter_containeriter.errors import UsageError

#: Whole numbers beyond this are no longer exact in a page.
_SAFE = 2**53
_WIDE = {"style": {"description_width": "160px"}, "layout": {"width": "350px"}}


@dataclass(slots=True)
class Field:
    """One value of a row.

    Attributes
    ----------
    label
        What the column is called.
    widget
        Where the person changes it.
    read
        Turns what stands in the widget into a value.
    given
        The value of the sample; as long as nobody changes the widget, exactly this one is sent.
    """

    label: str
    widget: Any
    read: Callable[[Any], Any]
    given: Any
    _shown: Any = None

    def __post_init__(self) -> None:
        self._shown = self.widget.value

    @property
    def is_changed(self) -> bool:
        """Whether something else stands in the widget than the sample had."""
        return bool(self.widget.value != self._shown)

    def value(self) -> Any:
        """Return the value to be sent.

        Raises
        ------
        UsageError
            What was typed is no such value.
        """
        if not self.is_changed:
            return self.given
        try:
            return self.read(self.widget.value)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{self.label}: {error}.", "Correct the field.") from error


def field_of(label: str, datatype: str, given: Any, categories: list[Any] | None = None) -> Field:
    """Make the field of a value.

    Parameters
    ----------
    label
        What the column is called.
    datatype
        Its type, in the words of the Open Inference Protocol.
    given
        The value of the sample.
    categories
        Those it may have, where they are known.
    """
    if categories:
        options = [(str(category), place) for place, category in enumerate(categories)]
        place = categories.index(given) if given in categories else None
        return _field(label, ipywidgets.Dropdown, place, lambda chosen: categories[chosen], given, options=options)
    for fits, kind, shown, read in _KINDS:
        if fits(given):
            return _field(label, kind, shown(given), read, given)
    reader = _number if datatype.startswith(("FP", "INT", "UINT", "BOOL")) else _json
    return _field(label, ipywidgets.Text, _text(given), reader, given, placeholder="empty: missing")


def _field(label: str, kind: type[Any], shown: Any, read: Callable[[Any], Any], given: Any, **options: Any) -> Field:
    widget = kind(value=shown, description=label, tooltip=label, **_WIDE, **options)
    return Field(label, widget, read, given)


def _plain_time(moment: datetime) -> datetime:
    """Return a moment as a page keeps it, to the millisecond."""
    whole = datetime.combine(moment.date(), moment.time())
    return whole.replace(microsecond=whole.microsecond // 1000 * 1000)


def _number(text: str) -> Any:
    return json.loads(text) if text.strip() else None


def _json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    """Return a value as it is typed; a missing one is empty."""
    return "" if _is_missing(value) else json.dumps(value, default=str)


def _is_missing(value: Any) -> bool:
    is_nan = isinstance(value, float) and math.isnan(value)
    return value is None or is_nan or type(value).__name__ in {"NAType", "NaTType"}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and abs(value) < _SAFE


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _is_local_time(value: Any) -> bool:
    return isinstance(value, datetime) and not _is_missing(value) and value.tzinfo is None


#: Which values have a field of their own kind: the widget, how they are shown in it, and how it is read.
_KINDS: tuple[tuple[Callable[[Any], bool], type[Any], Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (lambda value: isinstance(value, bool), ipywidgets.Checkbox, bool, bool),
    (_is_whole, ipywidgets.IntText, int, int),
    (_is_finite, ipywidgets.FloatText, float, float),
    (_is_local_time, ipywidgets.NaiveDatetimePicker, _plain_time, lambda moment: moment),
    (lambda value: isinstance(value, str), ipywidgets.Text, str, str),
)
