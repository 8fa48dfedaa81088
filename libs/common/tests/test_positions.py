"""One position against tables worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import Side
from pitwire.common.fills import Fill
from pitwire.common.money import canonical
from pitwire.common.positions import Position

BTC = "BTC-USDT.sim"


def trade(side: str, quantity: str, price: str, **changed: Any) -> Fill:
    values: dict[str, Any] = {
        "account": "main",
        "strategy": "momentum",
        "client_order_id": "C",
        "venue": "sim",
        "venue_account": "sim-main",
        "instrument_id": BTC,
        "side": Side(side),
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "fee": Decimal(0),
        "fee_currency": "USDT",
        "trade_id": "1",
        "ts_event_ns": 1,
    }
    return Fill(**(values | changed))


def after(row: str) -> Position:
    """`+1@100` buys, `-1@100` sells, `~` before it reverses; `fee=0.1USDT` belongs to the trade before it."""
    position, told = Position(BTC), row.split()
    at = 0
    while at < len(told):
        word, fee, currency = told[at], "0", "USDT"
        at += 1
        if at < len(told) and told[at].startswith("fee="):
            amount = told[at].removeprefix("fee=")
            currency = amount.lstrip("-0123456789.")
            fee = amount.removesuffix(currency)
            at += 1
        reversal = word.startswith("~")
        word = word.removeprefix("~")
        quantity, price = word[1:].split("@")
        side = "BUY" if word[0] == "+" else "SELL"
        fill = trade(side, quantity, price, fee=Decimal(fee), fee_currency=currency, ts_event_ns=at)
        position = position.apply_fill(fill.reversed(ts_event_ns=at) if reversal else fill)
    return position


# trades -> quantity, cost, average, realised, fees, unrealised at 110
TABLE = """
+1@100                                  -> 1     100    100   0   0    10
-1@100                                  -> -1    -100   100   0   0    -10
+1@100 +1@110                           -> 2     210    105   0   0    10
+1@100 +3@120                           -> 4     460    115   0   0    -20
+2@100 -1@130                           -> 1     100    100   30  0    10
+2@100 -2@130                           -> 0     0      -     60  0    0
-1@95 +1@100                            -> 0     0      -     -5  0    0
-2@100 +1@90                            -> -1    -100   100   10  0    -10
+1@100 -3@110                           -> -2    -220   110   10  0    0
-1@100 +3@90                            -> 2     180    90    10  0    40
+1@100 -3@110 +2@110                    -> 0     0      -     10  0    0
+1@100 fee=0.1USDT                      -> 1     100    100   0   0.1  10
+1@100 fee=0.1USDT +1@100 fee=0.1USDT   -> 2     200    100   0   0.2  20
+2@100 fee=0.2USDT -1@100 fee=0.1USDT   -> 1     100    100   0   0.3  10
+1@100 fee=-0.01USDT                    -> 1     100    100   0   -0.01 10
+1@100 fee=0.001BTC                     -> 0.999 99.9   100   0   0.1  9.99
+1@100 +1@200 fee=0.001BTC              -> 1.999 299.8  -     0   0.2  -79.91
+1@100 fee=-0.001BTC                    -> 1.001 100.1  100   0   -0.1 10.01
+1@100 -0.5@120 fee=0.001BTC            -> 0.499 49.9   100   10.02 0.12 4.99
-1@100 fee=0.001BTC                     -> -1.001 -100.1 100  0   0.1  -10.01
-1@100 +1@90 fee=0.001BTC               -> -0.001 -0.1  100   9.99 0.09 -0.01
+1@100 fee=1BTC                         -> 0     0      -     0   100  0
+1@100 ~+1@100                          -> 0     0      -     0   0    0
+1@100 fee=0.1USDT ~+1@100 fee=0.1USDT  -> 0     0      -     0   0.0  0
+1@100 fee=0.001BTC ~+1@100 fee=0.001BTC -> 0    0      -     0   0.0  0
+1@100 -1@110 ~-1@110                   -> 1     110    110   10  0    0
+0.7@10 +0.1@10 +0.1@10 +0.1@10 -1@10   -> 0     0      -     0   0    0
"""


@pytest.mark.parametrize("row", TABLE.strip().splitlines())
def test_a_position_follows_its_trades_exactly(row: str) -> None:
    """S-1, S-2, S-3, S-4, S-8, S-9: flips, exact closes, every fee once and in its asset, no float dust."""
    trades, expected = row.split("->")
    quantity, cost, average, realised, fees, unrealised = expected.split()
    position = after(trades)
    found = (position.quantity, position.cost, position.realised_pnl, position.fees)
    assert found == tuple(Decimal(text) for text in (quantity, cost, realised, fees))
    assert position.unrealised_pnl(Decimal(110)) == Decimal(unrealised)
    if average != "-":
        assert position.average_price is not None
        assert position.average_price == Decimal(average)


def test_the_flip_of_the_reference_code_makes_ten_not_five() -> None:
    """S-1: long 1 at 100, sell 3 at 110, cover at 110: the profit is 10."""
    position = after("+1@100 -3@110 +2@110")
    assert position.total_pnl(None) == Decimal(10)
    assert after("+1@100 -3@110").average_price == Decimal(110)


def test_closing_a_short_exactly_is_flat_and_not_a_flip() -> None:
    """S-2: zero has no sign."""
    position = after("-1@100 +1@95")
    assert position.is_flat
    assert position.average_price is None
    assert position.side is None
    assert position.cost == 0


def test_a_thirds_cost_is_rounded_once_and_the_rest_stays_whole() -> None:
    """I-12: the one rounded figure is the cost released; what is left and what was released add up."""
    position = after("+3@100.01 -1@100")
    released = Decimal("100.01")
    assert position.cost == Decimal("300.03") - released
    odd = after("+0.7@100 +0.6@101 -0.3@100")
    whole = Decimal(70) + Decimal("60.6")
    assert odd.cost + (Decimal(30) - odd.realised_pnl) == whole
    assert len(canonical(odd.cost).partition(".")[2]) <= 36


def test_average_price_is_unchanged_by_reductions() -> None:
    """I-12."""
    before, later = after("+0.7@100 +0.6@101"), after("+0.7@100 +0.6@101 -0.3@140 -0.4@90")
    assert before.average_price is not None
    assert later.average_price is not None
    assert abs(before.average_price - later.average_price) < Decimal("1e-30")


def test_opened_at_is_the_event_time_of_the_trade_that_opened_it() -> None:
    """S-7: not the local clock, and anew on a flip."""
    opened = Position.opened_by(trade("BUY", "1", "100", ts_event_ns=7))
    assert (opened.opened_ns, opened.updated_ns) == (7, 7)
    added = opened.apply_fill(trade("BUY", "1", "100", ts_event_ns=8))
    assert (added.opened_ns, added.updated_ns) == (7, 8)
    flipped = added.apply_fill(trade("SELL", "5", "100", ts_event_ns=9))
    assert flipped.opened_ns == 9
    closed = flipped.apply_fill(trade("BUY", "3", "100", ts_event_ns=10))
    assert (closed.opened_ns, closed.updated_ns, closed.fill_count) == (0, 10, 4)


def test_realised_profit_and_fees_stay_when_a_position_is_closed() -> None:
    """S-5: profit does not vanish with the position."""
    position = after("+1@100 fee=0.1USDT -1@110 fee=0.1USDT")
    assert position.is_flat
    assert (position.realised_pnl, position.fees, position.total_pnl(None)) == (
        Decimal(10),
        Decimal("0.2"),
        Decimal("9.8"),
    )


def test_fees_in_a_third_asset_stand_apart() -> None:
    """I-13: they are neither quote nor base."""
    position = after("+1@100 fee=0.002BNB -1@100 fee=0.002BNB +1@100 fee=-0.001BNB")
    assert (position.fees, position.quantity) == (Decimal(0), Decimal(1))
    assert position.other_fees == (("BNB", Decimal("0.003")),)


def test_unrealised_profit_follows_the_mark_and_is_nothing_without_one() -> None:
    """S-6."""
    position = after("+2@100")
    assert position.unrealised_pnl(Decimal("100.5")) == 1
    assert position.value(Decimal("100.5")) == 201
    assert (position.unrealised_pnl(None), position.value(None)) == (Decimal(0), Decimal(200))


def test_dust_is_kept_exactly_and_goes_exactly() -> None:
    """S-8: 1e-18 is a position, zero is none."""
    dust = after("+1@100 -0.999999999999999999@100")
    assert dust.quantity == Decimal("1e-18")
    assert not dust.is_flat
    assert after("+1@100 -0.999999999999999999@100 -0.000000000000000001@100").is_flat


def test_a_bust_leaves_equity_as_if_the_trade_had_never_been() -> None:
    """Whatever the average method makes of it, cash and quantity are those of the other trades alone."""
    for mark in ("90", "100", "137.5"):
        busted = after("+1@100 fee=0.1USDT +1@110 fee=0.11USDT ~+1@100 fee=0.1USDT")
        alone = after("+1@110 fee=0.11USDT")
        assert busted.total_pnl(Decimal(mark)) == alone.total_pnl(Decimal(mark))
        assert busted.quantity == alone.quantity


def test_questions_about_a_position() -> None:
    assert after("+1@100").is_long
    assert after("-1@100").is_short
    assert Position(BTC).is_flat
    assert (after("+1@100").side, after("-1@100").side) == (Side.BUY, Side.SELL)


def test_a_fill_of_another_instrument_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot move a position"):
        Position("ETH-USDT.sim").apply_fill(trade("BUY", "1", "1"))


def test_a_snapshot_row_brings_the_same_position_back() -> None:
    position = after("+1@100 fee=0.002BNB -0.3@107 fee=0.001BTC")
    assert Position.restore(position.snapshot()) == position
