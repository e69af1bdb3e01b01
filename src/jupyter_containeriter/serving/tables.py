"""Tables as MLflow's scoring forms give them: a CSV, an object of columns and rows, a list of records."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .tensors import FLOATS, INTEGERS, WireError, type_name

_Schema = dict[str, Any]

#: The types a column's name may have.
_NAMES = (str, int, float, bool)

_HEADERLESS = "a CSV without a header is sent as text/csv; header=absent"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, the names of their columns if the form gives any, and their labels likewise."""

    columns: Sequence[Any] | None
    rows: list[Any]
    index: list[Any] | None = None


# --- CSV -----------------------------------------------------------------------------------------------------------


def read_csv(body: bytes | bytearray, schema: _Schema | None, *, header: bool = True) -> Table:
    """Parse a CSV; cells become what the schema says, and without one numbers where they look it.

    Parameters
    ----------
    body
        In UTF-8, with or without a byte order mark.
    schema
        Of the model's input.
    header
        Whether the first row names the columns. Otherwise cells are taken by position.

    Raises
    ------
    WireError
        If it is malformed, or the first row is not the header it should be.
    """
    try:
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise WireError(f"csv: {error}") from None
    rows = [row for row in rows if row]
    names = None
    if header:
        if not rows:
            raise WireError("csv: expected a header")
        names, *rows = rows
        _insist_on_header(names, schema)
    width = len(names if names is not None else rows[0] if rows else ())
    for position, row in enumerate(rows):
        if len(row) != width:
            raise WireError(f"csv: expected {width} cells in row {position + 1}, got {len(row)}")
    datatypes = _csv_datatypes(names, width, schema)
    return Table(names, [[_cell(text, kind) for text, kind in zip(row, datatypes, strict=True)] for row in rows])


def _insist_on_header(names: list[str], schema: _Schema | None) -> None:
    """Refuse a first row that is data: it would be lost without a word."""
    if schema is None:
        return
    if schema["kind"] == "dataframe":
        known = {str(column["label"]) for column in schema["columns"]}
        if known and not known & set(names):
            raise WireError(f"csv: the header names none of the columns {_listed(known)}; {_HEADERLESS}")
        return
    numbers = schema.get("datatype") in FLOATS or schema.get("datatype") in INTEGERS
    # Columns without names are called 0, 1, 2 by pandas.
    if numbers and names != [str(place) for place in range(len(names))] and all(map(_is_number, names)):
        raise WireError(f"csv: the header {_listed(names)} looks like a row of data; {_HEADERLESS}")


def _listed(names: Any) -> str:
    shown = ", ".join(sorted(names)[:10])
    return f"{shown}, …" if len(names) > 10 else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _csv_datatypes(names: list[str] | None, width: int, schema: _Schema | None) -> list[str]:
    if schema is None:
        return [""] * width
    if schema["kind"] != "dataframe":
        return [schema.get("datatype", "")] * width
    if names is None:
        known = [column["datatype"] for column in schema["columns"]]
        return (known + ["BYTES"] * width)[:width]
    datatypes = {str(column["label"]): column["datatype"] for column in schema["columns"]}
    return [datatypes.get(name, "BYTES") for name in names]


def _cell(text: str, datatype: str) -> Any:
    if datatype == "BYTES":
        return text or None
    if datatype == "BOOL":
        return {"true": True, "false": False}.get(text.lower(), text or None)
    kinds: tuple[type, ...] = (int,) if datatype in INTEGERS else (float,) if datatype in FLOATS else (int, float)
    for kind in kinds:
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


# --- JSON ----------------------------------------------------------------------------------------------------------


def read_table(form: str, given: Any) -> Table | None:
    """Return the rows of a form that is a table, or None for the forms that may be anything."""
    if isinstance(given, Table):
        return given
    if form == "dataframe_split":
        return _split_table(given)
    if form == "dataframe_records" and not (isinstance(given, list) and all(isinstance(row, dict) for row in given)):
        raise WireError("dataframe_records: expected a list of objects")
    if isinstance(given, list) and given and all(isinstance(row, dict) for row in given):
        return _record_table(form, given)
    return Table([], []) if form == "dataframe_records" else None


def _split_table(given: Any) -> Table:
    if not isinstance(given, dict):
        raise WireError(f"dataframe_split: expected an object with columns and data, got {type_name(given)}")
    columns, rows, index = given.get("columns"), given.get("data"), given.get("index")
    if columns is not None and not (isinstance(columns, list) and all(type(name) in _NAMES for name in columns)):
        raise WireError("dataframe_split.columns: expected a list of names")
    if not isinstance(rows, list):
        raise WireError(f"dataframe_split.data: expected a list of rows, got {type_name(rows)}")
    for position, row in enumerate(rows):
        if not isinstance(row, list) or (columns is not None and len(row) != len(columns)):
            expected = "a list" if columns is None else f"a list of {len(columns)}"
            raise WireError(f"dataframe_split.data[{position}]: expected {expected}, one item for each column")
    if index is not None and not (isinstance(index, list) and len(index) == len(rows)):
        raise WireError(f"dataframe_split.index: expected a list of {len(rows)}, one item for each row")
    return Table(columns, rows, index)


def _record_table(form: str, records: list[dict[str, Any]]) -> Table:
    columns = list(records[0])
    for position, record in enumerate(records):
        if record.keys() != records[0].keys():
            different = min(record.keys() ^ records[0].keys())
            raise WireError(f"{form}[{position}]: expected the keys of the first record; {different!r} is in one only")
    return Table(columns, [[record[column] for column in columns] for record in records])
