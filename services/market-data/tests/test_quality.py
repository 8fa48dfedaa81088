"""Data that cannot be trusted: each defect is reported, and none reaches a strategy."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

import orjson
import pytest

from pitwire.common import codec
from pitwire.common.enums import DataQuality, Side
from pitwire.common.errors import DecodeError
from pitwire.common.order_book import OrderBook
from pitwire.common.schemas.market import BookUpdate
from pitwire.common.testing.recorded import rows_of
from pitwire.market_data.adapters.frames import tick_of
from pitwire.market_data.adapters.recording import receive_fault
from pitwire.market_data.core.depth import Diff, Snapshot
from pitwire.market_data.core.feed import FeedCore
from pitwire.market_data.core.quality import DIVERGENCE_MAX, PEER_AGE_MAX_NS, Delays, Divergence, Flag
from pitwire.market_data.core.ticks import QuoteTick, TradeTick

TRX, BTC = "TRX-USDT.binance", "BTC-USDT.a"
KNOWN = {"TRXUSDT": TRX}
DAY, S = "20250304", 1_000_000_000


def feed() -> FeedCore:
    """Clocks are compared to the last microsecond: the recorder's was right."""
    core = FeedCore("binance", "e1", {TRX: ("1m",)}, silence_max_ns=10**18, skew_max_ns=0, books={TRX})
    core.on_connected(0)
    return core


class Seen:
    """What a strategy was shown, and what was reported of the rest."""

    def __init__(self) -> None:
        self.shown: list[int] = []
        self.malformed: list[str] = []
        self.received: list[str] = []
        self._newest_ns = 0

    def receive(self, recv_ns: int) -> bool:
        """As a recording is read: lines out of their day or time are told and go no further."""
        fault = receive_fault(recv_ns, self._newest_ns, DAY)
        self.received += [fault] if fault else []
        self._newest_ns = recv_ns
        return not fault


def trades(name: str) -> tuple[FeedCore, Seen]:
    core, seen = feed(), Seen()
    for row in rows_of(f"orderbook/binance_spot_TRXUSDT_trades_20250304_{name}.csv.gz"):
        recv_ns = int(row["TimestampOfReceive"]) * 1_000
        side = Side.SELL if row["IsBuyerMarketMaker"] == "1" else Side.BUY
        at_ns = int(row["TransactionTime"]) * 1_000
        tick = TradeTick(TRX, int(row["TradeId"]), row["Price"], row["Quantity"], side, at_ns)
        out = core.on_trade(tick, recv_ns) if seen.receive(recv_ns) else None
        if out is not None and out.quality is DataQuality.OK:
            seen.shown.append(int(out.trade_id))
    return core, seen


def depth(name: str) -> tuple[FeedCore, Seen]:
    """Rows of one frame belong together; a snapshot is had whenever one is wanted, from just before the next diff."""
    core, seen, book = feed(), Seen(), OrderBook(TRX)
    rows = rows_of(f"orderbook/binance_spot_TRXUSDT_depthdiff_20250304_{name}.csv.gz")
    keys = ("TimestampOfReceive", "FirstUpdateId", "FinalUpdateId")
    for (received, first, last), group in groupby(rows, key=lambda row: tuple(row[key] for key in keys)):
        of_frame, recv_ns = list(group), int(received) * 1_000
        if not seen.receive(recv_ns):
            continue
        try:
            diff = tick_of(frame_of(of_frame, int(first), int(last)), KNOWN)
        except DecodeError as error:
            seen.malformed.append(error.reason)
            continue
        assert isinstance(diff, Diff)
        outs = [core.on_diff(diff, recv_ns)]
        if core.snapshot_requests():
            outs.append(core.on_snapshot(Snapshot(TRX, int(first) - 1, [], []), recv_ns))
        for out in outs:
            if out is not None and book.on_update(codec.decode(BookUpdate, orjson.dumps(out), subject="")):
                seen.shown.append(out.last_update_id)
    return core, seen


def frame_of(rows: list[dict[str, str]], first: int, last: int) -> bytes:
    """As the venue sends it: eight decimals, which the author's conversion cut."""
    sides: dict[str, list[list[str]]] = {"b": [], "a": []}
    for row in rows:
        level = [f"{Decimal(row['Price']):.8f}", f"{Decimal(row['Quantity']):.8f}"]
        sides["a" if row["IsAsk"] == "1" else "b"].append(level)
    event_ms = int(rows[0]["EventTime"]) // 1_000
    body = {"e": "depthUpdate", "E": event_ms, "s": "TRXUSDT", "U": first, "u": last} | sides
    return orjson.dumps({"stream": "trxusdt@depth@100ms", "data": body})


def flags(core: FeedCore) -> dict[str, int]:
    return core.status(0).flagged


def test_clean_trades_are_all_shown_and_nothing_is_reported() -> None:
    core, seen = trades("clean")
    assert len(seen.shown) == 10_000
    assert (flags(core), core.status(0).rejected, seen.received) == ({}, {}, [])


def test_each_defect_of_the_corrupted_trades_is_reported_and_none_is_shown() -> None:
    core, seen = trades("corrupted")
    assert core.rejected.repeated == 1, "a trade id that was there before"
    assert flags(core) == {"GAP": 1, "LATE": 1}, "the trade after the missing one; a receive time hours after the trade"
    clean = set(range(348_656_870, 348_666_870))
    assert clean - set(seen.shown) == {348_656_872, 348_656_873, 348_666_869}
    assert len(seen.shown) == len(set(seen.shown))


def test_clean_depth_is_all_shown_but_for_the_row_whose_time_its_author_moved() -> None:
    core, seen = depth("clean")
    assert (flags(core), seen.malformed, seen.received) == ({"SKEWED": 1}, [], [])
    assert core.rejected.repeated == 0
    assert seen.shown[0] == 5_434_434_566
    assert seen.shown[-1] != 5_434_456_664


def test_each_defect_of_the_corrupted_depth_is_reported_and_none_is_shown() -> None:
    core, seen = depth("corrupted")
    assert seen.malformed == ["b: this list cannot be, expected levels of price and quantity as plain decimals"]
    assert flags(core) == {"GAP": 1, "SKEWED": 1}, "a break of update ids in a frame stamped later than it came"
    assert seen.received == [f"received on 20250305, in the recording of {DAY}"]
    shown = set(seen.shown)
    assert not shown & {5_434_434_566, 5_434_456_664}
    clean_core, clean = depth("clean")
    assert flags(clean_core)
    assert len(shown) >= len(set(clean.shown)) - 2


@pytest.mark.parametrize(
    ("event_ns", "flag"), [(100, None), (150, None), (151, Flag.SKEWED), (-900, None), (-901, Flag.LATE)]
)
def test_an_event_from_the_future_or_long_under_way_is_flagged(event_ns: int, flag: Flag | None) -> None:
    delays = Delays(skew_max_ns=50, late_max_ns=1_000)
    assert delays.see(event_ns, 100) is flag
    assert delays.take_least_ns() == 100 - event_ns
    assert delays.take_least_ns() is None


def test_where_a_market_is_replayed_clocks_are_not_compared() -> None:
    assert Delays(None, 1).see(10**18, 0) is None


def test_a_price_apart_from_the_other_venues_is_not_believed_while_they_speak() -> None:
    peers = Divergence()
    assert peers.seat(BTC).on_mid(100.0, 0)
    assert peers.seat("BTC-USDT.b").on_mid(101.0, 1)
    assert peers.seat("ETH-USDT.b").on_mid(5.0, 1)
    assert peers.seat("BTC-USDT.c").on_mid(102.0, 2)
    assert not peers.seat("BTC-USDT.c").on_mid(101.0 * (1 + DIVERGENCE_MAX), 3)
    assert peers.seat(BTC).on_mid(100.5, 4), "the median of the others, one of which is off"
    assert peers.seat("BTC-USDT.c").on_mid(150.0, 5 + PEER_AGE_MAX_NS)


def test_a_diverged_quote_carries_its_flag_and_status_names_the_reason() -> None:
    peers = Divergence()
    peers.seat("BTC-USDT.b").on_mid(100.0, 1)
    core = FeedCore("a", "e", {BTC: ("1m",)}, silence_max_ns=1, peers=peers)
    core.clock.see(5)
    out = core.on_quote(QuoteTick(BTC, 1, "109.0", "1", "111.0", "1"), 2)
    assert out is not None
    assert out.quality is DataQuality.SUSPECT
    assert core.status(2).flagged == {"DIVERGED": 1}


def test_three_venues_recorded_in_the_same_minutes_do_not_diverge_and_a_shifted_one_does() -> None:
    closes = {
        venue: {
            int(row["open_time_ms"]): float(row["close"])
            for row in rows_of(f"candles/multivenue_2023_03/{venue}_BTCUSDT_1m_20230301_20230309.csv.gz")
        }
        for venue in ("binanceus", "coinbase", "kraken")
    }
    minutes = sorted(set.intersection(*(set(each) for each in closes.values())))
    peers, wrong = Divergence(), Divergence()
    believed = [peers.seat(f"BTC-USDT.{v}").on_mid(closes[v][m], m * 1_000_000) for m in minutes for v in closes]
    assert all(believed)
    assert len(minutes) > 3_000
    for at, minute in enumerate(minutes[:50]):
        for venue, prices in closes.items():
            off = venue == "kraken" and at > 0
            good = wrong.seat(f"BTC-USDT.{venue}").on_mid(prices[minute] * (1.1 if off else 1.0), minute * 1_000_000)
            assert not (off and good)


def test_doubt_about_the_time_of_a_lost_diff_is_counted_besides_the_loss() -> None:
    core = feed()
    core.on_diff(Diff(TRX, 1, 2, [["1.0", "1"]], [["2.0", "1"]], 5 * S), 6 * S)
    core.on_snapshot(Snapshot(TRX, 1, [], []), 6 * S)
    out = core.on_diff(Diff(TRX, 9, 9, [["1.0", "1"]], [], 9 * S), 8 * S)
    assert out is not None
    assert (out.quality, flags(core)) == (DataQuality.GAP, {"SKEWED": 1, "GAP": 1})
