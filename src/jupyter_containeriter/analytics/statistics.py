"""Medians, how sure they are, and when they changed. NumPy only; ``docs/history.md`` names the sources."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Floats = NDArray[np.float64]
    Values = Sequence[float] | pd.Series[Any] | _Floats

#: With fewer values than these no order statistics enclose the median with a confidence of 95 %.
ENOUGH = 6

CONFIDENCE = 0.95
_RESAMPLES = 9_999
_SEED = 20_240_601


def _clean(values: Values) -> _Floats:
    found: _Floats = np.asarray(values, dtype="float64")
    finite: _Floats = found[np.isfinite(found)]
    return finite


# --- the interval of a median ---------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def interval_rank(count: int, confidence: float = CONFIDENCE) -> int:
    """Return the rank of the lower end of a median's interval (1 is the smallest value); 0 where there is none.

    It is the largest ``k`` with ``P(B < k) <= (1 - confidence) / 2`` for ``B ~ Binomial(count, 1/2)``; the upper end is
    the value of rank ``count + 1 - k``.

    Parameters
    ----------
    count
        How many values there are.
    confidence
        At least this is the probability that the interval encloses the median.
    """
    allowed, below, rank = (1 - confidence) / 2, 0.0, 0
    logarithm = math.lgamma(count + 1) - count * math.log(2)
    while rank < count:
        below += math.exp(logarithm - math.lgamma(rank + 1) - math.lgamma(count - rank + 1))
        if below > allowed:
            break
        rank += 1
    return rank


def median_interval(values: Values, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of a median from order statistics, which assumes nothing of the distribution.

    Parameters
    ----------
    values
        Independent values; those that are NaN do not count.
    confidence
        At least this is the probability that the interval encloses the median.

    Returns
    -------
    tuple of float
        The values of rank ``k`` and ``n + 1 - k``, see :func:`interval_rank`; NaN for fewer than six values.

    References
    ----------
    W. J. Conover, *Practical Nonparametric Statistics*, 3rd ed. (1999), section 3.2.
    """
    found = np.sort(_clean(values))
    rank = interval_rank(len(found), confidence)
    return (float(found[rank - 1]), float(found[-rank])) if rank else (math.nan, math.nan)


def window_for(count: int) -> int:
    """Return how many values a running median is taken of: 9, or a twentieth of very many; always odd."""
    return max(9, count // 20 | 1)


def rolling_median(values: Values, window: int) -> pd.DataFrame:
    """Return the median of each value and those before it, within a window, and its interval.

    Parameters
    ----------
    values
        In order, without NaN.
    window
        How many values a median is of; at the beginning there are fewer.

    Returns
    -------
    DataFrame
        ``median``, ``low`` and ``high``, its interval by :func:`median_interval` (NaN for fewer than six values).
    """
    series = pd.Series(np.asarray(values, dtype="float64"))
    low, high = np.full(len(series), np.nan), np.full(len(series), np.nan)
    rank = interval_rank(window)
    if rank:
        # The value of a rank is a quantile that needs no interpolation.
        rolling = series.rolling(window)
        low = rolling.quantile((rank - 1) / (window - 1), interpolation="nearest").to_numpy(copy=True)
        high = rolling.quantile((window - rank) / (window - 1), interpolation="nearest").to_numpy(copy=True)
    first: list[float] = []
    for place, value in enumerate(series.iloc[: window - 1]):
        bisect.insort(first, value)
        if rank := interval_rank(len(first)):
            low[place], high[place] = first[rank - 1], first[-rank]
    return pd.DataFrame({"median": series.rolling(window, min_periods=1).median(), "low": low, "high": high})


# --- when it changed ------------------------------------------------------------------------------------------------


def step(values: Values) -> int | None:
    """Return the position from which on values are on another level; None where one level explains them as well.

    Of all positions it is the one that leaves the smallest sum of squares when the logarithms before it and those from
    it on each have their own mean. It counts where Schwarz's criterion prefers it (``n log(SSE)`` falls by more than
    ``3 log n``: a level and a position more, and one for having searched), where at least three values are on the new
    level, where the medians differ by a fourth, and where three of four values are nearer to their own median.

    Parameters
    ----------
    values
        Positive, in order, without NaN.

    References
    ----------
    Y.-C. Yao, *Estimating the number of change-points via Schwarz' criterion*, Statistics & Probability Letters 6
    (1988).
    """
    found = np.asarray(values, dtype="float64")
    count = len(found)
    if count < 4 or (found <= 0).any():
        return None
    logarithms = np.log(found) - np.log(found).mean()
    before = np.arange(1, count - 2)
    sums = np.cumsum(logarithms)[before - 1]
    # The mean is zero, so what is before and what is after have opposite sums.
    gained = sums**2 * count / (before * (count - before))
    place = int(before[np.argmax(gained)])
    whole = float((logarithms**2).sum())
    left = max(whole - float(gained.max()), 1e-12 * count)
    clear = whole > left and count * math.log(whole / left) > 3 * math.log(count)
    return place if clear and _apart(found[:place], found[place:]) else None


def _apart(before: _Floats, after: _Floats) -> bool:
    """Whether two levels differ, and most values are on their own one: an outlier is none."""
    first, second = float(np.median(before)), float(np.median(after))
    if max(first, second) <= 1.25 * min(first, second):
        return False
    between = math.sqrt(first * second)
    shares = np.mean((before > between) == (first > second)), np.mean((after > between) == (second > first))
    return bool(min(shares) >= 0.75)


# --- two groups -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two medians are apart.

    Attributes
    ----------
    estimate
        The median of the first group minus that of the second.
    low, high
        The interval of 95 %; NaN where there are too few values for one.
    medians, counts
        Of the first and the second group.
    """

    estimate: float
    low: float
    high: float
    medians: tuple[float, float]
    counts: tuple[int, int]

    @property
    def known(self) -> bool:
        """Whether there are enough values for an interval."""
        return math.isfinite(self.low)

    @property
    def shown(self) -> bool:
        """Whether the interval is on one side of zero."""
        return self.known and (self.low > 0 or self.high < 0)


def difference_of_medians(first: Values, second: Values) -> Difference:
    """Return how far the medians of two groups are apart, with a bootstrap interval.

    The interval is the percentile bootstrap's: the 2.5 % and 97.5 % quantiles of the difference in 9,999 resamples of
    both groups, independently and with replacement; always the same ones. A resample's median is drawn at once instead
    of drawing all its values (see :func:`resampled_medians`), which is the same distribution.

    Parameters
    ----------
    first, second
        Independent values; those that are NaN do not count.

    Returns
    -------
    Difference
        Without an interval where a group has fewer than six values: no resampling makes up for them.

    References
    ----------
    B. Efron and R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), chapters 8 and 13.
    """
    groups = _clean(first), _clean(second)
    medians = tuple(float(np.median(group)) if len(group) else math.nan for group in groups)
    low = high = math.nan
    if min(map(len, groups)) >= ENOUGH:
        generator = np.random.default_rng(_SEED)
        drawn = [resampled_medians(group, _RESAMPLES, generator) for group in groups]
        tail = 50 * (1 - CONFIDENCE)
        low, high = map(float, np.percentile(drawn[0] - drawn[1], [tail, 100 - tail]))
    return Difference(medians[0] - medians[1], low, high, (medians[0], medians[1]), (len(groups[0]), len(groups[1])))


def resampled_medians(values: Values, count: int, generator: np.random.Generator) -> _Floats:
    """Return the medians of resamples with replacement.

    A resample of ``n`` values takes the sorted values at ``floor(n U)`` for ``n`` uniform numbers ``U``; its median is
    therefore the value at the middle one of these, which is distributed as ``Beta(k, n - k + 1)`` with ``k`` the middle
    rank. Of an even ``n`` it is the mean of two: given the lower one, the upper one is the smallest of the remaining
    uniform numbers between it and one.

    Parameters
    ----------
    values
        Without NaN.
    count
        How many resamples.
    generator
        Where chance comes from.
    """
    found = np.sort(np.asarray(values, dtype="float64"))
    size = len(found)
    rank = (size + 1) // 2
    lower = generator.beta(rank, size - rank + 1, count)
    medians: _Floats = found[_places(lower, size)]
    if size % 2 == 0:
        upper = lower + (1 - lower) * generator.beta(1, size - rank, count)
        medians = (medians + found[_places(upper, size)]) / 2
    return medians


def _places(uniform: _Floats, size: int) -> NDArray[np.intp]:
    return np.minimum((size * uniform).astype(np.intp), size - 1)
