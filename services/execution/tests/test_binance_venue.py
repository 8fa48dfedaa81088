"""The Binance adapter against a tiny Binance that behaves well and badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
from services.execution.tests.stand_in import BTC, Client, StandIn, now_ms
from services.execution.tests.world import until

from pitwire.common.clock import NS_PER_MS, SystemClock
from pitwire.common.enums import OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.errors import VenueTrouble
from pitwire.execution.adapters.binance import adapter, reads, socket
from pitwire.execution.core.venue import (
    Canceled,
    CancelFailed,
    InDoubt,
    NewOrder,
    NothingToCancel,
    Placed,
    Refused,
    SubmitAnswer,
)
from pitwire.execution.ports import CannotSign, Unsupported

ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT", "orderId": 28, "clientOrderId": "ABC", "transactTime": 1_507_725_176_595, "price": "0.00",
    "origQty": "1.000", "executedQty": "0.000", "status": "NEW", "type": "LIMIT", "side": "BUY", "fills": [],
}  # fmt: skip
REPORT: dict[str, Any] = {
    "e": "executionReport", "s": "BTCUSDT", "c": "ABC", "S": "BUY", "o": "LIMIT", "q": "1", "p": "100", "P": "0",
    "C": "", "x": "NEW", "X": "NEW", "r": "NONE", "i": 28, "l": "0", "z": "0", "L": "0", "n": "0", "N": None,
    "T": 1_507_725_176_595, "t": -1, "I": 1, "m": False,
}  # fmt: skip
NEW = NewOrder("ABC", BTC, "BTCUSDT", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, Decimal(1), Decimal(100))


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    made = StandIn()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(stand_in: StandIn) -> AsyncIterator[Client]:
    made = Client(stand_in)
    await made.start()
    await until(lambda: made.venue.trouble == "")
    yield made
    await made.close()


async def place(client: Client, order: NewOrder = NEW, *, expires_in_ms: int = 2_000) -> SubmitAnswer:
    now_ns = SystemClock().wall_ns()
    prepared = client.venue.prepare(order, now_ns=now_ns, expires_ns=now_ns + expires_in_ms * NS_PER_MS)
    async with asyncio.timeout(5):
        return await (await client.venue.send(prepared))


# -- connecting ------------------------------------------------------------------------------------------------------


async def test_it_connects_learns_the_time_tries_the_key_and_subscribes(client: Client, stand_in: StandIn) -> None:
    assert client.ear.gaps == ["private stream connected"]
    assert client.ear.links[-1] == "CONNECTED"
    asked = stand_in.methods()
    assert asked[:2] == ["GET exchangeInfo", "GET time"]
    assert {"GET account", "userDataStream.subscribe.signature"} <= set(asked)


async def test_a_key_that_the_venue_refuses_never_becomes_ready_and_says_why(stand_in: StandIn) -> None:
    stand_in.rest["GET account"] = lambda _: (401, {"code": -2015, "msg": "Invalid API-key"}, {})
    client = Client(stand_in)
    await client.start()
    await until(lambda: any("UNAUTHORIZED" in state for state in client.ear.links))
    assert client.venue.trouble
    await client.close()


async def test_an_account_that_may_not_trade_never_becomes_ready(stand_in: StandIn) -> None:
    stand_in.rest["GET account"] = lambda _: (200, {"canTrade": False}, {})
    client = Client(stand_in)
    await client.start()
    await until(lambda: any("may not trade" in state for state in client.ear.links))
    await client.close()


async def test_an_instrument_that_the_venue_does_not_list_is_named(stand_in: StandIn) -> None:
    stand_in.rest["GET exchangeInfo"] = lambda _: (200, {"symbols": []}, {})
    client = Client(stand_in)
    with pytest.raises(VenueTrouble, match="does not list BTC-USDT"):
        await client.start()
    await client.close()


async def test_a_closed_private_stream_is_opened_again_and_counts_as_a_gap(client: Client, stand_in: StandIn) -> None:
    await stand_in.streams[0].close()
    await until(lambda: client.venue.trouble == "" and len(client.ear.gaps) == 2)
    assert any("private stream" in state for state in client.ear.links)


async def test_a_connection_announced_to_end_is_replaced_before_it_ends(client: Client, stand_in: StandIn) -> None:
    await stand_in.tell({"e": "serverShutdown", "E": 1})
    await until(lambda: stand_in.methods().count("userDataStream.subscribe.signature") == 2)
    await until(lambda: len(stand_in.sockets) == 2)
    assert client.ear.gaps == ["private stream connected"]
    assert isinstance(await place_with(client, stand_in, ORDER), Placed)


async def test_a_terminated_subscription_is_a_gap_and_is_renewed(client: Client, stand_in: StandIn) -> None:
    await stand_in.tell({"e": "eventStreamTerminated", "E": 1})
    await until(lambda: len(client.ear.gaps) == 2)
    await until(lambda: client.venue.trouble == "")


async def test_a_peer_that_gives_no_sign_of_life_is_given_up(stand_in: StandIn) -> None:
    """Half-open connections: venues 1.3, trap 4."""
    stand_in.deaf = True
    client = Client(stand_in, silence_max_ms=500)
    await client.start()
    await until(lambda: any("Timeout" in state or "PONG" in state for state in client.ear.links))
    await client.close()


async def test_a_venue_that_comes_back_is_found_again(client: Client, stand_in: StandIn) -> None:
    await stand_in.stop()
    await until(lambda: client.venue.trouble != "")
    await stand_in.start()
    await until(lambda: client.venue.trouble == "")


# -- orders --------------------------------------------------------------------------------------------------------


async def place_with(client: Client, stand_in: StandIn, result: Any, **answer: Any) -> SubmitAnswer:
    stand_in.ws["order.place"] = lambda _: {"status": 200, "result": result} | answer
    return await place(client)


async def test_an_order_is_asked_for_once_as_it_was_approved(client: Client, stand_in: StandIn) -> None:
    answer = await place_with(client, stand_in, ORDER)
    assert isinstance(answer, Placed)
    assert (answer.facts.order.venue_order_id, answer.facts.order.status) == ("28", OrderStatus.NEW)
    sent = [params for method, params in stand_in.asked if method == "order.place"]
    assert len(sent) == 1
    assert (sent[0]["newClientOrderId"], sent[0]["price"], sent[0]["quantity"]) == ("ABC", "100", "1")
    assert abs(sent[0]["timestamp"] - now_ms()) < 1_000


async def test_the_venue_may_take_it_no_longer_than_the_approval_lasts(client: Client, stand_in: StandIn) -> None:
    stand_in.ws["order.place"] = lambda _: {"status": 200, "result": ORDER}
    await place(client, expires_in_ms=300)
    await place(client, expires_in_ms=60_000)
    windows = [params["recvWindow"] for method, params in stand_in.asked if method == "order.place"]
    assert windows == [300, 2_000]


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, {"code": -2010, "msg": "Account has insufficient balance for requested action."}, Refused),
        (400, {"code": -1013, "msg": "Filter failure: LOT_SIZE"}, Refused),
        (400, {"code": -2010, "msg": "Duplicate order sent."}, InDoubt),
        (500, {"code": -1000, "msg": "?"}, InDoubt),
        (504, {"code": -1007, "msg": "Timeout"}, InDoubt),
        (400, {"code": -1006, "msg": "unexpected"}, InDoubt),
        (None, None, InDoubt),
    ],
)
async def test_a_refusal_is_final_only_where_it_says_so(
    client: Client, stand_in: StandIn, status: object, error: object, expected: type
) -> None:
    stand_in.ws["order.place"] = lambda _: {"status": status, "error": error}
    assert isinstance(await place(client), expected)


async def test_an_answer_that_cannot_be_read_leaves_the_order_in_doubt(client: Client, stand_in: StandIn) -> None:
    """Law 4: parse failure after send."""
    answer = await place_with(client, stand_in, ORDER | {"status": "BETTER"})
    assert isinstance(answer, InDoubt)
    assert client.ear.malformed


async def test_a_connection_lost_after_sending_leaves_the_order_in_doubt(client: Client, stand_in: StandIn) -> None:
    def hang_up(_: dict[str, Any]) -> None:
        for each in stand_in.sockets:
            asyncio.get_running_loop().create_task(each.close())

    stand_in.ws["order.place"] = hang_up
    assert isinstance(await place(client), InDoubt)
    assert stand_in.methods().count("order.place") == 1
    await until(lambda: client.venue.trouble == "")
    assert stand_in.methods().count("order.place") == 1


async def test_silence_leaves_the_order_in_doubt_and_a_late_answer_is_heard(
    client: Client, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "ORDER_ANSWER_MAX_S", 0.05)
    stand_in.ws["order.place"] = lambda _: None
    orders = [each for each in stand_in.sockets if each not in stand_in.streams]
    answer = await place(client)
    assert isinstance(answer, InDoubt)
    for request_id in range(1, 10):
        late = {"id": request_id, "status": 200, "result": ORDER}
        await orders[0].send_str(orjson.dumps(late).decode())
    await until(lambda: len(client.ear.facts) == 1)


async def test_too_many_orders_without_an_answer_are_trouble(
    client: Client, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "UNANSWERED_MAX", 2)
    stand_in.ws["order.place"] = lambda _: None
    now_ns = SystemClock().wall_ns()
    for _ in range(2):
        assert client.venue.trouble == ""
        await client.venue.send(client.venue.prepare(NEW, now_ns=now_ns, expires_ns=now_ns + 10**9))
    assert client.venue.trouble == "too many orders without an answer"
    one_more = await client.venue.send(client.venue.prepare(NEW, now_ns=now_ns, expires_ns=now_ns + 10**9))
    assert isinstance(one_more.result(), InDoubt)


async def test_a_venue_that_disagrees_about_the_time_is_asked_for_it_at_once(client: Client, stand_in: StandIn) -> None:
    """F-24: -1021 is final for the order, and a reason to look at the clock again."""
    asked = stand_in.methods().count("GET time")
    stand_in.time_shift_ms = 10_000
    refused = await place_with(client, stand_in, None, status=400, error={"code": -1021, "msg": "outside"})
    assert isinstance(refused, Refused)
    assert refused.code == "CLOCK_SKEW"
    await until(lambda: stand_in.methods().count("GET time") == asked + 1)
    await until(lambda: not client.venue._venue_clock.is_doubted)
    await place_with(client, stand_in, ORDER)
    sent = [params for method, params in stand_in.asked if method == "order.place"][-1]
    assert abs(sent["timestamp"] - now_ms() - 10_000) < 1_000


async def test_nothing_is_signed_by_a_clock_that_is_not_known(client: Client) -> None:
    client.venue._venue_clock._error_ns = -1
    with pytest.raises(CannotSign):
        client.venue.prepare(NEW, now_ns=0, expires_ns=10**9)
    assert client.venue.trouble == "the venue's clock is not known"
    assert isinstance(await client.venue.cancel_order(BTC, "ABC"), CancelFailed)
    await until(lambda: client.venue.trouble == "")


async def test_a_venue_whose_clock_is_an_hour_off_is_signed_for_by_its_own_time(stand_in: StandIn) -> None:
    stand_in.time_shift_ms = 3_600_000
    client = Client(stand_in)
    await client.start()
    await until(lambda: client.venue.trouble == "")
    await place_with(client, stand_in, ORDER)
    sent = next(params for method, params in stand_in.asked if method == "order.place")
    assert abs(sent["timestamp"] - now_ms() - 3_600_000) < 1_000
    await client.close()


async def test_what_does_not_fit_a_request_is_refused_before_anything_is_sent(client: Client) -> None:
    long = NewOrder("A" * 800, BTC, "BTCUSDT", Side.BUY, OrderType.MARKET, TimeInForce.GTC, Decimal(1))
    with pytest.raises(Unsupported):
        client.venue.prepare(long, now_ns=0, expires_ns=10**9)


async def test_a_rate_limit_stops_everything_that_follows(client: Client, stand_in: StandIn) -> None:
    """F-16: and nothing is asked before the time is over."""
    stand_in.rest["GET openOrders"] = lambda _: (429, {"code": -1003, "msg": "weight"}, {"Retry-After": "30"})
    with pytest.raises(VenueTrouble, match="RATE_LIMITED"):
        await client.venue.reads.open_orders()
    asked = len(stand_in.asked)
    assert client.venue.trouble.startswith("rate limited")
    with pytest.raises(VenueTrouble, match="rate limited"):
        await client.venue.reads.open_orders()
    assert isinstance(await client.venue.cancel_order(BTC, "ABC"), CancelFailed)
    assert len(stand_in.asked) == asked


# -- the private stream ----------------------------------------------------------------------------------------------


async def test_events_are_heard_in_order(client: Client, stand_in: StandIn) -> None:
    await stand_in.tell(REPORT)
    await stand_in.tell(REPORT | {"x": "CANCELED", "X": "CANCELED", "C": "ABC", "c": "x"})
    await stand_in.tell({"e": "outboundAccountPosition", "E": 1})
    await until(lambda: len(client.ear.facts) == 2)
    assert [facts.order.status for facts in client.ear.facts] == [OrderStatus.NEW, OrderStatus.CANCELED]


@pytest.mark.parametrize("bad", [{"z": "much"}, {"X": "BETTER"}, {"i": None}])
async def test_an_event_that_cannot_be_read_is_set_aside_and_everything_asked_anew(
    client: Client, stand_in: StandIn, bad: dict[str, Any]
) -> None:
    """It may have been a fill."""
    await stand_in.tell(REPORT | bad)
    await stand_in.tell(REPORT)
    await until(lambda: len(client.ear.facts) == 1)
    assert [place for place, _ in client.ear.malformed] == ["executionReport"]
    assert client.ear.gaps[-1] == "executionReport could not be read"


async def test_an_event_of_another_instrument_is_set_aside_and_no_gap(client: Client, stand_in: StandIn) -> None:
    await stand_in.tell(REPORT | {"s": "DOGEUSDT"})
    await until(lambda: len(client.ear.malformed) == 1)
    assert len(client.ear.gaps) == 1


@pytest.mark.parametrize("text", ["{", "[]", "7", '"x"', '{"id": 99999, "status": 200}', '{"id": "x"}'])
async def test_noise_on_a_connection_is_set_aside(client: Client, stand_in: StandIn, text: str) -> None:
    await stand_in.streams[0].send_str(text)
    await until(lambda: len(client.ear.malformed) == 1)
    assert client.venue.trouble == ""


# -- cancels and reads -----------------------------------------------------------------------------------------------

CANCELED = ORDER | {"status": "CANCELED", "origClientOrderId": "ABC", "clientOrderId": "the-cancel"}


async def test_a_cancel_is_confirmed_by_the_venue(client: Client, stand_in: StandIn) -> None:
    stand_in.ws["order.cancel"] = lambda _: {"status": 200, "result": CANCELED}
    answer = await client.venue.cancel_order(BTC, "ABC")
    assert isinstance(answer, Canceled)
    assert (answer.facts.order.client_order_id, answer.facts.order.status) == ("ABC", OrderStatus.CANCELED)


async def test_a_cancel_of_nothing_and_a_failed_cancel_are_told_apart(client: Client, stand_in: StandIn) -> None:
    stand_in.ws["order.cancel"] = lambda _: {"status": 400, "error": {"code": -2011, "msg": "Unknown order sent."}}
    assert isinstance(await client.venue.cancel_order(BTC, "ABC"), NothingToCancel)
    stand_in.ws["order.cancel"] = lambda _: {"status": 500, "error": {"code": -1000, "msg": "?"}}
    assert isinstance(await client.venue.cancel_order(BTC, "ABC"), CancelFailed)
    stand_in.ws["order.cancel"] = lambda _: {"status": 200, "result": 7}
    assert isinstance(await client.venue.cancel_order(BTC, "ABC"), CancelFailed)


async def test_a_cancel_goes_over_rest_while_the_order_connection_is_down(client: Client, stand_in: StandIn) -> None:
    stand_in.rest["DELETE order"] = lambda _: (200, CANCELED, {})
    client.venue._orders.current = None
    assert isinstance(await client.venue.cancel_order(BTC, "ABC"), Canceled)
    assert stand_in.methods()[-1] == "DELETE order"


async def test_an_order_is_found_by_either_id_or_not_at_all(client: Client, stand_in: StandIn) -> None:
    reader = client.venue.reads
    assert await reader.query_order(BTC, "ABC") is None
    stand_in.rest["GET order"] = lambda _: (200, ORDER, {})
    found = await reader.query_order(BTC, "ABC")
    assert found is not None
    assert found == await reader.query_venue_order(BTC, "28")
    stand_in.rest["GET order"] = lambda _: (500, {"code": -1000, "msg": "?"}, {})
    with pytest.raises(VenueTrouble):
        await reader.query_order(BTC, "ABC")


async def test_the_second_endpoint_looks_through_the_newest_orders(client: Client, stand_in: StandIn) -> None:
    stand_in.rest["GET allOrders"] = lambda _: (200, [ORDER | {"clientOrderId": "other"}, ORDER], {})
    assert await client.venue.reads.find_in_history(BTC, "ABC") is not None
    assert await client.venue.reads.find_in_history(BTC, "XYZ") is None
    stand_in.rest["GET allOrders"] = lambda _: (200, {"not": "a list"}, {})
    with pytest.raises(VenueTrouble):
        await client.venue.reads.find_in_history(BTC, "ABC")


async def test_trades_are_read_page_by_page(client: Client, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "ROWS_MAX", 2)

    def page(params: dict[str, str]) -> Any:
        first = int(params.get("fromId", 1))
        rows = [row(number) for number in range(first, 6)]
        return 200, rows[:2] if "fromId" in params else rows[-int(params["limit"]) :], {}

    stand_in.rest["GET myTrades"] = page
    found = await client.venue.reads.trades_since(BTC, 1)
    assert [trade.trade_id for trade in found] == ["2", "3", "4", "5"]
    assert await client.venue.reads.newest_trade_id(BTC) == 5


def row(number: int) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "id": number, "orderId": 28, "price": "100", "qty": "1", "commission": "0.1",
        "commissionAsset": "USDT", "time": 1, "isBuyer": True, "isMaker": False,
    }  # fmt: skip


@pytest.mark.parametrize("answer", [(200, "no list", {}), (200, [{"id": "x"}], {}), (200, [7], {})])
async def test_trades_that_cannot_be_read_are_trouble_not_silence(
    client: Client, stand_in: StandIn, answer: Any
) -> None:
    stand_in.rest["GET myTrades"] = lambda _: answer
    with pytest.raises(VenueTrouble):
        await client.venue.reads.trades_since(BTC, 0)
