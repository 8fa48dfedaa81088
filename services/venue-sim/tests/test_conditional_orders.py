"""Orders with conditions: stops, trailing stops, icebergs, OCO lists, amendments, self-trade prevention."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.order_lists import check_types
from pitwire.venue_sim.core.records import account_record, effect_records
from pitwire.venue_sim.core.restore import Restorer
from pitwire.venue_sim.core.rules import AMENDS_MAX
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.triggers import sees_trade, triggers_at_once
from pitwire.venue_sim.core.types import Order, OrderType, Side, TimeInForce


def d(text: str) -> Decimal:
    return Decimal(text)


def story(reports: Any) -> list[str]:
    return [
        f"{report.order.client_order_id} {report.exec_type} {report.status} {report.reason}".strip()
        for report in reports
    ]


# -------------------------------------------------------------------------------------------------------------- stops
TRIGGERS = """
order                                   | waits at           | triggers at
BUY STOP_LOSS 1 stop=105                | 104.99 90 104      | 105
SELL STOP_LOSS 1 stop=95                | 95.01 110 96       | 95
BUY TAKE_PROFIT 1 stop=95               | 95.01 110 96       | 95
SELL TAKE_PROFIT 1 stop=105             | 104.99 90 104      | 105
BUY STOP_LOSS_LIMIT 1 @ 106 stop=105    | 104.99 90 104      | 107
SELL STOP_LOSS_LIMIT 1 @ 94 stop=95     | 95.01 110 96       | 93
"""


@pytest.mark.parametrize(
    "row",
    [[cell.strip() for cell in line.split("|")] for line in TRIGGERS.strip().splitlines()[1:]],
    ids=lambda row: row[0],
)
def test_a_stop_order_waits_for_the_last_price(bench: Any, row: list[str]) -> None:
    text, waits, trigger = row
    order, effects = bench.place(text)
    assert story(effects.reports) == ["o1 NEW NEW"]
    assert not order.is_working
    assert story(bench.last(*waits.split())) == []
    reports = bench.last(trigger)
    assert order.is_working
    assert story(reports)[0] == "o1 NEW NEW"


@pytest.mark.parametrize(
    "text",
    [
        "BUY STOP_LOSS 1 stop=100",
        "SELL STOP_LOSS 1 stop=100",
        "BUY TAKE_PROFIT 1 stop=101",
        "SELL TAKE_PROFIT 1 stop=99",
    ],
)
def test_a_stop_that_is_met_already_is_refused(bench: Any, text: str) -> None:
    with pytest.raises(VenueError, match="Order would trigger immediately"):
        bench.place(text)


def test_a_stop_becomes_a_market_order_and_its_funds_are_settled(bench: Any) -> None:
    order, _ = bench.place("SELL STOP_LOSS 1 stop=95")
    assert bench.balances()["BTC"] == (9, 1)
    bench.last("95")
    assert order.status == "FILLED"
    assert bench.balances()["BTC"] == (9, 0)
    assert order.cum_quote == 94


def test_a_buy_stop_spends_no_more_than_the_account_has(bench: Any) -> None:
    bench.exchange.accounts["main"].change("USDT", free=d("-9800"))
    order, _ = bench.place("BUY STOP_LOSS 1 stop=105")
    assert bench.balances()["USDT"] == (95, 105)
    bench.last("400")
    assert (order.status, order.cum_quantity, order.cum_quote) == ("EXPIRED", d("0.5"), 200)
    assert bench.balances()["USDT"] == (0, 0)


def test_a_stop_limit_rests_at_its_limit_when_the_market_has_passed_it(bench: Any) -> None:
    order, _ = bench.place("SELL STOP_LOSS_LIMIT 1 @ 98 stop=95")
    reports = bench.last("90")
    assert story(reports) == ["o1 NEW NEW"]
    assert bench.exchange.listings["BTCUSDT"].book.depth(Side.SELL, 5)[-1] == (98, 1)
    bench.last("99.00")
    assert order.status == "FILLED"


def test_too_many_waiting_stops_are_refused(bench: Any) -> None:
    for _ in range(5):
        bench.place("SELL STOP_LOSS 1 stop=95")
    with pytest.raises(VenueError, match="MAX_NUM_ALGO_ORDERS"):
        bench.place("SELL STOP_LOSS 1 stop=95")


def test_a_waiting_stop_can_be_canceled(bench: Any) -> None:
    order, _ = bench.place("SELL STOP_LOSS 1 stop=95")
    bench.exchange.cancel(order, cancel_id="c", now_ms=2)
    assert bench.balances()["BTC"] == (10, 0)
    assert bench.last("90") == []


# ---------------------------------------------------------------------------------------------------- trailing stops
SCENARIOS = """
A BUY  STOP_LOSS_LIMIT   stop=44000 trail=500  | 40000 37000 42000 44000 45000 46000 42000 44099.99 | 44100
B SELL STOP_LOSS_LIMIT   stop=39000 trail=1000 | 40000 41500 39000 37000 41000 36900.01             | 36900
C BUY  TAKE_PROFIT_LIMIT stop=38000 trail=850  | 40000 42000 38000 37000 39000 38000 40144.99       | 40145
D SELL TAKE_PROFIT_LIMIT stop=42000 trail=750  | 40000 41500 39000 42000 45000 44000 46500 43012.51 | 43012.50
E SELL STOP_LOSS_LIMIT   trail=700             | 40000 42000 39500 45500 42315.01                   | 42315
"""


@pytest.mark.parametrize("line", SCENARIOS.strip().splitlines(), ids=lambda line: line[:6])
def test_the_documented_trailing_stop_scenarios(line: str) -> None:
    head, prices, trigger = (part.strip() for part in line.split("|"))
    _, side, kind, *options = head.split()
    given = dict(option.split("=") for option in options)
    order = Order(
        venue_order_id=1,
        account_id="main",
        client_order_id="x",
        symbol="BTCUSDT",
        side=Side(side),
        order_type=OrderType(kind),
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(1),
        limit_price=Decimal(1),
        created_ms=0,
        stop_price=Decimal(given.get("stop", "0")),
        trailing_delta=int(given["trail"]),
    )
    assert not triggers_at_once(order, Decimal(40000))
    for number, price in enumerate(prices.split()):
        assert not sees_trade(order, Decimal(price), number), price
    assert sees_trade(order, Decimal(trigger), 99)


def test_a_trailing_stop_follows_the_market_and_then_sells(bench: Any) -> None:
    order, _ = bench.place("SELL STOP_LOSS 1 trail=500")
    bench.last("100", "110", "105")
    assert not order.is_working
    assert [one.extreme_price for one in bench.tracked] == [110, 110]
    bench.last("104.50")
    assert (order.status, order.cum_quote) == ("FILLED", d("103.50"))


@pytest.mark.parametrize("bips", ["9", "2001"])
def test_a_trailing_delta_has_bounds(bench: Any, bips: str) -> None:
    with pytest.raises(VenueError, match="TRAILING_DELTA"):
        bench.place(f"SELL STOP_LOSS 1 trail={bips}")


# ----------------------------------------------------------------------------------------------------------- icebergs
def test_an_iceberg_shows_a_part_and_queues_again_for_each(bench: Any) -> None:
    iceberg, _ = bench.place("BUY LIMIT 3 @ 99.95 iceberg=1")
    other, _ = bench.place("BUY LIMIT 1 @ 99.95", account="other")
    book = bench.exchange.listings["BTCUSDT"].book
    assert book.best(Side.BUY) == (d("99.95"), 2)
    bench.trade("SELL", "99.95", "1.5")
    assert (iceberg.cum_quantity, other.cum_quantity) == (1, d("0.5"))
    bench.trade("SELL", "99.95", "1")
    assert (iceberg.cum_quantity, other.cum_quantity) == (d("1.5"), 1)
    assert book.best(Side.BUY) == (d("99.95"), d("0.5"))
    bench.trade("SELL", "99.95", "5")
    assert iceberg.status == "FILLED"


def test_a_taker_gets_the_hidden_part_after_all_that_is_shown(bench: Any) -> None:
    iceberg, _ = bench.place("SELL LIMIT 3 @ 100.05 iceberg=1", account="other")
    shown, _ = bench.place("SELL LIMIT 1 @ 100.05", account="other")
    taker, effects = bench.place("BUY LIMIT 3.5 @ 100.05 IOC")
    makers = [report.order.client_order_id for report in effects.reports if report.trade and report.trade.is_maker]
    assert makers == ["o1", "o2", "o1", "o1"]
    assert (taker.cum_quantity, iceberg.cum_quantity, shown.status) == (d("3.5"), d("2.5"), "FILLED")


def test_an_iceberg_has_at_most_a_hundred_parts(bench: Any) -> None:
    with pytest.raises(VenueError, match="ICEBERG_PARTS"):
        bench.place("BUY LIMIT 10.1 @ 99 iceberg=0.1")
    bench.place("BUY LIMIT 10 @ 99 iceberg=0.1")


# ---------------------------------------------------------------------------------------------------------------- OCO
SELL_OCO = ("SELL LIMIT_MAKER 1 @ 110", "SELL STOP_LOSS_LIMIT 1 @ 89 stop=90")


def test_an_oco_holds_its_funds_once(bench: Any) -> None:
    order_list, effects = bench.oco(*SELL_OCO)
    assert bench.balances()["BTC"] == (9, 1)
    assert story(effects.reports) == ["b1 NEW NEW", "a1 NEW NEW"]
    assert effects.lists == [(order_list, False)]
    bench.oco("BUY STOP_LOSS 1 stop=120", "BUY LIMIT_MAKER 1 @ 95")
    assert bench.balances()["USDT"] == (9880, 120)


def test_a_fill_of_the_limit_leg_ends_the_stop_leg(bench: Any) -> None:
    order_list, _ = bench.oco(*SELL_OCO)
    assert story(bench.last("111.50")) == ["a1 TRADE FILLED", "b1 EXPIRED EXPIRED OCO_TRIGGER"]
    assert order_list.is_done
    assert bench.balances()["BTC"] == (9, 0)


def test_a_partial_fill_of_the_limit_leg_ends_the_stop_leg_too(bench: Any) -> None:
    order_list, _ = bench.oco(*SELL_OCO)
    bench.quote("100*1", "110*0.5")
    reports = bench.trade("BUY", "110", "0.9").reports
    assert story(reports) == ["a1 TRADE PARTIALLY_FILLED", "b1 EXPIRED EXPIRED OCO_TRIGGER"]
    assert not order_list.is_done
    bench.exchange.cancel(bench.exchange.orders[order_list.order_ids[0]], cancel_id="c", now_ms=1)
    assert order_list.is_done


def test_the_stop_leg_ends_the_limit_leg_and_takes_its_funds(bench: Any) -> None:
    order_list, _ = bench.oco(*SELL_OCO)
    assert story(bench.last("90")) == ["a1 EXPIRED EXPIRED OCO_TRIGGER", "b1 NEW NEW", "b1 TRADE FILLED"]
    assert order_list.is_done
    assert bench.balances()["BTC"] == (9, 0)


def test_a_stop_leg_that_the_account_cannot_fund_any_more_expires(bench: Any) -> None:
    order_list, _ = bench.oco(*SELL_OCO)
    profit = bench.exchange.orders[order_list.order_ids[0]]
    bench.exchange.amend(profit, d("0.5"), "smaller", now_ms=1)
    bench.place("SELL LIMIT 9.5 @ 120")
    assert story(bench.last("90"))[1:] == ["b1 NEW NEW", "b1 EXPIRED EXPIRED INSUFFICIENT_BALANCE"]
    assert bench.balances()["BTC"] == (d("0.5"), d("9.5"))


def test_canceling_a_leg_cancels_the_list(bench: Any) -> None:
    order_list, _ = bench.oco(*SELL_OCO)
    leg = bench.exchange.orders[order_list.order_ids[1]]
    effects = bench.exchange.cancel(leg, cancel_id="c", now_ms=1)
    assert story(effects.reports) == ["a1 CANCELED CANCELED", "b1 CANCELED CANCELED"]
    assert effects.lists == [(order_list, True)]
    assert bench.balances()["BTC"] == (10, 0)


@pytest.mark.parametrize(
    ("above", "below", "side", "code"),
    [
        ("MARKET", "STOP_LOSS", "SELL", -1158),
        ("LIMIT_MAKER", "LIMIT_MAKER", "SELL", -1168),
        ("STOP_LOSS", "LIMIT_MAKER", "SELL", -1197),
        ("LIMIT_MAKER", "STOP_LOSS", "BUY", -1196),
        ("TAKE_PROFIT", "LIMIT_MAKER", "SELL", -1166),
        ("LIMIT_MAKER", "TAKE_PROFIT", "BUY", -1165),
        ("TAKE_PROFIT", "TAKE_PROFIT_LIMIT", "SELL", -1199),
        ("TAKE_PROFIT", "TAKE_PROFIT", "BUY", -1198),
    ],
)
def test_types_that_make_no_oco_are_refused(above: str, below: str, side: str, code: int) -> None:
    with pytest.raises(VenueError) as refusal:
        check_types(OrderType(above), OrderType(below), Side(side))
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("above", "below", "problem"),
    [
        ("SELL LIMIT_MAKER 1 @ 100", "SELL STOP_LOSS 1 stop=90", "relationship of the prices"),
        ("SELL LIMIT_MAKER 1 @ 110", "SELL STOP_LOSS 1 stop=100", "relationship of the prices"),
        ("BUY STOP_LOSS 1 stop=90", "BUY LIMIT_MAKER 1 @ 80", "relationship of the prices"),
        ("SELL LIMIT_MAKER 11 @ 110", "SELL STOP_LOSS 11 stop=90", "insufficient balance"),
        ("SELL LIMIT_MAKER 1 @ 110.001", "SELL STOP_LOSS 1 stop=90", "PRICE_FILTER"),
        ("BUY STOP_LOSS 100 stop=101", "BUY LIMIT_MAKER 100 @ 95", "insufficient balance"),
    ],
)
def test_an_oco_is_accepted_whole_or_not_at_all(bench: Any, above: str, below: str, problem: str) -> None:
    before = bench.balances()
    with pytest.raises(VenueError, match=problem):
        bench.oco(above, below)
    assert (bench.balances(), bench.exchange.orders, bench.exchange.lists) == (before, {}, {})


# --------------------------------------------------------------------------------------------------------- amendments
def test_an_amended_order_keeps_its_place(bench: Any) -> None:
    first, _ = bench.place("BUY LIMIT 2 @ 99.95")
    second, _ = bench.place("BUY LIMIT 1 @ 99.95", account="other")
    effects = bench.exchange.amend(first, d("1"), "new-id", now_ms=7)
    assert story(effects.reports) == ["new-id REPLACED NEW"]
    assert effects.reports[0].orig_client_order_id == "o1"
    assert bench.balances()["USDT"] == (d("9900.05"), d("99.95"))
    bench.trade("SELL", "99.95", "1")
    assert (first.status, second.cum_quantity) == ("FILLED", 0)
    assert bench.exchange.find_order("main", "BTCUSDT", None, "new-id") is first


@pytest.mark.parametrize(("quantity", "problem"), [("2", "increase"), ("3", "increase"), ("0.000001", "LOT_SIZE")])
def test_an_amendment_only_lowers_the_quantity(bench: Any, quantity: str, problem: str) -> None:
    order, _ = bench.place("BUY LIMIT 2 @ 99.95")
    with pytest.raises(VenueError, match=problem):
        bench.exchange.amend(order, d(quantity), "n", now_ms=1)
    assert order.quantity == 2


def test_an_amendment_leaves_something_and_has_a_limit(bench: Any) -> None:
    order, _ = bench.place("BUY LIMIT 2 @ 99.95")
    bench.trade("SELL", "99.95", "1")
    with pytest.raises(VenueError, match="leave nothing"):
        bench.exchange.amend(order, d("1"), "n", now_ms=1)
    for number in range(AMENDS_MAX):
        bench.exchange.amend(order, d("1.99") - d("0.01") * number, f"n{number}", now_ms=1)
    with pytest.raises(VenueError, match="maximum number of amendments"):
        bench.exchange.amend(order, d("1.5"), "n", now_ms=1)


# ---------------------------------------------------------------------------------------------- self-trade prevention
STP = """
mode         | taker             | maker             | others
NONE         | FILLED            | FILLED            | 0
EXPIRE_MAKER | FILLED            | EXPIRED_IN_MATCH  | 1
EXPIRE_TAKER | EXPIRED_IN_MATCH  | NEW               | 0
EXPIRE_BOTH  | EXPIRED_IN_MATCH  | EXPIRED_IN_MATCH  | 0
DECREMENT    | EXPIRED_IN_MATCH  | EXPIRED_IN_MATCH  | 0
TRANSFER     | EXPIRED_IN_MATCH  | EXPIRED_IN_MATCH  | 0
"""


@pytest.mark.parametrize(
    "row", [[cell.strip() for cell in line.split("|")] for line in STP.strip().splitlines()[1:]], ids=lambda row: row[0]
)
def test_the_takers_mode_decides_about_a_trade_with_itself(bench: Any, row: list[str]) -> None:
    mode, taker_status, maker_status, others = row
    maker, _ = bench.place("SELL LIMIT 1 @ 100.05")
    bench.place("SELL LIMIT 1 @ 100.06", account="other")
    taker, effects = bench.place(f"BUY LIMIT 1 @ 100.06 stp={mode}")
    assert (taker.status, maker.status) == (taker_status, maker_status)
    theirs = bench.exchange.trades.get(("other", "BTCUSDT"), [])
    assert len(theirs) == int(others)
    prevented = [report for report in effects.reports if report.exec_type == "TRADE_PREVENTION"]
    assert bool(prevented) == (mode != "NONE") == bool(bench.exchange.prevented)
    assert all(report.prevented.price == d("100.05") for report in prevented)


def test_decrement_takes_the_smaller_quantity_from_both(bench: Any) -> None:
    maker, _ = bench.place("SELL LIMIT 1 @ 100.05")
    taker, _ = bench.place("BUY LIMIT 3 @ 100.10 stp=DECREMENT")
    assert (maker.status, maker.prevented_quantity) == ("EXPIRED_IN_MATCH", 1)
    assert (taker.status, taker.prevented_quantity, taker.cum_quantity) == ("FILLED", 1, 2)
    assert bench.balances()["BTC"][1] == 0
    assert bench.balances()["USDT"][1] == 0


@pytest.mark.parametrize(("makers", "effective"), [("TRANSFER", "TRANSFER"), ("EXPIRE_MAKER", "DECREMENT")])
def test_a_transfer_within_one_account_is_a_decrement_and_both_have_to_ask_for_it(
    bench: Any, makers: str, effective: str
) -> None:
    maker, _ = bench.place(f"SELL LIMIT 1 @ 100.05 stp={makers}")
    taker, _ = bench.place("BUY LIMIT 3 @ 100.10 stp=TRANSFER")
    assert (maker.status, maker.prevented_quantity) == ("EXPIRED_IN_MATCH", 1)
    assert (taker.status, taker.prevented_quantity, taker.cum_quantity) == ("FILLED", 1, 2)
    assert [prevented.stp_mode for prevented in bench.exchange.prevented] == [effective]


def test_a_market_order_past_its_own_orders_holds_what_it_needs(bench: Any) -> None:
    bench.place("SELL LIMIT 2 @ 100.05")
    taker, _ = bench.place("BUY MARKET 2 stp=EXPIRE_MAKER")
    assert (taker.status, taker.cum_quote) == ("FILLED", d("200.20"))


def test_fill_or_kill_counts_only_what_others_offer(bench: Any) -> None:
    bench.place("SELL LIMIT 2 @ 100.05")
    taker, _ = bench.place("BUY LIMIT 3 @ 100.10 FOK stp=EXPIRE_MAKER")
    assert (taker.status, taker.cum_quantity) == ("EXPIRED", 0)


def test_a_restarted_venue_keeps_the_order_in_which_orders_went_to_work(bench: Any) -> None:
    lines = [{"op": 0, **account_record(account)} for account in bench.exchange.accounts.values()]

    def note(effects: Any) -> None:
        operation = len(lines) + 1
        lines.extend({"op": operation, **record} for record in effect_records(effects, effects.take_balances()))

    note(bench.place("SELL STOP_LOSS_LIMIT 1 @ 101 stop=99 id=late")[1])
    note(bench.place("SELL LIMIT 1 @ 101 GTC id=early")[1])
    note(bench.trade("SELL", "99", "0.001"))
    rebuilt = Exchange([bench.exchange.listings["BTCUSDT"].rules], Fees())
    restorer = Restorer(rebuilt)
    for line in lines:
        restorer.apply(line)
    restorer.finish()
    for exchange in (bench.exchange, rebuilt):
        matches = exchange.listings["BTCUSDT"].book.plan(Side.BUY, Decimal(20), None)
        assert [match.maker.client_order_id for match in matches if match.maker] == ["early", "late"]
