"""Columns are the streaming indicators, value by value."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pitwire.common.indicators import Bollinger, Ema
from pitwire.strategy.core.arrays import BandColumns, CloseColumn, EmaColumn, Floats


@pytest.fixture
def closes() -> Floats:
    rng = random.Random(5)
    return np.cumsum([rng.gauss(0, 1) for _ in range(2_000)]) + 30_000.0


@pytest.mark.parametrize("length", [2, 20, 1_999, 2_000, 2_001])
def test_the_average_is_the_streaming_one_to_the_last_bit(closes: Floats, length: int) -> None:
    streaming = Ema(length)
    expected = [streaming.update(close) for close in closes.tolist()]
    (found,) = EmaColumn(length)(closes)
    assert [None if np.isnan(each) else each for each in found.tolist()] == expected


def test_the_bands_are_the_streaming_ones_to_the_last_bit(closes: Floats) -> None:
    streaming = Bollinger(40, 2.0)
    bands = [streaming.update(close) for close in closes.tolist()]
    middle, deviation = BandColumns(40)(closes)
    full = [each for each in bands if each is not None]
    assert [(each.middle, each.deviation) for each in full] == list(zip(middle[39:], deviation[39:], strict=True))
    assert np.isnan(middle[:39]).all()


def test_equal_columns_are_one_key() -> None:
    assert {EmaColumn(5): 1} == {EmaColumn(5): 1}
    assert len({EmaColumn(5), EmaColumn(5), EmaColumn(6), BandColumns(5), CloseColumn()}) == 4
