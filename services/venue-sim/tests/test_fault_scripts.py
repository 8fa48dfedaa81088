"""Faults of events, of the market and of accounts; scripts in market time and chances from a seed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.records import account_record
from pitwire.venue_sim.core.restore import Restorer
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.handlers.fault_desk import FaultDesk
from pitwire.venue_sim.handlers.feeds import Feeds
from pitwire.venue_sim.handlers.operations import before, check_open, planned_answer, run
from pitwire.venue_sim.handlers.rest import Rest
from pitwire.venue_sim.ports import RestRequest

MARKET = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.01"}


class World:
    """A venue whose one account is listened to, and its fault desk."""

    def __init__(self, desk: Any, outbox: Any) -> None:
        self.venue, self.outbox, self.wall = desk.venue, outbox, desk
        self.opening = account_record(desk.venue.exchange.accounts["main"])
        self.shut: list[str] = []
        self.feeds = Feeds(desk.venue.exchange, desk.time, desk.venue.faults, desk.venue.driver.tapes)
        desk.venue.publisher = self.feeds
        self.feeds.subscribe_user("main", outbox, 0)
        self.desk = FaultDesk(
            desk.venue, drop=lambda _mode, _who: 0, freeze=lambda _s: None, shut=lambda: self.shut.append("shut")
        )

    def wish(self, kind: str, **wish: object) -> str | None:
        return self.desk.grant({"kind": kind, **wish})

    def sell(self) -> list[str]:
        """Place one order; the events that come of it."""
        run(self.venue, "order.place", dict(MARKET), account_id="main", address="here")
        return self.events()

    def events(self) -> list[str]:
        return [f"{frame['event']['e']} {frame['event'].get('x', '')}".strip() for frame in self.outbox.take()]

    def rebuilt(self) -> Exchange:
        exchange = Exchange([listing.rules for listing in self.venue.exchange.listings.values()], Fees())
        restorer = Restorer(exchange)
        for line in [{"op": 0, **self.opening}, *self.wall.log.lines()]:
            restorer.apply(line)
        restorer.finish()
        return exchange


@pytest.fixture
def world(desk: Any, outbox: Any) -> World:
    return World(desk, outbox)


ORDINARY = ["executionReport NEW", "executionReport TRADE", "outboundAccountPosition"]


# ------------------------------------------------------------------------------------------------------------- events
def test_events_come_twice_out_of_order_or_late(world: World) -> None:
    assert world.sell() == ORDINARY
    world.wish("duplicate_events")
    assert world.sell() == [event for event in ORDINARY for _ in range(2)]
    world.wish("reorder_events", count=2)
    assert world.sell() == ORDINARY[::-1]
    assert world.sell() == ORDINARY[::-1]
    world.wish("late_events", ms=250)
    assert world.sell() == []
    assert [late_ms for late_ms, _ in world.outbox.later] == [250, 250, 250]
    assert world.sell() == ORDINARY


def test_chances_come_from_their_seed_and_end_with_calm(world: World) -> None:
    def story(seed: int) -> list[bool]:
        assert world.wish("lose_answer", per_mille=300, seed=seed) is None
        return [planned_answer(world.venue, "order.place") is not None for _ in range(200)]

    first, again, other = story(1), story(1), story(2)
    assert first == again != other
    assert 30 < sum(first) < 90
    assert world.wish("calm") is None
    assert planned_answer(world.venue, "order.place") is None
    assert "from 0 to 1000" in (world.wish("lose_answer", per_mille=1001) or "")


def test_an_answer_may_be_unknown_because_nothing_was_done(world: World) -> None:
    for status, code in ((500, -1000), (502, -1001), (503, -1006), (504, -1007)):
        world.wish("unknown_answer", status=status, executed=False)
        with pytest.raises(VenueError) as hidden:
            before(planned_answer(world.venue, "order.place"))
        assert (hidden.value.status, hidden.value.code) == (status, code)
    before(None)
    assert "has to be one of" in (world.wish("unknown_answer", status=501) or "")
    assert "true or false" in (world.wish("unknown_answer", executed="no") or "")


# ------------------------------------------------------------------------------------------------------------- market
def test_maintenance_refuses_everybody_until_it_is_over(world: World) -> None:
    assert world.wish("maintenance", ms=1000) is None
    assert world.shut == ["shut"]
    answer = Rest(world.venue).answer(RestRequest("GET", "/api/v3/ping", "", "", None, "here"))
    assert answer.status == 503
    world.wall.wall += 1000
    check_open(world.venue)
    assert Rest(world.venue).answer(RestRequest("GET", "/api/v3/ping", "", "", None, "here")).status == 200


def test_a_symbol_is_halted_and_resumed(world: World) -> None:
    assert world.wish("halt", symbol="BTCUSDT") is None
    (shown,) = run(world.venue, "exchangeInfo", {"symbol": "BTCUSDT"}, account_id="", address="x")["symbols"]  # type: ignore[index]  # an operation answers with JSON
    assert shown["status"] == "HALT"
    with pytest.raises(VenueError, match="Market is closed"):
        world.sell()
    world.wish("resume", symbol="BTCUSDT")
    assert world.sell() == ORDINARY
    assert "-1121" in (world.wish("halt", symbol="NOPE") or "")


def test_ticks_and_lots_change_while_orders_are_there(world: World) -> None:
    assert world.wish("rules", symbol="BTCUSDT", lot_step="0.1", notional_min="10") is None
    with pytest.raises(VenueError, match="LOT_SIZE"):
        world.sell()
    for wrong in ({}, {"tick_size": "0"}, {"tick_size": "x"}, {"tick_size": 1}, {"tick_size": "NaN"}):
        assert world.wish("rules", symbol="BTCUSDT", **wrong) is not None


# ----------------------------------------------------------------------------------------------------------- accounts
def test_a_human_trades_on_the_account(world: World) -> None:
    assert world.wish("external_order", **MARKET) is None
    report = world.outbox.frames[0]["event"]
    assert report["c"].startswith("web_")
    assert world.events() == ORDINARY
    limit = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "50000"}
    assert world.wish("external_order", **limit, quantity="0.01", newClientOrderId="mine") is None
    assert world.wish("external_cancel", symbol="BTCUSDT", origClientOrderId="mine") is None
    assert world.events()[-2] == "executionReport CANCELED"
    assert "-2011" in (world.wish("external_cancel", symbol="BTCUSDT", origClientOrderId="mine") or "")
    assert "no account" in (world.wish("external_order", account="other", **MARKET) or "")


def test_an_amount_comes_and_goes_without_a_trade(world: World) -> None:
    assert world.wish("transfer", asset="USDT", amount="500") is None
    assert world.wish("transfer", asset="BTC", amount="-0.5") is None
    balances = world.venue.exchange.accounts["main"].balances
    assert (balances["USDT"].free, balances["BTC"].free) == (Decimal(100_500), Decimal("0.5"))
    assert world.events() == ["balanceUpdate", "outboundAccountPosition"] * 2
    assert "-2010" in (world.wish("transfer", asset="BTC", amount="-1") or "")
    assert world.rebuilt().accounts["main"].balances["BTC"].free == Decimal("0.5")


def test_a_busted_trade_is_undone_and_stays_undone_after_a_restart(world: World) -> None:
    opening = {asset: balance.free for asset, balance in world.venue.exchange.accounts["main"].balances.items()}
    world.sell()
    (trade,) = world.venue.exchange.trades["main", "BTCUSDT"]
    assert world.wish("bust_trade", symbol="BTCUSDT", trade_id=trade.trade_id) is None
    assert world.events() == ["balanceUpdate", "balanceUpdate", "outboundAccountPosition"]
    for exchange in (world.venue.exchange, world.rebuilt()):
        assert exchange.trades["main", "BTCUSDT"] == []
        assert {a: balance.free for a, balance in exchange.accounts["main"].balances.items()} == opening
    assert "-2013" in (world.wish("bust_trade", symbol="BTCUSDT", trade_id=trade.trade_id) or "")


def test_a_revoked_key_is_nobodys(world: World) -> None:
    assert world.wish("revoke_key", api_key="key") is None
    with pytest.raises(VenueError, match="-2015"):
        world.venue.keyring.find("key")
    assert "nobody" in (world.wish("revoke_key", api_key="key") or "")


# ------------------------------------------------------------------------------------------------------------ scripts
def test_a_script_happens_at_its_time_in_the_market(world: World) -> None:
    steps = [
        {"at_ms": 3000, "kind": "boom"},
        {"at_ms": 2000, "kind": "lose_answer"},
        {"at_ms": 1000, "kind": "halt", "symbol": "BTCUSDT"},
    ]
    assert world.wish("script", steps=steps) is None
    assert world.desk.play(999) == []
    assert world.desk.play(1000) == []
    assert world.venue.exchange.listings["BTCUSDT"].is_halted
    assert not world.venue.faults.answers
    assert world.desk.play(9000) == ["step at 3000: unknown kind 'boom'"]
    assert len(world.venue.faults.answers) == 1
    assert world.desk.play(10_000) == []


@pytest.mark.parametrize("steps", [None, [1], [{"kind": "wipe"}], [{"at_ms": 1, "kind": "script"}]])
def test_a_script_that_cannot_be_read_is_refused_whole(world: World, steps: object) -> None:
    assert world.wish("script", steps=steps) is not None
    assert world.desk.play(10**9) == []
