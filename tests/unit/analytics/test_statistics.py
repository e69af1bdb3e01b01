"""Medians, their intervals and differences, against SciPy and against what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jupyter_containeriter.analytics.statistics import (
    ENOUGH,
    difference_of_medians,
    interval_rank,
    median_interval,
    resampled_medians,
    rolling_median,
    step,
)


@pytest.fixture
def random() -> np.random.Generator:
    """Return chance that is always the same."""
    return np.random.default_rng(7)


# --- the interval of a median ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [6, 7, 9, 10, 25, 100, 501, 10_000])
def test_interval_has_the_ranks_of_the_binomial(count: int) -> None:
    """The rank is the largest that leaves at most 2.5 % of a binomial distribution below it."""
    rank = interval_rank(count)
    binomial = stats.binom(count, 0.5)
    assert binomial.cdf(rank - 1) <= 0.025 < binomial.cdf(rank)


@pytest.mark.parametrize("count", [8, 15, 40, 333])
def test_interval_is_that_of_scipy(random: np.random.Generator, count: int) -> None:
    """``scipy.stats.quantile_test`` of the median gives the same two values."""
    values = random.lognormal(size=count)
    reference = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    assert median_interval(values) == (reference.low, reference.high)


def test_interval_of_a_table() -> None:
    """Of ten values it goes from the second to the ninth, as in every table of the sign test."""
    assert median_interval(range(1, 11)) == (2, 9)


def test_fewer_than_six_have_no_interval() -> None:
    """Even the smallest and the largest of five enclose the median with 93.75 % only."""
    assert np.isnan(median_interval([1, 2, 3, 4, 5])).all()
    assert median_interval([1, 2, 3, 4, 5, 6, np.nan]) == (1, 6)


def test_interval_covers_the_median(random: np.random.Generator) -> None:
    """In at least 95 % of samples of a skewed distribution."""
    covered = [low <= 1 <= high for low, high in (median_interval(random.lognormal(size=12)) for _ in range(2000))]
    assert np.mean(covered) > 0.95


def test_rolling_median_is_that_of_each_window(random: np.random.Generator) -> None:
    """Median and interval are those of the last values, also at the beginning where there are fewer."""
    values = random.lognormal(size=60)
    found = rolling_median(values, 9)
    for place in range(len(values)):
        window = values[max(0, place - 8) : place + 1]
        assert found["median"][place] == np.median(window)
        np.testing.assert_equal((found["low"][place], found["high"][place]), median_interval(window))


# --- when it changed ------------------------------------------------------------------------------------------------


def noisy(random: np.random.Generator, *levels: tuple[float, int]) -> list[float]:
    """Return values around levels, so many each."""
    return [level * value for level, count in levels for value in random.lognormal(0, 0.1, count)]


@pytest.mark.parametrize("before", [1, 2, 7, 11])
def test_step_is_found_where_it_is(random: np.random.Generator, before: int) -> None:
    """From the first value on the new level on, however few came before."""
    assert step(noisy(random, (2.1, before), (0.2, 14 - before))) == before


def test_no_step_in_noise(random: np.random.Generator) -> None:
    """Chance alone is hardly ever taken for a step."""
    found = [step(noisy(random, (1.0, 20))) for _ in range(300)]
    assert sum(place is not None for place in found) <= 6


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0, 1.0, 1.0, 1.0], [2.0, 0.1, 0.1], [0.0, 1.0, 1.0, 1.0]])
def test_no_step_in_too_little(values: list[float]) -> None:
    """Too few values, equal ones and zeros have none."""
    assert step(values) is None


def test_an_outlier_is_no_step(random: np.random.Generator) -> None:
    """A single slow one, wherever it is but first, is not another level."""
    for place in range(1, 14):
        values = noisy(random, (0.2, 14))
        values[place] = 20.0
        assert step(values) is None


# --- two groups -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [(10, 10), (9, 14), (31, 8), (200, 151)])
def test_interval_of_a_difference_is_that_of_scipy(random: np.random.Generator, first: int, second: int) -> None:
    """``scipy.stats.bootstrap`` with percentiles agrees, as far as two bootstraps of 9,999 resamples do."""
    a, b = random.lognormal(np.log(8.6), 0.3, first), random.lognormal(np.log(0.2), 0.4, second)
    found = difference_of_medians(a, b)
    reference = stats.bootstrap(
        (a, b),
        lambda x, y, axis: np.median(x, axis=axis) - np.median(y, axis=axis),
        n_resamples=9_999,
        method="percentile",
        rng=np.random.default_rng(11),
    ).confidence_interval
    width = reference.high - reference.low
    assert found.estimate == np.median(a) - np.median(b)
    assert found.low == pytest.approx(reference.low, abs=0.05 * width)
    assert found.high == pytest.approx(reference.high, abs=0.05 * width)
    assert (found.medians, found.counts) == ((np.median(a), np.median(b)), (first, second))


@pytest.mark.parametrize("count", [6, 7, 30, 31])
def test_medians_drawn_at_once_are_those_of_resamples(random: np.random.Generator, count: int) -> None:
    """Their distribution is that of the medians of ordinary resamples (Kolmogorov and Smirnov's distance)."""
    values = random.lognormal(size=count)
    ordinary = np.median(random.choice(values, (20_000, count)), axis=1)
    drawn = resampled_medians(values, 20_000, random)
    assert stats.ks_2samp(ordinary, drawn).statistic < 0.02


def test_the_same_values_give_the_same_interval(random: np.random.Generator) -> None:
    """Nothing depends on when it is asked."""
    a, b = random.lognormal(size=20), random.lognormal(size=20)
    assert difference_of_medians(a, b) == difference_of_medians(a, pd.Series([*b, np.nan]))


def test_too_few_have_a_difference_but_no_interval() -> None:
    """With five of a kind nothing is said of how sure it is."""
    found = difference_of_medians([1.0] * 5, [3.0] * 50)
    assert (found.estimate, found.known, found.shown) == (-2.0, False, False)
    assert difference_of_medians([1.0] * ENOUGH, [3.0] * ENOUGH).shown


def test_equal_groups_show_no_difference(random: np.random.Generator) -> None:
    """Its interval encloses zero."""
    found = difference_of_medians(random.lognormal(size=50), random.lognormal(size=50))
    assert found.known
    assert found.low < 0 < found.high
    assert not found.shown
