"""What every adapter has to do, tried on each: the fake in memory, and Binance's on a real venue process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import pytest
from tests.integration.venue_contract import (
    BTC,
    Hands,
    VenueProcess,
    binance_world,
    ccxt_world,
    fake_world,
    until,
    venue_process,
)

from pitwire.common.enums import Liquidity, OrderStatus, OrderType, Side, TimeInForce
from pitwire.execution.core.venue import Canceled, InDoubt, NothingToCancel, Placed, Refused

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

MUCH = Decimal(100_000)
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    folder: Path = tmp_path_factory.mktemp("venue")
    with venue_process(folder) as made:
        yield made


@pytest.fixture(params=["fake", "binance", "ccxt"])
async def hands(request: pytest.FixtureRequest, process: VenueProcess) -> AsyncIterator[Hands]:
    async with AsyncExitStack() as stack:
        if request.param == "fake":
            yield Hands(await stack.enter_async_context(fake_world()))
        elif request.param == "binance":
            yield Hands(await stack.enter_async_context(binance_world(process)))
        else:
            pytest.importorskip("ccxt.pro", reason="ccxt is an extra: `make ccxt` installs it")
            yield Hands(await stack.enter_async_context(ccxt_world(process)))


# -- what can be traded ----------------------------------------------------------------------------------------------


async def test_instruments_come_with_the_steps_they_are_traded_in(hands: Hands) -> None:
    found = {each.instrument_id: each for each in await hands.world.venue.reads.load_instruments()}
    assert (found[BTC].base, found[BTC].quote, found[BTC].venue_symbol) == ("BTC", "USDT", "BTCUSDT")
    assert found[BTC].tick_size > 0
    assert found[BTC].lot_size > 0


# -- orders that trade at once ---------------------------------------------------------------------------------------


async def test_a_market_order_is_filled_and_both_the_answer_and_the_stream_tell_its_trades(hands: Hands) -> None:
    order = hands.order()
    answer = await hands.place(order)
    assert isinstance(answer, Placed)
    await hands.heard_status(order, OrderStatus.FILLED)
    found = await hands.world.venue.reads.query_order(BTC, order.client_order_id)
    assert found is not None
    assert (found.status, found.cum_quantity) == (OrderStatus.FILLED, order.quantity)
    trades = await hands.world.venue.reads.trades_of_order(BTC, found.venue_order_id)
    assert sum(trade.quantity for trade in trades) == order.quantity
    assert {trade.liquidity for trade in trades} == {Liquidity.TAKER}
    assert all(trade.fee >= 0 and trade.fee_currency and trade.price > 0 for trade in trades)
    assert hands.traded(order) == {trade.trade_id: trade.quantity for trade in trades}
    assert {t.trade_id for t in answer.facts.trades} <= {trade.trade_id for trade in trades}


async def test_a_fill_moves_the_balances_by_exactly_what_its_trades_say(hands: Hands) -> None:
    reads = hands.world.venue.reads
    before = await reads.balances()
    order = hands.order(quantity=Decimal("0.01"))
    await hands.place(order)
    placed = await hands.heard_status(order, OrderStatus.FILLED)
    expected = {asset: before.get(asset, Decimal(0)) for asset in ("BTC", "USDT")}
    for trade in await reads.trades_of_order(BTC, placed.venue_order_id):
        expected["BTC"] += trade.quantity
        expected["USDT"] -= trade.quantity * trade.price
        expected[trade.fee_currency or ""] -= trade.fee
    after = await reads.balances()
    assert {asset: after[asset] for asset in expected} == expected


@pytest.mark.parametrize("time_in_force", [IOC, FOK])
async def test_an_order_that_cannot_rest_trades_or_expires(hands: Hands, time_in_force: TimeInForce) -> None:
    limit = {"order_type": OrderType.LIMIT, "time_in_force": time_in_force}
    filled, expired = (
        hands.order(limit_price=hands.near(Decimal("1.1")), **limit),
        hands.order(limit_price=hands.near(Decimal("0.9")), **limit),
    )
    for order in (filled, expired):
        assert isinstance(await hands.place(order), Placed)
    await hands.heard_status(filled, OrderStatus.FILLED)
    over = await hands.heard_status(expired, OrderStatus.EXPIRED)
    assert over.cum_quantity == 0


# -- orders that rest ------------------------------------------------------------------------------------------------


async def test_a_resting_order_is_found_by_every_question_until_it_is_cancelled(hands: Hands) -> None:
    reads, order = hands.world.venue.reads, hands.resting()
    assert isinstance(await hands.place(order), Placed)
    shown = await hands.heard_status(order, OrderStatus.NEW)
    by_ours = await reads.query_order(BTC, order.client_order_id)
    assert by_ours is not None
    assert by_ours.venue_order_id == shown.venue_order_id
    assert (by_ours.side, by_ours.quantity, by_ours.limit_price) == (order.side, order.quantity, order.limit_price)
    assert await reads.query_venue_order(BTC, shown.venue_order_id) == by_ours
    in_history = await reads.find_in_history(BTC, order.client_order_id)
    assert in_history is not None
    assert order.client_order_id in {each.client_order_id for each in await reads.open_orders()}
    answer = await hands.world.venue.cancel_order(BTC, order.client_order_id)
    assert isinstance(answer, Canceled)
    assert answer.facts.order.client_order_id == order.client_order_id
    await hands.heard_status(order, OrderStatus.CANCELED)
    assert order.client_order_id not in {each.client_order_id for each in await reads.open_orders()}


async def test_a_cancel_may_be_asked_twice_and_of_what_was_never_there(hands: Hands) -> None:
    order = hands.resting()
    await hands.place(order)
    await hands.world.venue.cancel_order(BTC, order.client_order_id)
    assert isinstance(await hands.world.venue.cancel_order(BTC, order.client_order_id), NothingToCancel)
    assert isinstance(await hands.world.venue.cancel_order(BTC, "NEVERTHERE"), NothingToCancel)


@pytest.mark.parametrize(
    ("order_type", "stop", "limit"),
    [
        (OrderType.STOP_LOSS, "0.7", None),
        (OrderType.STOP_LOSS_LIMIT, "0.7", "0.69"),
        (OrderType.TAKE_PROFIT, "1.3", None),
        (OrderType.TAKE_PROFIT_LIMIT, "1.3", "1.29"),
    ],
)
async def test_every_kind_of_stop_waits_and_can_be_cancelled(
    hands: Hands, order_type: OrderType, stop: str, limit: str | None
) -> None:
    await hands.place(hands.order(quantity=Decimal("0.002")))
    order = hands.order(
        side=Side.SELL,
        order_type=order_type,
        stop_price=hands.near(Decimal(stop)),
        limit_price=hands.near(Decimal(limit)) if limit else None,
        quantity=Decimal("0.001"),
    )
    assert order_type in hands.world.venue.capabilities.order_types
    answer = await hands.place(order)
    assert isinstance(answer, Placed), answer
    found = await hands.world.venue.reads.query_order(BTC, order.client_order_id)
    assert found is not None
    assert (found.order_type, found.stop_price, found.status) == (order_type, order.stop_price, OrderStatus.NEW)
    assert isinstance(await hands.world.venue.cancel_order(BTC, order.client_order_id), Canceled)


async def test_post_only_rests_or_is_refused_and_never_takes(hands: Hands) -> None:
    rests = hands.resting(post_only=True)
    assert isinstance(await hands.place(rests), Placed)
    await hands.world.venue.cancel_order(BTC, rests.client_order_id)
    takes = hands.order(order_type=OrderType.LIMIT, limit_price=hands.near(Decimal("1.1")), post_only=True)
    answer = await hands.place(takes)
    assert isinstance(answer, Refused), answer
    assert not hands.traded(takes)


# -- a no, and not knowing -------------------------------------------------------------------------------------------


async def test_an_order_that_cannot_be_paid_is_refused_and_the_venue_knows_nothing_of_it(hands: Hands) -> None:
    order = hands.resting(quantity=MUCH)
    answer = await hands.place(order)
    assert isinstance(answer, Refused), answer
    assert answer.code in {"INSUFFICIENT_FUNDS", "INVALID_ORDER"}
    assert await hands.world.venue.reads.query_order(BTC, order.client_order_id) is None


async def test_an_order_that_was_never_there_is_found_by_no_question(hands: Hands) -> None:
    reads = hands.world.venue.reads
    assert await reads.query_order(BTC, "NEVERTHERE") is None
    assert await reads.find_in_history(BTC, "NEVERTHERE") is None
    assert await reads.query_venue_order(BTC, "123456789") is None


async def test_a_lost_answer_leaves_the_order_in_doubt_and_a_question_ends_it(hands: Hands) -> None:
    """I-2, F-15: it was taken."""
    await hands.world.lose_answer()
    order = hands.order()
    assert isinstance(await hands.place(order), InDoubt)
    found = await hands.world.venue.reads.query_order(BTC, order.client_order_id)
    assert found is not None
    assert found.status is OrderStatus.FILLED


async def test_a_lost_request_leaves_the_order_in_doubt_and_both_endpoints_know_nothing_of_it(hands: Hands) -> None:
    await hands.world.lose_request()
    order = hands.order()
    assert isinstance(await hands.place(order), InDoubt)
    assert await hands.world.venue.reads.query_order(BTC, order.client_order_id) is None
    assert await hands.world.venue.reads.find_in_history(BTC, order.client_order_id) is None


async def test_an_id_that_works_already_is_in_doubt_and_stands_there_once(hands: Hands) -> None:
    order = hands.resting()
    assert isinstance(await hands.place(order), Placed)
    assert isinstance(await hands.place(order), InDoubt)
    ids = [each.client_order_id for each in await hands.world.venue.reads.open_orders()]
    assert ids.count(order.client_order_id) == 1
    await hands.world.venue.cancel_order(BTC, order.client_order_id)


# -- the stream, and what others do ----------------------------------------------------------------------------------


async def test_a_broken_stream_is_a_gap_and_goes_on(hands: Hands) -> None:
    gaps = len(hands.world.ear.gaps)
    await hands.world.lose_stream()
    await until(lambda: len(hands.world.ear.gaps) > gaps and not hands.world.venue.trouble)
    order = hands.order()
    assert isinstance(await hands.place(order), Placed)
    await hands.heard_status(order, OrderStatus.FILLED)


async def test_trades_are_told_from_any_one_on_without_a_hole(hands: Hands) -> None:
    reads = hands.world.venue.reads
    before = await reads.newest_trade_id(BTC)
    orders = [hands.order() for _ in range(3)]
    for order in orders:
        await hands.place(order)
        await hands.heard_status(order, OrderStatus.FILLED)
    told = {trade_id for order in orders for trade_id in hands.traded(order)}
    found = [trade.trade_id for trade in await reads.trades_since(BTC, before)]
    assert set(found) == told
    assert found == sorted(found, key=int)
    assert await reads.newest_trade_id(BTC) == int(found[-1])


async def test_an_order_of_somebody_else_is_told_and_listed(hands: Hands) -> None:
    order_id = await hands.world.foreign_order()
    await until(lambda: order_id in {fact.order.client_order_id for fact in hands.world.ear.facts})
    assert order_id in {each.client_order_id for each in await hands.world.venue.reads.open_orders()}


async def test_after_a_wipe_nothing_is_known_and_new_orders_work(hands: Hands) -> None:
    order = hands.resting()
    await hands.place(order)
    await hands.world.wipe()
    reads = hands.world.venue.reads
    assert await reads.query_order(BTC, order.client_order_id) is None
    assert list(await reads.open_orders()) == []
    assert await reads.newest_trade_id(BTC) == 0
    fresh = hands.order()
    assert isinstance(await hands.place(fresh), Placed)
    await hands.heard_status(fresh, OrderStatus.FILLED)
