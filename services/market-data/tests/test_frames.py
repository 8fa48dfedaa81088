"""Binance's words, right and wrong: unknown members tolerated, wrong ones refused with place and reason."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from pitwire.common.enums import Side
from pitwire.common.errors import DecodeError
from pitwire.market_data.adapters.frames import Notice, bar_of_row, decode_json, definition_of, tick_of
from pitwire.market_data.core.depth import Diff
from pitwire.market_data.core.ticks import Bar, QuoteTick, TimeTick, TradeTick

BTC = "BTC-USDT.sim"
KNOWN = {"BTCUSDT": BTC}
DATA = Path(os.environ.get("PITWIRE_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
TRADE = {"e": "trade", "E": 9, "s": "BTCUSDT", "t": 12, "p": "0.001", "q": "100", "T": 8, "m": True, "M": True}
TOP = {"u": 400, "s": "BTCUSDT", "b": "25.3", "B": "31.2", "a": "25.4", "A": "40.6"}
BODY = {
    "t": 60_000, "T": 119_999, "s": "BTCUSDT", "i": "1m", "o": "10", "c": "20", "h": "25", "l": "5", "v": "1000",
    "n": 100, "x": True, "q": "1.0", "V": "500", "Q": "0.5", "B": "0",
}  # fmt: skip
KLINE = {"e": "kline", "E": 120_001, "s": "BTCUSDT", "k": BODY}
ROW = [60_000, "10", "25", "5", "20", "1000", 119_999, "1.0", 100, "500", "0.5", "0"]


def frame(kind: str, body: Any) -> bytes:
    return orjson.dumps({"stream": f"btcusdt@{kind}", "data": body})


def test_a_trade_is_read_with_the_takers_side() -> None:
    assert tick_of(frame("trade", TRADE), KNOWN) == TradeTick(BTC, 12, "0.001", "100", Side.SELL, 8_000_000)
    bought = tick_of(frame("trade", TRADE | {"m": False}), KNOWN)
    assert isinstance(bought, TradeTick)
    assert bought.aggressor_side is Side.BUY


def test_a_top_of_book_is_read() -> None:
    found = tick_of(frame("bookTicker", TOP), KNOWN)
    assert found == QuoteTick(BTC, 400, "25.3", "31.2", "25.4", "40.6")


def test_a_candle_is_read_the_same_from_the_stream_and_from_history() -> None:
    live, row = tick_of(frame("kline_1m", KLINE), KNOWN), bar_of_row(BTC, "1m", ROW)
    assert isinstance(live, Bar)
    fields = [name for name in Bar.__slots__ if name != "ts_event_ns"]
    assert [getattr(live, name) for name in fields] == [getattr(row, name) for name in fields]
    assert (live.ts_event_ns, row.ts_event_ns) == (120_001_000_000, 119_999_000_000)


def test_of_a_candle_still_open_only_the_time_is_read() -> None:
    assert tick_of(frame("kline_1m", KLINE | {"k": BODY | {"x": False}}), KNOWN) == TimeTick(BTC, 120_001_000_000)


def test_members_we_do_not_know_are_tolerated() -> None:
    for kind, body in (("trade", TRADE), ("bookTicker", TOP), ("kline_1m", KLINE)):
        assert tick_of(frame(kind, body | {"new": {"deep": [1]}}), KNOWN) is not None


@pytest.mark.parametrize("raw", [frame("avgPrice", {"u": 1}), frame("trade", TRADE | {"s": "XRPUSDT"})])
def test_what_nobody_asked_for_is_nothing(raw: bytes) -> None:
    assert tick_of(raw, KNOWN) is None


def test_the_venue_may_announce_its_end() -> None:
    assert tick_of(b'{"e":"serverShutdown","E":1}', KNOWN) is Notice.SHUTDOWN
    assert tick_of(frame("", {"e": "serverShutdown"}), KNOWN) is Notice.SHUTDOWN


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("trade", TRADE | {"p": "0"}, "p: is 0, expected more than 0"),
        ("trade", TRADE | {"p": "0.00000000"}, "p: is 0, expected more than 0"),
        ("trade", TRADE | {"p": "-1"}, "p: this str cannot be, expected a plain decimal number as text"),
        ("trade", TRADE | {"p": "NaN"}, "p: this str cannot be"),
        ("trade", TRADE | {"p": "Infinity"}, "p: this str cannot be"),
        ("trade", TRADE | {"p": "1e999"}, "p: this str cannot be"),
        ("trade", TRADE | {"p": "9" * 41}, "p: this str cannot be"),
        ("trade", TRADE | {"p": "٣"}, "p: this str cannot be"),
        ("trade", TRADE | {"p": 1.5}, "p: this float cannot be, expected a plain decimal number as text"),
        ("trade", TRADE | {"q": None}, "q: this NoneType cannot be"),
        ("trade", TRADE | {"T": 0}, "T: this int cannot be, expected an integer from 1"),
        ("trade", TRADE | {"T": "8"}, "T: this str cannot be"),
        ("trade", TRADE | {"t": True}, "t: this bool cannot be"),
        ("trade", TRADE | {"m": "true"}, "m: this str cannot be, expected true or false"),
        ("trade", {k: v for k, v in TRADE.items() if k != "t"}, "btcusdt@trade: t: missing, expected an integer"),
        ("bookTicker", TOP | {"b": ""}, "b: this str cannot be"),
        ("bookTicker", TOP | {"A": "-1"}, "A: this str cannot be"),
        ("bookTicker", TOP | {"s": 5}, "s: this int cannot be, expected text"),
        ("kline_1m", KLINE | {"k": BODY | {"h": "9"}}, "low 5 and high 9 do not hold open 10 and close 20"),
        ("kline_1m", KLINE | {"k": BODY | {"t": 60_001}}, "open time 60001000000 is not where a candle of 1m opens"),
        ("kline_1m", KLINE | {"k": BODY | {"x": 1}}, "btcusdt@kline_1m k: x: this int cannot be"),
        ("kline_1m", KLINE | {"k": None}, "k: this NoneType cannot be, expected an object"),
    ],
)
def test_a_wrong_member_is_refused_with_its_place_and_reason(kind: str, body: Any, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        tick_of(frame(kind, body), KNOWN)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"7", b"null", b'{"stream":5,"data":{}}', b'{"data":{}}', b'{"error":{"code":1}}', b"\xff"],
)
def test_a_frame_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        tick_of(raw, KNOWN)


@pytest.mark.parametrize("row", [[], [1], {"t": 1}, None, ["x", *ROW[1:]], [*ROW[:4], "-1", *ROW[5:]]])
def test_a_row_of_history_that_is_none_is_refused(row: Any) -> None:
    with pytest.raises(DecodeError, match=r"klines BTC-USDT\.sim 1m"):
        bar_of_row(BTC, "1m", row)


def test_an_answer_that_is_not_json_is_refused_with_its_place() -> None:
    with pytest.raises(DecodeError, match="exchangeInfo: not JSON"):
        decode_json("exchangeInfo", b"<html>")


def symbol(name: str, base: str, quote: str, **changed: Any) -> dict[str, Any]:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000000.0", "applyMinToMarket": True},
        {"filterType": "SOMETHING_NEW", "limit": 5},
    ]
    row = {"symbol": name, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "filters": filters}
    return row | changed


@pytest.mark.parametrize(
    ("name", "base", "quote"), [("ETHBTC", "ETH", "BTC"), ("BTCEUR", "BTC", "EUR"), ("BTCFDUSD", "BTC", "FDUSD")]
)
def test_base_and_quote_are_the_venues_own_and_never_cut_from_the_symbol(name: str, base: str, quote: str) -> None:
    """S-54: cut by the last four letters, ETHBTC became ET/HBTC."""
    found, trading = definition_of("sim", symbol(name, base, quote))
    assert (found.instrument_id, found.base, found.quote) == (f"{base}-{quote}.sim", base, quote)
    assert (found.venue_symbol, trading) == (name, True)


def test_steps_and_bounds_are_plain_numbers() -> None:
    found, _ = definition_of("sim", symbol("BTCUSDT", "BTC", "USDT"))
    steps = [str(x) for x in (found.tick_size, found.lot_size, found.min_quantity, found.max_quantity)]
    assert steps == ["0.01", "0.00001", "0.00001", "9000"]
    assert (str(found.min_notional), str(found.max_notional)) == ("5", "9000000")


def test_a_symbol_that_is_halted_is_known_but_does_not_trade() -> None:
    assert definition_of("sim", symbol("BTCUSDT", "BTC", "USDT", status="BREAK"))[1] is False


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (symbol("BTCUSDT", "BTC", "USDT", filters=[]), "tick_size"),
        (symbol("BTCUSDT", "B.C", "USDT"), "baseAsset"),
        ("BTCUSDT", "exchangeInfo str"),
        ({"symbol": "BTCUSDT"}, "filters: Field required"),
    ],
)
def test_a_definition_that_is_none_is_refused(row: Any, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        definition_of("sim", row)


def test_recorded_frames_of_the_real_venue_are_read_without_a_refusal() -> None:
    path = DATA / "orderbook" / "binance_spot_BTCUSDT_ws_20240808.jsonl.gz"
    if not path.exists():
        pytest.skip(f"recorded streams are absent: {path.name} (set PITWIRE_DATA)")
    kinds = {TradeTick: 0, QuoteTick: 0}
    with gzip.open(path, "rb") as file:
        for line in file:
            raw = line.partition(b" ")[2]
            if b'"stream"' not in raw[:20]:
                continue
            tick = tick_of(raw, KNOWN)
            if isinstance(tick, TradeTick | QuoteTick):
                kinds[type(tick)] += 1
    assert kinds[TradeTick] > 1_000
    assert kinds[QuoteTick] > 5_000


def depth_frame(bids: str, asks: str = '["2.00","1.00"]') -> bytes:
    body = f'{{"e":"depthUpdate","E":1,"s":"XYUSDT","U":1,"u":2,"b":[{bids}],"a":[{asks}]}}'
    return f'{{"stream":"xyusdt@depth@100ms","data":{body}}}'.encode()


@pytest.mark.parametrize(
    "level",
    [
        '["-1.00","1.00"]',
        '["1e5.0","1.00"]',
        '["1.00"]',
        '["1.00","1.00","1.00"]',
        '[1.00,"1.00"]',
        '"1.00"',
        '["","1.0"]',
        '["00.00","1.0"]',
        '["01.00","1.0"]',
        '["1.00","00.000"]',
        '[".00","1.0"]',
        '["1.00","1."]',
        f'["1.00","0.{"0" * 30}"]',
        f'["1.00","{"9" * 60}.0"]',
    ],
)
def test_a_level_that_is_none_is_refused_also_after_sound_frames_of_its_stream(level: str) -> None:
    known = {"XYUSDT": "XY-USDT.sim"}
    sound = ('["1.00","1.00"]', '["1.00","1.00"],["0.99","12.50"]', "", '["0.98","0.00"]')
    for levels in sound * 2:
        found = tick_of(depth_frame(levels), known)
        assert isinstance(found, Diff)
        assert [list(each) for each in found.bids] == orjson.loads(f"[{levels}]")
    for levels in (level, f'["1.00","1.00"],{level}'):
        with pytest.raises(DecodeError, match="b: "):
            tick_of(depth_frame(levels), known)
    with pytest.raises(DecodeError, match="U: "):
        tick_of(depth_frame(sound[0]).replace(b'"U":1', b'"U":-1'), known)


@pytest.mark.parametrize("symbol", [b"[]", b"{}", b"1", b"null", b'""'])
def test_a_depth_frame_of_no_symbol_is_malformed_and_ends_nothing(symbol: bytes) -> None:
    known = {"XYUSDT": "XY-USDT.sim"}
    frame = depth_frame('["1.00","1.00"]')
    for _ in range(3):
        tick_of(frame, known)
    with pytest.raises(DecodeError, match="s: "):
        tick_of(frame.replace(b'"XYUSDT"', symbol), known)
