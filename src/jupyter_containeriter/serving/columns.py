"""The columns of pandas objects as tensor data. Imported only where a value or a schema needs pandas.

numpy's dtypes go as arrays do. Each of pandas' own belongs to a family, which the description names: it knows how its
columns are described, written and read.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .arrays import Column, describe_dtype, from_data, packed_data, to_data
from .tensors import JSON_CONTENT, WireError, elements, float_word, plain_data
from .texts import from_json, object_data, object_values

Data = tuple[list[Any], dict[str, Any]]

_MASKED = {
    "boolean": pd.arrays.BooleanArray,
    **{f"{kind}{bits}": pd.arrays.IntegerArray for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)},
    **{f"Float{bits}": pd.arrays.FloatingArray for bits in (32, 64)},
}


class _Family(NamedTuple):
    """How columns of some dtypes are carried.

    ``describe(series, where)`` returns the members that tell the dtype, ``encode(series, where)`` data and parameters,
    ``decode(name, data, column, parameters)`` the Series.
    """

    describe: Callable[[Any, str], Column]
    encode: Callable[[Any, str], Data]
    decode: Callable[[str, list[Any], Column, dict[str, Any]], Any]


def describe_column(values: Any, where: str) -> Column:
    """Describe the dtype of a Series or an Index.

    Returns
    -------
    dict
        ``dtype`` as pandas spells it, ``datatype``, and for dtypes of pandas' own ``family`` and what it adds.

    Raises
    ------
    WireError
        If the dtype cannot be carried. The message names the column.
    """
    if isinstance(values.dtype, np.dtype):
        return describe_dtype(values.dtype, where)
    family = _family(values.dtype, where)
    column = {"dtype": str(values.dtype), "family": family, **_FAMILIES[family].describe(_series(values), where)}
    if not _same_dtype(decode_column(where, [], column, {}).dtype, values.dtype):
        raise WireError(f"{where}: cannot carry the dtype {values.dtype!r}: its name {values.dtype} does not tell it")
    return column


def _same_dtype(decoded: Any, dtype: Any) -> bool:
    """Tell whether two dtypes are one; strings may be stored in whatever way the process has."""
    return bool(decoded == dtype) or (isinstance(dtype, pd.StringDtype) and str(decoded) == str(dtype))


def encode_column(values: Any, where: str) -> Data:
    """Return the data and parameters of a Series or an Index whose dtype can be carried."""
    if isinstance(values.dtype, np.dtype):
        return to_data(values.to_numpy(), where)
    return _FAMILIES[_family(values.dtype, where)].encode(_series(values), where)


def pack_column(values: Any, where: str) -> tuple[Any, dict[str, Any]]:
    """Return what :func:`encode_column` does, but numbers of numpy's dtypes as an array."""
    if isinstance(values.dtype, np.dtype):
        return packed_data(values.to_numpy(), where)
    return encode_column(values, where)


def decode_column(name: str, data: Any, column: Column, parameters: dict[str, Any]) -> Any:
    """Return a Series of the described dtype with a default index."""
    if "family" in column:
        data = data if type(data) is list else plain_data(name, data)
        return _FAMILIES[column["family"]].decode(name, data, column, parameters)
    array = from_data(name, data, column, parameters)
    # Without the dtype pandas would turn objects that are all strings into its string type.
    return pd.Series(array, dtype=array.dtype)


def describe_values(values: Any, where: str) -> Column:
    """Describe an Index with all it holds: the categories of a column, or the labels of a frame."""
    data, parameters = encode_column(values, where)
    return {**describe_column(values, where), "data": data, "parameters": parameters}


def read_values(described: Column, name: str) -> Any:
    """Undo :func:`describe_values`."""
    series = decode_column(name, described["data"], described, described["parameters"])
    return pd.Index(series, dtype=series.dtype)


def convert_column(series: Any, wanted: Column, where: str) -> Any:
    """Convert a Series to the described dtype if nothing is lost by it."""
    target: Any = decode_column(where, [], wanted, {}).dtype
    missing = series.isna()
    try:
        lossless = not isinstance(target, pd.CategoricalDtype) or (series.isin(target.categories) | missing).all()
        converted = series.astype(target) if lossless else series
        lossless = lossless and ((converted == series) | (converted.isna() & missing)).all()
    except (TypeError, ValueError):
        lossless = False
    if not lossless:
        raise WireError(f"{where}: expected dtype {target}, got {series.dtype}, which cannot be converted without loss")
    return converted


def _series(values: Any) -> Any:
    return values if isinstance(values, pd.Series) else values.to_series()


def _family(dtype: Any, where: str) -> str:
    """Return the name of the family of a dtype of pandas' own."""
    if str(dtype) in _MASKED:
        return "masked"
    for kind, family in _OF_TYPE.items():
        if isinstance(dtype, kind):
            return family
    raise WireError(f"{where}: cannot carry the dtype {dtype}; convert it to numbers, strings or dates")


# --- masked numbers, strings ---------------------------------------------------------------------------------------


def _describe_masked(series: Any, where: str) -> Column:
    return {"datatype": describe_dtype(series.dtype.numpy_dtype, where)["datatype"]}


def _encode_masked(series: Any, _where: str) -> Data:
    values = series.to_numpy(dtype=series.dtype.numpy_dtype, na_value=0).tolist()
    if str(series.dtype).startswith("Float"):
        values = [float_word(number) for number in values]
    return [None if gone else value for value, gone in zip(values, series.isna().tolist(), strict=True)], {}


def _decode_masked(name: str, data: list[Any], column: Column, _parameters: dict[str, Any]) -> Any:
    dtype = column["dtype"]
    values = elements(name, column["datatype"], data, nulls=True)
    mask = np.array([value is None for value in values], dtype=bool)
    filled = np.array([0 if value is None else value for value in values])
    return pd.Series(_MASKED[dtype](filled.astype("bool" if dtype == "boolean" else dtype.lower()), mask))


def _encode_strings(series: Any, _where: str) -> Data:
    return [None if pd.isna(value) else value for value in series.to_numpy(dtype=object).tolist()], {}


def _decode_strings(name: str, data: list[Any], column: Column, _parameters: dict[str, Any]) -> Any:
    return pd.Series(elements(name, "BYTES", data, nulls=True), dtype=column["dtype"])


# --- categories ----------------------------------------------------------------------------------------------------


def _describe_category(series: Any, where: str) -> Column:
    categories = describe_values(series.cat.categories, f"{where} (categories)")
    return {"datatype": categories["datatype"], "ordered": bool(series.cat.ordered), "categories": categories}


def _encode_category(series: Any, where: str) -> Data:
    data, parameters = encode_column(series.cat.categories, where)
    return [None if code < 0 else data[code] for code in series.cat.codes.tolist()], parameters


def _decode_category(name: str, data: list[Any], column: Column, parameters: dict[str, Any]) -> Any:
    described = column["categories"]
    categories = read_values(described, name)
    given = [value for value in data if value is not None]
    known = parameters or described["parameters"]
    found = categories.get_indexer(pd.Index(decode_column(name, given, described, known))) if given else np.array([])
    if (found < 0).any():
        unknown = given[int(np.argmax(found < 0))]
        raise WireError(f"{name}: {unknown!r} is none of the categories {_shortened(described['data'])}")
    codes = np.full(len(data), -1)
    codes[[position for position, value in enumerate(data) if value is not None]] = found
    return pd.Series(pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories, ordered=column["ordered"])))


def _shortened(values: list[Any]) -> str:
    shown = ", ".join(repr(value) for value in values[:10])
    return f"{shown}, …" if len(values) > 10 else shown


# --- times ---------------------------------------------------------------------------------------------------------


def _encode_zoned(series: Any, where: str) -> Data:
    data, _ = to_data(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), where)
    return [None if text is None else f"{text}Z" for text in data], {}


def _decode_zoned(name: str, data: list[Any], column: Column, _parameters: dict[str, Any]) -> Any:
    target: Any = pd.api.types.pandas_dtype(column["dtype"])
    return pd.Series(_instants(name, data).as_unit(target.unit).tz_convert(target.tz))


def _instants(name: str, data: list[Any]) -> Any:
    try:
        return pd.to_datetime(elements(name, "BYTES", data, nulls=True), utc=True, format="ISO8601")
    except ValueError as error:
        raise WireError(f"{name}: expected ISO 8601 dates: {error}") from None


def _encode_periods(series: Any, where: str) -> Data:
    """Write each period as its first instant: whatever its length, that tells which one it is."""
    return to_data(series.dt.start_time.to_numpy(), where)


def _decode_periods(name: str, data: list[Any], column: Column, _parameters: dict[str, Any]) -> Any:
    frequency = column["dtype"].removeprefix("period[").removesuffix("]")
    return pd.Series(_instants(name, data).tz_localize(None).to_period(frequency))


# --- carried as another column -------------------------------------------------------------------------------------


def _describe_interval(series: Any, where: str) -> Column:
    return {"datatype": "BYTES", "closed": series.array.closed, "of": describe_column(series.array.left, where)}


def _encode_interval(series: Any, where: str) -> Data:
    (left, _), (right, _) = (encode_column(side, where) for side in (series.array.left, series.array.right))
    pairs = zip(left, right, series.isna().tolist(), strict=True)
    return [json.dumps(None if gone else [first, second]) for first, second, gone in pairs], JSON_CONTENT


def _decode_interval(name: str, data: list[Any], column: Column, _parameters: dict[str, Any]) -> Any:
    pairs = [from_json(text, name) or (None, None) for text in elements(name, "BYTES", data)]
    try:
        left, right = (decode_column(name, [pair[side] for pair in pairs], column["of"], {}) for side in (0, 1))
        return pd.Series(pd.arrays.IntervalArray.from_arrays(left, right, closed=column["closed"]))
    except (LookupError, TypeError) as error:
        raise WireError(f"{name}: expected pairs of bounds: {error}") from None


def _describe_sparse(series: Any, where: str) -> Column:
    of = describe_column(series.sparse.to_dense(), where)
    return {"datatype": of["datatype"], "of": of}


def _decode_sparse(name: str, data: list[Any], column: Column, parameters: dict[str, Any]) -> Any:
    return decode_column(name, data, column["of"], parameters).astype(column["dtype"])


# --- Arrow ---------------------------------------------------------------------------------------------------------


def _describe_arrow(series: Any, where: str) -> Column:
    """Describe an Arrow-backed column; ``arrow`` is the schema message of Arrow's IPC format, as base64.

    Timestamps and durations go as pandas' own (``of``); other values as Python's, those of Python's plain types as
    what they are and the others (decimals, dates, lists, …) as JSON text.
    """
    import pyarrow as pa

    kind = series.dtype.pyarrow_dtype
    message = b64encode(pa.schema([("", kind)]).serialize().to_pybytes()).decode("ascii")
    if plain := _plain_time(kind):
        of = describe_column(series.astype(plain), where)
        return {"datatype": of["datatype"], "arrow": message, "of": of}
    return {"datatype": _arrow_datatype(kind), "arrow": message}


def _plain_time(kind: Any) -> str:
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return f"datetime64[{kind.unit}, {kind.tz}]" if kind.tz else f"datetime64[{kind.unit}]"
    return f"timedelta64[{kind.unit}]" if pa.types.is_duration(kind) else ""


def _arrow_datatype(kind: Any) -> str:
    import pyarrow as pa

    if pa.types.is_integer(kind):
        return str(kind).upper()
    if pa.types.is_floating(kind):
        return f"FP{kind.bit_width}"
    return "BOOL" if pa.types.is_boolean(kind) else "BYTES"


def _encode_arrow(series: Any, where: str) -> Data:
    if plain := _plain_time(series.dtype.pyarrow_dtype):
        return encode_column(series.astype(plain), where)
    values = series.array.__arrow_array__().to_pylist()
    datatype = _arrow_datatype(series.dtype.pyarrow_dtype)
    if datatype.startswith("FP"):
        return [value if value is None else float_word(value) for value in values], {}
    return object_data(values, where) if datatype == "BYTES" else (values, {})


def _decode_arrow(name: str, data: list[Any], column: Column, parameters: dict[str, Any]) -> Any:
    import pyarrow as pa

    kind = pa.ipc.read_schema(pa.py_buffer(b64decode(column["arrow"]))).field(0).type
    if "of" in column:
        return decode_column(name, data, column["of"], parameters).astype(pd.ArrowDtype(kind))
    if column["datatype"] == "BYTES":
        values = object_values(name, data, parameters)
    else:
        values = elements(name, column["datatype"], data, nulls=True)
    try:
        return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, type=kind, from_pandas=False)))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise WireError(f"{name}: expected values of the Arrow type {kind}: {error}") from None


# --- all of them ---------------------------------------------------------------------------------------------------


def _as_text(_series: Any, _where: str) -> Column:
    return {"datatype": "BYTES"}


_FAMILIES = {
    "masked": _Family(_describe_masked, _encode_masked, _decode_masked),
    "string": _Family(_as_text, _encode_strings, _decode_strings),
    "category": _Family(_describe_category, _encode_category, _decode_category),
    "zoned": _Family(_as_text, _encode_zoned, _decode_zoned),
    "period": _Family(_as_text, _encode_periods, _decode_periods),
    "interval": _Family(_describe_interval, _encode_interval, _decode_interval),
    "sparse": _Family(
        _describe_sparse, lambda series, where: encode_column(series.sparse.to_dense(), where), _decode_sparse
    ),
    "arrow": _Family(_describe_arrow, _encode_arrow, _decode_arrow),
}

_OF_TYPE: dict[type, str] = {
    pd.StringDtype: "string",
    pd.CategoricalDtype: "category",
    pd.DatetimeTZDtype: "zoned",
    pd.PeriodDtype: "period",
    pd.IntervalDtype: "interval",
    pd.SparseDtype: "sparse",
    pd.ArrowDtype: "arrow",
}
