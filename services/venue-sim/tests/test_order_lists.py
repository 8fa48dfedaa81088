"""OTO and OTOCO in the core: what waits, what is placed when the working order is filled, what ends with what."""

from __future__ import annotations

from typing import Any

from pitwire.venue_sim.core.types import OrderStatus


def story(reports: list[Any]) -> list[str]:
    return [f"{report.order.client_order_id} {report.exec_type} {report.status}" for report in reports]


def test_the_pending_order_is_placed_once_the_working_order_is_filled(bench: Any) -> None:
    _, effects = bench.oto("BUY LIMIT 1 @ 99.90 GTC", "SELL LIMIT 0.5 @ 100.10 GTC")
    assert story(effects.reports) == ["a1 NEW PENDING_NEW", "w1 NEW NEW"]
    assert bench.balances()["BTC"][1] == 0, "a pending order holds no funds"
    effects = bench.trade("SELL", "99.90", "2.5")
    assert story(effects.reports) == ["w1 TRADE PARTIALLY_FILLED"]
    effects = bench.trade("SELL", "99.90", "0.5")
    assert story(effects.reports) == ["w1 TRADE FILLED", "a1 NEW NEW"]
    assert str(bench.balances()["BTC"][1]) == "0.5"
    assert not bench.exchange.lists[0].is_done
    effects = bench.trade("BUY", "100.10", "5")
    assert story(effects.reports) == ["a1 TRADE FILLED"]
    assert bench.exchange.lists[0].is_done


def test_a_working_order_that_fills_at_once_places_the_pending_one_at_once(bench: Any) -> None:
    _, effects = bench.oto("BUY LIMIT 1 @ 100.10 GTC", "SELL MARKET 0.5")
    assert story(effects.reports) == [
        "a1 NEW PENDING_NEW",
        "w1 NEW NEW",
        "w1 TRADE FILLED",
        "a1 NEW NEW",
        "a1 TRADE FILLED",
    ]
    assert effects.lists[-1][1], "the list is done"


def test_a_pending_order_without_funds_is_rejected_when_its_time_comes(bench: Any) -> None:
    bench.oto("SELL LIMIT 1 @ 100.00 GTC", "SELL LIMIT 30 @ 105 GTC")
    effects = bench.trade("BUY", "100.00", "1")
    assert story(effects.reports) == ["w1 TRADE FILLED", "a1 REJECTED REJECTED"]
    assert effects.reports[-1].reason == "INSUFFICIENT_BALANCES"
    assert bench.exchange.lists[0].is_done
    assert bench.balances()["BTC"][1] == 0


def test_ending_the_working_order_ends_what_waits_for_it(bench: Any) -> None:
    order_list, _ = bench.oto("BUY LIMIT 1 @ 99 GTC", "SELL LIMIT 1 @ 105 GTC")
    working = bench.exchange.orders[order_list.order_ids[0]]
    effects = bench.exchange.cancel(working, cancel_id="c", now_ms=1)
    assert story(effects.reports) == ["w1 CANCELED CANCELED", "a1 CANCELED CANCELED"]
    _, effects = bench.oto("BUY LIMIT 1 @ 99 IOC", "SELL LIMIT 1 @ 105 GTC")
    assert story(effects.reports)[2:] == ["w2 EXPIRED EXPIRED", "a2 EXPIRED EXPIRED"]
    assert bench.balances()["USDT"] == (10000, 0)


def test_an_otoco_becomes_an_oco_that_holds_funds_once(bench: Any) -> None:
    order_list, _ = bench.oto("BUY LIMIT 1 @ 100.10 GTC", "SELL LIMIT_MAKER 0.9 @ 105", "SELL STOP_LOSS 0.9 stop=95")
    _working, above, below = (bench.exchange.orders[number] for number in order_list.order_ids)
    assert (above.status, below.status) == (OrderStatus.NEW, OrderStatus.NEW)
    assert str(bench.balances()["BTC"][1]) == "0.9"
    reports = bench.last("94")
    assert story(reports) == ["a1 EXPIRED EXPIRED", "b1 NEW NEW", "b1 TRADE FILLED"]
    assert order_list.is_done


def test_a_leg_that_ends_by_self_trade_prevention_ends_its_list(bench: Any) -> None:
    order_list, _ = bench.oco("SELL LIMIT_MAKER 1 @ 100.05", "SELL STOP_LOSS 1 stop=95")
    _, effects = bench.place("BUY LIMIT 1 @ 100.05 GTC stp=EXPIRE_MAKER")
    assert story(effects.reports)[1:3] == ["a1 TRADE_PREVENTION EXPIRED_IN_MATCH", "b1 EXPIRED EXPIRED"]
    assert order_list.is_done
