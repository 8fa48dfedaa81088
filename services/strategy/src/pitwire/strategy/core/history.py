"""Where on the stream of candles a reader must begin to have enough history of every series it needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pitwire.common.schemas.market import Candle

MARGIN_RECORDS: Final = 200
SPARE_FACTOR: Final = 2
"""Series have holes, and backfills of late-comers lie between: read so many times what even series would need."""


def records_back(newest: Iterable[Candle], *, candles_needed: int, interval: str) -> int:
    """How many records before the end hold `candles_needed` candles of `interval`.

    `newest` is the last candle of every series on the stream: in the same time each adds one record per its length.
    """
    series = list(newest)
    length_ns = max((c.close_time_ns - c.open_time_ns for c in series if c.interval == interval), default=0)
    span_ns = candles_needed * length_ns
    count = sum(span_ns // (candle.close_time_ns - candle.open_time_ns) + 1 for candle in series)
    return SPARE_FACTOR * count + MARGIN_RECORDS if candles_needed else 0


def in_time_order(candles: Iterable[Candle]) -> list[Candle]:
    """By close time, then name: the order of the market, whatever the order in which history was fetched."""
    return sorted(candles, key=lambda candle: (candle.close_time_ns, candle.instrument_id))
