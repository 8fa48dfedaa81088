"""Faults on demand: each does what its name says, once per wish, and never on its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.records import account_record
from pitwire.venue_sim.core.restore import Restorer
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.handlers.fault_desk import FaultDesk
from pitwire.venue_sim.handlers.faults import COUNT_MAX, AnswerFault
from pitwire.venue_sim.handlers.feeds import Feeds
from pitwire.venue_sim.handlers.operations import planned_answer, run, spoil
from pitwire.venue_sim.handlers.stream_session import StreamSession

LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.001",
    "price": "50000",
}


class World:
    """What a fault desk does to the world, noted."""

    def __init__(self, desk: Any) -> None:
        self.drops: list[tuple[str, str]] = []
        self.freezes: list[float] = []
        self.desk = FaultDesk(
            desk.venue, drop=self.drop, freeze=self.freezes.append, shut=lambda: self.drops.append(("shut", "all"))
        )

    def drop(self, mode: str, who: str) -> int:
        if mode == "softly":
            raise ValueError("'softly' is not a valid DropMode")
        self.drops.append((mode, who))
        return 1

    def wish(self, **wish: object) -> str | None:
        return self.desk.grant(wish)


@pytest.fixture
def world(desk: Any) -> World:
    return World(desk)


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        ({}, "unknown kind None"),
        ({"kind": "boom"}, "unknown kind 'boom'"),
        ({"kind": "drop", "mode": "softly"}, "'softly'"),
        ({"kind": "freeze"}, "ms has to be a whole number"),
        ({"kind": "freeze", "ms": -1}, "ms has to be a whole number from 0"),
        ({"kind": "delay_answer"}, "ms has to be a whole number"),
        ({"kind": "lose_answer", "count": "many"}, "count has to be a whole number"),
        ({"kind": "lose_answer", "count": True}, "count has to be a whole number"),
        ({"kind": "limit", "status": 500, "seconds": 1}, "status has to be a whole number from 418 to 429"),
        ({"kind": "skew", "ms": 10**9}, "ms has to be"),
    ],
)
def test_a_wish_that_cannot_be_granted_says_why(world: World, desk: Any, wish: dict[str, object], problem: str) -> None:
    assert problem in (world.wish(**wish) or "")
    assert not desk.venue.faults.answers


def test_answer_faults_wait_for_trading_requests_only(world: World, desk: Any) -> None:
    assert world.wish(kind="lose_answer", count=2) is None
    assert world.wish(kind="delay_answer", ms=70) is None
    assert planned_answer(desk.venue, "account.status") is None
    planned = [planned_answer(desk.venue, "order.place") for _ in range(4)]
    assert [one and (one.fault, one.delay_ms) for one in planned] == [
        (AnswerFault.LOSE, 0),
        (AnswerFault.LOSE, 0),
        (AnswerFault.DELAY, 70),
        None,
    ]
    assert world.wish(kind="lose_answer", count=COUNT_MAX) is None
    assert "would wait" in (world.wish(kind="lose_answer") or "")


def test_an_unknown_answer_hides_an_order_that_was_placed(world: World, desk: Any) -> None:
    world.wish(kind="unknown_answer")
    planned = planned_answer(desk.venue, "order.place")
    run(desk.venue, "order.place", LIMIT, account_id="main", address="here")
    with pytest.raises(VenueError) as hidden:
        spoil(planned)
    assert (hidden.value.code, hidden.value.status) == (-1007, 504)
    assert len(desk.venue.exchange.orders) == 1
    spoil(None)


def test_limits_can_be_imposed_on_everybody(world: World, desk: Any) -> None:
    for status, code in ((429, -1003), (418, -1003)):
        assert world.wish(kind="limit", status=status, seconds=2) is None
        with pytest.raises(VenueError) as refusal:
            run(desk.venue, "ping", {}, account_id="", address="anyone")
        assert (refusal.value.status, refusal.value.code) == (status, code)
        desk.wall += 2000
        assert run(desk.venue, "ping", {}, account_id="", address="anyone") == {}


def test_a_wipe_forgets_orders_and_trades_and_is_in_the_log(world: World, desk: Any) -> None:
    opening = account_record(desk.venue.exchange.accounts["main"])
    run(desk.venue, "order.place", LIMIT, account_id="main", address="here")
    market = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.5"}
    run(desk.venue, "order.place", market, account_id="main", address="here")
    assert world.wish(kind="wipe") is None
    exchange = desk.venue.exchange
    assert (exchange.orders, exchange.trades, exchange.open_orders("main", "BTCUSDT")) == ({}, {}, [])
    assert [str(balance.free) for balance in exchange.accounts["main"].balances.values()] == ["100000", "1", "0"]
    run(desk.venue, "order.place", LIMIT, account_id="main", address="here")
    assert list(exchange.orders) == [3]
    rebuilt = Exchange([listing.rules for listing in exchange.listings.values()], Fees())
    restorer = Restorer(rebuilt)
    for line in [{"op": 0, **opening}, *desk.log.lines()]:
        restorer.apply(line)
    restorer.finish()
    assert list(rebuilt.orders) == [3]
    assert rebuilt.accounts["main"].balances == exchange.accounts["main"].balances


def test_events_can_come_twice_and_depth_can_have_a_gap(world: World, desk: Any, outbox: Any) -> None:
    feeds = Feeds(desk.venue.exchange, desk.time, desk.venue.faults, desk.venue.driver.tapes)
    desk.venue.publisher = feeds
    feeds.subscribe_user("main", outbox, 0)
    world.wish(kind="duplicate_events")
    run(desk.venue, "order.place", LIMIT, account_id="main", address="here")
    events = [frame["event"]["e"] for frame in outbox.take()]
    assert events == ["executionReport"] * 2 + ["outboundAccountPosition"] * 2
    StreamSession(feeds, outbox, streams=["btcusdt@depth"], combined=False, wall_ms=desk.wall_ms)
    before = desk.venue.exchange.revision
    world.wish(kind="depth_gap")
    desk.advance(3)
    first, second = outbox.take()
    assert first["U"] == before + 2
    assert second["U"] == first["u"] + 1


def test_clocks_can_be_skewed(world: World, desk: Any) -> None:
    world.wish(kind="skew", ms=-1500)
    assert desk.venue.faults.skew_ms == -1500


def test_the_world_is_asked_to_drop_and_to_freeze(world: World) -> None:
    world.wish(kind="drop")
    world.wish(kind="drop", mode="graceful", who="ws_api")
    world.wish(kind="freeze", ms=250)
    assert world.drops == [("hard", "all"), ("graceful", "ws_api")]
    assert world.freezes == [0.25]


class Saboteur:
    """Makes a running venue misbehave."""

    def __init__(self, http: aiohttp.ClientSession, info: dict[str, str]) -> None:
        self.http = http
        self.info = info

    async def fault(self, **wish: object) -> None:
        async with self.http.post(f"{self.info['control']}/fault", json=wish) as answer:
            assert answer.status == 200, await answer.text()

    async def order(self) -> int:
        """Try a signed but impossible order; the status of the answer."""
        url = f"{self.info['http']}/api/v3/order?symbol=NOPE&timestamp=1&signature=00"
        async with self.http.post(url, headers={"X-MBX-APIKEY": self.info["api_key"]}) as answer:
            return answer.status


@pytest.mark.parametrize(("mode", "kind"), [("graceful", "CLOSE"), ("hard", "CLOSED")])
async def test_connections_are_dropped(start_venue: Callable[..., Any], mode: str, kind: str) -> None:
    venue = start_venue("--paused", "--history", "5")
    async with aiohttp.ClientSession() as http:
        saboteur = Saboteur(http, venue.info)
        market = await http.ws_connect(venue.info["ws"] + "/ws")
        api = await http.ws_connect(venue.info["ws_api"])
        await saboteur.fault(kind="drop", mode=mode, who="streams")
        message = await market.receive(timeout=5)
        assert message.type.name in {kind, "ERROR"}
        await api.send_str(json.dumps({"id": 1, "method": "ping"}))
        assert (await api.receive_json(timeout=5))["status"] == 200
        await saboteur.fault(kind="drop", mode="half_open", who="ws_api")
        await api.send_str(json.dumps({"id": 1, "method": "ping"}))
        with pytest.raises(asyncio.TimeoutError):
            await api.receive(timeout=0.1)


async def test_the_whole_venue_freezes_and_its_clock_is_skewed(start_venue: Callable[..., Any]) -> None:
    venue = start_venue("--paused", "--history", "5")
    async with aiohttp.ClientSession() as http:
        saboteur = Saboteur(http, venue.info)
        began = time.monotonic()
        await saboteur.fault(kind="freeze", ms=200)
        await asyncio.sleep(0.05)
        async with http.get(f"{venue.info['http']}/api/v3/ping") as answer:
            assert answer.status == 200
        assert time.monotonic() - began > 0.2
        await saboteur.fault(kind="skew", ms=50_000)
        async with http.get(f"{venue.info['http']}/api/v3/time") as answer:
            assert (await answer.json())["serverTime"] > time.time_ns() // 1_000_000 + 40_000
        assert await saboteur.order() == 400
