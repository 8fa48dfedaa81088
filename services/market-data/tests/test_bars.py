"""Candles made here, against candles that venues recorded: equal to the last digit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

import orjson
import pytest

from pitwire.common.enums import Side
from pitwire.common.errors import UsageError
from pitwire.common.testing.recorded import frames_of, lines_of, recorded, rows_of
from pitwire.market_data.adapters.frames import tick_of
from pitwire.market_data.core.bars import EMPTY_MAX, GRACE_NS, BarBuilder, EmptyBars
from pitwire.market_data.core.ticks import Bar, TradeTick, interval_ns, window_start

MS, MINUTE = 1_000_000, 60_000_000_000
START = 29_000_000 * MINUTE
X = "X-Y.z"
SPOT = "candles/binance_spot_2024/{}_20240101_20240811.csv.gz"
Ohlcv = tuple[Decimal, Decimal, Decimal, Decimal, Decimal]


def trade(at_ns: int, price: str = "10", quantity: str = "1") -> TradeTick:
    return TradeTick(X, 1, price, quantity, Side.BUY, START + at_ns)


def part(minute: int, price: str = "10", volume: str = "1", *, interval: str = "1m") -> Bar:
    p, opens = Decimal(price), START + minute * MINUTE
    return Bar(X, interval, opens, p, p, p, p, Decimal(volume), p * Decimal(volume), int(volume != "0"), opens + MS)


def builder(interval: str = "1m", empty: EmptyBars = EmptyBars.CARRY) -> BarBuilder:
    made = BarBuilder(X, interval, empty)
    made.on_time(START)
    return made


def shown(bars: Iterable[Bar]) -> list[str]:
    return [f"{(b.open_time_ns - START) // MINUTE}:{b.open}/{b.high}/{b.low}/{b.close} v{b.volume}" for b in bars]


def figures(bar: Bar) -> Ohlcv:
    return bar.open, bar.high, bar.low, bar.close, bar.volume


@lru_cache
def recorded_bars(name: str, interval: str) -> list[Bar]:
    found: list[Bar] = []
    for row in rows_of(name):
        ohlc = (Decimal(row["open"]), Decimal(row["high"]), Decimal(row["low"]), Decimal(row["close"]))
        opens = int(row["open_time_ms"]) * MS
        found.append(Bar(X, interval, opens, *ohlc, Decimal(row["volume"]), Decimal(0), 1, opens))
    return found


def recorded_figures(name: str, interval: str) -> dict[int, Ohlcv]:
    return {bar.open_time_ns: figures(bar) for bar in recorded_bars(name, interval)}


def test_a_candle_closes_with_the_first_trade_after_it_and_only_once() -> None:
    made = builder()
    assert made.on_trade(trade(1, "10")) == []
    assert made.on_trade(trade(2, "12", "3")) == []
    assert made.on_trade(trade(3, "9")) == []
    assert shown(made.on_trade(trade(MINUTE, "11"))) == ["0:10/12/9/9 v5"]
    assert made.on_time(START + MINUTE + GRACE_NS) == []
    assert shown(made.on_time(START + 2 * MINUTE + GRACE_NS)) == ["1:11/11/11/11 v1"]


def test_the_clock_waits_for_trades_that_lag_and_later_ones_are_counted() -> None:
    made = builder()
    made.on_trade(trade(1))
    assert made.on_time(START + MINUTE + GRACE_NS - 1) == []
    assert made.on_trade(trade(MINUTE - 1, "15")) == []
    assert shown(made.on_time(START + MINUTE + GRACE_NS)) == ["0:10/15/10/15 v2"]
    assert made.on_trade(trade(MINUTE - 1, "99")) == []
    assert made.late == 1


@pytest.mark.parametrize(
    ("empty", "minutes"),
    [(EmptyBars.CARRY, ["1:10/10/10/10 v0", "2:10/10/10/10 v0"]), (EmptyBars.SKIP, [])],
)
def test_minutes_without_a_trade_are_made_as_the_venue_makes_them(empty: EmptyBars, minutes: list[str]) -> None:
    made = builder(empty=empty)
    made.on_trade(trade(1))
    assert shown(made.on_trade(trade(3 * MINUTE, "12"))) == ["0:10/10/10/10 v1", *minutes]


def test_a_candle_of_which_the_beginning_was_missed_is_not_given_out() -> None:
    made = BarBuilder(X, "1m", EmptyBars.CARRY)
    made.on_trade(trade(30 * MS))
    assert made.on_trade(trade(MINUTE)) == []
    made.on_gap()
    made.on_trade(trade(MINUTE + 5))
    assert made.on_trade(trade(2 * MINUTE)) == []
    assert shown(made.on_trade(trade(3 * MINUTE))) == ["2:10/10/10/10 v1"]


def test_a_silence_longer_than_the_bound_is_a_gap() -> None:
    made = builder("1s")
    made.on_trade(trade(1))
    assert made.on_time(START + (EMPTY_MAX + 2) * 1_000_000_000) == []


def test_the_last_part_closes_a_longer_candle_at_once() -> None:
    made = builder("5m")
    assert [made.on_bar(part(minute, str(10 + minute))) for minute in range(4)] == [[]] * 4
    assert shown(made.on_bar(part(4, "9"))) == ["0:10/13/9/9 v5"]


def test_parts_without_a_trade_give_no_price() -> None:
    made = builder("5m")
    parts = [part(0, "50", "0"), part(1, "10"), part(2, "12"), part(3, "12", "0"), part(4, "12", "0")]
    found = [bar for each in parts for bar in made.on_bar(each)]
    assert shown(found) == ["0:10/12/10/12 v2"]
    assert shown([bar for minute in range(5, 10) for bar in made.on_bar(part(minute, "12", "0"))]) == [
        "5:12/12/12/12 v0"
    ]


def test_parts_that_do_not_fill_it_are_refused() -> None:
    with pytest.raises(UsageError, match="do not fill"):
        builder("5m").on_bar(part(0, interval="2m"))


@pytest.mark.parametrize(
    ("interval", "at", "opens"),
    [
        ("1w", "2024-08-11 23:59:59", "2024-08-05 00:00:00"),
        ("1w", "2024-08-12 00:00:00", "2024-08-12 00:00:00"),
        ("1d", "2024-08-11 23:59:59", "2024-08-11 00:00:00"),
        ("4h", "2024-08-11 23:59:59", "2024-08-11 20:00:00"),
        ("7m", "1970-01-01 00:13:59", "1970-01-01 00:07:00"),
        ("10s", "2024-08-11 23:59:59", "2024-08-11 23:59:50"),
    ],
)
def test_candles_open_where_their_interval_says_and_weeks_on_monday(interval: str, at: str, opens: str) -> None:
    def ns(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000

    assert window_start(interval, ns(at)) == ns(opens)


@pytest.mark.parametrize("interval", ["5m", "1h", "4h", "1d"])
def test_recorded_minutes_sum_to_the_recorded_longer_candles_exactly(interval: str) -> None:
    truth = recorded_figures(SPOT.format(f"BTCUSDT_{interval}"), interval)
    made = BarBuilder(X, interval, EmptyBars.CARRY)
    minutes = recorded_bars("candles/binance_spot_2024/BTCUSDT_1m_20240726_20240811.csv.gz", "1m")
    found = {bar.open_time_ns: figures(bar) for minute in minutes for bar in made.on_bar(minute)}
    length = interval_ns(interval)
    whole = range(-(-minutes[0].open_time_ns // length) * length, minutes[-1].open_time_ns + MINUTE, length)
    assert found == {opens: truth[opens] for opens in whole}


def test_recorded_days_sum_to_weeks_from_monday_to_sunday() -> None:
    days = recorded_bars(SPOT.format("BTCUSDT_1d"), "1d")
    made = BarBuilder(X, "1w", EmptyBars.CARRY)
    weeks = [bar for day in days for bar in made.on_bar(day)]
    assert len(weeks) == 32
    for at, week in enumerate(weeks):
        of_week = days[7 * at : 7 * at + 7]
        assert datetime.fromtimestamp(week.open_time_ns // 10**9, UTC).weekday() == 0
        assert (week.open, week.close, week.volume) == (
            of_week[0].open,
            of_week[-1].close,
            sum(d.volume for d in of_week),
        )
        assert (week.high, week.low) == (max(d.high for d in of_week), min(d.low for d in of_week))


def test_captured_trades_sum_to_the_recorded_minutes_exactly() -> None:
    """Two recordings that know nothing of each other: the stream of trades, and the venue's own candles."""
    truth = recorded_figures("candles/binance_spot_2024/BTCUSDT_1m_20240726_20240811.csv.gz", "1m")
    made, found = BarBuilder("BTC-USDT.sim", "1m", EmptyBars.CARRY), dict[int, Ohlcv]()
    for day in ("20240808", "20240809"):
        for _, raw in frames_of(f"orderbook/binance_spot_BTCUSDT_ws_{day}.jsonl.gz"):
            tick = tick_of(raw, {"BTCUSDT": "BTC-USDT.sim"}) if b"@trade" in raw[:30] else None
            if isinstance(tick, TradeTick):
                found |= {bar.open_time_ns: figures(bar) for bar in made.on_trade(tick)}
    assert len(found) == 10
    assert found == {opens: truth[opens] for opens in found}


@pytest.mark.parametrize(("interval", "count"), [("1m", 2_469), ("5m", 706)])
def test_every_trade_of_two_days_sums_to_the_candles_of_a_venue_that_skips_empty_minutes(
    interval: str, count: int
) -> None:
    truth = recorded_figures(f"trades/binance_XRPETH_{interval}_20191011_20191013.csv.gz", interval)
    rows = orjson.loads(b"".join(lines_of("trades/binance_XRPETH_trades_20191011_20191013.json.gz")))
    made = BarBuilder(X, interval, EmptyBars.SKIP)
    made.on_time(window_start(interval, rows[0][0] * MS))
    found: dict[int, Ohlcv] = {}
    for time_ms, trade_id, _, _, price, amount, _ in rows:
        tick = TradeTick(
            X,
            int(trade_id),
            format(Decimal(str(price)), "f"),
            format(Decimal(str(amount)), "f"),
            Side.BUY,
            time_ms * MS,
        )
        found |= {bar.open_time_ns: figures(bar) for bar in made.on_trade(tick)}
    last = made.on_time(rows[-1][0] * MS + interval_ns(interval) + GRACE_NS)
    found |= {bar.open_time_ns: figures(bar) for bar in last}
    assert len(found) == count
    assert found == truth


def test_kraken_trades_sum_to_its_candles_and_empty_minutes_carry_the_close() -> None:
    folder = "payloads/nautilus/kraken"
    trades = orjson.loads(recorded(f"{folder}/http_trades.json").read_bytes())["result"]["XBTUSDT"]
    rows = orjson.loads(recorded(f"{folder}/http_ohlc.json").read_bytes())["result"]["XBTUSDT"]
    truth = {int(row[0]) * 1_000 * MS: row for row in rows}
    made, found = BarBuilder(X, "1m", EmptyBars.CARRY), list[Bar]()
    for price, quantity, at_s, *_ in trades:
        found += made.on_trade(TradeTick(X, 1, price, quantity, Side.BUY, int(at_s * 1_000_000) * 1_000))
    compared = [(bar, truth[bar.open_time_ns]) for bar in found if bar.open_time_ns in truth]
    assert len(compared) >= 273
    for bar, row in compared:
        assert figures(bar) == tuple(Decimal(row[column]) for column in (1, 2, 3, 4, 6))
    assert any(not bar.volume for bar, _ in compared)
