"""Binance's limits as it tells them: in exchangeInfo, headers, answers and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from services.execution.tests.stand_in import SYMBOL, Client, StandIn
from services.execution.tests.test_binance_venue import ORDER, place, place_with
from services.execution.tests.world import until

from pitwire.common.clock import NS_PER_MS, NS_PER_S, ManualClock
from pitwire.common.errors import DecodeError, RateLimited, VenueTrouble
from pitwire.execution.adapters.binance.errors import refusal_of
from pitwire.execution.adapters.binance.limits import Limits, address_limits, reports_in, reports_of
from pitwire.execution.adapters.binance.venue_clock import VenueClock
from pitwire.execution.adapters.turn import TURN_WAIT_MAX_S, take_turn
from pitwire.execution.core.rate_limits import Lane, LimitKind, Report
from pitwire.execution.core.venue import CancelFailed, Placed

MINUTE_NS = 60 * NS_PER_S


def rule(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def limits_of(clock: ManualClock) -> Limits:
    venue_clock = VenueClock()
    venue_clock.sample(sent_ns=clock.monotonic_ns(), received_ns=clock.monotonic_ns(), venue_ms=5_000_000)
    made = Limits(clock, venue_clock, address_limits(100))
    made.align(clock.monotonic_ns())
    return made


def wait_s(limits: Limits) -> float:
    return limits.wait_s(Lane.CANCEL, 1)


def test_a_limit_stops_everything_for_as_long_as_the_venue_says() -> None:
    """F-16."""
    clock = ManualClock()
    limits = limits_of(clock)
    limits.apply(refusal_of(429, {"code": -1003, "msg": "weight"}), retry_after="3")
    clock.advance(ns=2_999 * NS_PER_MS)
    assert wait_s(limits)
    clock.advance(ns=NS_PER_MS)
    assert not wait_s(limits)


def test_the_time_named_in_an_answer_counts_by_the_venues_clock() -> None:
    clock = ManualClock()
    limits = limits_of(clock)
    limits.apply(refusal_of(418, {"code": -1003, "msg": "banned", "data": {"retryAfter": 5_007_000}}))
    clock.advance(ns=6_999 * NS_PER_MS)
    assert wait_s(limits)
    clock.advance(ns=NS_PER_MS)
    assert not wait_s(limits)


def test_too_many_orders_stop_orders_and_not_cancels() -> None:
    limits = limits_of(ManualClock())
    limits.apply(refusal_of(429, {"code": -1015, "msg": "Too many new orders"}), retry_after="1")
    assert limits.for_orders().startswith("too many orders")
    assert not wait_s(limits)


def test_a_limit_without_a_time_stops_for_a_minute_and_other_refusals_for_nothing() -> None:
    clock = ManualClock()
    limits = limits_of(clock)
    limits.apply(refusal_of(400, {"code": -2010, "msg": "no"}))
    assert not wait_s(limits)
    limits.apply(refusal_of(429, None))
    clock.advance(ns=59 * NS_PER_S)
    assert wait_s(limits)


def test_the_venues_own_limits_replace_the_documented_ones() -> None:
    limits = limits_of(ManualClock())
    limits.learn([rule("REQUEST_WEIGHT", "MINUTE", 1, 10), rule("ORDERS", "SECOND", 10, 2), rule("NEW", "DAY", 1, 1)])
    limits.settle(limits._address.take(7, limits._clock.monotonic_ns()))
    assert limits.for_orders().startswith("rate limited")
    limits = limits_of(ManualClock())
    limits.learn([rule("ORDERS", "SECOND", 10, 2)])
    for _ in range(2):
        assert limits.for_orders() == ""
        limits.take_order()
    assert limits.for_orders().startswith("too many orders")


@pytest.mark.parametrize(
    "rows", [None, {}, [7], [{}], [rule("ORDERS", "EON", 1, 1)], [rule("ORDERS", "DAY", 1, -1)]], ids=str
)
def test_limits_that_cannot_be_read_are_said_to_be_so(rows: Any) -> None:
    with pytest.raises(DecodeError, match="rateLimits"):
        limits_of(ManualClock()).learn(rows)
    assert reports_in(rows) == []


def test_counts_are_read_from_headers_and_from_answers() -> None:
    headers = {"X-MBX-USED-WEIGHT-1M": "12", "x-mbx-order-count-10s": "3", "X-MBX-USED-WEIGHT": "9", "Date": "now"}
    assert reports_of(headers) == [
        Report(LimitKind.REQUEST_WEIGHT, MINUTE_NS, 12),
        Report(LimitKind.ORDERS, 10 * NS_PER_S, 3),
    ]
    rows = [rule("ORDERS", "SECOND", 10, 50) | {"count": 7}, rule("CONNECTIONS", "MINUTE", 5, 300) | {"count": 1}]
    assert reports_in(rows) == [Report(LimitKind.ORDERS, 10 * NS_PER_S, 7)]


def test_accounts_at_one_address_share_its_weight_and_have_their_own_order_counts() -> None:
    clock, address = ManualClock(), address_limits(100)
    venue_clock = VenueClock()
    first, second = (Limits(clock, venue_clock, address) for _ in range(2))
    first.learn([rule("ORDERS", "SECOND", 10, 1)])
    first.take_order()
    assert first.for_orders()
    assert second.for_orders() == ""
    first.apply(refusal_of(429, None))
    assert second.for_orders().startswith("rate limited")


async def test_a_turn_is_taken_where_there_is_room_and_refused_where_it_is_far(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, address = ManualClock(), address_limits(100)
    await take_turn(address, clock, Lane.CANCEL, 1, "here")
    address.stop(clock.monotonic_ns() + int((TURN_WAIT_MAX_S + 1) * NS_PER_S))
    with pytest.raises(RateLimited, match="here: rate limited for another 6.0 s"):
        await take_turn(address, clock, Lane.CANCEL, 1, "here")


# -- the adapter obeys -----------------------------------------------------------------------------------------------


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    made = StandIn()
    await made.start()
    yield made
    await made.stop()


async def started(stand_in: StandIn, *rules: dict[str, Any]) -> Client:
    stand_in.rest["GET exchangeInfo"] = lambda _: (200, {"symbols": [SYMBOL], "rateLimits": list(rules)}, {})
    client = Client(stand_in, rate_share_percent=100)
    await client.start()
    await until(lambda: client.venue.trouble == "")
    return client


async def test_orders_stop_before_the_venue_has_to_refuse_them(stand_in: StandIn) -> None:
    client = await started(stand_in, rule("ORDERS", "DAY", 1, 3))
    for _ in range(3):
        assert client.venue.trouble == ""
        assert isinstance(await place_with(client, stand_in, ORDER), Placed)
    assert client.venue.trouble.startswith("too many orders")
    await client.close()


async def test_the_count_in_an_answer_is_believed(stand_in: StandIn) -> None:
    """Another process may trade the account; fills give orders back."""
    client = await started(stand_in, rule("ORDERS", "DAY", 1, 100))
    told = [rule("ORDERS", "DAY", 1, 100) | {"count": 100}]
    stand_in.ws["order.place"] = lambda _: {"status": 200, "result": ORDER, "rateLimits": told}
    await place(client)
    assert client.venue.trouble.startswith("too many orders")
    await client.close()


async def test_data_waits_while_cancels_go_on(stand_in: StandIn) -> None:
    client = await started(stand_in)
    stand_in.rest["GET openOrders"] = lambda _: (200, [], {"X-MBX-USED-WEIGHT-1M": "5500"})
    await client.venue.reads.open_orders()
    with pytest.raises(RateLimited):
        await client.venue.reads.open_orders()
    assert client.venue.trouble.startswith("rate limited")
    await client.venue.cancel_order("BTC-USDT.sim", "ABC")
    assert stand_in.methods()[-1] == "order.cancel"
    await client.close()


async def test_a_ban_stops_everything_and_is_over_when_it_says(stand_in: StandIn) -> None:
    client = await started(stand_in)
    banned = {"code": -1003, "msg": "Way too much request weight used; IP banned until 1"}
    stand_in.rest["GET openOrders"] = lambda _: (418, banned, {"Retry-After": "1"})
    with pytest.raises(VenueTrouble, match="BANNED"):
        await client.venue.reads.open_orders()
    asked = len(stand_in.asked)
    stand_in.rest.pop("GET openOrders")
    waiting = asyncio.create_task(client.venue.reads.open_orders())
    await asyncio.sleep(0.5)
    assert client.venue.trouble.startswith("rate limited")
    assert len(stand_in.asked) == asked, "a ban is waited for in silence"
    assert await waiting == []
    await client.close()


async def test_a_long_ban_is_told_at_once(stand_in: StandIn) -> None:
    client = await started(stand_in)
    stand_in.rest["GET openOrders"] = lambda _: (418, {"code": -1003, "msg": "banned"}, {"Retry-After": "120"})
    with pytest.raises(VenueTrouble, match="BANNED"):
        await client.venue.reads.open_orders()
    asked = len(stand_in.asked)
    assert isinstance(await client.venue.cancel_order("BTC-USDT.sim", "ABC"), CancelFailed)
    assert len(stand_in.asked) == asked
    await client.close()
