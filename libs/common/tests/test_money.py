"""Exact sums, defined roundings, figures that fit the wire."""

from __future__ import annotations

from decimal import Decimal, DivisionByZero, FloatOperation, Inexact, getcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.common import money
from pitwire.common.enums import OrderType, Side
from pitwire.common.schemas.ledger import Mark, Reservation

D = Decimal
numbers = st.decimals(min_value=D("-1e12"), max_value=D("1e12"), allow_nan=False, allow_infinity=False, places=18)
positives = st.decimals(min_value=D("1e-18"), max_value=D("1e12"), allow_nan=False, places=18)


def test_a_sum_that_would_be_rounded_raises_inside_exact() -> None:
    """S-9: the default context of 28 digits loses the last one without a word."""
    large, small = D("1e30"), D("1e-30")
    assert large + small == large

    @money.exact
    def add() -> Decimal:
        return large + small

    assert Fraction(add()) == Fraction(10**30) + Fraction(1, 10**30)

    @money.exact
    def third() -> Decimal:
        return D(1) / D(3)

    with pytest.raises(Inexact):
        third()


def test_exact_gives_the_callers_context_back_even_after_an_error() -> None:
    outer = getcontext()

    @money.exact
    def inner() -> None:
        assert getcontext() is money.EXACT
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        inner()
    assert getcontext() is outer


@pytest.mark.parametrize("mix", [lambda: D("1.5") < 2.5, lambda: D(0.1)])
def test_mixing_a_float_into_money_raises(mix: object) -> None:
    """S-9."""
    assert callable(mix)
    with pytest.raises(FloatOperation):
        money.exact(mix)()


def test_a_ratio_over_zero_raises_and_is_never_nan() -> None:
    """S-22: a drawdown against a peak of zero passed every comparison."""
    with pytest.raises(DivisionByZero):
        money.ratio(D(1), D(0))


ROUNDINGS = """
# what            value   step  result
quantity          1.239   0.01  1.23
quantity          0.009   0.01  0
quantity          -1.239  0.01  -1.23
quantity          1.2     0.5   1.0
limit BUY         100.019 0.01  100.01
limit SELL        100.011 0.01  100.02
limit BUY         100.02  0.01  100.02
limit SELL        100.02  0.01  100.02
limit BUY         107     5     105
limit SELL        106     5     110
STOP_LOSS SELL    94.991  0.01  95.00
STOP_LOSS BUY     105.009 0.01  105.00
STOP_LOSS_LIMIT SELL  94.991 0.01 95.00
TAKE_PROFIT SELL  110.019 0.01  110.01
TAKE_PROFIT BUY   89.991  0.01  90.00
TAKE_PROFIT_LIMIT BUY 89.991 0.01 90.00
"""


@pytest.mark.parametrize("row", [r for r in ROUNDINGS.strip().splitlines() if not r.startswith("#")])
def test_rounding_goes_the_way_that_lowers_risk(row: str) -> None:
    """S-48, I-15."""
    *what, value, step, wanted = row.split()
    if what == ["quantity"]:
        found = money.round_quantity(D(value), lot_size=D(step))
    elif what[0] == "limit":
        found = money.round_limit_price(D(value), tick_size=D(step), side=Side(what[1]))
    else:
        side, order_type = Side(what[1]), OrderType(what[0])
        found = money.round_stop_price(D(value), tick_size=D(step), side=side, order_type=order_type)
    assert found == D(wanted)


@settings(max_examples=200, deadline=None)
@given(positives, positives)
def test_rounded_to_a_step_is_a_multiple_and_the_nearest_on_its_side(value: Decimal, step: Decimal) -> None:
    down, up = money.floor_to(value, step), money.ceil_to(value, step)
    assert money.is_multiple(down, step)
    assert money.is_multiple(up, step)
    assert Fraction(down) <= Fraction(value) <= Fraction(up)
    assert Fraction(value) - Fraction(down) < Fraction(step)
    assert Fraction(up) - Fraction(value) < Fraction(step)


@settings(max_examples=200, deadline=None)
@given(numbers, positives, positives)
def test_the_released_cost_is_the_share_rounded_half_even(cost: Decimal, one: Decimal, other: Decimal) -> None:
    part, whole = min(one, other), max(one, other)
    quantum = Fraction(1, 10**money.COST_DECIMALS)
    wanted = round(Fraction(cost) * Fraction(part) / Fraction(whole) / quantum) * quantum
    assert Fraction(money.released_cost(cost, part, whole)) == wanted


@settings(max_examples=200, deadline=None)
@given(positives, positives, positives)
def test_a_share_of_a_reservation_is_never_too_small(amount: Decimal, one: Decimal, other: Decimal) -> None:
    part, whole = min(one, other), max(one, other)
    share = Fraction(money.share_up(amount, part, whole))
    wanted = Fraction(amount) * Fraction(part) / Fraction(whole)
    assert wanted <= share < wanted + Fraction(1, 10**money.WIRE_DECIMALS) or share == wanted


@settings(max_examples=200, deadline=None)
@given(numbers, numbers)
def test_sums_products_and_differences_are_exact_in_any_context(left: Decimal, right: Decimal) -> None:
    assert Fraction(money.total(left, right)) == Fraction(left) + Fraction(right)
    assert Fraction(money.difference(left, right)) == Fraction(left) - Fraction(right)
    assert Fraction(money.product(left, right)) == Fraction(left) * Fraction(right)
    assert Fraction(money.percent_of(left, right)) == Fraction(left) * Fraction(right) / 100
    assert Fraction(money.basis_points_of(left, right)) == Fraction(left) * Fraction(right) / 10_000


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.500", "1.5"), ("0E-8", "0"), ("-0", "0"), ("1E+3", "1000"), ("100", "100"), ("-2.50", "-2.5")],
)
def test_equal_values_have_one_spelling(value: str, text: str) -> None:
    assert money.canonical(D(value)) == text


def test_a_float_becomes_money_by_its_shortest_spelling() -> None:
    assert money.from_float(0.1) == D("0.1")
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="cannot become money"):
            money.from_float(bad)


@pytest.mark.parametrize("value", ["1e60", "-1e60", "1e-60", "123456789.1234567890123456789012345", "0", "1E+24"])
def test_any_computed_figure_fits_the_wire(value: str) -> None:
    figure = money.on_wire_up(money.on_wire(D(value)))
    if figure > 0:
        Mark(instrument_id="BTC-USDT.sim", mark_price=figure, ts_event_ns=1)
    assert abs(figure) <= D("1e21")


def test_a_reservation_is_rounded_up_to_the_wire() -> None:
    tiny = money.on_wire_up(D("1e-30"))
    assert tiny == D("1e-18")
    Reservation(instrument_id="BTC-USDT.sim", side=Side.BUY, quantity=tiny, worst_price=tiny, asset="USDT", amount=tiny)
