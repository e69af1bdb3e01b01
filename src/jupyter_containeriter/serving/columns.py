"""The columns of pandas objects as tensor data. Imported only where a value or a schema needs pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .arrays import Column, describe_dtype, from_data, to_data
from .tensors import WireError, elements, float_word

_MASKED = {
    "boolean": pd.arrays.BooleanArray,
    **{f"{kind}{bits}": pd.arrays.IntegerArray for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)},
    **{f"Float{bits}": pd.arrays.FloatingArray for bits in (32, 64)},
}


def describe_column(values: Any, where: str) -> Column:
    """Describe the dtype of a Series or an Index.

    Returns
    -------
    dict
        ``dtype`` as pandas spells it, ``datatype``, and for categories ``ordered`` and ``categories`` (a description
        with their ``data``).

    Raises
    ------
    WireError
        If the dtype cannot be carried. The message names the column.
    """
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return describe_dtype(dtype, where)
    name = str(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        categories = describe_column(dtype.categories, f"{where} (categories)")
        data, parameters = encode_column(dtype.categories.to_series(), f"{where} (categories)")
        if parameters:
            raise WireError(f"{where}: expected categories of one plain type")
        return {
            "dtype": "category",
            "datatype": categories["datatype"],
            "ordered": bool(dtype.ordered),
            "categories": {**categories, "data": data},
        }
    if name in _MASKED:
        datatype = describe_dtype(dtype.numpy_dtype, where)["datatype"]
    elif isinstance(dtype, pd.StringDtype | pd.DatetimeTZDtype):
        datatype = "BYTES"
    else:
        raise WireError(f"{where}: cannot carry the dtype {name}; convert it to numbers, strings or dates")
    if not _spelled_alike(dtype, name):
        raise WireError(f"{where}: cannot carry the dtype {dtype!r}: its name {name} does not tell it")
    return {"dtype": name, "datatype": datatype}


def _spelled_alike(dtype: Any, name: str) -> bool:
    try:
        return bool(pd.api.types.pandas_dtype(name) == dtype)
    except (TypeError, ValueError):
        return False


def encode_column(series: Any, where: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the data and parameters of a Series whose dtype can be carried."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        data, _ = encode_column(dtype.categories.to_series(), where)
        return [None if code < 0 else data[code] for code in series.cat.codes.tolist()], {}
    if isinstance(dtype, pd.DatetimeTZDtype):
        data, _ = to_data(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), where)
        return [None if text is None else f"{text}Z" for text in data], {}
    if isinstance(dtype, np.dtype):
        return to_data(series.to_numpy(), where)
    missing = series.isna().tolist()
    if isinstance(dtype, pd.StringDtype):
        values = series.to_numpy(dtype=object).tolist()
    else:
        values = series.to_numpy(dtype=dtype.numpy_dtype, na_value=0).tolist()
    if str(dtype).startswith("Float"):
        values = [float_word(number) for number in values]
    return [None if gone else value for value, gone in zip(values, missing, strict=True)], {}


def decode_column(name: str, data: list[Any], column: Column, parameters: dict[str, Any]) -> Any:
    """Return a Series of the described dtype with a default index."""
    dtype = column["dtype"]
    if dtype == "category":
        return pd.Series(_categorical(name, data, column))
    if dtype in _MASKED:
        values = elements(name, column["datatype"], data, nulls=True)
        mask = np.array([value is None for value in values], dtype=bool)
        filled = np.array([0 if value is None else value for value in values])
        numpy_dtype = "bool" if dtype == "boolean" else dtype.lower()
        return pd.Series(_MASKED[dtype](filled.astype(numpy_dtype), mask))
    if dtype in ("str", "string"):
        return pd.Series(elements(name, "BYTES", data, nulls=True), dtype=dtype)
    if dtype.startswith("datetime64[") and "," in dtype:
        return _dates(name, elements(name, "BYTES", data, nulls=True), dtype)
    array = from_data(name, data, column, parameters)
    # Without the dtype pandas would turn objects that are all strings into its string type.
    return pd.Series(array, dtype=array.dtype)


def _categorical(name: str, data: list[Any], column: Column) -> Any:
    described = column["categories"]
    categories = pd.Index(decode_column(name, described["data"], described, {}))
    given = [value for value in data if value is not None]
    found = categories.get_indexer(pd.Index(decode_column(name, given, described, {}))) if given else np.array([], int)
    if (found < 0).any():
        unknown = given[int(np.argmax(found < 0))]
        raise WireError(f"{name}: {unknown!r} is none of the categories {_shortened(described['data'])}")
    codes = np.full(len(data), -1)
    codes[[position for position, value in enumerate(data) if value is not None]] = found
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories, ordered=column["ordered"]))


def _shortened(values: list[Any]) -> str:
    shown = ", ".join(repr(value) for value in values[:10])
    return f"{shown}, …" if len(values) > 10 else shown


def _dates(name: str, texts: list[Any], dtype: str) -> Any:
    target: Any = pd.api.types.pandas_dtype(dtype)
    try:
        return pd.Series(pd.to_datetime(texts, utc=True, format="ISO8601").as_unit(target.unit).tz_convert(target.tz))
    except ValueError as error:
        raise WireError(f"{name}: expected ISO 8601 dates: {error}") from None


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
