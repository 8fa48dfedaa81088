"""The book keeps price-time priority between the market's quantity and users' orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pitwire.venue_sim.core.types import Side


def d(text: str) -> Decimal:
    return Decimal(text)


def shown(bench: Any, side: Side) -> list[str]:
    return [
        f"{price}*{quantity.normalize():f}"
        for price, quantity in bench.exchange.listings["BTCUSDT"].book.depth(side, 10)
    ]


def test_shows_market_and_users_in_one_ladder(bench: Any) -> None:
    bench.place("BUY LIMIT 1 @ 99.95")
    bench.place("BUY LIMIT 1 @ 99.90")
    assert shown(bench, Side.BUY) == ["99.95*1", "99.90*3", "99.80*3"]


def test_an_order_waits_behind_the_market_quantity_at_its_price(bench: Any) -> None:
    order, _ = bench.place("BUY LIMIT 1 @ 99.90")
    assert order.ahead == 2
    bench.trade("SELL", "99.90", "1.5")
    assert (order.cum_quantity, order.ahead) == (0, d("0.5"))
    bench.trade("SELL", "99.90", "0.7")
    assert (order.cum_quantity, order.ahead) == (d("0.2"), 0)


def test_what_the_market_adds_later_stands_behind(bench: Any) -> None:
    order, _ = bench.place("BUY LIMIT 1 @ 99.90")
    bench.trade("SELL", "99.90", "2")
    bench.quote(bids="99.90*50 99.80*3")
    assert order.ahead == 0
    bench.trade("SELL", "99.90", "1")
    assert order.status == "FILLED"


def test_an_order_moves_up_when_the_market_withdraws(bench: Any) -> None:
    order, _ = bench.place("BUY LIMIT 1 @ 99.80")
    assert order.ahead == 3
    bench.quote(bids="99.90*2")
    assert order.ahead == 0


def test_users_at_one_price_are_filled_in_order_of_arrival(bench: Any) -> None:
    first, _ = bench.place("BUY LIMIT 1 @ 99.95")
    second, _ = bench.place("BUY LIMIT 1 @ 99.95", account="other")
    bench.trade("SELL", "99.95", "1.5")
    assert (first.cum_quantity, second.cum_quantity) == (1, d("0.5"))


def test_a_better_price_is_filled_first(bench: Any) -> None:
    early, _ = bench.place("BUY LIMIT 1 @ 99.92")
    better, _ = bench.place("BUY LIMIT 1 @ 99.95")
    bench.trade("SELL", "99.92", "1")
    assert (early.cum_quantity, better.cum_quantity) == (0, 1)


def test_quotes_that_cross_a_users_order_trade_with_it_at_its_price(bench: Any) -> None:
    order, _ = bench.place("BUY LIMIT 1 @ 99.95")
    bench.quote(bids="99.50*2", asks="99.60*0.4 99.70*2")
    assert order.status == "FILLED"
    assert order.cum_quote == d("99.95")


def test_a_user_too_large_for_the_crossing_quotes_keeps_the_rest_and_is_never_crossed(bench: Any) -> None:
    order, _ = bench.place("BUY LIMIT 5 @ 99.95")
    bench.quote(bids="99.50*2", asks="99.60*0.4 99.70*0.6 100.00*2")
    assert order.cum_quantity == 1
    assert shown(bench, Side.BUY)[0] == "99.95*4"
    assert shown(bench, Side.SELL)[0] == "100.00*2"


def test_a_taker_eats_levels_from_the_best(bench: Any) -> None:
    order, _ = bench.place("BUY MARKET 3")
    assert order.cum_quote == 2 * d("100.10") + d("100.20")
    assert shown(bench, Side.SELL) == ["100.20*2"]


def test_a_taker_meets_market_and_users_in_queue_order(bench: Any) -> None:
    maker, _ = bench.place("SELL LIMIT 1 @ 100.10", account="other")
    taker, effects = bench.place("BUY LIMIT 2.5 @ 100.10 IOC")
    assert taker.cum_quantity == d("2.5")
    assert maker.cum_quantity == d("0.5")
    quantities = [report.trade.last_quantity for report in effects.reports if report.trade is not None]
    assert quantities == [2, d("0.5"), d("0.5")]
