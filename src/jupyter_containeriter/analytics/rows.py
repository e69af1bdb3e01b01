"""Iterations as charts need them: what was taken from package to verified, what ended well, what did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jupyter_containeriter.types import CALL_PHASES, PROMOTED

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Statuses of iterations that ended otherwise than a person wanted, or did not yet.
UNFINISHED = ("failed", "interrupted", "running")


def seconds(frame: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return a column of seconds as numbers; what is missing is NaN."""
    return pd.to_numeric(frame[column]).astype("float64")


def statuses(frame: pd.DataFrame) -> pd.Series[str]:
    """Return the statuses as text."""
    return frame["status"].astype(str)


def promoted(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return which iterations put a version into service."""
    return statuses(frame).isin(PROMOTED)


def call_seconds(frame: pd.DataFrame) -> pd.Series[float]:
    """Return what each call took: from package to verified, or the sum of its phases where it did not get that far."""
    phases = pd.DataFrame({phase: seconds(frame, f"{phase}_seconds") for phase in CALL_PHASES})
    return seconds(frame, "package_to_verified_seconds").fillna(phases.sum(axis="columns", min_count=1))


def ended(frame: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """Return when each iteration ended (UTC), NaT where it has not."""
    return pd.to_datetime(frame["finished_at"], utc=True)


def positions(frame: pd.DataFrame) -> tuple[NDArray[np.float64], str]:
    """Return where each iteration stands on a horizontal axis, and the axis' label: its version, else its number."""
    if frame["name"].astype(str).nunique() == 1:
        return frame["version"].to_numpy("float64"), "version"
    return np.arange(1, len(frame) + 1, dtype="float64"), "iteration of any model, in the order of their ends"
