"""Sources of bars, the tape and the driver that plays them."""

from __future__ import annotations

import gzip
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pitwire.venue_sim.adapters.recordings import read_market
from pitwire.venue_sim.config import DEFAULT_SEED
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.generated import GeneratedMarket, draw
from pitwire.venue_sim.core.instruments import Instrument, InstrumentError, generated_symbols, recorded_rules
from pitwire.venue_sim.core.ladder import LEVELS, quotes
from pitwire.venue_sim.core.market import MarketDriver
from pitwire.venue_sim.core.offset import OffsetMarket
from pitwire.venue_sim.core.path import BAR_MS, OFFSETS_MS, POINTS, bar_problem
from pitwire.venue_sim.core.recorded import RecordingError, split_symbol
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.tape import Tape, combine
from pitwire.venue_sim.core.types import Side
from pitwire.venue_sim.core.units import SCALE, scaled_text, to_decimal, to_scaled

HEADER = "open_time_ms,open,high,low,close,volume\n"
FIRST_MS = 1_700_000_040_000


def csv(*bars: str, start_ms: int = FIRST_MS) -> str:
    lines = [f"{start_ms + number * BAR_MS},{bar}\n" for number, bar in enumerate(bars) if bar]
    return HEADER + "".join(lines)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


GOOD = ("100,110,90,105,12.5", "105,106,104,104,3", "104,104,104,104,0", "104,120,104,119,7")


# ----------------------------------------------------------------------------------------------------- recorded files
def test_reads_a_folder_of_one_minute_files_on_a_common_clock(tmp_path: Path) -> None:
    write(tmp_path, "BTCUSDT_1m_a_b.csv.gz", csv(*GOOD))
    write(tmp_path, "ETHUSDT_1m_a_b.csv", csv(*GOOD, start_ms=FIRST_MS + BAR_MS))
    write(tmp_path, "BTCUSDT_5m_a_b.csv", "not read")
    market = read_market(tmp_path, history=2)
    assert [rules.symbol for rules in market.rules] == ["BTCUSDT", "ETHUSDT"]
    assert market.first_ms == FIRST_MS
    assert market.live_ms == FIRST_MS + 3 * BAR_MS
    assert market.bar("ETHUSDT", FIRST_MS) is None


def test_a_minute_without_a_bar_is_flat_at_the_last_close(tmp_path: Path) -> None:
    market = read_market(write(tmp_path, "BTCUSDT_1m.csv", csv(GOOD[0], "", "", GOOD[3])), history=1)
    bar = market.bar("BTCUSDT", FIRST_MS + 2 * BAR_MS)
    assert bar is not None
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (105 * SCALE,) * 4 + (0,)


def test_ticks_and_lots_come_from_the_recording(tmp_path: Path) -> None:
    path = write(
        tmp_path, "x_XRPETH_1m.csv", csv("0.00145,0.0015,0.0014,0.00149999,120", *["0.0015,0.0015,0.0015,0.0015,7"] * 2)
    )
    rules = read_market(path, history=1).rules[0]
    assert (rules.base, rules.quote) == ("XRP", "ETH")
    assert (rules.tick_size, rules.lot_step) == (Decimal("0.00000001"), Decimal(1))


DAMAGE = [
    (HEADER.replace("volume", "vol"), "line 1: the header lacks volume"),
    (csv(GOOD[0], "105,106,104,x,3"), "line 3: 'x' is not a number"),
    (csv(GOOD[0], "105,106,104,NaN,3"), "line 3: 'NaN' is not a finite number"),
    (csv(GOOD[0], "105,103,104,104,3"), "line 3: high is below low"),
    (csv(GOOD[0], "105,106,104,104,-3"), "line 3: negative volume"),
    (csv(GOOD[0], "105,106,104,107,3"), "line 3: open or close lies outside"),
    (csv(GOOD[0], "-5,106,104,105,3"), "line 3: a price is not above zero"),
    (csv(GOOD[0], "105,106,104,104,1e30"), "line 3: '1e30' is too large"),
    (csv(GOOD[0], "105,106"), "line 3: 3 fields where 6 are needed"),
    (csv(GOOD[0]) + csv(GOOD[1])[len(HEADER) :], "line 3: open_time_ms 1700000040000 does not rise"),
    (HEADER + "1700000040001,1,1,1,1,1\n", "line 2: open_time_ms 1700000040001 is not a whole minute"),
    (HEADER + "today,1,1,1,1,1\n", "line 2: invalid literal"),
    (HEADER, "no candles in it"),
    ("", "no candles in it"),
    (csv(*GOOD), "4 candles, all of them history"),
]


@pytest.mark.parametrize(("text", "problem"), DAMAGE, ids=[problem for _, problem in DAMAGE])
def test_names_file_line_and_reason_of_a_damaged_recording(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, "BTCUSDT_1m.csv", text)
    with pytest.raises(RecordingError) as refusal:
        read_market(path, history=4)
    assert str(path) in str(refusal.value)
    assert problem in str(refusal.value)


def test_refuses_what_is_no_recording(tmp_path: Path) -> None:
    good = csv(*GOOD)
    (tmp_path / "empty").mkdir()
    cases = {
        "no such file or folder": tmp_path / "nowhere",
        "no one-minute candles in it": tmp_path / "empty",
        "does not tell the symbol": write(tmp_path, "candles.csv", good),
        "unknown symbol 'ABCDEF'": write(tmp_path, "ABCDEF_1m.csv", good),
        "cannot be read": write(tmp_path, "LTCUSDT_1m.csv", "x").rename(tmp_path / "LTCUSDT_1m.csv.gz"),
    }
    for problem, path in cases.items():
        with pytest.raises(RecordingError, match=problem):
            read_market(path, history=1)


def test_refuses_one_symbol_from_two_files(tmp_path: Path) -> None:
    write(tmp_path, "a_BTCUSDT_1m.csv", csv(*GOOD))
    write(tmp_path, "b_BTCUSDT_1m.csv", csv(*GOOD))
    with pytest.raises(RecordingError, match="BTCUSDT is also in"):
        read_market(tmp_path, history=1)


def test_splits_symbols_by_their_quote_asset() -> None:
    assert [split_symbol(name) for name in ("BTCUSDT", "ETHBTC", "USDCUSDT", "USDTUSD", "EURUSDT")] == [
        ("BTC", "USDT"),
        ("ETH", "BTC"),
        ("USDC", "USDT"),
        ("USDT", "USD"),
        ("EUR", "USDT"),
    ]


def test_units_are_exact() -> None:
    assert to_scaled("0.00000001") == 1
    assert to_decimal(123) == Decimal("0.00000123")
    assert scaled_text(12_300_000_001) == "123.00000001"


# -------------------------------------------------------------------------------------------------- generated market
def test_the_generated_market_is_the_same_every_time() -> None:
    one, two = GeneratedMarket(seed=7, history=5), GeneratedMarket(seed=7, history=5)
    for number in range(300):
        open_ms = one.first_ms + number * BAR_MS
        assert one.bar("BTCUSDT", open_ms) == two.bar("BTCUSDT", open_ms)
    assert GeneratedMarket(seed=8, history=5).bar("BTCUSDT", one.first_ms + 9 * BAR_MS) != two.bar(
        "BTCUSDT", one.first_ms + 299 * BAR_MS
    )


def test_the_generated_market_starts_with_the_committed_bars() -> None:
    market = GeneratedMarket(seed=DEFAULT_SEED, history=500)
    bar = market.bar("BTCUSDT", market.live_ms)
    assert bar is not None
    assert [scaled_text(value) for value in bar[1:]] == COMMITTED


COMMITTED = ["60045.86000000", "60065.93000000", "60010.74000000", "60027.63000000", "12.68101000"]


def test_the_generated_market_clusters_trends_and_jumps() -> None:
    market = GeneratedMarket(seed=1, history=1)
    closes = []
    for number in range(6000):
        bar = market.bar("ETHUSDT", market.first_ms + number * BAR_MS)
        assert bar is not None
        closes.append(bar.close)
    moves = [b / a - 1 for a, b in pairwise(closes)]
    size = [abs(move) for move in moves]
    mean = sum(size) / len(size)
    assert 0.0005 < mean < 0.003
    assert max(size) > 6 * mean
    together = sum((a - mean) * (b - mean) for a, b in pairwise(size)) / len(size)
    spread = sum((a - mean) ** 2 for a in size) / len(size)
    assert together / spread > 0.05
    assert min(closes) > max(closes) / 2


def test_draws_are_uniform_enough_and_pure() -> None:
    values = [draw(1, 2, n) for n in range(10_000)]
    assert abs(sum(values) / len(values) - 0.5) < 0.01
    assert values[77] == draw(1, 2, 77)
    assert 0 <= min(values) < max(values) < 1


# ----------------------------------------------------------------------------------------------------------- the tape
def test_candles_of_any_interval_are_sums_of_minutes() -> None:
    tape = Tape()
    for minute in range(10):
        tape.open_bar(minute * BAR_MS, 100)
        tape.trade(price=100 + minute, quantity=SCALE, ts_ms=minute * BAR_MS, buyer_takes=minute % 2 == 0)
        tape.close_bar()
    fives = combine(tape.candles(0, 10 * BAR_MS), "5m")
    assert [(bar.open, bar.high, bar.low, bar.close, bar.trades) for bar in fives] == [
        (100, 104, 100, 104, 5),
        (105, 109, 105, 109, 5),
    ]
    assert [bar.taker_volume for bar in fives] == [3 * SCALE, 2 * SCALE]
    assert [(bar.first_id, bar.last_id) for bar in fives] == [(1, 5), (6, 10)]
    assert [bar.open_ms for bar in tape.candles(3 * BAR_MS, 4 * BAR_MS)] == [3 * BAR_MS, 4 * BAR_MS]
    assert tape.average_price(2) == (108 + 109) // 2


def test_the_tape_forgets_what_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitwire.venue_sim.core.tape.CANDLES_MAX", 20)
    tape = Tape()
    for minute in range(25):
        tape.open_bar(minute * BAR_MS, 100)
        tape.close_bar()
    assert len(tape) <= 20
    assert tape.candles(0, 30 * BAR_MS)[-1].open_ms == 24 * BAR_MS


def test_a_ladder_has_the_trade_at_its_touch_and_several_levels() -> None:
    bids, asks = quotes(price=100 * SCALE, buyer_takes=True, volume=1200 * SCALE, tick=SCALE // 100, step=SCALE // 100)
    assert (asks[0][0], bids[0][0]) == (Decimal(100), Decimal("99.99"))
    assert len(bids) == len(asks) == LEVELS
    assert asks[0][1] == 50
    bids, asks = quotes(price=2, buyer_takes=False, volume=0, tick=1, step=1)
    assert bids[0][0] == 2 * Decimal("0.00000001")
    assert len(bids) == 2


# --------------------------------------------------------------------------------------------------------- the driver
def driver_of(tmp_path: Path) -> MarketDriver:
    source = read_market(write(tmp_path, "BTCUSDT_1m.csv", csv(*GOOD)), history=1)
    driver = MarketDriver(source, Exchange(source.rules, Fees()))
    driver.quote_all()
    return driver


def test_plays_every_instant_and_closes_each_candle_once(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    closed, times, prices = [], [], []
    while driver.next_ms is not None:
        moves, _ = driver.advance()
        times += [move.ts_ms for move in moves]
        prices += [move.trade.price for move in moves if move.trade]
        closed += [move.candle for move in moves if move.candle is not None and move.candle_closed]
    assert times == [FIRST_MS + (n + 1) * BAR_MS + offset for n in range(3) for offset in OFFSETS_MS]
    assert [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in closed] == [
        (105 * SCALE, 106 * SCALE, 104 * SCALE, 104 * SCALE, 3 * SCALE),
        (104 * SCALE, 104 * SCALE, 104 * SCALE, 104 * SCALE, 0),
        (104 * SCALE, 120 * SCALE, 104 * SCALE, 119 * SCALE, 7 * SCALE),
    ]
    assert driver.bars == 3
    with pytest.raises(ValueError, match="ended"):
        driver.advance()


def test_each_trade_stands_at_the_touch_of_an_uncrossed_book(tmp_path: Path) -> None:
    source = read_market(write(tmp_path, "BTCUSDT_1m.csv", csv(*GOOD)), history=1)
    exchange = Exchange(source.rules, Fees())
    driver = MarketDriver(source, exchange)
    while driver.next_ms is not None:
        for move in driver.advance()[0]:
            book = exchange.listings["BTCUSDT"].book
            bid, ask = book.best(Side.BUY), book.best(Side.SELL)
            if move.trade is None:
                continue
            assert bid is not None
            assert ask is not None
            assert bid[0] < ask[0]
            assert to_decimal(move.trade.price) in {bid[0], ask[0]}


def test_a_restored_driver_continues_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    whole, moves = driver_of(tmp_path), []
    while whole.next_ms is not None:
        moves += whole.advance()[0]
    for stop in (0, 1, POINTS - 1, POINTS, POINTS + 5, 3 * POINTS):
        before = driver_of(tmp_path)
        for _ in range(stop):
            before.advance()
        after = driver_of(tmp_path)
        after.restore(before.market_ms)
        assert (after.next_ms, after.bars, after.instants) == (before.next_ms, before.bars, before.instants)
        rest: list[Any] = []
        while after.next_ms is not None:
            rest += after.advance()[0]
        assert rest == moves[stop:]


def test_another_venue_has_the_same_market_a_little_higher() -> None:
    here = GeneratedMarket(seed=7, history=20)
    there = OffsetMarket(GeneratedMarket(seed=7, history=20), Decimal(25))
    for number in range(200):
        ours, theirs = (market.bar("BTCUSDT", here.first_ms + number * BAR_MS) for market in (here, there))
        assert ours is not None
        assert theirs is not None
        assert abs(theirs.close / ours.close - 1.0025) < 1e-6
        assert theirs.close % (SCALE // 100) == 0
        assert (theirs.open_ms, theirs.volume) == (ours.open_ms, ours.volume)
    assert here.identity != there.identity


def test_a_recorded_bar_that_is_moved_stays_a_true_bar(tmp_path: Path) -> None:
    tight = ("0.10,0.11,0.09,0.10,4", "0.09,0.10,0.09,0.10,3", "0.09,0.09,0.09,0.09,0", "0.10,0.10,0.09,0.09,2")
    path = write(tmp_path, "BTCUSDT_1m.csv", csv(*tight))
    for offset in ("-1000", "-37.5", "0.01", "512"):
        market = OffsetMarket(read_market(path, history=1), Decimal(offset))
        for number in range(4):
            bar = market.bar("BTCUSDT", FIRST_MS + number * BAR_MS)
            assert bar is not None
            assert bar_problem(bar) is None


def test_a_symbol_has_the_same_market_on_every_venue_that_lists_it() -> None:
    rules: dict[str, Decimal | int] = {"tick_size": Decimal("0.001"), "lot_step": Decimal("0.01")}
    sol = Instrument(price=Decimal(20), minute_volume=Decimal(1000), rules=rules)
    alone = GeneratedMarket(seed=7, history=20, symbols=generated_symbols({"SOLUSDT": sol}))
    both = GeneratedMarket(seed=7, history=20, symbols=generated_symbols({"ETHUSDT": Instrument(), "SOLUSDT": sol}))
    plain = GeneratedMarket(seed=7, history=20)
    for number in range(50):
        open_ms = alone.first_ms + number * BAR_MS
        assert alone.bar("SOLUSDT", open_ms) == both.bar("SOLUSDT", open_ms)
        assert both.bar("ETHUSDT", open_ms) == plain.bar("ETHUSDT", open_ms)
    assert len({market.identity for market in (alone, both, plain)}) == 3


def test_what_is_configured_of_a_recorded_symbol_has_to_fit_the_recording(tmp_path: Path) -> None:
    source = read_market(write(tmp_path, "BTCUSDT_1m.csv", csv("100.5,110,90,105,12.5", *GOOD[1:])), history=1)
    finer = recorded_rules(source.rules, {"BTCUSDT": Instrument(rules={"tick_size": Decimal("0.05")})})
    assert finer[0].tick_size == Decimal("0.05")
    for wrong, reason in (
        (Instrument(rules={"tick_size": Decimal("0.2")}), "does not divide the recording's 0.1"),
        (Instrument(price=Decimal(1)), "are for a generated market"),
        (Instrument(rules={"tick_size": Decimal("0.0000001"), "lot_step": Decimal("0.1")}), None),
        (Instrument(rules={"tick_size": Decimal("0.0000001"), "lot_step": Decimal("0.01")}), "9 decimals together"),
    ):
        if reason is None:
            recorded_rules(source.rules, {"BTCUSDT": wrong})
            continue
        with pytest.raises(InstrumentError, match=reason):
            recorded_rules(source.rules, {"BTCUSDT": wrong})
    with pytest.raises(RecordingError, match="no one-minute candles of ETHUSDT"):
        read_market(tmp_path, history=1, symbols=["ETHUSDT"])
