"""Candle intervals: when the candle that contains a time opens, and when it ends (UTC, as Binance aligns them)."""

from datetime import UTC, datetime

from pitwire.venue_sim.core.path import BAR_MS

HOUR_MS = 60 * BAR_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
MONTH_MS_MAX = 31 * DAY_MS
FIRST_MONDAY_MS = 4 * DAY_MS
"""The epoch was a Thursday; weeks open on Mondays."""
WEEK, MONTH = "1w", "1M"
LENGTHS_MS = {
    "1m": BAR_MS, "3m": 3 * BAR_MS, "5m": 5 * BAR_MS, "15m": 15 * BAR_MS, "30m": 30 * BAR_MS,
    "1h": HOUR_MS, "2h": 2 * HOUR_MS, "4h": 4 * HOUR_MS, "6h": 6 * HOUR_MS, "8h": 8 * HOUR_MS, "12h": 12 * HOUR_MS,
    "1d": DAY_MS, "3d": 3 * DAY_MS, WEEK: WEEK_MS, MONTH: MONTH_MS_MAX,
}  # fmt: skip
"""Every interval that whole minutes can make, with its (greatest) length."""


def open_of(interval: str, ms: int) -> int:
    """When the candle that contains a time opens."""
    if interval == MONTH:
        moment = datetime.fromtimestamp(ms // 1000, UTC)
        return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1000
    origin = FIRST_MONDAY_MS if interval == WEEK else 0
    return ms - (ms - origin) % LENGTHS_MS[interval]


def end_of(interval: str, open_ms: int) -> int:
    """The last millisecond of the candle that opens at a time."""
    if interval == MONTH:
        return open_of(interval, open_ms + MONTH_MS_MAX) - 1
    return open_ms + LENGTHS_MS[interval] - 1
