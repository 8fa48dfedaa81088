"""How far back on the stream of candles a reader begins."""

from __future__ import annotations

from pitwire.common.testing.market import MARKET_START_NS, MINUTE_NS, candle
from pitwire.strategy.core.history import MARGIN_RECORDS, SPARE_FACTOR, in_time_order, records_back

ETH = "ETH-USDT.sim"


def test_every_series_adds_records_in_the_time_that_is_needed() -> None:
    hour = candle(0, interval="1h", close_time_ns=MARKET_START_NS + 60 * MINUTE_NS)
    newest = [candle(0), candle(0, instrument_id=ETH), hour]
    found = records_back(newest, candles_needed=120, interval="1m")
    assert found == SPARE_FACTOR * (121 + 121 + 3) + MARGIN_RECORDS
    assert records_back(newest, candles_needed=2, interval="1h") == found


def test_nothing_is_read_where_no_history_is_needed() -> None:
    assert records_back([candle(0)], candles_needed=0, interval="1m") == 0


def test_an_empty_stream_has_only_the_margin() -> None:
    assert records_back([], candles_needed=100, interval="1m") == MARGIN_RECORDS


def test_history_is_shown_in_the_order_of_the_market() -> None:
    fetched = [candle(n, instrument_id=name) for name in (ETH, "BTC-USDT.sim") for n in (1, 0)]
    shown = [(c.open_time_ns, c.instrument_id[:3]) for c in in_time_order(fetched)]
    assert shown == sorted(shown)
