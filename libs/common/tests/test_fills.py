"""One booked trade, and the memory that books it once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import Liquidity, Side
from pitwire.common.fills import BookedTrades, Fill, fill_of, trade_id_of, trade_key
from pitwire.common.testing.journal import Journal, order_intent

D = Decimal


def fill(trade_id: str, **changed: Any) -> Fill:
    values: dict[str, Any] = {
        "account": "main",
        "strategy": "momentum",
        "client_order_id": "C",
        "venue": "sim",
        "venue_account": "sim-main",
        "instrument_id": "BTC-USDT.sim",
        "side": Side.BUY,
        "quantity": D(1),
        "price": D(100),
        "fee": D("0.1"),
        "fee_currency": "USDT",
        "trade_id": trade_id,
        "ts_event_ns": 5,
        "liquidity": Liquidity.MAKER,
    }
    return Fill(**(values | changed))


def report(**changed: Any) -> Any:
    journal = Journal()
    journal.start()
    return journal.report_of(journal.approve(order_intent(1, "BUY", "2", limit_price="10")), "TRADE", **changed)


@pytest.mark.parametrize(
    "other", [{"venue": "b"}, {"venue_account": "b"}, {"instrument_id": "ETH-USDT.sim"}, {"trade_id": "2"}]
)
def test_a_trade_is_known_by_venue_account_instrument_and_id(other: dict[str, Any]) -> None:
    """S-31, I-8: another venue may use the same number."""
    trades = BookedTrades()
    trades.put(fill("1"))
    assert fill("1").key in trades
    assert fill("1", client_order_id="D", strategy="x").key in trades
    assert fill(**({"trade_id": "1"} | other)).key not in trades


def test_where_a_venue_names_no_trade_the_id_is_made_from_what_it_says() -> None:
    """Deterministic: the same report makes the same id again."""
    assert trade_id_of(report(trade_id="7", exec_id="e")) == "7"
    assert trade_id_of(report(exec_id="e")) == "e"
    assert trade_id_of(report(cum_quantity="1.50")) == trade_id_of(report(cum_quantity="1.5"))
    assert trade_key(report(trade_id="7")) == "sim|sim-main|BTC-USDT.sim|7"


def test_a_fill_carries_the_venues_figures() -> None:
    """S-4: the fee is the venue's figure in the venue's currency."""
    told = report(trade_id="7", last_quantity="2", last_price="9.5", fee="-0.01", fee_currency="BNB", liquidity="MAKER")
    found = fill_of(told)
    assert (found.quantity, found.price, found.fee, found.fee_currency) == (D(2), D("9.5"), D("-0.01"), "BNB")
    assert (found.liquidity, found.strategy, fill_of(told, strategy="x").strategy) == (Liquidity.MAKER, "momentum", "x")


def test_a_reversal_moves_everything_back() -> None:
    sold = fill("1", side=Side.SELL)
    back = sold.reversed(ts_event_ns=9)
    assert (sold.signed_quantity, sold.signed_fee) == (D(-1), D("0.1"))
    assert (back.signed_quantity, back.signed_fee, back.ts_event_ns) == (D(1), D("-0.1"), 9)


def test_a_busted_trade_stays_known_and_cannot_be_busted_twice() -> None:
    trades = BookedTrades()
    trades.put(fill("1"))
    trades.put(fill("1").reversed(ts_event_ns=9))
    assert fill("1").key in trades
    assert trades.find(fill("1").key) is None


def test_memory_is_bounded_and_an_old_number_is_refused_rather_than_booked_twice() -> None:
    """I-31, I-8: below the floor nobody can say whether it was booked."""
    trades = BookedTrades(kept=3)
    for number in (10, 11, 12, 13, 14):
        trades.put(fill(str(number)))
    assert fill("11").key not in trades
    assert trades.is_too_old(fill("11").key)
    assert trades.is_too_old(fill("3").key)
    assert not trades.is_too_old(fill("15").key)
    assert not trades.is_too_old(fill("3", instrument_id="ETH-USDT.sim").key)
    assert not trades.is_too_old(fill("x-1").key)
    again = BookedTrades.restore(trades.snapshot(), kept=3)
    assert again.snapshot() == trades.snapshot()
    assert again.find(fill("14").key) == fill("14")
    assert again.is_too_old(fill("11").key)


@pytest.mark.parametrize(
    ("side", "fee_currency", "wanted"),
    [("BUY", "USDT", "-100.1"), ("SELL", "USDT", "99.9"), ("BUY", "BTC", "-100"), ("SELL", "BNB", "100")],
)
def test_the_net_value_of_a_fill_counts_only_a_fee_in_quote(side: str, fee_currency: str, wanted: str) -> None:
    """S-4: a fee in base or in a third asset is no quote currency."""
    found = fill("1", side=Side(side), fee_currency=fee_currency)
    assert (found.notional, found.net_value) == (D(100), D(wanted))
    assert found.reversed(ts_event_ns=1).net_value == -found.net_value
