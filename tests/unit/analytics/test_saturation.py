"""From which number of connections on a server gives no more."""

from __future__ import annotations

import pandas as pd
import pytest
from load_frames import levels, unanswered

from jupyter_containeriter.analytics.saturation import saturation

CASES = [
    pytest.param(levels((1, 100, 0.01), (4, 390, 0.01), (16, 400, 0.04)), 4, id="throughput stays, latency grows"),
    pytest.param(levels((1, 100, 0.01), (4, 105, 0.04), (16, 102, 0.16)), 1, id="one connection is enough"),
    pytest.param(levels((1, 100, 0.01), (4, 300, 0.013), (16, 200, 0.08)), 4, id="throughput falls"),
    pytest.param(levels((1, 100, 0.01), (4, 390, 0.01), (16, 900, 0.018)), None, id="still growing at the highest"),
    pytest.param(levels((1, 100, 0.01), (4, 100, 0.0105)), None, id="latency does not grow"),
    pytest.param(levels((1, 100, 0.01), (4, 100, 0.0105), refused=[0, 60]), 1, id="refused instead of waiting"),
    pytest.param(levels((4, 100, 0.04)), None, id="a single level"),
    pytest.param(unanswered(1, 4), None, id="no answer at all"),
]


@pytest.mark.parametrize(("frame", "expected"), CASES)
def test_saturation(frame: pd.DataFrame, expected: int | None) -> None:
    """The smallest number within ten percent of the best throughput, where more only means waiting."""
    assert saturation(frame) == expected
