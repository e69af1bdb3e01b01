"""From which number of connections on a server gives no more, read from a load test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

_NEAR_BEST = 0.9
_GROWTH = 1.1


def saturation(frame: DataFrame) -> int | None:
    """Return the number of connections at which a server is saturated, None where it was not up to the highest.

    It is the smallest number whose throughput is within 10 % of the best, provided that a higher number was measured
    and made requests wait longer (the median grew by more than 10 %) or be refused (429, 503): then more connections
    only make a longer queue. Ten percent, because two equal measurements on a machine that does other things differ by
    about as much. The highest number itself is never it: that the next one would bring no more is not known.

    Parameters
    ----------
    frame
        As in :class:`~jupyter_containeriter.measurement.LoadTest`, by rising connections.
    """
    answered = frame[frame["requests"] > 0]
    if len(answered) < 2:
        return None
    best = answered["requests_per_second"].max()
    first = answered[answered["requests_per_second"] >= _NEAR_BEST * best].iloc[0]
    higher = answered[answered["connections"] > first["connections"]]
    waits = (higher["p50_seconds"] > _GROWTH * first["p50_seconds"]).any()
    refuses = (higher["refused"] > 0).any()
    return int(first["connections"]) if waits or refuses else None
