"""A captured market: its book, and what its trades do to users' orders that wait in the queue."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.integration.venue_frames import Tape, snapshot

from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.followed import FollowedMarket, FrameClock
from pitwire.venue_sim.core.frames import Lost, Print, read_frame
from pitwire.venue_sim.core.ledger import Account
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.types import NewOrder, OrderStatus, Side

RULES = SymbolRules(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_step=Decimal("0.00001"))
MakeOrder = Callable[..., NewOrder]


class World:
    """The followed market with one account, driven frame by frame."""

    def __init__(self, make_order: MakeOrder, bids: str = "100.00*5 99.99*8", asks: str = "100.02*4 100.05*6") -> None:
        self.make_order = make_order
        self.exchange = Exchange([RULES], Fees())
        self.exchange.accounts["main"] = Account("main", {"USDT": Decimal(10_000), "BTC": Decimal(10)})
        self.market = FollowedMarket(["BTCUSDT"], self.exchange)
        self.book = self.market.books["BTCUSDT"]
        self.tape = Tape()
        self.count = 0
        self.hear(snapshot(10, bids, asks))
        self.hear(self.tape.trade("BUY", "100.02", "0.5"))

    def hear(self, *frames: dict[str, Any]) -> list[tuple[str, str]]:
        """(price, quantity) of what users' orders traded with these frames."""
        fills: list[tuple[str, str]] = []
        for value in frames:
            effects = Effects(self.exchange, self.tape.ms)
            frame = read_frame(value)
            assert frame is not None
            self.market.apply(frame, effects)
            fills += [(f"{r.trade.last_price:.2f}", f"{r.trade.last_quantity:f}") for r in effects.reports if r.trade]
        return [(price, f"{Decimal(quantity).normalize():f}") for price, quantity in fills]

    def place(self, text: str) -> Any:
        self.count += 1
        self.tape.ms += 1
        order = self.make_order(f"{text} id=o{self.count}")
        return self.exchange.submit("main", order, now_ms=self.tape.ms)[0]

    def best(self, side: Side) -> tuple[str, str]:
        found = self.book.best(side)
        assert found is not None
        return f"{found[0]:.2f}", f"{found[1].normalize():f}"


@pytest.fixture
def world(order: MakeOrder) -> World:
    return World(order)


# ---------------------------------------------------------------------------------------------------- queue, by hand
def test_trades_at_the_price_consume_what_was_ahead_and_then_the_order(world: World) -> None:
    mine = world.place("BUY LIMIT 2 @ 100.00")
    assert mine.ahead == 5
    assert world.best(Side.BUY) == ("100.00", "7")
    tape = world.tape
    assert world.hear(tape.trade("SELL", "100.00", "3")) == []
    assert mine.ahead == 2
    # The update tells of the same 3: they do not count twice.
    assert world.hear(tape.depth("100.00*2")) == []
    assert world.hear(tape.trade("SELL", "100.00", "2.5")) == [("100.00", "0.5")]
    assert world.hear(tape.trade("SELL", "100.00", "1")) == [("100.00", "1")]
    assert world.hear(tape.trade("SELL", "100.00", "4")) == [("100.00", "0.5")]
    assert mine.status is OrderStatus.FILLED


def test_quantity_that_comes_later_stands_behind_and_what_leaves_is_taken_to_have_stood_there(world: World) -> None:
    mine = world.place("BUY LIMIT 2 @ 100.00")
    tape = world.tape
    world.hear(tape.depth("100.00*12"), tape.depth("100.00*6"), tape.depth("100.00*5"))
    assert world.hear(tape.trade("SELL", "100.00", "5")) == []
    assert mine.ahead == 0
    assert world.hear(tape.trade("SELL", "100.00", "0.25")) == [("100.00", "0.25")]


def test_a_level_smaller_than_what_was_ahead_is_all_that_is_ahead(world: World) -> None:
    world.place("BUY LIMIT 2 @ 100.00")
    tape = world.tape
    world.hear(tape.depth("100.00*1"), tape.depth("100.00*9"))
    assert world.hear(tape.trade("SELL", "100.00", "1.5")) == [("100.00", "0.5")]


def test_a_trade_printed_after_the_update_that_contains_it_counts_once(world: World) -> None:
    """5 stood ahead, 4 of them were sold at T; the update of T comes first and shows 1, then the print."""
    mine = world.place("BUY LIMIT 2 @ 100.00")
    tape = world.tape
    world.hear(tape.depth("100.00*1"))
    updated_ms = tape.ms
    assert world.hear(tape.trade("SELL", "100.00", "4", traded_ms=updated_ms)) == []
    assert mine.ahead == 1
    assert world.hear(tape.trade("SELL", "100.00", "1.5")) == [("100.00", "0.5")]


def test_a_top_of_book_that_knows_of_a_trade_before_its_print_does_not_move_the_queue(world: World) -> None:
    mine = world.place("BUY LIMIT 2 @ 100.00")
    tape = world.tape
    world.hear(tape.top("100.00*1", "100.02*4"))
    assert world.best(Side.BUY) == ("100.00", "3")
    assert world.hear(tape.trade("SELL", "100.00", "4")) == []
    assert mine.ahead == 1
    # An update older than that top leaves it as it is, and tells nothing of the queue there.
    world.hear(tape.depth("99.98*1"))
    assert mine.ahead == 1


def test_a_trade_through_the_price_fills_the_order_whole(world: World) -> None:
    world.place("BUY LIMIT 2 @ 100.00")
    world.place("BUY LIMIT 1 @ 99.99")
    assert world.hear(world.tape.trade("SELL", "99.99", "0.1")) == [("100.00", "2")]
    world.place("SELL LIMIT 3 @ 100.04")
    assert world.hear(world.tape.trade("BUY", "100.05", "0.1")) == [("100.04", "3")]


def test_two_orders_at_a_price_share_one_trade_in_their_turn(world: World) -> None:
    tape = world.tape
    world.place("BUY LIMIT 1 @ 100.00")
    world.hear(tape.depth("100.00*8"))
    second = world.place("BUY LIMIT 1 @ 100.00")
    assert second.ahead == 8
    # 5 ahead, 1 is the first order's, of the 3 between them 1 is left.
    assert world.hear(tape.trade("SELL", "100.00", "8")) == [("100.00", "1")]
    assert second.ahead == 1
    assert world.hear(tape.trade("SELL", "100.00", "1.75")) == [("100.00", "0.75")]


def test_the_shown_part_of_an_iceberg_queues_again_behind_all_that_is_displayed(world: World) -> None:
    mine = world.place("BUY LIMIT 2 @ 100.00 iceberg=0.5")
    tape = world.tape
    world.hear(tape.trade("SELL", "100.00", "5"), tape.depth("100.00*3"))
    assert world.hear(tape.trade("SELL", "100.00", "0.5")) == [("100.00", "0.5")]
    assert (mine.ahead, mine.shown) == (3, Decimal("0.5"))


def test_an_order_is_not_hit_by_a_trade_from_before_it_joined(world: World) -> None:
    early_ms = world.tape.ms
    mine = world.place("BUY LIMIT 2 @ 100.01")
    assert world.hear(world.tape.trade("SELL", "100.00", "1", traded_ms=early_ms)) == []
    assert mine.leaves_quantity == 2


# ----------------------------------------------------------------------------------------------------- taking, quotes
def test_a_taker_takes_from_the_recorded_book_until_the_market_changes_the_level(world: World) -> None:
    tape = world.tape
    taken = world.place("BUY MARKET 5")
    assert taken.cum_quote == 4 * Decimal("100.02") + Decimal("100.05")
    assert world.best(Side.SELL) == ("100.05", "5")
    world.hear(tape.depth("99.50*1"), tape.top("100.00*5", "100.02*4"))
    assert world.best(Side.SELL) == ("100.05", "5")
    world.hear(tape.depth(asks="100.02*3"))
    assert world.best(Side.SELL) == ("100.02", "3")


def test_quotes_that_cross_an_order_trade_with_it_once_at_its_price(world: World) -> None:
    mine = world.place("BUY LIMIT 2 @ 100.01")
    tape = world.tape
    assert world.hear(tape.depth("100.00*0 99.99*0", "100.00*0.5 100.01*0.7")) == [("100.01", "0.5"), ("100.01", "0.7")]
    assert world.best(Side.SELL) == ("100.02", "4")
    assert world.hear(tape.depth("99.98*1")) == []
    assert world.hear(tape.depth(asks="100.01*5")) == [("100.01", "0.8")]
    assert mine.status is OrderStatus.FILLED
    assert world.best(Side.SELL) == ("100.01", "4.2")


def test_a_stop_order_sees_the_prints(world: World) -> None:
    stop = world.place("SELL STOP_LOSS 1 stop=99.99")
    assert world.hear(world.tape.trade("SELL", "100.00", "1")) == []
    assert world.hear(world.tape.trade("SELL", "99.99", "1")) == [("100.00", "1")]
    assert stop.status is OrderStatus.FILLED


# -------------------------------------------------------------------------------------------------------------- gaps
def is_stale(world: World) -> bool:
    return world.exchange.listings["BTCUSDT"].is_stale


def test_after_a_gap_nobody_trades_and_nothing_is_shown_until_a_snapshot(world: World) -> None:
    mine = world.place("BUY LIMIT 2 @ 100.00")
    tape = world.tape
    tape.update_id += 1
    world.hear(tape.depth("100.00*9"))
    assert is_stale(world)
    assert world.book.best(Side.SELL) is None
    with pytest.raises(VenueError) as refusal:
        world.place("BUY MARKET 1")
    assert (refusal.value.code, refusal.value.status) == (-1016, 503)
    resting = world.exchange.cancel(world.exchange.orders[mine.venue_order_id], cancel_id="c", now_ms=tape.ms)
    assert resting.reports[0].status is OrderStatus.CANCELED
    world.hear(snapshot(tape.update_id - 5, "99*1", "101*1"))
    assert is_stale(world), "a snapshot older than the first update that waits is of no use"
    world.hear(tape.depth("100.00*4"), snapshot(tape.update_id, "100.00*4 99*1", "101*1"))
    assert not is_stale(world)
    assert world.best(Side.BUY) == ("100.00", "4")
    world.hear(tape.depth("100.00*3"))
    assert world.best(Side.BUY) == ("100.00", "3")
    assert world.market.feeds["BTCUSDT"].gaps == 1


def test_a_lost_connection_keeps_places_in_the_queue_but_never_more_than_stands_there_after(world: World) -> None:
    mine, other = world.place("BUY LIMIT 2 @ 100.00"), world.place("BUY LIMIT 1 @ 99.99")
    world.market.apply(Lost(), Effects(world.exchange, world.tape.ms))
    assert is_stale(world)
    world.hear(snapshot(500, "100.00*3 99.99*20", "100.02*4"))
    assert (mine.ahead, other.ahead) == (3, 8)


def test_updates_that_came_before_the_snapshot_are_applied_after_it(order: MakeOrder) -> None:
    exchange = Exchange([RULES], Fees())
    market, tape = FollowedMarket(["BTCUSDT"], exchange), Tape()
    values = [tape.depth("100*1"), tape.depth("100*2"), tape.depth("100*3", "101*9"), snapshot(14, "100*7", "101*1")]
    for value in values:
        frame = read_frame(value)
        assert frame is not None
        market.apply(frame, Effects(exchange, tape.ms))
    feed = market.feeds["BTCUSDT"]
    assert feed.update_id == 19
    assert feed.sides[Side.BUY].get(Decimal(100)) == 3
    assert feed.sides[Side.SELL].get(Decimal(101)) == 9


def test_a_trade_stamped_a_year_ahead_happened_now_and_makes_no_minutes(world: World) -> None:
    minutes = world.market.bars
    trade = world.tape.trade("BUY", "100.02", "0.5")
    trade["data"]["T"] += 365 * 86_400_000
    world.hear(trade)
    current = world.market.tapes["BTCUSDT"].current
    assert current is not None
    assert current.open_ms <= world.tape.ms
    assert world.market.bars - minutes <= 1


def test_after_days_of_silence_the_minutes_between_are_missing(world: World) -> None:
    minutes = world.market.bars
    world.tape.ms += 30 * 86_400_000
    world.hear(world.tape.trade("BUY", "100.02", "0.5"))
    assert world.market.bars - minutes == 1


def test_one_frame_with_a_wrong_time_does_not_move_the_market_on() -> None:
    clock, year_ms = FrameClock(), 365 * 86_400_000

    def at(event_ms: int, received_ms: int) -> int:
        frame = Print("BTCUSDT", 1, 1, 1, event_ms, event_ms, buyer_is_maker=False)
        return clock.at(frame, received_ms * 1_000_000)

    assert at(1_000_200, 1_000_000) == 1_000_200
    assert at(1_000_300 + year_ms, 1_000_100) == 1_000_300
    assert at(1_000_400, 1_000_200) == 1_000_400
    assert at(1_000_500 + year_ms, 1_000_300) == 1_000_500
    assert at(1_000_600 + year_ms, 1_000_400) == 1_000_600 + year_ms, "twice is believed"
