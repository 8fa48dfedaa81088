"""Captures as files: what is read, what is refused, and what a real one gives."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.integration.venue_frames import START_MS, Tape, snapshot, stream, write

from pitwire.venue_sim.adapters.captures import capture_files, read_capture
from pitwire.venue_sim.core.captured import Capture, CaptureDriver
from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.followed import FollowedMarket
from pitwire.venue_sim.core.frames import DepthUpdate, Frame, Snapshot, Top, read_frame
from pitwire.venue_sim.core.instruments import Instrument
from pitwire.venue_sim.core.ledger import Account
from pitwire.venue_sim.core.recorded import RecordingError
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.types import NewOrder, Side
from pitwire.venue_sim.core.units import ZERO

RULES = SymbolRules(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_step=Decimal("0.00001"))
MakeOrder = Callable[..., NewOrder]


def small() -> list[dict[str, Any]]:
    tape = Tape()
    values = [tape.depth("100*1"), snapshot(13, "100.00*5 99.99*8", "100.02*4.5 100.05*6")]
    values += [tape.trade("BUY", "100.02", "0.5"), tape.depth(asks="100.02*4"), tape.top("100.00*5", "100.02*3")]
    tape.ms += 60_000
    return [*values, tape.trade("SELL", "100.00", "1"), tape.depth("100.00*4"), tape.trade("SELL", "100.00", "1")]


def read(*files: Path, offset: str = "0", instruments: dict[str, Instrument] | None = None) -> Capture:
    return read_capture(list(files), instruments=instruments or {}, offset_bps=Decimal(offset))


def driver_of(capture: Capture) -> tuple[CaptureDriver, Exchange]:
    exchange = Exchange(capture.rules, Fees())
    return CaptureDriver(capture, exchange), exchange


def test_a_capture_begins_with_its_first_book_and_price_and_closes_its_minutes(tmp_path: Path) -> None:
    driver, exchange = driver_of(read(write(tmp_path / "a.jsonl.gz", small())))
    assert exchange.listings["BTCUSDT"].rules.tick_size == Decimal("0.01")
    assert exchange.listings["BTCUSDT"].rules.lot_step == Decimal("0.1")
    begun_ms = driver.market_ms
    moves = []
    while driver.next_ms is not None:
        moves += driver.advance()[0]
    assert [move.trade.trade_id for move in moves if move.trade] == [2, 3]
    closed = [move.candle for move in moves if move.candle_closed and move.candle]
    assert [(one.open_ms, one.trades) for one in closed] == [(begun_ms - begun_ms % 60_000, 1)]
    assert (driver.bars, driver.instants, exchange.revision) == (1, 19, 20)


def test_a_capture_that_is_restored_goes_on_where_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", small())
    whole, _ = driver_of(read(path))
    moves = [whole.advance()[0] for _ in range(2)]
    again, exchange = driver_of(read(path))
    again.restore(whole.market_ms)
    assert again.next_ms == whole.next_ms
    assert again.tapes["BTCUSDT"].candles(0, 2**60) == whole.tapes["BTCUSDT"].candles(0, 2**60)
    assert moves
    assert exchange.listings["BTCUSDT"].book.best(Side.SELL) == (Decimal("100.02"), Decimal(3))


def test_several_captures_of_a_folder_are_one(tmp_path: Path) -> None:
    values = small()
    write(tmp_path / "one.jsonl.gz", values[:4])
    write(tmp_path / "two.jsonl", values[4:], start_ns=(START_MS + 1000) * 1_000_000)
    (tmp_path / "notes.txt").write_text("not read")
    driver, _ = driver_of(read(*capture_files(tmp_path)))
    while driver.next_ms is not None:
        driver.advance()
    assert driver.tapes["BTCUSDT"].next_trade_id == 4


def test_what_pitwire_records_is_a_capture(tmp_path: Path) -> None:
    values = small()
    values[1] = {"record": "book", "instrument": "BTC-USDT.sim", "body": values[1]}
    values.insert(0, {"record": "session", "venue": "sim"})
    values.append({"record": "disconnected", "reason": "it ends"})
    driver, exchange = driver_of(read(write(tmp_path / "sim-20240808.jsonl.gz", values)))
    assert not exchange.listings["BTCUSDT"].is_stale
    while driver.next_ms is not None:
        driver.advance()
    assert exchange.listings["BTCUSDT"].is_stale


def test_an_offset_moves_every_price_by_the_same_number_of_ticks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", small())
    driver, exchange = driver_of(read(path, offset="-30"))
    book = exchange.listings["BTCUSDT"].book
    assert book.depth(Side.BUY, 2) == [(Decimal("99.70"), Decimal(5)), (Decimal("99.69"), Decimal(8))]
    while driver.next_ms is not None:
        driver.advance()
    assert book.best(Side.SELL) == (Decimal("99.72"), Decimal(3))
    assert driver.tapes["BTCUSDT"].last_close() == 9_970_000_000
    assert read(path).identity != read(path, offset="-30").identity


GOOD = small()
DAMAGE: list[tuple[list[Any], str]] = [
    ([*GOOD[:2], "nonsense"], "line 3: does not begin with a receive time"),
    ([*GOOD[:2], "1700000000002000000 {"], "line 3: no JSON after the receive time"),
    ([*GOOD[:2], "1700000000002000000 [1]"], "line 3: the frame is no JSON object"),
    ([*GOOD[:2], "1600000000002000000 {}"], "line 3: received 99999999999000000 ns before the line before it"),
    ([*GOOD[:2], stream("trade", {"e": "trade", "p": "1"})], "line 3: not a frame of Binance: KeyError"),
    ([*GOOD[:2], Tape().trade("BUY", "-1", "1")], "line 3: trade 1 has price -1"),
    ([*GOOD[:2], Tape().depth("100*-1")], "line 3: a level 100.00000000 x -1.00000000"),
    ([*GOOD[:2], stream("depth", {"e": "depthUpdate", "pu": 1})], "line 3: this is a futures market"),
    ([GOOD[0], *GOOD[2:]], "no depth snapshot of BTCUSDT"),
    (GOOD[:2], "has no trade of each symbol"),
    ([{"result": None}], "no frame of a market in it"),
    ([GOOD[1], GOOD[0]], "a depth snapshot that does not say of which symbol"),
]


@pytest.mark.parametrize(("values", "problem"), DAMAGE, ids=[problem for _, problem in DAMAGE])
def test_names_file_line_and_reason_of_a_damaged_capture(tmp_path: Path, values: list[Any], problem: str) -> None:
    lines = [
        each if isinstance(each, str) else f"{(START_MS + number) * 1_000_000} {json.dumps(each)}"
        for number, each in enumerate(values)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RecordingError) as refusal:
        driver_of(read(path))
    assert problem in str(refusal.value)


def test_a_capture_cut_off_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", small())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordingError, match="cannot be read"):
        read(path)


# ----------------------------------------------------------------------------------------------------- a real capture
@pytest.fixture(scope="session")
def real_capture(data_folder: Path) -> Path:
    path = data_folder / "orderbook" / "binance_spot_BTCUSDT_ws_20240808.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no capture at {path}; set PITWIRE_DATA to the folder of the recordings")
    return path


FRAMES = 12_000
"""Of 41,249: two minutes of the market."""


def raw_frames(path: Path, limit: int = FRAMES) -> Iterator[Frame]:
    with gzip.open(path, "rb") as lines:
        for _, line in zip(range(limit), lines, strict=False):
            frame = read_frame(json.loads(line.partition(b" ")[2]))
            if frame is not None:
                yield frame


def test_the_book_equals_the_recorded_top_at_every_shared_id_while_users_orders_rest(
    real_capture: Path, order: MakeOrder
) -> None:
    tops = {frame.update_id: frame for frame in raw_frames(real_capture) if isinstance(frame, Top)}
    exchange = Exchange([RULES], Fees())
    exchange.accounts["main"] = Account("main", {"USDT": Decimal(10_000), "BTC": Decimal(10)})
    market = FollowedMarket(["BTCUSDT"], exchange)
    feed, book = market.feeds["BTCUSDT"], market.books["BTCUSDT"]
    resting = [("BUY LIMIT 0.01 @ 61500.00", Side.BUY), ("SELL LIMIT 0.01 @ 62100.00", Side.SELL)]
    shared = 0
    for number, frame in enumerate(raw_frames(real_capture)):
        market.apply(frame, Effects(exchange, START_MS + number))
        if isinstance(frame, Snapshot):
            for text, side in resting:
                exchange.submit("main", order(f"{text} id={side}"), now_ms=START_MS + number)
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        if bid and ask:
            assert bid[0] < ask[0]
        top = tops.get(frame.last_id) if isinstance(frame, DepthUpdate) else frame if isinstance(frame, Top) else None
        if top is None or not feed.is_known or feed.newest_id != top.update_id:
            continue
        assert (bid, ask) == ((top.bid, top.bid_quantity), (top.ask, top.ask_quantity))
        if isinstance(frame, DepthUpdate):
            shared += 1
            for text, side in resting:
                price = Decimal(text.split()[-1])
                assert book.market_quantity(side, price) == feed.sides[side].get(price)
    assert shared > 50
    assert len(exchange.open_orders("main", "BTCUSDT")) == len(resting)


def touch(book: Any, side: Side) -> Decimal:
    """The best price of a side of a book that is not crossed."""
    bid, ask = book.best(Side.BUY), book.best(Side.SELL)
    assert bid[0] < ask[0]
    return Decimal(bid[0] if side is Side.BUY else ask[0])


def assert_conserved(exchange: Exchange, opening: dict[str, Decimal], account: Account) -> None:
    """Balances are the opening ones and the trades; what is locked is what open orders hold."""
    flow, held = dict(opening), dict.fromkeys(opening, ZERO)
    for trade in exchange.trades[account.account_id, "BTCUSDT"]:
        sign = 1 if trade.side is Side.BUY else -1
        flow["BTC"] += sign * trade.last_quantity
        flow["USDT"] -= sign * trade.quote
        flow[trade.fee_currency] -= trade.fee
    for one in exchange.orders.values():
        if one.account_id == account.account_id:
            held["USDT" if one.side is Side.BUY else "BTC"] += one.locked
            assert one.is_open or one.locked == 0
    for asset, balance in account.balances.items():
        assert (balance.free + balance.locked, balance.locked) == (flow[asset], held[asset])


def test_money_is_conserved_while_users_trade_with_a_captured_market(real_capture: Path, order: MakeOrder) -> None:
    driver, exchange = driver_of(read(real_capture))
    opening = {"USDT": Decimal(1_000_000), "BTC": Decimal(20)}
    for name in ("main", "other"):
        exchange.accounts[name] = Account(name, dict(opening))
    chance, count = random.Random(5), 0
    book = exchange.listings["BTCUSDT"].book
    streamed: dict[str, list[int]] = {"main": [], "other": []}

    def hear(effects: Effects) -> None:
        for report in effects.reports:
            if report.trade is not None:
                streamed[report.trade.account_id].append(report.trade.trade_id)
        effects.take_balances()

    for _ in range(3000):
        hear(driver.advance()[1])
        name = chance.choice(["main", "other"])
        side = chance.choice(list(Side))
        count += 1
        price = touch(book, side) + chance.choice([-300, -1, 0, 0, 0, 1, 300]) * Decimal("0.01")
        form = chance.choice(["MARKET {q}", "LIMIT {q} @ {p}", "LIMIT {q} @ {p}", "LIMIT {q} @ {p} iceberg=0.01"])
        text = f"{side} {form.format(q=chance.choice(['0.05', '0.2', '1.5']), p=price)} id=o{count} stp=EXPIRE_MAKER"
        try:
            hear(exchange.submit(name, order(text), now_ms=driver.market_ms)[1])
        except VenueError:
            continue
        for old in exchange.open_orders(name, "BTCUSDT")[:-20]:
            hear(exchange.cancel(old, cancel_id="c", now_ms=driver.market_ms))
    for name, account in exchange.accounts.items():
        assert_conserved(exchange, opening, account)
        assert streamed[name] == [trade.trade_id for trade in exchange.trades[name, "BTCUSDT"]]
    assert sum(trade.is_maker for trades in exchange.trades.values() for trade in trades) > 100


def test_captured_trades_make_the_recorded_candles(real_capture: Path, data_folder: Path) -> None:
    driver, _ = driver_of(read(real_capture))
    while driver.next_ms is not None and driver.bars < 3:
        driver.advance()
    candles = data_folder / "candles" / "binance_spot_2024" / "BTCUSDT_1m_20240726_20240811.csv.gz"
    with gzip.open(candles, "rt") as lines:
        rows = {
            int(row[0]): [Decimal(text) for text in row[1:6]]
            for row in (ln.split(",") for ln in lines)
            if row[0][0].isdigit()
        }
    # The first minute had begun before the capture did.
    for candle in driver.tapes["BTCUSDT"].candles(0, 2**60)[1:3]:
        assert [Decimal(value).scaleb(-8) for value in candle[1:6]] == rows[candle.open_ms]


# --------------------------------------------------------------------------------------------------------- a process
async def test_a_venue_serves_a_capture_and_a_kill_loses_nothing(
    client_of: Any, start_venue: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "capture.jsonl.gz", small())
    venue = start_venue(
        "--market", str(path), "--paused", "--speed", "600", "--balance", "USDT=1000", "--balance", "BTC=10"
    )
    async with aiohttp.ClientSession() as http:
        client = client_of(http, venue.info)
        begun_ms = (await client.control("status"))["market_ms"]
        placed = await client.rest(
            "POST", "order", "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=2&price=100"
        )
        assert placed["status"] == "NEW"
        names = "btcusdt@trade/btcusdt@bookTicker/btcusdt@depth@100ms/btcusdt@kline_1m"
        async with http.ws_connect(f"{venue.info['ws']}/stream?streams={names}") as socket:
            await client.control("hold", {"until_ms": begun_ms + 10})
            said = [await socket.receive_json(timeout=10) for _ in range(2)]
            assert {each["stream"] for each in said} == {"btcusdt@bookTicker", "btcusdt@depth@100ms"}
            top = next(each["data"] for each in said if each["stream"].endswith("bookTicker"))
            assert [top[key][:6] for key in "bBaA"] == ["100.00", "7.0000", "100.02", "4.0000"]
        before = await client.everything()
        venue.kill()
        venue = start_venue("--market", str(path), "--paused", "--speed", "600")
        client = client_of(http, venue.info)
        after = await client.everything()
        assert (after["open"], after["account"]) == (before["open"], before["account"])
        assert after["depth"]["bids"] == before["depth"]["bids"]
        assert after["depth"]["lastUpdateId"] >= before["depth"]["lastUpdateId"]
        await client.control("hold", {})
        while not (await client.control("status"))["bars"]:
            await asyncio.sleep(0.05)


def test_a_capture_that_cannot_be_used_ends_the_venue_with_its_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "capture.jsonl", small()[2:])
    command = [sys.executable, "-m", "pitwire.venue_sim", "--port", "0", "--market", str(path)]
    ended = subprocess.run([*command, "--data-dir", str(tmp_path / "v")], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"{path}: no depth snapshot of BTCUSDT" in ended.stderr
