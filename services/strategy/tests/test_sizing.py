"""From target to order: what is missing, in whole lots, towards less risk. One row, one case."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.common.enums import Side
from pitwire.common.money import canonical
from pitwire.common.testing.market import definition
from pitwire.strategy.core.sizing import Holding, Sized, TooSmall, fitting, towards

STEPS = definition(lot_size="0.01", min_quantity="0.01", max_quantity="10", min_notional="5", max_notional="5000")


def told(found: Sized | TooSmall) -> str:
    return f"{found.side} {canonical(found.quantity)}" if isinstance(found, Sized) else found.reason


@pytest.mark.parametrize(
    ("target", "position", "buys", "sells", "expect"),
    [
        # from nothing, up, down, to nothing: always what is missing, never the target again
        ("1", "0", "0", "0", "BUY 1"),
        ("1", "0.4", "0", "0", "BUY 0.6"),
        ("1", "1", "0", "0", "target is held or on its way"),
        ("1", "0", "1", "0", "target is held or on its way"),
        ("1", "0", "0.4", "0", "BUY 0.6"),
        ("0.4", "1", "0", "0", "SELL 0.6"),
        ("0", "1", "0", "0", "SELL 1"),
        ("0", "1", "0", "1", "target is held or on its way"),
        ("0", "1", "0", "0.3", "SELL 0.7"),
        ("1", "1", "0", "0.5", "BUY 0.5"),
        # a sell never opens a short, whatever is asked for
        ("-1", "1", "0", "0", "SELL 1"),
        ("-1", "0", "0", "0", "target is held or on its way"),
        ("0", "0.5", "1", "0", "SELL 0.5"),
        # whole lots: a buy down, a sell up, a sell of everything never beyond what is held
        ("1.999", "0", "0", "0", "BUY 1.99"),
        ("0.995", "1.999", "0", "0", "SELL 1.01"),
        ("0", "1.999", "0", "0", "SELL 1.99"),
        ("0", "0.009", "0", "0", "0.009 is less than the smallest quantity 0.01"),
        ("0.009", "0", "0", "0", "0.009 is less than the smallest quantity 0.01"),
        # bounds of the venue
        ("50", "0", "0", "0", "BUY 10"),
        ("0.04", "0", "0", "0", "worth 4, the venue takes no order below 5"),
    ],
)
def test_the_order_is_what_is_missing_to_the_target(
    target: str, position: str, buys: str, sells: str, expect: str
) -> None:
    """S-46: a target used as a delta pyramids and turns an exit into a short. S-48: tick, lot, minimum notional."""
    holding = Holding(Decimal(position), Decimal(buys), Decimal(sells))
    assert told(towards(Decimal(target), holding, STEPS, Decimal(100))) == expect


@pytest.mark.parametrize(
    ("target", "position", "expect"),
    [
        ("1", "0.99", "target is held or on its way"),
        ("1", "0.97", "BUY 0.03"),
        ("1", "1.02", "target is held or on its way"),
        ("0", "0.06", "SELL 0.06"),
    ],
)
def test_a_small_move_of_the_target_is_not_traded_but_an_exit_always_is(
    target: str, position: str, expect: str
) -> None:
    holding = Holding(Decimal(position), Decimal(0), Decimal(0))
    dear = Decimal(1_000)
    assert told(towards(Decimal(target), holding, STEPS, dear, tolerance=Decimal("0.02"))) == expect


def test_the_largest_notional_of_the_venue_bounds_the_quantity() -> None:
    assert told(fitting(Side.BUY, Decimal(9), STEPS, Decimal(1_000))) == "BUY 5"


amounts = st.decimals(min_value=0, max_value=20, places=4)


@given(amounts, amounts, amounts, amounts, st.decimals(min_value="0.01", max_value=5_000, places=2))
def test_an_order_always_fits_the_instrument_and_never_overshoots(
    target: Decimal, position: Decimal, buys: Decimal, sells: Decimal, price: Decimal
) -> None:
    """I-15, and that no sell is larger than what is held and not yet for sale."""
    holding = Holding(position, buys, sells)
    found = towards(target, holding, STEPS, price)
    if isinstance(found, TooSmall):
        return
    assert found.quantity % STEPS.lot_size == 0
    assert Decimal("0.01") <= found.quantity <= 10
    assert 5 <= found.quantity * price <= 5_000
    if found.side is Side.BUY:
        assert holding.expected + found.quantity <= target
    else:
        assert found.quantity <= position - sells
        assert found.quantity < holding.expected - target + STEPS.lot_size
