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

    def put(self, put: Callable[[Any], None]) -> None:
        """Hand over what was typed, where anything was.

        Raises
        ------
        UsageError
            It is no such value.
        """
        if not self.is_changed:
            return
        value: Any = ""
        try:
            value = self.read(self.widget.value)
            put(value)
        except (ValueError, TypeError, OverflowError) as error:
            said = str(error).rstrip(".") if value is not None else "here nothing can be missing"
            raise UsageError(f"{self.label}: {said}.", "Correct the field.") from error


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
    if isinstance(given, bool):
        return _field(label, ipywidgets.Checkbox, given, bool, given)
    if isinstance(given, datetime) and not _is_missing(given) and given.tzinfo is None:
        return _field(label, ipywidgets.NaiveDatetimePicker, _plain_time(given), lambda moment: moment, given)
    # Numbers are text as well: a page's own fields for them have no missing values, and round in silence.
    return _field(label, ipywidgets.Text, _text(given), _reader(datatype, given), given, placeholder="empty: missing")


def _field(label: str, kind: type[Any], shown: Any, read: Callable[[Any], Any], given: Any, **options: Any) -> Field:
    widget = kind(value=shown, description=label, tooltip=label, **_WIDE, **options)
    return Field(label, widget, read, given)


def _plain_time(moment: datetime) -> datetime:
    """Return a moment as a page keeps it, to the millisecond."""
    whole = datetime.combine(moment.date(), moment.time())
    return whole.replace(microsecond=whole.microsecond // 1000 * 1000)


def _reader(datatype: str, given: Any) -> Callable[[str], Any]:
    if isinstance(given, str):
        return str
    is_missing = _is_missing(given)
    if isinstance(given, int) or (is_missing and datatype.startswith(("INT", "UINT"))):
        return _unless_empty(_whole)
    if isinstance(given, float) or (is_missing and datatype.startswith("FP")):
        return _unless_empty(_number)
    # Moments and spans of time are read by the column that they are put into.
    return _unless_empty(_json if is_missing or isinstance(given, list | dict) else str)


def _unless_empty(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: read(text) if text.strip() else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = _number(text)
    if not number.is_integer():
        raise ValueError(f"{text!r} is no whole number")
    return int(number)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    """Return a value as it is typed; a missing one is empty."""
    if _is_missing(value):
        return ""
    return json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)


def _is_missing(value: Any) -> bool:
    is_nan = isinstance(value, float) and math.isnan(value)
    return value is None or is_nan or type(value).__name__ in {"NAType", "NaTType"}
