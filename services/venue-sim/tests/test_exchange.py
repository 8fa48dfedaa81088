"""Orders through their life: acceptance, fills, funds, fees, refusals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.venue_sim.core.errors import VenueError


def d(text: str) -> Decimal:
    return Decimal(text)


def story(effects: Any) -> list[str]:
    return [f"{report.exec_type} {report.status} {report.reason}".strip() for report in effects.reports]


CASES = """
order                      | story                                   | free USDT   | locked | free BTC  | locked
BUY MARKET 1               | NEW; FILLED                             | 9899.90     | 0      | 10.999    | 0
SELL MARKET 1              | NEW; FILLED                             | 10099.80010 | 0      | 9         | 0
BUY MARKET 6               | NEW; PARTIAL; PARTIAL; EXPIRED no depth | 9499.2000   | 0      | 14.995    | 0
BUY LIMIT 1 @ 99.00        | NEW                                     | 9901        | 99     | 10        | 0
SELL LIMIT 1 @ 101.00      | NEW                                     | 10000       | 0      | 9         | 1
BUY LIMIT 3 @ 100.10       | NEW; PARTIAL                            | 9699.70     | 100.10 | 11.998    | 0
BUY LIMIT 1 @ 105.00       | NEW; FILLED                             | 9899.90     | 0      | 10.999    | 0
BUY LIMIT 3 @ 100.10 IOC   | NEW; PARTIAL; EXPIRED ioc               | 9799.80     | 0      | 11.998    | 0
BUY LIMIT 1 @ 99.00 IOC    | NEW; EXPIRED ioc                        | 10000       | 0      | 10        | 0
BUY LIMIT 3 @ 100.10 FOK   | NEW; EXPIRED fok                        | 10000       | 0      | 10        | 0
BUY LIMIT 2 @ 100.10 FOK   | NEW; FILLED                             | 9799.80     | 0      | 11.998    | 0
BUY LIMIT_MAKER 1 @ 100.00 | NEW                                     | 9900        | 100    | 10        | 0
BUY MARKET quote=300.30    | NEW; PARTIAL; FILLED                    | 9699.7002   | 0      | 12.996001 | 0
"""
WORDS = {
    "NEW": "NEW NEW",
    "PARTIAL": "TRADE PARTIALLY_FILLED",
    "FILLED": "TRADE FILLED",
    "EXPIRED no depth": "EXPIRED EXPIRED INSUFFICIENT_LIQUIDITY",
    "EXPIRED ioc": "EXPIRED EXPIRED UNFILLED_IOC_QUANTITY_EXPIRED",
    "EXPIRED fok": "EXPIRED EXPIRED UNFILLED_FOK_ORDER_EXPIRED",
}


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()[1:]]


@pytest.mark.parametrize("row", rows(CASES), ids=lambda row: row[0])
def test_an_order_lives_as_its_type_says(bench: Any, row: list[str]) -> None:
    text, expected, *amounts = row
    _, effects = bench.place(text)
    assert story(effects) == [WORDS[step.strip()] for step in expected.split(";")]
    (free_usdt, locked_usdt), (free_btc, locked_btc) = bench.balances()["USDT"], bench.balances()["BTC"]
    assert [free_usdt, locked_usdt, free_btc, locked_btc] == [Decimal(amount) for amount in amounts]


REFUSALS = """
order                                 | code  | text
BUY LIMIT 1 @ 100.001                 | -1013 | Filter failure: PRICE_FILTER
BUY LIMIT 1.000001 @ 100              | -1013 | Filter failure: LOT_SIZE
BUY LIMIT 10000 @ 100                 | -1013 | Filter failure: LOT_SIZE
BUY LIMIT 0.01 @ 100                  | -1013 | Filter failure: NOTIONAL
BUY LIMIT 1 @ 501                     | -1013 | Filter failure: PERCENT_PRICE_BY_SIDE
BUY LIMIT 1 @ 19.99                   | -1013 | Filter failure: PERCENT_PRICE_BY_SIDE
BUY MARKET 1001                       | -1013 | Filter failure: MARKET_LOT_SIZE
BUY MARKET quote=4.99                 | -1013 | Filter failure: NOTIONAL
BUY LIMIT 101 @ 100                   | -2010 | Account has insufficient balance for requested action.
SELL LIMIT 10.00001 @ 100             | -2010 | Account has insufficient balance for requested action.
SELL MARKET 11                        | -2010 | Account has insufficient balance for requested action.
BUY LIMIT_MAKER 1 @ 100.10            | -2010 | Order would immediately match and take.
SELL LIMIT_MAKER 1 @ 99.90            | -2010 | Order would immediately match and take.
BUY LIMIT 1 @ 100 symbol=NOPE         | -1121 | Invalid symbol.
"""


@pytest.mark.parametrize("row", rows(REFUSALS), ids=lambda row: row[0])
def test_refuses_with_the_venues_code_and_changes_nothing(bench: Any, row: list[str]) -> None:
    text, code, message = row
    before = bench.balances()
    with pytest.raises(VenueError) as refusal:
        bench.place(text)
    assert (refusal.value.code, refusal.value.msg) == (int(code), message)
    assert bench.balances() == before
    assert bench.exchange.orders == {}


def test_a_client_order_id_is_unique_among_open_orders_only(bench: Any) -> None:
    first, _ = bench.place("BUY LIMIT 1 @ 99 id=same")
    with pytest.raises(VenueError, match="Duplicate order sent"):
        bench.place("BUY LIMIT 1 @ 99 id=same")
    bench.exchange.cancel(first, cancel_id="c", now_ms=1)
    second, _ = bench.place("BUY LIMIT 1 @ 99 id=same")
    assert bench.exchange.find_order("main", "BTCUSDT", None, "same") is second


def test_two_accounts_may_use_the_same_client_order_id(bench: Any) -> None:
    bench.place("BUY LIMIT 1 @ 99 id=same")
    order, _ = bench.place("BUY LIMIT 1 @ 99 id=same", account="other")
    assert order.status == "NEW"


def test_too_many_open_orders_are_refused(bench: Any) -> None:
    for _ in range(200):
        bench.place("BUY LIMIT 0.1 @ 99")
    with pytest.raises(VenueError, match="MAX_NUM_ORDERS"):
        bench.place("BUY LIMIT 0.1 @ 99")


def test_a_cancel_gives_the_funds_back_and_keeps_the_fills(bench: Any) -> None:
    order, _ = bench.place("BUY LIMIT 3 @ 100.10")
    effects = bench.exchange.cancel(order, cancel_id="c1", now_ms=5)
    assert story(effects) == ["CANCELED CANCELED"]
    assert effects.reports[0].client_order_id == "c1"
    assert effects.reports[0].orig_client_order_id == order.client_order_id
    assert bench.balances()["USDT"] == (d("9799.80"), 0)
    assert order.cum_quantity == 2


def test_an_order_that_is_done_cannot_be_canceled(bench: Any) -> None:
    order, _ = bench.place("BUY MARKET 1")
    with pytest.raises(VenueError, match="Unknown order sent"):
        bench.exchange.cancel(order, cancel_id="c", now_ms=5)


def test_a_maker_pays_in_what_it_receives(bench: Any) -> None:
    bench.place("BUY LIMIT 1 @ 99.95")
    effects = bench.trade("SELL", "99.95", "1")
    trade = effects.reports[0].trade
    assert (trade.fee, trade.fee_currency, trade.is_maker) == (d("0.001"), "BTC", True)
    bench.place("SELL LIMIT 1 @ 100.05")
    effects = bench.trade("BUY", "100.05", "1")
    trade = effects.reports[0].trade
    assert (trade.fee, trade.fee_currency) == (d("0.10005"), "USDT")


def test_trade_ids_of_users_have_no_gap(bench: Any) -> None:
    bench.place("BUY MARKET 3")
    bench.place("SELL MARKET 3")
    ids = [trade.trade_id for trade in bench.exchange.trades[("main", "BTCUSDT")]]
    assert ids == list(range(ids[0], ids[0] + 4))


def test_a_pair_of_ids_must_name_one_order(bench: Any) -> None:
    order, _ = bench.place("BUY LIMIT 1 @ 99 id=a")
    find = bench.exchange.find_order
    assert find("main", "BTCUSDT", order.venue_order_id, "a") is order
    assert find("other", "BTCUSDT", order.venue_order_id, None) is None
    with pytest.raises(VenueError) as refusal:
        find("main", "BTCUSDT", order.venue_order_id, "b")
    assert refusal.value.code == -2039


def test_balances_that_changed_are_told_once(bench: Any) -> None:
    _, effects = bench.place("BUY MARKET 1")
    assert effects.take_balances() == [
        ("main", "USDT", d("9899.90"), 0),
        ("main", "BTC", d("10.999"), 0),
    ]
    assert effects.take_balances() == []
