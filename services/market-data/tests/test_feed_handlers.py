"""From a scripted feed to the bus: core messages, definitions, and each closed candle exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry

from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryServer
from pitwire.common.bus.port import Record
from pitwire.common.enums import DataQuality, Side, VenueState
from pitwire.common.order_book import OrderBook
from pitwire.common.schemas.market import BookUpdate, Candle, Instrument, Quote, Trade, VenueStatus
from pitwire.common.telemetry import Tracing
from pitwire.common.testing.shell import FakeShell
from pitwire.market_data.adapters.memory import MemoryFeed
from pitwire.market_data.core.depth import Diff, Snapshot
from pitwire.market_data.core.feed import FeedCore
from pitwire.market_data.core.quality import Flag
from pitwire.market_data.core.ticks import Bar, QuoteTick, TimeTick, TradeTick
from pitwire.market_data.handlers import candle_writer, venue
from pitwire.market_data.handlers.metrics import Metrics
from pitwire.market_data.handlers.venue import VenueHandlers

BTC = "BTC-USDT.sim"
MINUTE = 60_000_000_000
START = 29_000_000 * MINUTE
SILENCE = 5_000_000_000


class World:
    """One publisher on a bus; `heard` is what a core subscriber got."""

    def __init__(self, server: MemoryServer, epoch: str = "e1") -> None:
        self.server = server
        self.shell = FakeShell(server)
        self.feed = MemoryFeed((BTC,))
        self.core = FeedCore("sim", epoch, {BTC: ("1m",)}, silence_max_ns=SILENCE, books={BTC})
        self.ready_told = 0
        tracing, metrics = Tracing(), Metrics(CollectorRegistry())
        self.handlers = VenueHandlers(self.core, self.feed, self.shell, metrics, tracing, self._ready_changed)
        self.heard: list[Record] = []
        server.listen("md.>", self.heard.append)
        self._tasks: list[asyncio.Task[None]] = []

    def _ready_changed(self) -> None:
        self.ready_told += 1

    async def start(self) -> None:
        await self.handlers.publish_instruments()
        await self.handlers.resume({BTC: ("1m",)})
        work = (
            self.handlers.write_candles(),
            self.handlers.read_history(),
            self.handlers.read_books(),
            self.feed.run(self.handlers),
        )
        self._tasks = [asyncio.create_task(each) for each in work]
        await self.settle()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Lets every task run until nothing is left to do."""
        for _ in range(200):
            await asyncio.sleep(0)

    def minutes_reached(self) -> list[int]:
        return [(reached - START) // MINUTE for reached in self.shell.reached]

    def alerts(self) -> list[str]:
        return [code for _, code, _ in self.shell.alerts]

    def candles(self) -> str:
        """Minutes stored, `b` = backfilled."""
        stored = [
            codec.decode(Candle, record.data, subject=record.subject)
            for record in self.server.log_of("CANDLES").records
        ]
        return " ".join(f"{(c.open_time_ns - START) // MINUTE}{'b' * c.backfilled}" for c in stored)

    def last(self, model: type[Trade | Quote | BookUpdate | VenueStatus]) -> list[Record]:
        return [record for record in self.heard if record.schema == model.schema_name()]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World(MemoryServer())
    yield made
    await made.stop()


def bar(minute: int) -> Bar:
    opens, price = START + minute * MINUTE, Decimal(100)
    return Bar(
        instrument_id=BTC,
        interval="1m",
        open_time_ns=opens,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1),
        quote_volume=price,
        trade_count=1,
        ts_event_ns=opens + MINUTE - 1_000_000,
    )


async def test_ticks_go_out_as_core_messages_with_quality_and_a_trace(world: World) -> None:
    await world.start()
    world.feed.say(TradeTick(BTC, 7, "100", "1", Side.BUY, START), recv_ns=5)
    world.feed.say(QuoteTick(BTC, 1, "99", "1", "101", "1"), recv_ns=6)
    await world.settle()
    trades, quotes = world.last(Trade), world.last(Quote)
    assert [record.subject for record in trades + quotes] == [subjects.trade(BTC), subjects.quote(BTC)]
    trade = codec.decode(Trade, trades[0].data, subject="")
    assert (trade.trade_id, trade.ts_recv_ns, trade.epoch, trade.sequence) == ("7", 5, "e1", 1)
    traces = [record.trace for record in trades + quotes]
    assert len(set(traces)) == 2
    assert all(len(trace) == 55 and trace.startswith("00-") and trace.endswith("-01") for trace in traces)


async def test_history_comes_first_and_live_candles_follow_each_once(world: World) -> None:
    world.feed.bars = [bar(minute) for minute in range(4)]
    await world.start()
    assert world.candles() == "0b 1b 2b"
    for minute in (3, 3, 2, 4):
        world.feed.say(bar(minute))
    world.feed.say(TimeTick(BTC, START + 5 * MINUTE + 1))
    await world.settle()
    assert world.candles() == "0b 1b 2b 3 4"
    assert world.minutes_reached() == [1, 2, 3, 4, 5]
    assert world.handlers.is_ready
    assert world.ready_told


async def test_a_candle_carries_a_span_context(world: World) -> None:
    await world.start()
    world.feed.say(bar(0))
    await world.settle()
    assert world.server.log_of("CANDLES").records[0].trace.startswith("00-")


async def test_a_hole_is_filled_from_history_before_the_live_candle(world: World) -> None:
    await world.start()
    world.feed.say(bar(0))
    await world.settle()
    world.feed.bars = [bar(minute) for minute in range(6)]
    world.feed.say(bar(4))
    await world.settle()
    assert world.candles() == "0 1b 2b 3b 4"


async def test_what_was_missed_while_disconnected_is_filled_at_once(world: World) -> None:
    await world.start()
    world.feed.say(bar(0))
    await world.settle()
    world.feed.bars = [bar(minute) for minute in range(5)]
    world.feed.drop()
    await world.settle()
    assert world.candles() == "0 1b 2b 3b"
    assert "FEED_DISCONNECTED" in world.alerts()


async def test_a_restart_goes_on_after_what_is_stored(world: World) -> None:
    world.feed.bars = [bar(minute) for minute in range(4)]
    await world.start()
    await world.stop()
    second = World(world.server, epoch="e2")
    second.feed.bars = [bar(minute) for minute in range(8)]
    await second.start()
    second.feed.say(bar(7))
    await second.settle()
    assert second.candles() == "0b 1b 2b 3b 4b 5b 6b 7"
    await second.stop()


async def test_two_publishers_store_each_candle_once_and_in_order(world: World) -> None:
    second = World(world.server, epoch="e2")
    for each in (world, second):
        each.feed.bars = [bar(minute) for minute in range(4)]
        await each.start()
    for minute in (3, 4, 5):
        second.feed.say(bar(minute))
        await second.settle()
        world.feed.say(bar(minute))
        await world.settle()
    assert world.candles() == "0b 1b 2b 3 4 5"
    assert world.minutes_reached()[-3:] == second.minutes_reached() == [4, 5, 6]
    await second.stop()


@pytest.mark.parametrize("fault", ["lose_answers", "lose_requests"])
async def test_a_lost_answer_or_request_stores_a_candle_exactly_once(world: World, fault: str) -> None:
    await world.start()
    world.feed.say(bar(0))
    await world.settle()
    setattr(world.shell.bus, fault, 1)
    world.feed.say(bar(1))
    world.feed.say(bar(2))
    await world.settle()
    assert world.candles() == "0 1 2"


async def test_candles_wait_for_a_bus_that_is_away_and_ticks_do_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candle_writer, "APPEND_WAIT_S", 0)
    await world.start()
    world.shell.bus.disconnect()
    world.feed.say(bar(0))
    world.feed.say(TradeTick(BTC, 7, "100", "1", Side.BUY, START))
    await world.feed.said()
    await world.settle()
    assert (world.candles(), world.last(Trade)) == ("", [])
    world.shell.bus.reconnect()
    await world.settle()
    assert world.candles() == "0"
    assert world.last(Trade) == []


async def test_history_that_fails_is_asked_for_again_and_live_candles_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue, "HISTORY_WAIT_S", 0)
    world.feed.failures = 3
    world.feed.bars = [bar(0), bar(1)]
    await world.start()
    world.feed.say(bar(1))
    await world.settle()
    assert world.candles() == "0b 1"
    assert world.alerts().count("HISTORY_NOT_READ") == 3


async def test_a_hole_that_history_does_not_have_is_told(world: World) -> None:
    await world.start()
    world.feed.say(bar(0))
    world.feed.say(bar(5))
    await world.settle()
    assert world.candles() == "0 5"
    assert world.alerts() == ["CANDLE_HOLE"]


async def test_a_venue_behind_the_store_is_told(world: World) -> None:
    await world.start()
    world.feed.say(bar(10))
    world.feed.say(bar(2))
    world.feed.say(bar(3))
    await world.settle()
    assert world.candles() == "10"
    assert world.alerts() == ["CANDLES_BEHIND_STORE"]


async def test_definitions_are_stored_when_they_change_and_only_then(world: World) -> None:
    await world.start()
    await world.handlers.publish_instruments()
    records = world.server.log_of("INSTRUMENTS").records
    assert [record.subject for record in records] == [subjects.instrument(BTC)]
    assert codec.decode(Instrument, records[0].data, subject="").venue_symbol == "BTCUSDT"


async def test_the_venues_state_is_told_at_each_change(world: World) -> None:
    await world.start()
    world.feed.trading = False
    await world.handlers.publish_instruments()
    world.feed.drop("reset by peer")
    await world.settle()
    states = [codec.decode(VenueStatus, record.data, subject="") for record in world.last(VenueStatus)]
    assert [status.state for status in states] == [
        VenueState.CONNECTED,
        VenueState.DISCONNECTED,
        VenueState.MAINTENANCE,
    ]
    assert (states[1].detail, states[1].sequence) == ("reset by peer", 2)


async def test_a_frame_that_cannot_be_read_is_set_aside_with_place_and_reason(world: World) -> None:
    await world.handlers.on_malformed("btcusdt@trade", b"{}", "p: Field required")
    record, reason = world.shell.quarantined[0]
    assert (record.subject, record.data, reason) == ("btcusdt@trade", b"{}", "sim: p: Field required")


async def test_market_time_waits_for_candles_not_yet_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candle_writer, "APPEND_WAIT_S", 0)
    await world.start()
    reached: list[int] = []

    def progress(*, ts_market_ns: int, now: bool = False) -> None:
        reached.append(ts_market_ns)

    monkeypatch.setattr(world.shell, "progress", progress)
    world.shell.bus.disconnect()
    world.feed.say(bar(0))
    world.feed.say(TradeTick(BTC, 7, "100", "1", Side.BUY, START + MINUTE))
    await world.feed.said()
    assert reached == []
    world.shell.bus.reconnect()
    await world.settle()
    assert reached == [START + MINUTE]


def diff(first: int, last: int, bid: str) -> Diff:
    return Diff(BTC, first, last, [[bid, "1.0"]], [["200.0", "2.0"]], START)


def snapshot(last: int) -> Snapshot:
    return Snapshot(BTC, last, [["90.0", "1.0"]], [["210.0", "1.0"]])


async def test_a_book_goes_out_whole_then_as_diffs_and_a_reader_of_both_has_the_venues_book(world: World) -> None:
    world.feed.books.append(snapshot(10))
    await world.start()
    for each in (diff(10, 11, "91.0"), diff(12, 12, "92.0"), diff(13, 15, "93.0")):
        world.feed.say(each, recv_ns=START)
    await world.settle()
    reader, shown = OrderBook(BTC), list[bool]()
    for record in world.last(BookUpdate):
        assert record.subject == subjects.book(BTC)
        shown.append(reader.on_update(codec.decode(BookUpdate, record.data, subject="")))
    assert shown[0]
    assert all(shown)
    assert [str(level.price) for level in reader.bids(9)] == ["93.0", "92.0", "91.0", "90.0"]
    assert world.core.snapshot_requests() == []


async def test_a_gap_is_said_at_once_and_the_book_comes_back_with_a_new_snapshot(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue, "BOOK_WAIT_S", 0)
    world.feed.books.append(snapshot(10))
    await world.start()
    world.feed.say(diff(10, 11, "91.0"))
    await world.settle()
    world.feed.books.extend([snapshot(12), snapshot(20)])
    world.feed.say(diff(14, 20, "95.0"))
    await world.settle()
    updates = [codec.decode(BookUpdate, record.data, subject="") for record in world.last(BookUpdate)]
    assert [(u.quality, u.snapshot) for u in updates] == [
        (DataQuality.OK, True),
        (DataQuality.GAP, False),
        (DataQuality.OK, True),
    ]
    assert updates[-1].last_update_id == 20
    states = [codec.decode(VenueStatus, record.data, subject="") for record in world.last(VenueStatus)]
    assert [status.unsynced_books for status in states] == [(BTC,), (), (BTC,), ()], "told at once, at no turn"
    assert world.feed.book_requests == 3
    assert world.core.flagged[Flag.GAP] == 1


async def test_an_interrupted_stream_takes_books_out_of_use_and_status_says_so(world: World) -> None:
    world.feed.books.append(snapshot(10))
    await world.start()
    world.feed.say(diff(10, 11, "91.0"))
    await world.settle()
    world.feed.drop()
    await world.settle()
    last = codec.decode(BookUpdate, world.last(BookUpdate)[-1].data, subject="")
    assert (last.quality, last.bids, last.asks) == (DataQuality.STALE, (), ())
    status = codec.decode(VenueStatus, world.last(VenueStatus)[-1].data, subject="")
    assert status.unsynced_books == (BTC,)


async def test_a_book_that_cannot_be_fetched_is_told_and_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue, "BOOK_WAIT_S", 0)
    await world.start()
    world.feed.say(diff(10, 11, "91.0"))
    await world.settle()
    assert world.alerts()[0] == "BOOK_NOT_READ"
    assert world.last(BookUpdate) == []
    world.feed.books.append(snapshot(10))
    await world.settle()
    assert len(world.last(BookUpdate)) == 1


async def test_clocks_are_compared_and_a_venue_that_does_not_answer_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue, "CLOCKS_PERIOD_S", 0)
    compares = asyncio.create_task(world.handlers.compare_clocks())
    await world.settle()
    assert world.core.status(0).clock_offset_ms is None
    world.feed.time_ns = world.shell.clock.wall_ns() + 2 * MINUTE
    await world.settle()
    compares.cancel()
    assert (world.core.status(0).clock_offset_ms, world.core.status(0).doubted) == (120_000, {BTC: "SKEWED"})
