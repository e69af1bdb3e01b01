"""JSON text with tags: how any plain Python value, however nested, goes as one element of a BYTES tensor.

An object with one key of :data:`TAGS` stands for a value that JSON lacks:

==============  =====================================  =========================================
tag             stands for                             content
==============  =====================================  =========================================
``$tuple``      ``tuple``                              list of items
``$float``      float that is not finite               ``"NaN"``, ``"Infinity"``, ``"-Infinity"``
``$complex``    ``complex``                            Python's literal, as ``"1+2j"``
``$bytes``      ``bytes``                              base64
``$decimal``    ``decimal.Decimal``                    its digits
``$date``       ``datetime.date``                      ISO 8601
``$time``       ``datetime.time``                      ISO 8601
``$datetime``   ``datetime.datetime``                  ISO 8601
``$timedelta``  ``datetime.timedelta``                 days, seconds, microseconds
``$timestamp``  ``pandas.Timestamp``                   ISO 8601, and its dtype as pandas spells it
``$duration``   ``pandas.Timedelta``                   number, and unit (``s``, ``ms``, ``us``, ``ns``)
``$dict``       ``dict`` with keys other than strings  list of key and value
``$missing``    ``pandas.NA``, ``pandas.NaT``          ``"NA"``, ``"NaT"``
==============  =====================================  =========================================
"""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from .tensors import FLOAT_WORDS, JSON_CONTENT, WireError, elements, float_word, is_numpy_scalar, type_name


def complex_text(number: complex) -> str:
    """Return a complex number as Python's literal."""
    return str(number).strip("()")


def _pandas_missing(name: str) -> Any:
    import pandas as pd

    return {"NA": pd.NA, "NaT": pd.NaT}[name]


def _timestamp_content(value: Any) -> list[str]:
    import pandas as pd

    dtype = f"datetime64[{value.unit}]" if value.tz is None else str(pd.DatetimeTZDtype(value.unit, value.tz))
    return [value.isoformat(), dtype]


def _timestamp(content: list[str]) -> Any:
    import pandas as pd

    text, spelled = content
    if not str(spelled).startswith("datetime64["):
        raise ValueError(f"{spelled!r} is no dtype of times")
    # Of a Series, as that tells unit and zone whether or not there is one.
    times: Any = pd.Series(dtype=spelled).dt
    time = pd.Timestamp(text).as_unit(times.unit)
    return time.tz_convert(times.tz) if times.tz else time


def _duration(content: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    number, unit = content
    return pd.Timedelta(np.timedelta64(number, unit))


#: How the content of each tag is written, for values of exactly this type.
_WRITE: dict[type, tuple[str, Callable[[Any], Any]]] = {
    complex: ("$complex", complex_text),
    bytes: ("$bytes", lambda value: b64encode(value).decode("ascii")),
    Decimal: ("$decimal", str),
    date: ("$date", date.isoformat),
    time: ("$time", time.isoformat),
    datetime: ("$datetime", datetime.isoformat),
    timedelta: ("$timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
}

#: The same for types of pandas, which may be absent: by their names.
_WRITE_PANDAS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "pandas.Timestamp": ("$timestamp", _timestamp_content),
    "pandas.Timedelta": ("$duration", lambda value: [value.asm8.astype("int64").item(), value.unit]),
}

#: How it is read.
_READ: dict[str, Callable[[Any], Any]] = {
    "$tuple": tuple,
    "$float": FLOAT_WORDS.__getitem__,
    "$complex": complex,
    "$bytes": lambda text: b64decode(text, validate=True),
    "$decimal": Decimal,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$datetime": datetime.fromisoformat,
    "$timedelta": lambda parts: timedelta(*parts),
    "$timestamp": _timestamp,
    "$duration": _duration,
    "$dict": dict,
    "$missing": _pandas_missing,
}

TAGS = frozenset(_READ)

#: What to give instead of values that cannot be carried, by type or by package.
_HINTS = {
    "set": "a sorted list",
    "frozenset": "a sorted list",
    "numpy.MaskedArray": "its filled()",
    "numpy.matrix": "numpy.asarray of it",
    "pandas.Interval": "its str()",
    "pandas.Period": "its str()",
    "pandas": "its to_numpy() or a Series",
    "polars": "its to_pandas()",
    "pyarrow": "its to_pandas()",
    "tensorflow": "its numpy()",
}


def to_json(value: Any, where: str) -> str:
    """Write a value as strict JSON text.

    numpy scalars inside become Python's own.

    Raises
    ------
    WireError
        If the value holds anything else. The message gives the path to it.
    """
    return json.dumps(_tagged(value, where, ()), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def from_json(text: Any, name: str) -> Any:
    """Undo :func:`to_json`."""
    try:
        return json.loads(text, object_hook=_untagged)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise WireError(f"{name}: expected JSON text: {error}") from None


def _tagged(value: Any, where: str, path: tuple[Any, ...]) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind in (list, tuple):
        items = [_tagged(item, where, (*path, position)) for position, item in enumerate(value)]
        return items if kind is list else {"$tuple": items}
    if kind is dict:
        return _tagged_dict(value, where, path)
    if is_numpy_scalar(value) and type(value.item()) in (bool, int, float, str, bytes, complex):
        return _tagged(value.item(), where, path)
    return _tagged_leaf(value, where, path)


def _tagged_leaf(value: Any, where: str, path: tuple[Any, ...]) -> Any:
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else {"$float": float_word(value)}
    if kind in _WRITE and _has_fixed_offset(value):
        tag, write = _WRITE[kind]
        return {tag: write(value)}
    if (missing := _missing_marker(value)) in ("na", "nat"):
        return {"$missing": {"na": "NA", "nat": "NaT"}[missing]}
    if (name := _public_name(value)) in _WRITE_PANDAS:
        tag, write = _WRITE_PANDAS[name]
        if _says_all(content := write(value), value, tag, write):
            return {tag: content}
    raise WireError(f"{where}{''.join(f'[{step!r}]' for step in path)}: {_refusal(value, where)}")


def _says_all(content: Any, value: Any, tag: str, write: Callable[[Any], Any]) -> bool:
    """Tell whether a value can be read back from its content: not every zone has a name, nor every year four digits."""
    try:
        read = _READ[tag](content)
    except (TypeError, ValueError):
        return False
    return bool(read == value) and write(read) == content


def _tagged_dict(value: dict[Any, Any], where: str, path: tuple[Any, ...]) -> Any:
    if all(type(key) is str for key in value) and not (len(value) == 1 and TAGS & value.keys()):
        return {key: _tagged(item, where, (*path, key)) for key, item in value.items()}
    steps = [(key, item, (*path, key)) for key, item in value.items()]
    return {"$dict": [[_tagged(key, where, step), _tagged(item, where, step)] for key, item, step in steps]}


def _has_fixed_offset(value: Any) -> bool:
    """Tell whether ISO 8601 says all of a time: it has no names of zones."""
    return type(getattr(value, "tzinfo", None)) in (type(None), timezone)


def _public_name(value: Any) -> str:
    """Return the package and the name of a value's type: libraries move the modules of their types about."""
    kind = type(value)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def _untagged(item: dict[str, Any]) -> Any:
    if len(item) == 1:
        ((tag, content),) = item.items()
        if tag in TAGS:
            return _READ[tag](content)
    return item


def without_tags(value: Any) -> Any:
    """Return the parsed text as a person would write it: contents instead of tags, null for NaN."""
    if isinstance(value, list):
        return [without_tags(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and TAGS & value.keys():
        ((tag, content),) = value.items()
        if tag == "$dict":
            return {str(without_tags(key)): without_tags(item) for key, item in content}
        if tag == "$timestamp":
            return content[0]
        return without_tags(content) if tag == "$tuple" else None if content == "NaN" else content
    return {key: without_tags(item) for key, item in value.items()}


def _refusal(value: Any, where: str) -> str:
    """Say that a value cannot be carried, and what to give instead: for a sample, or as the answer of a model."""
    name = type_name(value)
    hint = _HINTS.get(_public_name(value)) or _HINTS.get(name.partition(".")[0])
    verb = "return" if where.startswith("output") else "give"
    return f"cannot carry a {name}" + (f"; {verb} {hint}" if hint else "")


# --- arrays and columns of objects ---------------------------------------------------------------------------------


def object_data(values: list[Any], where: str) -> tuple[list[Any], dict[str, Any]]:
    """Return data and parameters of a BYTES tensor for arbitrary Python objects.

    Strings go as they are, with ``null`` where one is missing; the parameter ``missing`` says what stood there if it
    was not None. Anything else goes as one JSON text for each element.
    """
    markers = {_missing_marker(value) for value in values if type(value) is not str}
    if not markers:
        return values, {}
    if len(markers) == 1 and not markers & {"", "nat"}:
        marker = markers.pop()
        data = [value if type(value) is str else None for value in values]
        return data, {} if marker == "none" else {"missing": marker}
    return [to_json(value, f"{where}, element {position}") for position, value in enumerate(values)], JSON_CONTENT


def object_values(name: str, data: list[Any], parameters: dict[str, Any]) -> list[Any]:
    """Undo :func:`object_data`."""
    if parameters.get("content_type") == "json":
        return [from_json(text, name) for text in elements(name, "BYTES", data)]
    marker = parameters.get("missing", "none")
    if marker not in ("none", "nan", "na"):
        raise WireError(f"{name}: expected the parameter missing to be none, nan or na, got {marker!r}")
    missing = {"none": None, "nan": math.nan}.get(marker) if marker != "na" else _pandas_missing("NA")
    return [missing if value is None else value for value in elements(name, "BYTES", data, nulls=True)]


def _missing_marker(value: Any) -> str:
    if value is None:
        return "none"
    if type(value) is float and math.isnan(value):
        return "nan"
    # pandas may be absent, so its own are known by name.
    return {"NAType": "na", "NaTType": "nat"}.get(type(value).__name__, "")
